// SPDX-License-Identifier: Apache-2.0
// The client side of a control socket, for a program that does nothing else meanwhile.
#pragma once

#include <chrono>
#include <string>

#include <boost/json/object.hpp>

#include "controller/base/error.hpp"

namespace saspd::net {

// Connects, sends one request and waits for the answer, for at most `timeout` in all. Errors name
// the path: no_such_file_or_directory, not_a_socket, connection_refused (no program listens),
// permission_denied, timed_out, bad_message (the answer is not a JSON object), or the system's
// error.
Result<boost::json::object> control_request(const std::string& path,
                                            const boost::json::object& request,
                                            std::chrono::milliseconds timeout);

}  // namespace saspd::net
