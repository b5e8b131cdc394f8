// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controller/lb/backend.hpp"

namespace saspd::bpf {

extern const lb::Backend xdp_backend;

}  // namespace saspd::bpf
