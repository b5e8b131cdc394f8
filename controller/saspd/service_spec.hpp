// The values of --service and --member, as text.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/saspd/settings.hpp"

namespace saspd {

inline constexpr std::string_view service_form = "GROUP=SPEC[,option...]";
inline constexpr std::string_view member_form = "GROUP=ADDR:PORT[,weight=N][,label=TEXT]";

// Adds a service to its group, which is made if it is the first. Errors name what is wrong with
// `value` and what is right; nothing is changed then.
Result<void> add_service(std::vector<GroupSettings>& groups, std::string_view value,
                         Backend backend);

// Adds a member to its group, which a service must have named before.
Result<void> add_member(std::vector<GroupSettings>& groups, std::string_view value);

}  // namespace saspd
