// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/member_states.hpp"

#include <utility>

namespace saspd::sasp {
namespace {

bool is_quiesced(const WeightEntry& entry) {
  return (entry.flags & weight_flag::quiesce) != 0;
}

bool is_registered(const WantedGroups& groups, const std::pair<std::string, MemberKey>& name) {
  const auto group = groups.find(name.first);
  return group != groups.end() && group->second.contains(name.second);
}

}  // namespace

void MemberStates::connected() {
  asked_ = {};
  std::erase_if(said_, [](const auto& entry) { return !entry.second.quiesced; });
  for (auto& [name, said] : said_)
    said.confirmed = false;
  ++generation_;
}

bool MemberStates::is_due(const Name& name, bool wanted, TimePoint now) const {
  const auto found = said_.find(name);
  if (found == said_.end()) return wanted;
  const Said& said = found->second;
  if (now < said.retry) return false;
  return wanted ? !said.quiesced || !said.confirmed : said.quiesced;
}

// A lift comes first: it gives connections back.
std::optional<SetMemberStateRequest> MemberStates::next(const std::string& lb_uid,
                                                        const WantedStates& wanted,
                                                        std::size_t most, TimePoint now) {
  asked_ = {};
  for (const bool quiesces : {false, true}) {
    for (const auto& [group, members] : wanted) {
      GroupOfMemberStates states{{lb_uid, group}, {}};
      for (const auto& [member, wants] : members) {
        if (wants.quiesced != quiesces || states.items.size() >= most) continue;
        if (!is_due({group, member}, quiesces, now)) continue;
        asked_.members.emplace_back(group, member);
        const std::uint8_t flags = quiesces ? state_flag::quiesce : std::uint8_t{0};
        states.items.push_back({MemberData::of(member), wants.state, flags});
      }
      if (states.items.empty()) continue;
      asked_.quiesces = quiesces;
      SetMemberStateRequest request;
      request.groups.push_back(std::move(states));
      return request;
    }
  }
  return std::nullopt;
}

// RFC 4678 7.5.2. Members that the GWM does not know have no quiesce left, if nobody registers them
// again.
bool MemberStates::answered(const WantedGroups& registered, ReturnCode code, TimePoint retry) {
  const auto asked = std::exchange(asked_, {});
  const CodeClass kind = classify(code);
  const bool unknown = kind == CodeClass::resynchronise && !asked.quiesces;
  bool counts_now = !asked.quiesces && !unknown;
  for (const auto& name : asked.members) {
    Said& said = said_[name];
    if (unknown && is_registered(registered, name)) {
      counts_now = counts_now || !said.refused;
      said.refused = said.unknown = true;
      said.retry = retry;
    } else if (kind == CodeClass::done || unknown) {
      said = {asked.quiesces, true, false, false, {}};
    } else {
      said.refused = !asked.quiesces;
      said.retry = retry;
    }
  }
  ++generation_;
  return counts_now;
}

void MemberStates::learn(const WantedRegistry& registry,
                         const std::vector<GroupOfWeightEntries>& answer) {
  const WantedStates& wanted = registry.states();
  std::map<Name, bool> quiesced;  // of those that concern us
  for (const auto& group : answer) {
    const auto states = wanted.find(group.group.name);
    if (states == wanted.end()) continue;
    for (const auto& entry : group.items) {
      if (states->second.contains(entry.member.key()))
        quiesced[{group.group.name, entry.member.key()}] = is_quiesced(entry);
    }
  }
  for (const auto& [group, members] : wanted) {
    for (const auto& [member, wants] : members) {
      if (wants.quiesced) continue;
      const auto entry = quiesced.find({group, member});
      if (entry == quiesced.end() && is_registered(registry.groups(), {group, member})) continue;
      const bool is_quiesced = entry != quiesced.end() && entry->second;
      const auto [said, is_new] = said_.try_emplace({group, member});
      if (is_new || (entry != quiesced.end() && !is_quiesced))
        said->second = {is_quiesced, true, false, false, {}};
      if (std::exchange(said->second.unknown, false)) said->second.retry = {};  // it knows it again
    }
  }
  ++generation_;
}

MemberStates::Echoes MemberStates::echoes(const WantedStates& wanted,
                                          const std::vector<GroupOfWeightEntries>& said) const {
  Echoes echoes;
  for (const auto& group : said) {
    if (!wanted.contains(group.group.name)) continue;
    for (const auto& entry : group.items) {
      const auto member = entry.member.key();
      if (is_quiesced(entry) && is_ours(wanted, {group.group.name, member}))
        echoes[group.group.name].insert(member);
    }
  }
  return echoes;
}

bool MemberStates::is_ours(const WantedStates& wanted, const Name& name) const {
  const auto& members = wanted.at(name.first);
  const auto wants = members.find(name.second);
  if (wants == members.end()) return false;
  if (wants->second.quiesced) return true;
  const auto said = said_.find(name);
  return said == said_.end() || (said->second.quiesced && !said->second.refused);
}

bool MemberStates::is_lifted(const std::string& group, const MemberKey& member) const {
  const auto said = said_.find({group, member});
  return said != said_.end() && !said->second.quiesced && said->second.confirmed;
}

}  // namespace saspd::sasp
