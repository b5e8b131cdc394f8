#include "controller/gwm/registry.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <set>
#include <tuple>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "controller/base/text.hpp"

namespace saspd::gwm {

using namespace sasp;

namespace {

// ---- What the requests have in common -----------------------------------------------------------

// A group that a request names.
struct Named {
  const std::string& lb_uid;
  const std::string& name;
  bool once;  // naming it again makes no sense (0x46)
};

struct Head {
  bool from_lb = true;
  bool introduces_lb = false;  // an LB makes itself known by this request
  bool name_required = true;   // else an empty group name means all groups of the LB, or no group
  std::vector<Named> groups{};
};

bool is_from_lb(std::uint8_t flags) {
  return (flags & sender_flag::load_balancer) != 0;
}

Head head_of(const RegistrationRequest& request) {
  Head head{.from_lb = is_from_lb(request.flags), .introduces_lb = true};
  for (const auto& [group, items] : request.groups) {
    head.groups.push_back({group.lb_uid, group.name, false});  // merged (row 22)
  }
  return head;
}

Head head_of(const DeregistrationRequest& request) {
  Head head{.from_lb = is_from_lb(request.flags), .name_required = false};
  for (const auto& [group, items] : request.groups) {
    head.groups.push_back({group.lb_uid, group.name, items.empty()});
  }
  return head;
}

Head head_of(const GetWeightsRequest& request) {
  Head head{.name_required = false};
  for (const auto& group : request.groups) {
    head.groups.push_back({group.lb_uid, group.name, true});
  }
  return head;
}

Head head_of(const SetMemberStateRequest& request) {
  Head head{.from_lb = is_from_lb(request.flags)};
  for (const auto& [group, items] : request.groups) {
    head.groups.push_back({group.lb_uid, group.name, true});
  }
  return head;
}

Head head_of(const SetLbStateRequest& request) {
  static const std::string no_group;
  return {
      .introduces_lb = true, .name_required = false, .groups = {{request.lb_uid, no_group, true}}};
}

const MemberData& member_of(const MemberData& item) {
  return item;
}
const MemberData& member_of(const MemberState& item) {
  return item.member;
}

const Group* find_group(const LoadBalancers& lbs, std::string_view lb_uid, std::string_view name) {
  const auto lb = lbs.find(lb_uid);
  if (lb == lbs.end()) return nullptr;
  const auto group = lb->second.groups.find(name);
  return group == lb->second.groups.end() ? nullptr : &group->second;
}

// ---- Sizes --------------------------------------------------------------------------------------

// What stands in a Get Weights Reply (RFC 4678 4.3, 7.3.2; 5.2, 6.2; 5.1, 5.3), without its texts.
constexpr std::size_t reply_bytes = 13 + 9;
constexpr std::size_t group_bytes = 6 + 6;
constexpr std::size_t member_bytes = 24 + 8;

Extent extent_of(const MemberData& member) {
  return {.members = 1, .bytes = member_bytes + member.label.size()};
}
Extent extent_of(std::string_view lb_uid, std::string_view name, const Group& group = {}) {
  Extent extent{.groups = 1, .bytes = group_bytes + lb_uid.size() + name.size()};
  for (const auto& [key, member] : group)
    extent += extent_of(member.data);
  return extent;
}

// ---- Judging: the checks, in the order of the list in registry.hpp ------------------------------

struct Refusal {
  ReturnCode code{};
  std::string why;
  bool unauthorized = false;
};
using Verdict = std::optional<Refusal>;  // nothing: accepted

// What a request is judged by. Nothing here is changed.
struct Known {
  const RegistryConfig& config;
  const LoadBalancers& lbs;
  const SelfRegistered& self_registered;
  const Sender& sender;
  const std::string* attached;  // the LB that the sender's connection speaks for, or nullptr
};

std::string group_text(const std::string& name) {
  return name.empty() ? "all groups" : fmt::format("group '{}'", name);
}
std::string where(const std::string& lb_uid, const std::string& name) {
  return fmt::format("{} of '{}'", group_text(name), lb_uid);
}

Verdict names_are_text(const Head& head) {
  if (head.groups.empty()) return Refusal{ReturnCode::not_understood, "no group is named"};
  for (const Named& group : head.groups) {
    if (is_clean_utf8(group.lb_uid) && is_clean_utf8(group.name)) continue;
    return Refusal{ReturnCode::not_understood,
                   where(group.lb_uid, group.name) + ": not UTF-8 without control characters"};
  }
  return {};
}

Verdict members_have_a_group(const DeregistrationRequest& request) {
  for (const auto& [group, items] : request.groups) {
    if (!group.name.empty() || items.empty()) continue;
    return Refusal{ReturnCode::not_understood, "members are listed without a group name"};
  }
  return {};
}

Verdict names_fit(const Head& head) {
  for (const Named& group : head.groups) {
    if (!head.name_required || !group.name.empty()) continue;
    return Refusal{ReturnCode::invalid_group_name_size,
                   fmt::format("empty group name of '{}'", group.lb_uid)};
  }
  for (const Named& group : head.groups) {
    const std::size_t size = group.lb_uid.size();
    if (size > 0 && size <= max_lb_uid) continue;
    return Refusal{ReturnCode::invalid_lb_uid_size,
                   fmt::format("lb uid of {} bytes, expected 1 to {}", size, max_lb_uid)};
  }
  return {};
}

Refusal unauthorized(std::string why) {
  return {ReturnCode::not_accepted, std::move(why), true};
}

// RFC 4678 10: an LB UID is no secret; who may use it is decided before anything is said of it.
Verdict sender_may_be_lb(const Known& known, const Head& head) {
  if (!head.from_lb) return {};
  const Rights& rights = known.sender.rights;
  for (const Named& group : head.groups) {
    const auto may_not = [&](const std::string& in) {
      return unauthorized(
          fmt::format("{} may not speak as load balancer '{}'{}", rights.peer, group.lb_uid, in));
    };
    if (!rights.may_be(group.lb_uid)) return may_not("");
    if (!group.name.empty() && !rights.may_be(group.lb_uid, group.name))
      return may_not(" for " + group_text(group.name));
    const auto lb = known.lbs.find(group.lb_uid);
    if (&group != &head.groups.front() || lb == known.lbs.end()) continue;
    if (const auto* name = group_left_out(rights, group.lb_uid, lb->second))
      return may_not(fmt::format(", which has {}", group_text(*name)));
  }
  return {};
}

// sasp-interop row 37: a member speaks for itself, so not for a whole group either.
template <class Groups>
Verdict sender_may_be_members(const Known& known, const Head& head, const Groups& groups) {
  if (head.from_lb) return {};
  const Rights& rights = known.sender.rights;
  for (const auto& [group, items] : groups) {
    if (items.empty() && !rights.may_speak_for_all(group.lb_uid, group.name)) {
      return unauthorized(fmt::format("{} may not speak for all members of {}", rights.peer,
                                      where(group.lb_uid, group.name)));
    }
    for (const auto& item : items) {
      const MemberKey key = member_of(item).key();
      if (rights.may_speak_for(key.address, group.lb_uid, group.name)) continue;
      return unauthorized(fmt::format("{} may not speak for member {} of {}", rights.peer,
                                      key.text(), where(group.lb_uid, group.name)));
    }
  }
  return {};
}

Verdict lb_is_known(const Known& known, const Head& head) {
  if (head.from_lb && head.introduces_lb) return {};
  const auto code = head.from_lb ? ReturnCode::unknown_lb_uid : ReturnCode::lb_not_contacted;
  for (const Named& group : head.groups) {
    if (!known.lbs.contains(group.lb_uid)) return Refusal{code, fmt::format("'{}'", group.lb_uid)};
  }
  return {};
}

// RFC 4678 7.1.2: a connection speaks for one load balancer, a member needs the LB's trust.
Verdict sender_is_entitled(const Known& known, const Head& head) {
  const std::string& own = known.attached != nullptr ? *known.attached : head.groups[0].lb_uid;
  for (const Named& group : head.groups) {
    if (head.from_lb && group.lb_uid != own) {
      return Refusal{ReturnCode::not_accepted,
                     fmt::format("'{}' addresses '{}'", own, group.lb_uid)};
    }
    if (!head.from_lb && !known.lbs.find(group.lb_uid)->second.trusts()) {
      return Refusal{ReturnCode::not_accepted,
                     fmt::format("'{}' has not set the trust flag", group.lb_uid)};
    }
  }
  return {};
}

// Whoever adds a group to an LB adds to what it is told and has to be entitled to (group_left_out):
// with one that it may not have itself, it would be refused everything from then on.
Verdict lb_may_have(const Known& known, const Head& head) {
  if (head.from_lb) return {};
  for (const Named& group : head.groups) {
    const LoadBalancer& lb = known.lbs.find(group.lb_uid)->second;
    if (lb.rights.may_be(group.lb_uid, group.name)) continue;
    return unauthorized(
        fmt::format("{} may not register in {}, which {} may not have as that load "
                    "balancer",
                    known.sender.rights.peer, where(group.lb_uid, group.name), lb.rights.peer));
  }
  return {};
}

Verdict groups_are_known(const Known& known, const Head& head) {
  for (const Named& group : head.groups) {
    if (group.name.empty() || find_group(known.lbs, group.lb_uid, group.name) != nullptr) continue;
    return Refusal{ReturnCode::unknown_group, where(group.lb_uid, group.name)};
  }
  return {};
}

// RFC 4678 5.1: a system has neither protocol nor port, an application both (row 25).
bool is_system(const MemberKey& member) {
  return member.protocol == 0 && member.port == 0;
}
bool is_application(const MemberKey& member) {
  return member.protocol != 0 && member.port != 0;
}

// RFC 4678 7.1.2: a GWM may want members of one kind in a group (row 26).
Verdict kinds_fit(const Known& known, const RegistrationRequest& request) {
  std::map<std::pair<std::string_view, std::string_view>, bool> group_of_systems;
  for (const auto& [group, items] : request.groups) {
    for (const MemberData& member : items) {
      const MemberKey key = member.key();
      if (!is_system(key) && !is_application(key)) {
        return Refusal{
            ReturnCode::invalid_group,
            fmt::format("member {} with protocol {} and port {} in {}", key.address.text(),
                        key.protocol, key.port, where(group.lb_uid, group.name))};
      }
      const Group* existing = find_group(known.lbs, group.lb_uid, group.name);
      const bool has_members = existing != nullptr && !existing->empty();
      const MemberKey& first = has_members ? existing->begin()->first : key;
      const auto [entry, is_new] =
          group_of_systems.try_emplace({group.lb_uid, group.name}, is_system(first));
      if (known.config.mixed_groups || entry->second == is_system(key)) continue;
      return Refusal{ReturnCode::invalid_group,
                     fmt::format("{} would mix systems and applications in {}", key.text(),
                                 where(group.lb_uid, group.name))};
    }
  }
  return {};
}

template <class Groups>
Verdict members_stand_once(const Groups& groups) {
  std::set<std::tuple<std::string_view, std::string_view, MemberKey>> seen;
  for (const auto& [group, items] : groups) {
    for (const auto& item : items) {
      const MemberKey key = member_of(item).key();
      if (seen.emplace(group.lb_uid, group.name, key).second) continue;
      return Refusal{ReturnCode::duplicate_member,
                     fmt::format("{} in {}", key.text(), where(group.lb_uid, group.name))};
    }
  }
  return {};
}

// "All groups" names every group of its LB.
Verdict groups_stand_once(const Head& head) {
  std::map<std::pair<std::string_view, std::string_view>, bool> seen;
  std::map<std::string_view, std::size_t> groups_of_lb;
  std::set<std::string_view> lbs_as_a_whole;
  for (const Named& group : head.groups) {
    ++groups_of_lb[group.lb_uid];
    if (group.name.empty()) lbs_as_a_whole.insert(group.lb_uid);
    const auto [before, is_new] = seen.try_emplace({group.lb_uid, group.name}, group.once);
    if (is_new || !(before->second || group.once)) continue;
    return Refusal{ReturnCode::duplicate_group, where(group.lb_uid, group.name)};
  }
  for (const std::string_view lb_uid : lbs_as_a_whole) {
    if (groups_of_lb[lb_uid] == 1) continue;
    return Refusal{ReturnCode::duplicate_group,
                   fmt::format("all groups of '{}', and some by name", lb_uid)};
  }
  return {};
}

template <class Groups>
Verdict members_are(bool registered, const Known& known, const Groups& groups) {
  for (const auto& [group, items] : groups) {
    const Group* existing = find_group(known.lbs, group.lb_uid, group.name);
    for (const auto& item : items) {
      const MemberKey key = member_of(item).key();
      const bool is_registered = existing != nullptr && existing->count(key) != 0;
      if (is_registered == registered) continue;
      return Refusal{registered ? ReturnCode::not_registered : ReturnCode::already_registered,
                     fmt::format("{} in {}", key.text(), where(group.lb_uid, group.name))};
    }
  }
  return {};
}

Verdict limit_reached(std::string_view what, std::size_t limit) {
  return Refusal{ReturnCode::not_accepted, fmt::format("limit of {} {} reached", limit, what)};
}

Verdict lb_fits(const Known& known, const Head& head) {
  const bool is_new = !known.lbs.contains(head.groups[0].lb_uid);
  if (!is_new || known.lbs.size() < known.config.max_lbs) return {};
  return limit_reached("load balancers", known.config.max_lbs);
}

Verdict members_fit(const Known& known, const RegistrationRequest& request) {
  Extent total;
  for (const auto& [lb_uid, lb] : known.lbs)
    total += lb.extent;
  std::map<std::string_view, Extent> of_lb;
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> members_of;
  for (const auto& [group, items] : request.groups) {
    Extent growth;
    for (const MemberData& member : items)
      growth += extent_of(member);
    const Group* existing = find_group(known.lbs, group.lb_uid, group.name);
    const auto [members, is_first] = members_of.try_emplace(
        {group.lb_uid, group.name}, existing == nullptr ? 0 : existing->size());
    members->second += items.size();
    if (members->second > max_count) return limit_reached("members of a group", max_count);
    if (is_first && existing == nullptr) growth += extent_of(group.lb_uid, group.name);
    of_lb[group.lb_uid] += growth;
    total += growth;
  }
  for (auto& [lb_uid, extent] : of_lb) {
    const auto lb = known.lbs.find(lb_uid);
    if (lb != known.lbs.end()) extent += lb->second.extent;
    if (reply_bytes + extent.bytes > known.config.max_reply) {
      return limit_reached("bytes of weights", known.config.max_reply);
    }
  }
  if (total.groups > known.config.max_groups) {
    return limit_reached("groups", known.config.max_groups);
  }
  if (total.members > known.config.max_members) {
    return limit_reached("members", known.config.max_members);
  }
  return {};
}

// Who answers for what a member registers (SelfRegistered).
IpAddress debtor_of(const Sender& sender, const GroupData& group, const IpAddress& member) {
  const bool for_all = sender.rights.may_speak_for_all(group.lb_uid, group.name);
  return for_all ? sender.rights.address : member;
}
IpAddress debtor_of(const Sender& sender, const GroupOfMemberData& group) {
  // A group without members is registered by who may speak for all of them.
  if (group.items.empty()) return debtor_of(sender, group.group, sender.rights.address);
  return debtor_of(sender, group.group, group.items.front().key().address);
}

// One member must not take the room of all: max_groups and max_members are everybody's.
Verdict self_registered_fit(const Known& known, const RegistrationRequest& request) {
  if (is_from_lb(request.flags)) return {};
  SelfRegistered sums;
  const auto sum_of = [&](const IpAddress& debtor) -> Extent& {
    const auto [sum, is_new] = sums.try_emplace(debtor);
    const auto before = known.self_registered.find(debtor);
    if (is_new && before != known.self_registered.end()) sum->second = before->second;
    return sum->second;
  };
  std::set<std::pair<std::string_view, std::string_view>> new_groups;
  for (const auto& each : request.groups) {
    const auto& [group, items] = each;
    for (const MemberData& member : items)
      ++sum_of(debtor_of(known.sender, group, member.key().address)).members;
    const bool is_new = find_group(known.lbs, group.lb_uid, group.name) == nullptr;
    if (is_new && new_groups.emplace(group.lb_uid, group.name).second)
      ++sum_of(debtor_of(known.sender, each)).groups;
  }
  const std::size_t limit = known.config.max_self_registered;
  for (const auto& [debtor, sum] : sums) {
    const bool members = sum.members > limit;
    if (!members && sum.groups <= limit) continue;
    return Refusal{ReturnCode::not_accepted,
                   fmt::format("limit of {} {} that {} registers by itself reached, see "
                               "--max-self-registered",
                               limit, members ? "members" : "groups", debtor.text())};
  }
  return {};
}

Verdict judge(const Known& known, const Head& head, const RegistrationRequest& request) {
  if (auto refusal = names_are_text(head)) return refusal;
  if (auto refusal = names_fit(head)) return refusal;
  if (auto refusal = sender_may_be_lb(known, head)) return refusal;
  if (auto refusal = sender_may_be_members(known, head, request.groups)) return refusal;
  if (auto refusal = lb_is_known(known, head)) return refusal;
  if (auto refusal = sender_is_entitled(known, head)) return refusal;
  if (auto refusal = lb_may_have(known, head)) return refusal;
  if (auto refusal = kinds_fit(known, request)) return refusal;
  if (auto refusal = members_stand_once(request.groups)) return refusal;
  if (auto refusal = members_are(false, known, request.groups)) return refusal;
  if (auto refusal = lb_fits(known, head)) return refusal;
  if (auto refusal = self_registered_fit(known, request)) return refusal;
  return members_fit(known, request);
}

Verdict judge(const Known& known, const Head& head, const DeregistrationRequest& request) {
  if (auto refusal = names_are_text(head)) return refusal;
  if (auto refusal = members_have_a_group(request)) return refusal;
  if (auto refusal = names_fit(head)) return refusal;
  if (auto refusal = sender_may_be_lb(known, head)) return refusal;
  if (auto refusal = sender_may_be_members(known, head, request.groups)) return refusal;
  if (auto refusal = lb_is_known(known, head)) return refusal;
  if (auto refusal = sender_is_entitled(known, head)) return refusal;
  if (auto refusal = groups_are_known(known, head)) return refusal;
  if (auto refusal = members_stand_once(request.groups)) return refusal;
  if (auto refusal = groups_stand_once(head)) return refusal;
  return members_are(true, known, request.groups);
}

Verdict judge(const Known& known, const Head& head, const GetWeightsRequest&) {
  if (auto refusal = names_are_text(head)) return refusal;
  if (auto refusal = names_fit(head)) return refusal;
  if (auto refusal = sender_may_be_lb(known, head)) return refusal;
  if (auto refusal = lb_is_known(known, head)) return refusal;
  if (auto refusal = sender_is_entitled(known, head)) return refusal;
  if (auto refusal = groups_are_known(known, head)) return refusal;
  return groups_stand_once(head);
}

Verdict judge(const Known& known, const Head& head, const SetMemberStateRequest& request) {
  if (auto refusal = names_are_text(head)) return refusal;
  if (auto refusal = names_fit(head)) return refusal;
  if (auto refusal = sender_may_be_lb(known, head)) return refusal;
  if (auto refusal = sender_may_be_members(known, head, request.groups)) return refusal;
  if (auto refusal = lb_is_known(known, head)) return refusal;
  if (auto refusal = sender_is_entitled(known, head)) return refusal;
  if (auto refusal = groups_are_known(known, head)) return refusal;
  if (auto refusal = members_stand_once(request.groups)) return refusal;
  if (auto refusal = groups_stand_once(head)) return refusal;
  return members_are(true, known, request.groups);
}

Verdict judge(const Known& known, const Head& head, const SetLbStateRequest&) {
  if (auto refusal = names_are_text(head)) return refusal;
  if (auto refusal = names_fit(head)) return refusal;
  if (auto refusal = sender_may_be_lb(known, head)) return refusal;
  if (auto refusal = sender_is_entitled(known, head)) return refusal;
  return lb_fits(known, head);
}

// ---- Carrying out: the request was accepted, so nothing can fail. True: something is different.
// --

// What requests change.
struct Books {
  LoadBalancers& lbs;
  SelfRegistered& self_registered;
};

void charge(SelfRegistered& books, const IpAddress& debtor, const Extent& extent) {
  books[debtor] += extent;
}
void discharge(SelfRegistered& books, const IpAddress& debtor, const Extent& extent) {
  const auto sum = books.find(debtor);
  sum->second -= extent;
  if (sum->second == Extent{}) books.erase(sum);
}

void discharge(SelfRegistered& books, const Member& member) {
  if (!member.registered_by_lb) discharge(books, member.debtor, extent_of(member.data));
}
// The group itself.
void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid,
               const std::string& name) {
  const auto group = lb.self_registered.find(name);
  if (group == lb.self_registered.end()) return;
  discharge(books, group->second, extent_of(lb_uid, name));
  lb.self_registered.erase(group);
}
// All that the LB has.
void discharge(SelfRegistered& books, LoadBalancer& lb, const std::string& lb_uid) {
  for (const auto& [name, group] : lb.groups) {
    for (const auto& [key, member] : group)
      discharge(books, member);
    discharge(books, lb, lb_uid, name);
  }
}

void add_member(Books& books, LoadBalancer& lb, Group& group, const MemberData& data,
                const std::optional<IpAddress>& debtor) {
  const Extent extent = extent_of(data);
  group.emplace(
      data.key(),
      Member{.data = data, .registered_by_lb = !debtor, .debtor = debtor.value_or(IpAddress{})});
  lb.extent += extent;
  if (debtor) charge(books.self_registered, *debtor, extent);
}

bool carry_out(const Sender& sender, const RegistrationRequest& request, Books& books) {
  const bool by_lb = is_from_lb(request.flags);
  bool changed = false;
  for (const auto& each : request.groups) {
    const auto& [group, items] = each;
    LoadBalancer& lb = books.lbs[group.lb_uid];
    const auto [members, is_new] = lb.groups.try_emplace(group.name);
    const Extent extent = extent_of(group.lb_uid, group.name);
    if (is_new) lb.extent += extent;
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

void remove_members(Books& books, LoadBalancer& lb, Group& group,
                    const std::vector<MemberData>& members) {
  for (const MemberData& data : members) {
    const auto member = group.find(data.key());
    lb.extent -= extent_of(member->second.data);
    discharge(books.self_registered, member->second);
    group.erase(member);
  }
}

void remove_group(Books& books, LoadBalancer& lb, const GroupData& named) {
  const auto group = lb.groups.find(named.name);
  lb.extent -= extent_of(named.lb_uid, named.name, group->second);
  for (const auto& [key, member] : group->second)
    discharge(books.self_registered, member);
  discharge(books.self_registered, lb, named.lb_uid, named.name);
  lb.groups.erase(group);
}

void remove_all_groups(Books& books, LoadBalancer& lb, const std::string& lb_uid) {
  discharge(books.self_registered, lb, lb_uid);
  lb.groups.clear();
  lb.extent = {};
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

// ---- Replying -----------------------------------------------------------------------------------

Message reply_to(const RegistrationRequest&, ReturnCode code) {
  return RegistrationReply{code};
}
Message reply_to(const DeregistrationRequest&, ReturnCode code) {
  return DeregistrationReply{code};
}
Message reply_to(const SetMemberStateRequest&, ReturnCode code) {
  return SetMemberStateReply{code};
}
Message reply_to(const SetLbStateRequest&, ReturnCode code) {
  return SetLbStateReply{code};
}
Message reply_to(const GetWeightsRequest&, ReturnCode code) {
  return GetWeightsReply{code, 0, {}};
}

template <class Request>
constexpr bool is_request =
    std::is_same_v<Request, RegistrationRequest> ||
    std::is_same_v<Request, DeregistrationRequest> || std::is_same_v<Request, GetWeightsRequest> ||
    std::is_same_v<Request, SetLbStateRequest> || std::is_same_v<Request, SetMemberStateRequest>;

}  // namespace

template <class Request>
Outcome Registry::answer(const Sender& sender, const Request& request) {
  const Head head = head_of(request);
  const Known known{config_, lbs_, self_registered_, sender, attached_to(sender.connection)};
  Outcome outcome;
  if (const auto refusal = judge(known, head, request)) {
    outcome.reply = reply_to(request, refusal->code);
    outcome.refusal = fmt::format("{}: {}", text(refusal->code), refusal->why);
    outcome.unauthorized = refusal->unauthorized;
  } else {
    outcome.reply = reply_to(request, ReturnCode::successful);
    Books books{lbs_, self_registered_};
    outcome.changed = carry_out(sender, request, books);
    if (head.from_lb) attach(sender, head.groups[0].lb_uid, outcome);
  }
  if constexpr (std::is_same_v<Request, GetWeightsRequest>) {
    std::get<GetWeightsReply>(outcome.reply).interval = config_.interval;
  }
  return outcome;
}

Outcome Registry::handle(const Sender& sender, const Message& request) {
  return std::visit(
      [&](const auto& message) -> Outcome {
        if constexpr (is_request<std::decay_t<decltype(message)>>) {
          return answer(sender, message);
        } else {
          assert(false && "a session hands out requests only");
          return {};
        }
      },
      request);
}

const std::string* group_left_out(const Rights& rights, const std::string& lb_uid,
                                  const LoadBalancer& lb) {
  if (rights.may_be(lb_uid, "")) return nullptr;
  for (const auto& [name, group] : lb.groups) {
    if (!rights.may_be(lb_uid, name)) return &name;
  }
  return nullptr;
}

LoadBalancer* Registry::find(std::string_view lb_uid) {
  const auto lb = lbs_.find(lb_uid);
  return lb == lbs_.end() ? nullptr : &lb->second;
}

// RFC 4678 9.1: "The establishment of a new connection causes the GWM to assume that the old one is
// broken." A connection becomes an LB's by the first request that it sends as that LB and that is
// accepted.
void Registry::attach(const Sender& sender, const std::string& lb_uid, Outcome& outcome) {
  LoadBalancer& lb = lbs_.find(lb_uid)->second;
  if (lb.connection == sender.connection) return;
  if (lb.connection) {
    outcome.replaced = lb.connection;
    attached_.erase(*lb.connection);
    ++lb.replacements;
  }
  lb.connection = sender.connection;
  lb.rights = sender.rights;
  attached_.emplace(sender.connection, lb_uid);
  outcome.attached = lb_uid;
}

void Registry::judge_again(const Authority& authority) {
  for (auto& [lb_uid, lb] : lbs_)
    lb.rights = authority.rights_of(lb.rights);
}

void Registry::disconnected(ConnectionId connection, TimePoint now) {
  const auto attached = attached_.find(connection);
  if (attached == attached_.end()) return;
  LoadBalancer& lb = lbs_.find(attached->second)->second;
  lb.connection.reset();
  lb.forgotten_at = now + config_.retention;
  attached_.erase(attached);
}

const std::string* Registry::attached_to(ConnectionId connection) const {
  const auto attached = attached_.find(connection);
  return attached == attached_.end() ? nullptr : &attached->second;
}

std::optional<TimePoint> Registry::next_expiry() const {
  std::optional<TimePoint> next;
  for (const auto& [lb_uid, lb] : lbs_) {
    if (!lb.connection && (!next || lb.forgotten_at < *next)) next = lb.forgotten_at;
  }
  return next;
}

std::vector<std::string> Registry::forget_expired(TimePoint now) {
  std::vector<std::string> forgotten;
  for (auto lb = lbs_.begin(); lb != lbs_.end();) {
    const bool expired = !lb->second.connection && lb->second.forgotten_at <= now;
    if (expired) {
      discharge(self_registered_, lb->second, lb->first);
      forgotten.push_back(lb->first);
    }
    lb = expired ? lbs_.erase(lb) : std::next(lb);
  }
  return forgotten;
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
