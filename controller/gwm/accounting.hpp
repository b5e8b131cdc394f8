// SPDX-License-Identifier: Apache-2.0
// Counts what load balancers have, and what members registered themselves, against the limits. Pure.
#pragma once

#include <string>
#include <string_view>

#include "controller/gwm/registry.hpp"

namespace saspd::gwm {

// The bytes of a Get Weights Reply without groups; what a member, and a group with its members, add.
std::size_t bytes_of_empty_reply();
Extent extent_of(const sasp::MemberData& member);
Extent extent_of(std::string_view lb_uid, std::string_view name, const Group& group = {});

// The address whose limit counts what a member registers (SelfRegistered).
IpAddress debtor_of(const Sender& sender, const sasp::GroupData& group, const IpAddress& member);
IpAddress debtor_of(const Sender& sender, const sasp::GroupOfMemberData& group);

void charge(SelfRegistered& books, const IpAddress& debtor, const Extent& extent);
// Take back what was charged for a member, for the group alone, and for everything of the LB.
void discharge(SelfRegistered& books, const Member& member);
void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid,
               const std::string& name);
void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid);

}  // namespace saspd::gwm
