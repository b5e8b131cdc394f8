// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/log.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>

#include <fmt/chrono.h>

#include "controller/base/text.hpp"
#include "controller/base/version.hpp"
#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::cli {
namespace {

std::string_view name(Level level) {
  constexpr std::array<std::string_view, 4> names{"error", "warning", "info", "debug"};
  return names[static_cast<std::size_t>(level)];
}

int syslog_priority(Level level) {
  constexpr std::array priorities{3, 4, 6, 7};  // syslog(3)
  return priorities[static_cast<std::size_t>(level)];
}

// systemd.exec(5): $JOURNAL_STREAM is "DEVICE:INODE" of the journal's socket; it is inherited by
// programs whose stderr is something else.
bool is_journal(int fd) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream != nullptr && ::fstat(fd, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

WordParser<LogFormat> formats() {
  return one_of<LogFormat>(
      {{"auto", LogFormat::automatic}, {"text", LogFormat::text}, {"journal", LogFormat::journal}});
}

std::string format_text(LogFormat format) {
  return formats().text(format);
}

Result<LogFormat> parse_format(std::string_view text) {
  if (text == "json") {
    return fail(
        std::errc::not_supported,
        fmt::format("json is not built yet in this version ({}), expected auto, text or journal",
                    program_version));
  }
  return formats()(text);
}

}  // namespace

void add_log_options(Cli& cli, LogOptions& options) {
  cli.option("--log-level", "error|warning|info|debug", options.level,
             one_of<Level>({{"error", Level::error},
                            {"warning", Level::warning},
                            {"info", Level::info},
                            {"debug", Level::debug}}),
             "what is logged to stderr");
  cli.live({"--log-level"});
  cli.option("--log-format", "auto|text|journal", options.format,
             with_text(parse_format, format_text),
             "text: time and level before each line; journal: <N> priorities; auto: journal if "
             "stderr is the journal, else text");
}

Log::Log(LogOptions options, int fd) : LeveledLog(options.level), format_(options.format), fd_(fd) {
  if (format_ != LogFormat::automatic) return;
  format_ = is_journal(fd_) ? LogFormat::journal : LogFormat::text;
}

void Log::write(Level level, std::string_view text) {
  std::string lines;
  if (unreported_ > 0) {
    lines += decorated(Level::warning, fmt::format("{} log lines were lost here", unreported_));
  }
  lines += decorated(level, printable(text));
  // A pipe that can be written takes this much without blocking: pipe(7), poll(2).
  if (lines.size() > PIPE_BUF) lines.replace(PIPE_BUF - 4, std::string::npos, "...\n");
  if (send(lines)) {
    unreported_ = 0;
  } else {
    ++dropped_;
    ++unreported_;
  }
}

std::string Log::decorated(Level level, std::string_view text) const {
  if (format_ == LogFormat::journal) {
    return fmt::format("<{}>{}\n", syslog_priority(level), text);
  }
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {}: {}\n",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     now.time_since_epoch().count() % 1000, name(level), text);
}

// False if nothing went out. O_NONBLOCK would be seen by every process that shares stderr, so we
// look before we write; the journal's socket knows a flag for it.
bool Log::send(std::string_view bytes) {
  ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno == ENOTSOCK) {
    pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) return false;
    sent = ::write(fd_, bytes.data(), bytes.size());
  }
  return sent > 0;
}

}  // namespace saspd::cli
