// SPDX-License-Identifier: Apache-2.0
// What saspctl asks of the operator's overrides: drain, set-weight, hold, release and undrain. Pure.
#pragma once

#include <boost/json/object.hpp>

#include "controller/saspd/control.hpp"

namespace saspd::director {

// A weight, or a hold of a group, for a time: "for_s" (seconds), "until" (as Event::time), or
// "forever": true. One of them has to be there.
boost::json::object drain(const boost::json::object& request, const Asker& asker,
                          Controller& controller, TimePoint now);
boost::json::object set_weight(const boost::json::object& request, const Asker& asker,
                               Controller& controller, TimePoint now);
boost::json::object hold(const boost::json::object& request, const Asker& asker,
                         Controller& controller, TimePoint now);
// Of a member, of a group, or without either of all groups.
boost::json::object release(const boost::json::object& request, const Asker& asker,
                            Controller& controller);

}  // namespace saspd::director
