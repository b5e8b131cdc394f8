// SPDX-License-Identifier: Apache-2.0
// What saspctl asks saspd for. Pure: the socket is elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <boost/json/object.hpp>

#include "controller/saspd/controller.hpp"

namespace saspd::director {

// What only the process knows, and does.
struct Surroundings {
  std::string tls_error;
  std::string config_error;  // why the last reload was refused; empty: it was not
  std::string attach_request;
  std::uint64_t attach_requests = 0;
  // A pass with everything that belongs to it.
  std::function<Work()> work;
};

struct Asker {
  bool may_write = false;
  std::string name;  // "uid 0 (pid 1)", for the log
};

// The controller's, and what its surroundings know.
Status full_status(const Controller& controller, const Surroundings& around, TimePoint now);

boost::json::object carry_out(const boost::json::object& request, const Asker& asker,
                              Controller& controller, const Surroundings& around, TimePoint now);

}  // namespace saspd::director
