// SPDX-License-Identifier: Apache-2.0
// The options of a --service of IPVS. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/lb/service_settings.hpp"

namespace saspd::netlink {

// See lb::Backend.
Result<lb::ServiceSettings> parse_ipvs_options(const lb::ServiceKey& service,
                                               std::string_view options);
// A scheduler that is none of the kernel's.
std::optional<std::string> doubt_ipvs_service(const lb::ServiceSettings& service);

}  // namespace saspd::netlink
