// SPDX-License-Identifier: Apache-2.0
// Log lines as values: pure code collects them, and the owner of the log writes them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controller/cli/log.hpp"

namespace saspd::cli {

struct LogLine {
  Level level = Level::info;
  std::string text;
  bool operator==(const LogLine&) const = default;
};

inline void write(const LogLine& line, Log& log) {
  switch (line.level) {
    case Level::error: return log.error("{}", line.text);
    case Level::warning: return log.warning("{}", line.text);
    case Level::info: return log.info("{}", line.text);
    case Level::debug: return log.debug("{}", line.text);
  }
}

class LogLines {
 public:
  // Lines less important than `least` are not even formatted.
  explicit LogLines(Level least) : least_(least) {}

  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::error, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::warning, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::info, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::debug, format, std::forward<Args>(args)...);
  }

  bool shows(Level level) const { return level <= least_; }
  // The lines since the last call, in order.
  std::vector<LogLine> take() { return std::exchange(lines_, {}); }

 private:
  template <class... Args>
  void line(Level level, fmt::format_string<Args...> format, Args&&... args) {
    if (shows(level)) lines_.push_back({level, fmt::format(format, std::forward<Args>(args)...)});
  }

  Level least_;
  std::vector<LogLine> lines_;
};

}  // namespace saspd::cli
