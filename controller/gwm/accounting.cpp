// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/accounting.hpp"

#include "controller/sasp/codec.hpp"

namespace saspd::gwm {

using namespace sasp;

std::size_t bytes_of_empty_reply() {
  static const std::size_t bytes = header_length + wire_size(GetWeightsReply{});
  return bytes;
}

Extent extent_of(const MemberData& member) {
  static const std::size_t without_label = wire_size(WeightEntry{});
  return {.members = 1, .bytes = without_label + member.label.size()};
}

Extent extent_of(std::string_view lb_uid, std::string_view name, const Group& group) {
  static const std::size_t without_names = wire_size(GroupOfWeightEntries{});
  Extent extent{.groups = 1, .bytes = without_names + lb_uid.size() + name.size()};
  for (const auto& [key, member] : group)
    extent += extent_of(member.data);
  return extent;
}

IpAddress debtor_of(const Sender& sender, const GroupData& group, const IpAddress& member) {
  const bool for_all = sender.rights.may_speak_for_all(group.lb_uid, group.name);
  return for_all ? sender.rights.address : member;
}
IpAddress debtor_of(const Sender& sender, const GroupOfMemberData& group) {
  // A group without members is registered by who may speak for all of them.
  if (group.items.empty()) return debtor_of(sender, group.group, sender.rights.address);
  return debtor_of(sender, group.group, group.items.front().key().address);
}

void charge(SelfRegistered& books, const IpAddress& debtor, const Extent& extent) {
  books[debtor] += extent;
}
namespace {

void discharge_debtor(SelfRegistered& books, const IpAddress& debtor, const Extent& extent) {
  const auto sum = books.find(debtor);
  sum->second -= extent;
  if (sum->second == Extent{}) books.erase(sum);
}

}  // namespace

void discharge(SelfRegistered& books, const Member& member) {
  if (!member.registered_by_lb) discharge_debtor(books, member.debtor, extent_of(member.data));
}

void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid,
               const std::string& name) {
  const auto group = lb.self_registered.find(name);
  if (group == lb.self_registered.end()) return;
  discharge_debtor(books, group->second, extent_of(lb_uid, name));
  lb.self_registered.erase(group);
}

void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid) {
  for (const auto& [name, group] : lb.groups) {
    for (const auto& [key, member] : group)
      discharge(books, member);
    discharge(books, lb, lb_uid, name);
  }
}

Extent& Extent::operator+=(const Extent& other) {
  groups += other.groups;
  members += other.members;
  bytes += other.bytes;
  return *this;
}

Extent& Extent::operator-=(const Extent& other) {
  groups -= other.groups;
  members -= other.members;
  bytes -= other.bytes;
  return *this;
}

}  // namespace saspd::gwm
