// SPDX-License-Identifier: Apache-2.0
// saspctl: one question to a running saspd or sasp-gwm, and its answer.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <thread>

#include <fmt/chrono.h>

#include "controller/cli/guarded.hpp"
#include "controller/ctl/outcome.hpp"
#include "controller/ctl/render_events.hpp"
#include "controller/ctl/watch.hpp"
#include "controller/events/history.hpp"
#include "controller/net/control_client.hpp"
#include "controller/report/json.hpp"

namespace {

using saspd::ExitCode;
using saspd::ctl::Options;
using saspd::ctl::Outcome;
using Answer = saspd::Result<boost::json::object>;

bool wants_colors(const Options& options) {
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: set and not empty
  return !options.no_color && (no_color == nullptr || *no_color == '\0') &&
         ::isatty(STDOUT_FILENO) == 1;
}

Answer ask(const Options& options) {
  return saspd::net::control_request(options.socket, saspd::ctl::request(options), options.timeout);
}

ExitCode say(const Outcome& outcome) {
  std::cout << outcome.out << std::flush;
  if (!outcome.err.empty()) std::cerr << "saspctl: " << outcome.err << '\n';
  if (std::cout) return outcome.code;
  std::cerr << "saspctl: cannot write to stdout\n";
  return ExitCode::io;
}

bool gwm_is_there() {
  return ::access(std::string(saspd::ctl::gwm_socket).c_str(), F_OK) == 0;
}

std::string clock_time() {
  return fmt::format("{:%H:%M:%S}", fmt::localtime(std::time(nullptr)));
}

// Until stdout is gone, or ^C. A program that was there and is restarted is waited for.
ExitCode watch(const Options& options) {
  saspd::ctl::Watched before;
  std::string trouble;
  for (bool first = true;; first = false) {
    const auto answer = ask(options);
    const auto problem = saspd::ctl::outcome(options, answer, false, gwm_is_there());
    if (first && problem.code != ExitCode::ok) return say(problem);
    if (problem.err != trouble && !problem.err.empty())
      std::cerr << "saspctl: " << problem.err << '\n';
    trouble = problem.err;
    if (trouble.empty()) {
      auto now = saspd::ctl::watched(saspd::report::from_json<saspd::report::Watch>(*answer));
      for (const auto& change : saspd::ctl::changes(before, now))
        std::cout << saspd::ctl::watch_line(change, clock_time(), options.json);
      before = std::move(now);
    }
    std::cout << std::flush;
    if (!std::cout) return ExitCode::io;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

// What is new, once a second, until stdout is gone, or ^C. A program that is restarted is waited for:
// its events go on from the number of the last.
ExitCode follow(const Options& options) {
  std::uint64_t last = 0;
  std::string trouble;
  for (bool first = true;; first = false) {
    auto request = saspd::ctl::request(options);
    if (!first) {
      request["after"] = last;
      request.erase("since_s");
    }
    const auto answer = saspd::net::control_request(options.socket, request, options.timeout);
    const auto shown = saspd::ctl::outcome(options, answer, wants_colors(options), gwm_is_there());
    if (first && shown.code != ExitCode::ok) return say(shown);
    if (shown.err != trouble && !shown.err.empty()) std::cerr << "saspctl: " << shown.err << '\n';
    trouble = shown.err;
    if (trouble.empty()) {
      const auto history = saspd::report::from_json<saspd::report::History>(*answer);
      for (const auto& event : history.events)
        std::cout << saspd::ctl::event_line(event, options.json, wants_colors(options));
      last = history.last;
    }
    std::cout << std::flush;
    if (!std::cout) return ExitCode::io;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

ExitCode run(const Options& options) {
  if (options.follow) return follow(options);
  if (options.command == saspd::ctl::Command::watch) return watch(options);
  return say(saspd::ctl::outcome(options, ask(options), wants_colors(options), gwm_is_there()));
}

// "06:00" is the next time that the local clock shows it. What is no HH:MM is left to the daemon.
std::string end_of(const std::string& until) {
  unsigned hour = 0;
  unsigned minute = 0;
  char rest = 0;
  const bool is_clock = std::sscanf(until.c_str(), "%2u:%2u%c", &hour, &minute, &rest) == 2;
  if (!is_clock || hour > 23 || minute > 59) return until;
  const std::time_t now = std::time(nullptr);
  std::tm local = fmt::localtime(now);
  local.tm_hour = static_cast<int>(hour);
  local.tm_min = static_cast<int>(minute);
  local.tm_sec = 0;
  local.tm_isdst = -1;
  std::time_t end = std::mktime(&local);
  if (end <= now) {
    ++local.tm_mday;
    local.tm_isdst = -1;
    end = std::mktime(&local);
  }
  return saspd::events::time_text(std::chrono::system_clock::from_time_t(end));
}

}  // namespace

int main(int argc, char** argv) {
  return saspd::cli::guarded("saspctl", [&] {
    const auto parsed = saspd::ctl::parse_options(argc, argv);
    if (const auto* end = std::get_if<ExitCode>(&parsed)) return *end;
    auto options = std::get<Options>(parsed);
    if (!options.until.empty()) options.until = end_of(options.until);
    return run(options);
  });
}
