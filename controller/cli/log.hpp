// SPDX-License-Identifier: Apache-2.0
// Lines of a program for people and the journal, on stderr.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "controller/base/error.hpp"

namespace saspd::cli {

class Cli;

enum class Level : std::uint8_t { error, warning, info, debug };

enum class LogFormat : std::uint8_t {
  automatic,  // journal if stderr is the journal, else text
  text,       // "2026-01-31T12:00:00.000Z info: listening on ..."
  journal,    // "<6>listening on ...": the prefix of sd-daemon(3); the journal has its own clock
};

struct LogOptions {
  Level level = Level::info;
  LogFormat format = LogFormat::automatic;
};

// --log-level and --log-format.
void add_log_options(Cli& cli, LogOptions& options);

// The functions of everything that takes log lines. Sink has write(Level, std::string).
template <class Sink>
class LeveledLog {
 public:
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

  // Text as it is, of a level that is not known before.
  void at(Level level, std::string text) {
    if (shows(level)) static_cast<Sink&>(*this).write(level, std::move(text));
  }

  bool shows(Level level) const { return level <= least_; }
  void set_level(Level least) { least_ = least; }

 protected:
  // Lines less important than `least` are not even formatted.
  explicit LeveledLog(Level least) : least_(least) {}
  ~LeveledLog() = default;

 private:
  template <class... Args>
  void line(Level level, fmt::format_string<Args...> format, Args&&... args) {
    if (shows(level))
      static_cast<Sink&>(*this).write(level, fmt::format(format, std::forward<Args>(args)...));
  }

  Level least_;
};

// Passed by reference to code that may log. Never blocks and never fails: a line that stderr does
// not take at once is dropped and counted, and the next one that gets through says how many. Text
// from outside is escaped, so that it cannot forge a line; callers must not escape it again. The
// program ignores SIGPIPE.
class Log : public LeveledLog<Log> {
 public:
  // fd is borrowed.
  explicit Log(LogOptions options = {}, int fd = 2);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  std::uint64_t dropped() const { return dropped_; }

 private:
  friend LeveledLog<Log>;
  void write(Level level, std::string_view text);
  std::string decorated(Level level, std::string_view text) const;
  bool send(std::string_view bytes);

  LogFormat format_;
  int fd_;
  std::uint64_t dropped_ = 0;  // in all
  std::uint64_t unreported_ = 0;
};

}  // namespace saspd::cli
