// SPDX-License-Identifier: Apache-2.0
// The values of --service and --member, as text.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/lb/backend.hpp"
#include "controller/saspd/settings.hpp"

namespace saspd::director {

inline constexpr std::string_view service_form = "GROUP=SPEC[,option...]";
inline constexpr std::string_view member_form = "GROUP=ADDR:PORT[,weight=N][,label=TEXT]";

// Adds a service to its group, which is created for the first one. Errors name the fault in `value`
// and the right form, and change nothing.
Result<void> add_service(std::vector<GroupSettings>& groups, std::string_view value,
                         const lb::Backend& backend);

// Adds a member to its group, which an earlier service must have named.
Result<void> add_member(std::vector<GroupSettings>& groups, std::string_view value);

}  // namespace saspd::director
