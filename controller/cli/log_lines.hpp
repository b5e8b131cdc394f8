// SPDX-License-Identifier: Apache-2.0
// Log lines as values: pure code collects them, and the owner of the log writes them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "controller/cli/log.hpp"

namespace saspd::cli {

struct LogLine {
  Level level = Level::info;
  std::string text;
  bool asked = false;  // for, by somebody here: see LimitedLog
  bool operator==(const LogLine&) const = default;
};

inline void write(const LogLine& line, Log& log) {
  log.at(line.level, line.text);
}

class LogLines : public LeveledLog<LogLines> {
 public:
  explicit LogLines(Level least) : LeveledLog(least) {}

  // What somebody here asked for.
  void asked(std::string text) {
    if (shows(Level::info)) lines_.push_back({Level::info, std::move(text), true});
  }
  // The lines since the last call, in order.
  std::vector<LogLine> take() { return std::exchange(lines_, {}); }

 private:
  friend LeveledLog<LogLines>;
  void write(Level level, std::string text) { lines_.push_back({level, std::move(text), false}); }

  std::vector<LogLine> lines_;
};

}  // namespace saspd::cli
