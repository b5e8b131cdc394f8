// SPDX-License-Identifier: Apache-2.0
// What sasp-member brings about at all its GWMs, without its sockets and timers: bytes, time and
// signals in; bytes, lines for the log and the end out. Agent is `run`, OneShot all other commands.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/exit_codes.hpp"
#include "controller/cli/log_lines.hpp"
#include "controller/member/gwms.hpp"
#include "controller/metrics/families.hpp"

namespace saspd::member {

class Machine {
 public:
  // What is to be done outside, in this order.
  struct Output {
    std::vector<cli::LogLine> log;
    std::vector<std::pair<std::size_t, sasp::LinkStep>> links;  // what goes to GWMs
    bool work = false;  // work() is to be called, after giving other work a turn
    bool end = false;   // the program is to end
  };
  // What has come of a command: at each GWM, which is to be printed, and together.
  struct Outcome {
    struct Line {
      ExitCode code{};  // ok: for stdout, else for stderr
      std::string text;
    };
    std::vector<Line> lines;
    ExitCode code = ExitCode::ok;
  };

  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  virtual ~Machine() = default;

  // What there is to be done since the last call. To be called after every other function that is
  // not const.
  Output output();

  // The links are about to be started.
  virtual void start(TimePoint now) = 0;
  // What becomes of the link to a GWM: see net::LinkOwner.
  void connecting(std::size_t gwm, TimePoint now) { gwms_.connecting(gwm, now); }
  sasp::LinkStep connected(std::size_t gwm, TimePoint now) { return gwms_.connected(gwm, now); }
  sasp::LinkStep received(std::size_t gwm, sasp::ByteView bytes, TimePoint now) {
    return gwms_.received(gwm, bytes, now);
  }
  sasp::LinkStep timed_out(std::size_t gwm, TimePoint now) { return gwms_.timed_out(gwm, now); }
  std::optional<TimePoint> deadline(std::size_t gwm) const { return gwms_.deadline(gwm); }
  bool lost(std::size_t gwm, const std::string& why, TimePoint now) {
    return gwms_.lost(gwm, why, now);
  }
  Duration ended(std::size_t gwm, const sasp::LinkEnd& end, TimePoint now) {
    return gwms_.ended(gwm, end, now);
  }

  // A GWM has moved.
  virtual void work(TimePoint now) = 0;
  // It is deadline(), or later.
  virtual void expire(TimePoint now) = 0;
  std::optional<TimePoint> deadline() const { return deadline_; }
  // SIGTERM or SIGINT, each time.
  virtual void stop(TimePoint now) = 0;
  // Whether the load of this machine is reported now, and what it is.
  virtual bool wants_load() const { return false; }
  virtual void load(std::uint8_t /*load*/, TimePoint /*now*/) {}

  // The options are others now. Those of the members and of their group are not.
  void reconfigure(const Renumbering& gwms, std::uint64_t seed, TimePoint now) {
    log_.set_level(options_.log.level);
    gwms_.renumber(gwms, seed, now);
    options_changed(now);
  }

  virtual bool is_ready() const { return true; }
  virtual std::string status_line() const { return {}; }
  virtual metrics::Families metrics() const { return {}; }
  virtual Outcome outcome() const { return {}; }

 protected:
  // `seed` and `chatty`: see Gwms. The options outlive it.
  Machine(const Options& options, const sasp::MemberGoal& goal, std::uint64_t seed, bool chatty,
          TimePoint now)
      : options_(options), log_(options.log.level), gwms_(options, goal, seed, log_, chatty, now) {}
  virtual void options_changed(TimePoint /*now*/) {}
  void expire_at(TimePoint when) { deadline_ = when; }
  void end() { ended_ = true; }

  const Options& options_;
  cli::LogLines log_;
  Gwms gwms_;

 private:
  std::optional<TimePoint> deadline_;
  bool ended_ = false;
};

inline Machine::Output Machine::output() {
  return {log_.take(), gwms_.take_steps(), gwms_.take_moved(), ended_};
}

}  // namespace saspd::member
