// SPDX-License-Identifier: Apache-2.0
// The log of what peers cause: they decide how often something happens, not how much is logged.
#pragma once

#include <string>

#include "controller/base/log_limit.hpp"
#include "controller/cli/log.hpp"
#include "controller/cli/log_lines.hpp"

namespace saspd::cli {

// Of each level 50 lines at once and then one per second; how many more there were is said with the
// next one.
class LimitedLog {
 public:
  explicit LimitedLog(Log& log) : log_(log) {}

  void info(const std::string& text) { limited({Level::info, text}, info_); }
  void warning(const std::string& text) { limited({Level::warning, text}, warning_); }
  // For peers that were not let in. Anyone can cause these lines; they leave room for those of
  // peers that are known.
  void rejection(const std::string& text) { limited({Level::warning, text}, rejection_); }
  void error(const std::string& text) { limited({Level::error, text}, error_); }
  // What somebody asked for here is said in any case.
  void line(const LogLine& line) {
    if (line.asked || line.level == Level::debug) return cli::write(line, log_);
    limited(line, line.level == Level::error     ? error_
                  : line.level == Level::warning ? warning_
                                                 : info_);
  }
  // Says how many lines were suppressed, where none follows that would.
  void settle() {
    const auto now = Clock::now();
    if (info_.owes(now)) limited_count(Level::info, info_, now);
    if (warning_.owes(now)) limited_count(Level::warning, warning_, now);
    if (rejection_.owes(now)) limited_count(Level::warning, rejection_, now);
    if (error_.owes(now)) limited_count(Level::error, error_, now);
  }
  // Where no peer decides how often.
  Log& unlimited() { return log_; }

 private:
  void limited(const LogLine& line, LogLimit& limit) {
    if (!limit.allows(Clock::now())) return;
    say_suppressed(line.level, limit);
    cli::write(line, log_);
  }
  void limited_count(Level level, LogLimit& limit, TimePoint now) {
    if (limit.allows(now)) say_suppressed(level, limit);
  }
  void say_suppressed(Level level, LogLimit& limit) {
    if (const auto count = limit.take_suppressed())
      cli::write({level, fmt::format("{} lines were suppressed", count)}, log_);
  }

  Log& log_;
  LogLimit info_;
  LogLimit warning_;
  LogLimit error_;
  LogLimit rejection_;
};

}  // namespace saspd::cli
