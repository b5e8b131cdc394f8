// SPDX-License-Identifier: Apache-2.0
// What the operator asked saspctl for.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>

#include "controller/base/exit_codes.hpp"
#include "controller/report/commands.hpp"

namespace saspd::ctl {

using report::Command;

inline constexpr std::string_view saspd_socket = "/run/saspd/control";
inline constexpr std::string_view gwm_socket = "/run/sasp-gwm/control";

inline constexpr std::string_view saspd_program = "saspd";
inline constexpr std::string_view gwm_program = "sasp-gwm";

struct Options {
  Command command = Command::status;
  // The arguments of the command, as given: group; member; client and service.
  std::vector<std::string> arguments;
  // Who has to answer: --of; else sasp-gwm for what only it knows, and saspd. Empty: the program
  // behind --socket.
  std::string program;
  std::string socket;
  std::chrono::seconds timeout{5};
  bool json = false;
  bool check = false;
  bool nagios = false;  // --check, with one line and codes as Nagios wants them
  std::optional<std::chrono::seconds> since;  // of history
  std::size_t limit = 100;                    // likewise
  std::optional<std::chrono::seconds> lasts;  // --for, of what takes the place of the advice
  std::string until;                          // likewise: HH:MM, or a time of an event
  bool forever = false;
  std::string reason;
  bool follow = false;  // likewise: goes on as it happens
  bool dry_run = false;
  bool no_color = false;
};

// Either the options, or the code to end with; everything was said by then.
std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv);

// {"command": ...}
boost::json::object request(const Options& options);

}  // namespace saspd::ctl
