// SPDX-License-Identifier: Apache-2.0
// The log of what peers cause: they decide how often something happens, not how much is logged.
#pragma once

#include <string>

#include "controller/cli/log.hpp"
#include "controller/gwm/log_limit.hpp"

namespace saspd::programs {

class LimitedLog {
 public:
  explicit LimitedLog(cli::Log& log) : log_(log) {}

  void info(const std::string& text) {
    if (allows(info_, [this](auto n) { log_.info("{} lines were suppressed", n); }))
      log_.info("{}", text);
  }
  void warning(const std::string& text) { warn(text, warning_); }
  // For peers that were not let in. Anyone can cause these lines; they leave room for those of
  // peers that are known.
  void rejection(const std::string& text) { warn(text, rejection_); }
  void error(const std::string& text) {
    if (allows(error_, [this](auto n) { log_.error("{} lines were suppressed", n); }))
      log_.error("{}", text);
  }
  // Where no peer decides how often.
  cli::Log& unlimited() { return log_; }

 private:
  template <class Tell>
  static bool allows(gwm::LogLimit& limit, Tell tell) {
    if (!limit.allows(Clock::now())) return false;
    if (const auto suppressed = limit.take_suppressed()) tell(suppressed);
    return true;
  }
  void warn(const std::string& text, gwm::LogLimit& limit) {
    if (allows(limit, [this](auto n) { log_.warning("{} lines were suppressed", n); }))
      log_.warning("{}", text);
  }

  cli::Log& log_;
  gwm::LogLimit info_;
  gwm::LogLimit warning_;
  gwm::LogLimit error_;
  gwm::LogLimit rejection_;
};

}  // namespace saspd::programs
