// What saspctl asks sasp-gwm for. Pure: the socket is elsewhere.
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "controller/gwm/status.hpp"

namespace saspd::gwm {

struct ControlOutcome {
  boost::json::object answer;
  std::string done;  // what is different now, for the log; empty: nothing
};

// `may_write`: whether the one who asks may change anything.
ControlOutcome carry_out(const boost::json::object& request, bool may_write,
                         WorkloadManager& manager, const Surroundings& around, TimePoint now);

}  // namespace saspd::gwm
