// SPDX-License-Identifier: Apache-2.0
// Requests in words, for the log.
#pragma once

#include <string>

#include "controller/sasp/messages.hpp"

namespace saspd::gwm {

// What an accepted request has done: "registered tcp:192.0.2.1:80 in group 'web' of 'lb1'". Long
// lists are shortened. Names are as received: the caller escapes them when printing.
std::string describe(const sasp::Message& request);

}  // namespace saspd::gwm
