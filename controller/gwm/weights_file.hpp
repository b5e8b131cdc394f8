// SPDX-License-Identifier: Apache-2.0
// The weights file: advice written by hand or by a script. Pure; reading it is the program's
// business.
//
//   # group   member                  advice
//   web       tcp:192.0.2.1:80        40        0..65535: contact and confident on
//   web       192.0.2.2:80            quiesce   quiesced by the administrator, weight 0
//   web       [2001:db8::3]:80        down      contact off, confident on, weight 0
//   web       192.0.2.4:80            unknown   confident off, as for a member that is not listed
//   hosts     192.0.2.5               10        an address alone is a system member
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

// Accepts all of the text or none: the error names the line, the fault and, if it can be
// determined, the text that was meant. A group is everything before the member, so its name may
// contain spaces. "#" starts a comment at the beginning of a line and after a space. A last line
// without a newline is refused: the file may be half written, and 4 the beginning of 40.
Result<AdviceTable> parse_weights(std::string_view text);

// What is probably a mistake, in words: a group with systems and applications.
std::vector<std::string> doubts_about(const AdviceTable& table);

}  // namespace saspd::gwm
