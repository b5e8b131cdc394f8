// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controller/lb/backend.hpp"

namespace saspd::netlink {

extern const lb::Backend ipvs_backend;

}  // namespace saspd::netlink
