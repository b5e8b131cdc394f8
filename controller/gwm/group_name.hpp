// Names of groups where an operator writes them.
#pragma once

#include <string_view>

#include "controller/base/error.hpp"

namespace saspd::gwm {

// Is this a name that a load balancer can have registered (RFC 4678 5.1, sasp-interop row 10)?
Result<void> check_group_name(std::string_view name);

}  // namespace saspd::gwm
