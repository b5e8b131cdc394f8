// What load balancers have and members registered by themselves, counted against the limits. Pure.
#pragma once

#include <string>
#include <string_view>

#include "controller/gwm/registry.hpp"

namespace saspd::gwm {

// In a Get Weights Reply: what is there without any group, a member, and a group with its members.
std::size_t bytes_of_empty_reply();
Extent extent_of(const sasp::MemberData& member);
Extent extent_of(std::string_view lb_uid, std::string_view name, const Group& group = {});

// Who answers for what a member registers (SelfRegistered).
IpAddress debtor_of(const Sender& sender, const sasp::GroupData& group, const IpAddress& member);
IpAddress debtor_of(const Sender& sender, const sasp::GroupOfMemberData& group);

void charge(SelfRegistered& books, const IpAddress& debtor, const Extent& extent);
// What was charged for a member, for a group itself, and for all that the LB has.
void discharge(SelfRegistered& books, const Member& member);
void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid,
               const std::string& name);
void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid);

}  // namespace saspd::gwm
