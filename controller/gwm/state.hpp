// SPDX-License-Identifier: Apache-2.0
// What outlives sasp-gwm: who is registered, who is quiesced by whom, what the probes knew, and what
// the operator has drained. A start that knows it is no event for load balancers. Pure; the file is
// the program's business.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/gwm/drains.hpp"
#include "controller/gwm/registry.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

struct State {
  std::int64_t unix_time = 0;  // seconds, when it was written
  LoadBalancers lbs;           // of the rights, only who the peer was
  std::map<ProbeTarget, Remembered> probes;
  std::map<MemberName, Drain> drains;
};

// Takes long for many members, and shares nothing with anyone: another thread may do it.
std::string state_text(const State& state);
// Errors: illegal_byte_sequence (damaged), not_supported (another version). The text is believed as
// a whole or not at all.
Result<State> parse_state(std::string_view text);

}  // namespace saspd::gwm
