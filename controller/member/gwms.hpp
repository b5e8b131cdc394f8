// SPDX-License-Identifier: Apache-2.0
// The sessions of a member with all its GWMs, each of which is to reach the same goal. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/renumbering.hpp"
#include "controller/cli/log_lines.hpp"
#include "controller/member/options.hpp"
#include "controller/sasp/linked_session.hpp"
#include "controller/sasp/member_session.hpp"

namespace saspd::member {

class Gwms {
 public:
  // How far one GWM is.
  struct Standing {
    std::string name;                      // HOST:PORT
    bool reached = false;                  // it has acknowledged the whole goal
    std::optional<sasp::Refused> refused;  // its reason for not doing so
    sasp::LinkState link = sasp::LinkState::trying;
    bool lost = false;  // there is no connection any more, and none is being made
    std::string error;  // why
  };

  // Options and log outlive it. `seed`: of the jitter of attempts to connect; differs between hosts
  // and processes. `chatty`: log as a program that keeps running does.
  Gwms(const Options& options, const sasp::MemberGoal& goal, std::uint64_t seed, cli::LogLines& log,
       bool chatty, TimePoint now);

  // The options have others now: those that stay keep their session, the numbers are those of the
  // new list.
  void renumber(const Renumbering& gwms, std::uint64_t seed, TimePoint now);

  // What becomes of the link to a GWM: see net::LinkOwner.
  void connecting(std::size_t gwm, TimePoint now);
  sasp::LinkStep connected(std::size_t gwm, TimePoint now);
  sasp::LinkStep received(std::size_t gwm, sasp::ByteView bytes, TimePoint now);
  sasp::LinkStep timed_out(std::size_t gwm, TimePoint now);
  std::optional<TimePoint> deadline(std::size_t gwm) const { return links_.at(gwm).deadline(); }
  bool lost(std::size_t gwm, const std::string& why, TimePoint now);
  Duration ended(std::size_t gwm, const sasp::LinkEnd& end, TimePoint now);

  // What is to be said over the links, which is taken by take_steps().
  void want(const sasp::MemberGoal& goal, TimePoint now);
  std::vector<std::pair<std::size_t, sasp::LinkStep>> take_steps() {
    return std::exchange(steps_, {});
  }
  // Whether any of them has moved since the last call.
  bool take_moved() { return std::exchange(moved_, false); }

  const std::vector<Standing>& all() const { return standings_; }
  std::size_t reached() const;

 private:
  using Link = sasp::LinkedSession<sasp::MemberSession>;

  void add(const std::string& name, std::uint64_t seed, TimePoint now);
  sasp::LinkStep take(std::size_t gwm, Link::Step step, TimePoint now);
  void heard(std::size_t gwm, const sasp::MemberEvent& event);
  void follow(std::size_t gwm, TimePoint now);
  std::string deed() const;
  void tell(std::size_t gwm, const std::string& text);

  const Options& options_;
  cli::LogLines& log_;
  const bool chatty_;
  sasp::MemberGoal goal_;
  std::vector<Link> links_;
  std::vector<Standing> standings_;  // of the links, in their order
  std::vector<std::pair<std::size_t, sasp::LinkStep>> steps_;
  bool moved_ = false;
};

}  // namespace saspd::member
