// What the operator asked saspctl for.
#pragma once

#include <chrono>
#include <string>
#include <variant>

#include <boost/json/object.hpp>

#include "controller/base/exit_codes.hpp"

namespace saspd::ctl {

enum class Command { status, why, plan, reconcile, export_rules, trace };

struct Options {
  Command command = Command::status;
  std::string member;   // of why, as given
  std::string source;   // of trace: the client's ADDR:PORT
  std::string service;  // of trace: tcp:ADDR:PORT
  std::string socket;
  std::chrono::seconds timeout{};
  bool json = false;
  bool check = false;
  bool no_color = false;
};

// Either the options, or the code to end with; everything was said by then.
std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv);

// {"command": ...}
boost::json::object request(const Options& options);

}  // namespace saspd::ctl
