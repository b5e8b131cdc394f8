// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/link_state.hpp"

#include <boost/describe/enum_to_string.hpp>

namespace saspd::sasp {

std::string_view name(LinkState state) {
  return boost::describe::enum_to_string(state, "unknown");
}

}  // namespace saspd::sasp
