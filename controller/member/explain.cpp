// SPDX-License-Identifier: Apache-2.0

#include "controller/member/explain.hpp"

#include <fmt/format.h>

namespace saspd::member {

using sasp::ReturnCode;

// sasp-interop row 27 has the meaning of the codes for a member.
Explanation explain(sasp::Type asked, ReturnCode code, const std::string& lb_uid,
                    const std::string& group) {
  const auto number = static_cast<unsigned>(code);
  switch (code) {
    case ReturnCode::lb_not_contacted:
    case ReturnCode::unknown_lb_uid:
      return {ExitCode::try_again,
              fmt::format("the GWM does not know load balancer '{}' ({:#04x}): it has not "
                          "connected yet, or has another LB UID",
                          lb_uid, number)};
    case ReturnCode::not_accepted:
      return {ExitCode::no_permission,
              fmt::format("the GWM does not let members speak for themselves ({:#04x}): load "
                          "balancer '{}' must allow it (saspd --trust); and a member may speak "
                          "only for the address from which it connects and those in its "
                          "certificate (otherwise sasp-gwm --authority or --allow-foreign-members)",
                          number, lb_uid)};
    case ReturnCode::not_registered:
      return {ExitCode::try_again,
              fmt::format(
                  "the GWM has no such member in group '{}' of '{}' ({:#04x}): register it first",
                  group, lb_uid, number)};
    case ReturnCode::unknown_group:
      return {ExitCode::try_again,
              fmt::format("the GWM has no group '{}' of '{}' ({:#04x}): register the member first",
                          group, lb_uid, number)};
    case ReturnCode::not_understood:
      return {ExitCode::try_again,
              fmt::format("the GWM did not understand the {} ({:#04x}): it is not ready, or "
                          "accepts only other names in --lb-uid and --group",
                          name(asked), number)};
    case ReturnCode::duplicate_member:
      return {
          ExitCode::configuration,
          fmt::format("two members are the same to the GWM ({:#04x}): correct --member", number)};
    case ReturnCode::invalid_group:
      return {ExitCode::configuration,
              fmt::format("the GWM does not accept such a member in group '{}' ({:#04x}): systems "
                          "(ADDR) and applications (tcp:ADDR:PORT) need groups of their own",
                          group, number)};
    case ReturnCode::invalid_group_name_size:
      return {
          ExitCode::configuration,
          fmt::format("the GWM does not accept a group name of {} bytes ({:#04x}): correct --group",
                      group.size(), number)};
    case ReturnCode::invalid_lb_uid_size:
      return {
          ExitCode::configuration,
          fmt::format("the GWM does not accept an LB UID of {} bytes ({:#04x}): correct --lb-uid",
                      lb_uid.size(), number)};
    default:
      return {ExitCode::configuration,
              fmt::format("the GWM refuses the {}: {}", name(asked), text(code))};
  }
}

}  // namespace saspd::member
