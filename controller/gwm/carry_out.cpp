// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/carry_out.hpp"

#include "controller/gwm/accounting.hpp"
#include "controller/sasp/requests.hpp"

namespace saspd::gwm {

using namespace sasp;

namespace {

void grow(Books& books, LoadBalancer& lb, const Extent& by) {
  lb.extent += by;
  books.total += by;
}
void shrink(Books& books, LoadBalancer& lb, const Extent& by) {
  lb.extent -= by;
  books.total -= by;
}

void add_member(Books& books, LoadBalancer& lb, Group& group, const MemberData& data,
                const std::optional<IpAddress>& debtor) {
  const Extent extent = extent_of(data);
  group.emplace(
      data.key(),
      Member{.data = data, .registered_by_lb = !debtor, .debtor = debtor.value_or(IpAddress{})});
  grow(books, lb, extent);
  if (debtor) charge(books.self_registered, *debtor, extent);
}

void remove_members(Books& books, LoadBalancer& lb, Group& group,
                    const std::vector<MemberData>& members) {
  for (const MemberData& data : members) {
    const auto member = group.find(data.key());
    shrink(books, lb, extent_of(member->second.data));
    discharge(books.self_registered, member->second);
    group.erase(member);
  }
}

void remove_group(Books& books, LoadBalancer& lb, const GroupData& named) {
  const auto group = lb.groups.find(named.name);
  shrink(books, lb, extent_of(named.lb_uid, named.name, group->second));
  for (const auto& [key, member] : group->second)
    discharge(books.self_registered, member);
  discharge(books.self_registered, lb, named.lb_uid, named.name);
  lb.groups.erase(group);
}

void remove_all_groups(Books& books, LoadBalancer& lb, const std::string& lb_uid) {
  discharge(books.self_registered, lb, lb_uid);
  lb.groups.clear();
  shrink(books, lb, Extent(lb.extent));
}

}  // namespace

bool carry_out(const Sender& sender, const RegistrationRequest& request, Books& books) {
  const bool by_lb = is_from_lb(request.flags);
  bool changed = false;
  for (const auto& each : request.groups) {
    const auto& [group, items] = each;
    LoadBalancer& lb = books.lbs[group.lb_uid];
    const auto [members, is_new] = lb.groups.try_emplace(group.name);
    const Extent extent = extent_of(group.lb_uid, group.name);
    if (is_new) grow(books, lb, extent);
    if (by_lb) {  // the LB wants it, too
      discharge(books.self_registered, lb, group.lb_uid, group.name);
    } else if (is_new) {
      const IpAddress debtor = debtor_of(sender, each);
      lb.self_registered.emplace(group.name, debtor);
      charge(books.self_registered, debtor, extent);
    }
    for (const MemberData& member : items) {
      std::optional<IpAddress> debtor;
      if (!by_lb) debtor = debtor_of(sender, group, member.key().address);
      add_member(books, lb, members->second, member, debtor);
    }
    changed = changed || is_new || !items.empty();
  }
  return changed;
}

bool carry_out(const Sender&, const DeregistrationRequest& request, Books& books) {
  bool changed = false;
  for (const auto& [group, items] : request.groups) {
    LoadBalancer& lb = books.lbs.find(group.lb_uid)->second;
    if (group.name.empty()) {
      changed = changed || !lb.groups.empty();
      remove_all_groups(books, lb, group.lb_uid);
      continue;
    }
    changed = true;
    if (items.empty()) {
      remove_group(books, lb, group);
    } else {
      remove_members(books, lb, lb.groups.find(group.name)->second, items);
    }
  }
  return changed;
}

bool carry_out(const Sender&, const GetWeightsRequest&, Books&) {
  return false;
}

bool carry_out(const Sender&, const SetMemberStateRequest& request, Books& books) {
  const bool by_lb = is_from_lb(request.flags);
  bool changed = false;
  for (const auto& [group, items] : request.groups) {
    Group& members = books.lbs.find(group.lb_uid)->second.groups.find(group.name)->second;
    for (const MemberState& item : items) {
      Member& member = members.find(item.member.key())->second;
      bool& quiesced = by_lb ? member.quiesced_by_lb : member.quiesced_by_member;
      const bool quiesce = (item.flags & state_flag::quiesce) != 0;
      changed = changed || quiesced != quiesce || member.state != item.state;
      quiesced = quiesce;
      member.state = item.state;
    }
  }
  return changed;
}

bool carry_out(const Sender&, const SetLbStateRequest& request, Books& books) {
  LoadBalancer& lb = books.lbs[request.lb_uid];
  const bool changed = lb.flags != request.flags || lb.health != request.health;
  lb.flags = request.flags;
  lb.health = request.health;
  return changed;
}

}  // namespace saspd::gwm
