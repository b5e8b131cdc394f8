// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/judge.hpp"

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/gwm/accounting.hpp"

namespace saspd::gwm {

using namespace sasp;

namespace {

std::string group_text(const std::string& name) {
  return name.empty() ? "all groups" : fmt::format("group '{}'", name);
}
std::string where(const std::string& lb_uid, const std::string& name) {
  return fmt::format("{} of '{}'", group_text(name), lb_uid);
}

Verdict names_are_text(const Case& about) {
  const Head& head = about.head;
  if (head.groups.empty()) return Refusal{ReturnCode::not_understood, "no group is named"};
  for (const Named& group : head.groups) {
    if (is_clean_utf8(group.lb_uid) && is_clean_utf8(group.name)) continue;
    return Refusal{ReturnCode::not_understood,
                   where(group.lb_uid, group.name) + ": not UTF-8 without control characters"};
  }
  return {};
}

Verdict members_have_a_group(const CaseOf<DeregistrationRequest>& about) {
  for (const auto& [group, items] : about.request.groups) {
    if (!group.name.empty() || items.empty()) continue;
    return Refusal{ReturnCode::not_understood, "members are listed without a group name"};
  }
  return {};
}

Verdict names_fit(const Case& about) {
  const Head& head = about.head;
  for (const Named& group : head.groups) {
    if (!head.name_required || !group.name.empty()) continue;
    return Refusal{ReturnCode::invalid_group_name_size,
                   fmt::format("empty group name of '{}'", group.lb_uid)};
  }
  for (const Named& group : head.groups) {
    const std::size_t size = group.lb_uid.size();
    if (size > 0 && size <= max_lb_uid) continue;
    return Refusal{ReturnCode::invalid_lb_uid_size,
                   fmt::format("LB UID of {} bytes, expected 1 to {}", size, max_lb_uid)};
  }
  return {};
}

Refusal unauthorized(std::string why) {
  return {ReturnCode::not_accepted, std::move(why), true};
}

// RFC 4678 10: an LB UID is not a secret; who may use it is decided before anything is disclosed
// about it.
Verdict sender_may_be_lb(const Case& about) {
  const auto& [known, head] = about;
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
template <class Request>
Verdict sender_may_be_members(const CaseOf<Request>& about) {
  if (about.head.from_lb) return {};
  const Rights& rights = about.known.sender.rights;
  for (const auto& [group, items] : about.request.groups) {
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

Verdict lb_is_known(const Case& about) {
  const auto& [known, head] = about;
  if (head.from_lb && head.introduces_lb) return {};
  const auto code = head.from_lb ? ReturnCode::unknown_lb_uid : ReturnCode::lb_not_contacted;
  for (const Named& group : head.groups) {
    if (!known.lbs.contains(group.lb_uid)) return Refusal{code, fmt::format("'{}'", group.lb_uid)};
  }
  return {};
}

// RFC 4678 7.1.2: a connection speaks for one load balancer, a member needs the LB's trust.
Verdict sender_is_entitled(const Case& about) {
  const auto& [known, head] = about;
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

// A peer that adds a group to an LB adds to what that LB is sent and must be entitled to
// (group_left_out): with a group that it may not have, the LB would be refused everything from then
// on.
Verdict lb_may_have(const Case& about) {
  const auto& [known, head] = about;
  if (head.from_lb) return {};
  for (const Named& group : head.groups) {
    const LoadBalancer& lb = known.lbs.find(group.lb_uid)->second;
    if (lb.rights.may_be(group.lb_uid, group.name)) continue;
    return unauthorized(
        fmt::format("{} may not register in {}: as that load balancer, {} may not have this group",
                    known.sender.rights.peer, where(group.lb_uid, group.name), lb.rights.peer));
  }
  return {};
}

Verdict groups_are_known(const Case& about) {
  const auto& [known, head] = about;
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
Verdict kinds_fit(const CaseOf<RegistrationRequest>& about) {
  const Known& known = about.known;
  std::map<std::pair<std::string_view, std::string_view>, bool> group_of_systems;
  for (const auto& [group, items] : about.request.groups) {
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

template <class Request>
Verdict members_stand_once(const CaseOf<Request>& about) {
  std::set<std::tuple<std::string_view, std::string_view, MemberKey>> seen;
  for (const auto& [group, items] : about.request.groups) {
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
Verdict groups_stand_once(const Case& about) {
  std::map<std::pair<std::string_view, std::string_view>, bool> seen;
  std::map<std::string_view, std::size_t> groups_of_lb;
  std::set<std::string_view> lbs_as_a_whole;
  for (const Named& group : about.head.groups) {
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

template <class Request>
Verdict members_are(bool registered, const CaseOf<Request>& about) {
  for (const auto& [group, items] : about.request.groups) {
    const Group* existing = find_group(about.known.lbs, group.lb_uid, group.name);
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
template <class Request>
Verdict members_are_new(const CaseOf<Request>& about) {
  return members_are(false, about);
}
template <class Request>
Verdict members_are_registered(const CaseOf<Request>& about) {
  return members_are(true, about);
}

Verdict limit_reached(std::string_view what, std::size_t limit) {
  return Refusal{ReturnCode::not_accepted, fmt::format("limit of {} {} reached", limit, what)};
}

Verdict lb_fits(const Case& about) {
  const auto& [known, head] = about;
  const bool is_new = !known.lbs.contains(head.groups[0].lb_uid);
  if (!is_new || known.lbs.size() < known.config.max_lbs) return {};
  return limit_reached("load balancers", known.config.max_lbs);
}

Verdict members_fit(const CaseOf<RegistrationRequest>& about) {
  const Known& known = about.known;
  const RegistrationRequest& request = about.request;
  Extent total = known.total;
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
    if (bytes_of_empty_reply() + extent.bytes > known.config.max_reply) {
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

// One member must not take the room of all: all peers share max_groups and max_members.
Verdict self_registered_fit(const CaseOf<RegistrationRequest>& about) {
  const Known& known = about.known;
  const RegistrationRequest& request = about.request;
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
    return Refusal{
        ReturnCode::not_accepted,
        fmt::format(
            "limit of {} {} that {} may register by itself reached, see --max-self-registered",
            limit, members ? "members" : "groups", debtor.text())};
  }
  return {};
}

// The checks are made one after the other, none of them after a refusal.
template <class Case, class... Checks>
Verdict first_of(const Case& about, Checks... checks) {
  Verdict verdict;
  (void)((verdict = checks(about)).has_value() || ...);
  return verdict;
}

}  // namespace

Verdict judge(const CaseOf<RegistrationRequest>& about) {
  return first_of(about, names_are_text, names_fit, sender_may_be_lb,
                  sender_may_be_members<RegistrationRequest>, lb_is_known, sender_is_entitled,
                  lb_may_have, kinds_fit, members_stand_once<RegistrationRequest>,
                  members_are_new<RegistrationRequest>, lb_fits, self_registered_fit, members_fit);
}

Verdict judge(const CaseOf<DeregistrationRequest>& about) {
  return first_of(about, names_are_text, members_have_a_group, names_fit, sender_may_be_lb,
                  sender_may_be_members<DeregistrationRequest>, lb_is_known, sender_is_entitled,
                  groups_are_known, members_stand_once<DeregistrationRequest>, groups_stand_once,
                  members_are_registered<DeregistrationRequest>);
}

Verdict judge(const CaseOf<GetWeightsRequest>& about) {
  return first_of(about, names_are_text, names_fit, sender_may_be_lb, lb_is_known,
                  sender_is_entitled, groups_are_known, groups_stand_once);
}

Verdict judge(const CaseOf<SetMemberStateRequest>& about) {
  return first_of(about, names_are_text, names_fit, sender_may_be_lb,
                  sender_may_be_members<SetMemberStateRequest>, lb_is_known, sender_is_entitled,
                  groups_are_known, members_stand_once<SetMemberStateRequest>, groups_stand_once,
                  members_are_registered<SetMemberStateRequest>);
}

Verdict judge(const CaseOf<SetLbStateRequest>& about) {
  return first_of(about, names_are_text, names_fit, sender_may_be_lb, sender_is_entitled, lb_fits);
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

const Group* find_group(const LoadBalancers& lbs, std::string_view lb_uid, std::string_view name) {
  const auto lb = lbs.find(lb_uid);
  if (lb == lbs.end()) return nullptr;
  const auto group = lb->second.groups.find(name);
  return group == lb->second.groups.end() ? nullptr : &group->second;
}

}  // namespace saspd::gwm
