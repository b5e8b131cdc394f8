// SPDX-License-Identifier: Apache-2.0
// The options of sasp-member, checked as far as possible without the network.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controller/cli/common_options.hpp"
#include "controller/sasp/messages.hpp"

namespace saspd::member {

enum class Command : std::uint8_t { run, register_once, deregister, quiesce, resume, state };

struct Options : cli::ClientOptions {
  Command command = Command::run;
  std::string lb_uid;
  std::string group;
  std::vector<sasp::MemberData> members;
  // The opaque state byte (RFC 4678 5.4); empty: this machine's load, see load.hpp.
  std::optional<std::uint8_t> state = std::uint8_t{0};
  std::chrono::seconds drain{0};
  std::chrono::seconds heartbeat{30};
  std::chrono::seconds timeout{10};    // of a one-shot command
  std::chrono::seconds wait{0};        // how long a one-shot command keeps trying
  bool ready_when_registered = false;  // READY=1 waits for that

  // "tcp:192.0.2.1:80 of group 'web' of 'lb1'"
  std::string subject() const;
};

// Either the options, or the exit code, with everything already printed, or in `errors`.
std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv,
                                              cli::Errors* errors = nullptr);

}  // namespace saspd::member
