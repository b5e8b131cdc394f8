// SPDX-License-Identifier: Apache-2.0
// The options of a --service of the XDP program. Pure.
#pragma once

#include <string_view>

#include "controller/lb/service_settings.hpp"

namespace saspd::bpf {

// See lb::Backend.
Result<lb::ServiceSettings> parse_xdp_options(const lb::ServiceKey& service,
                                              std::string_view options);

}  // namespace saspd::bpf
