// SPDX-License-Identifier: Apache-2.0
// The connections of a member to all its GWMs, each of which is to reach the same goal.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/host/host.hpp"
#include "controller/member/options.hpp"
#include "controller/net/session_link.hpp"
#include "controller/sasp/member_session.hpp"

namespace saspd::programs {

class Gwms {
 public:
  // How far one GWM is.
  struct Standing {
    std::string name;                      // HOST:PORT
    bool reached = false;                  // it has acknowledged the whole goal
    std::optional<sasp::Refused> refused;  // its reason for not doing so
    bool lost = false;                     // there is no connection, and none is being made
    std::string error;                     // why
  };

  // `on_change` is called from the loop, never from within a call of this class. `chatty`:
  // log as a program that keeps running does.
  Gwms(host::Host& host, const member::Options& options, const sasp::MemberGoal& goal,
       std::function<void()> on_change, cli::Log& log, bool chatty);

  void start();
  void check_certificates_again();
  void want(const sasp::MemberGoal& goal);

  const std::vector<Standing>& all() const { return standings_; }
  std::size_t reached() const;

 private:
  using Link = net::SessionLink<sasp::MemberSession>;

  void add(const cli::HostPort& gwm);
  void heard(std::size_t gwm, const sasp::MemberEvent& event);
  void moved(std::size_t gwm, net::LinkState state);
  std::string deed() const;  // what an acknowledged goal is called
  void tell(std::size_t gwm, const std::string& text);
  void changed();

  host::Host& host_;
  const member::Options& options_;
  std::function<void()> on_change_;
  cli::Log& log_;
  bool chatty_;
  sasp::MemberGoal goal_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<Standing> standings_;  // of the links, in their order
  bool change_posted_ = false;
};

}  // namespace saspd::programs
