// SPDX-License-Identifier: Apache-2.0
// Answers saspctl's requests to sasp-gwm. Pure: the socket is elsewhere.
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "controller/gwm/status.hpp"

namespace saspd::gwm {

struct ControlOutcome {
  boost::json::object answer;
  std::string done;  // what has changed, for the log; empty if nothing has
};

// `may_write`: whether the requester may change anything.
ControlOutcome carry_out(const boost::json::object& request, bool may_write,
                         WorkloadManager& manager, const Surroundings& around, TimePoint now);

}  // namespace saspd::gwm
