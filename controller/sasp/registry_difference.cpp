// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/registry_difference.hpp"

#include <algorithm>

namespace saspd::sasp {
namespace {

WantedMembers::const_iterator behind(const WantedMembers& members, const MemberKey& key) {
  return members.upper_bound(key);
}
template <class Known>
auto behind(const std::vector<Known>& members, const MemberKey& key) {
  return std::upper_bound(
      members.begin(), members.end(), key,
      [](const MemberKey& wanted, const Known& member) { return wanted < member.key; });
}

// The next members that `pick` gives, at most `most` and all of one group, behind the member
// `reached` of `group`, or from the beginning of that group on.
template <class Groups, class Skip, class Pick>
RegistryDifference::Change next_of(const Groups& groups, const std::string& reached_group,
                                   const std::optional<MemberKey>& reached, std::size_t most,
                                   Skip skip, Pick pick) {
  RegistryDifference::Change change;
  for (auto group = groups.lower_bound(reached_group);
       group != groups.end() && change.members.empty(); ++group) {
    const auto& [name, members] = *group;
    // A group that was begun is finished, although one of its slices may have been refused.
    const bool is_begun = reached && name == reached_group;
    if (!is_begun && skip(name)) continue;
    change.group = name;
    auto member = is_begun ? behind(members, *reached) : members.begin();
    for (; member != members.end() && change.members.size() < most; ++member) {
      if (auto data = pick(name, *member)) change.members.push_back(std::move(*data));
    }
  }
  return change;
}

template <class Known>
void sort_and_unite(std::vector<Known>& members) {
  const auto less = [](const Known& a, const Known& b) { return a.key < b.key; };
  if (!std::is_sorted(members.begin(), members.end(), less))
    std::stable_sort(members.begin(), members.end(), less);
  // A member that is listed twice is what was said of it last.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i].key == members[i + 1].key) continue;
    members[kept++] = members[i];
  }
  members.resize(kept);
}

}  // namespace

// Row 22: a group that is listed twice is one group.
RegistryDifference::RegistryDifference(const std::vector<GroupOfWeightEntries>& known) {
  for (const auto& group : known) {
    auto& members = known_[group.group.name];
    members.reserve(members.size() + group.items.size());
    for (const auto& entry : group.items)
      members.push_back({entry.member.key(), (entry.flags & weight_flag::registered_by_lb) != 0});
  }
  for (auto& [group, members] : known_)
    sort_and_unite(members);
}

bool RegistryDifference::is_known(const std::string& group, const MemberKey& member) const {
  const auto found = known_.find(group);
  if (found == known_.end()) return false;
  const auto next = behind(found->second, member);
  return next != found->second.begin() && std::prev(next)->key == member;
}

std::optional<RegistryDifference::Change> RegistryDifference::next(const WantedGroups& wanted,
                                                                   std::size_t most,
                                                                   const HeldBack& is_held_back) {
  std::optional<Change> change;
  if (!reached_.in_surplus) {
    change = next_missing(wanted, most, is_held_back);
    if (!change) reached_ = {.in_surplus = true, .group = {}, .member = {}};
  }
  if (!change) change = next_surplus(wanted, most);
  if (change) next_ = {!change->registers, change->group, change->members.back().key()};
  return change;
}

std::optional<RegistryDifference::Change> RegistryDifference::next_missing(
    const WantedGroups& wanted, std::size_t most, const HeldBack& is_held_back) const {
  const auto if_missing = [this](const std::string& group, const auto& member) {
    const auto& [key, label] = member;
    return is_known(group, key) ? std::nullopt : std::optional(MemberData::of(key, label));
  };
  Change change = next_of(wanted, reached_.group, reached_.member, most, is_held_back, if_missing);
  change.registers = true;
  return change.members.empty() ? std::nullopt : std::optional(std::move(change));
}

// Only members that an LB registered: one that registered itself is not ours to remove.
std::optional<RegistryDifference::Change> RegistryDifference::next_surplus(
    const WantedGroups& wanted, std::size_t most) const {
  const auto if_surplus = [&wanted](const std::string& group,
                                    const Known& member) -> std::optional<MemberData> {
    if (!member.registered_by_lb) return std::nullopt;
    const auto members = wanted.find(group);
    if (members != wanted.end() && members->second.contains(member.key)) return std::nullopt;
    return MemberData::of(member.key);
  };
  const auto none = [](const std::string&) { return false; };
  Change change = next_of(known_, reached_.group, reached_.member, most, none, if_surplus);
  change.registers = false;
  return change.members.empty() ? std::nullopt : std::optional(std::move(change));
}

}  // namespace saspd::sasp
