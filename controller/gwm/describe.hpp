// Requests in words, for the log.
#pragma once

#include <string>

#include "controller/sasp/messages.hpp"

namespace saspd::gwm {

// What an accepted request has done: "registered tcp:192.0.2.1:80 in group 'web' of 'lb1'". Long
// lists are cut. Names stand as they came: whoever prints them makes them harmless.
std::string describe(const sasp::Message& request);

}  // namespace saspd::gwm
