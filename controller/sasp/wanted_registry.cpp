// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/wanted_registry.hpp"

#include <utility>
#include <vector>

#include "controller/sasp/codec.hpp"

namespace saspd::sasp {
namespace {

// With the longest names.
std::size_t bytes_of_group() {
  static const std::size_t bytes = wire_size(GroupOfWeightEntries{}) + 2 * max_text;
  return bytes;
}
std::size_t bytes_of(const std::string& label) {
  static const std::size_t without_label = wire_size(WeightEntry{});
  return without_label + label.size();
}

}  // namespace

std::size_t WantedRegistry::reply_bytes(const std::string& group) const {
  const auto found = bytes_of_.find(group);
  return found == bytes_of_.end() ? 0 : found->second;
}

void WantedRegistry::put(const std::string& group, const MemberKey& member, std::string label) {
  auto [bytes, is_new_group] = bytes_of_.try_emplace(group, bytes_of_group());
  if (is_new_group) reply_bytes_ += bytes_of_group();
  auto [place, is_new] = groups_[group].try_emplace(member);
  if (!is_new && place->second == label) return;
  const std::size_t before = is_new ? 0 : bytes_of(place->second);
  const std::size_t now = bytes_of(label);
  bytes->second += now - before;
  reply_bytes_ += now - before;
  place->second = std::move(label);
  ++generation_;
}

void WantedRegistry::remove(const std::string& group, const MemberKey& member) {
  const auto members = groups_.find(group);
  if (members == groups_.end()) return;
  const auto place = members->second.find(member);
  if (place == members->second.end()) return;
  const auto bytes = bytes_of_.find(group);
  const std::size_t gone = bytes_of(place->second);
  bytes->second -= gone;
  reply_bytes_ -= gone;
  members->second.erase(place);
  ++generation_;
  if (!members->second.empty()) return;
  reply_bytes_ -= bytes->second;
  bytes_of_.erase(bytes);
  groups_.erase(members);
}

void WantedRegistry::assign(const std::string& group, const WantedMembers& members) {
  if (const auto known = groups_.find(group); known != groups_.end()) {
    std::vector<MemberKey> gone;
    for (const auto& [member, label] : known->second) {
      if (!members.contains(member)) gone.push_back(member);
    }
    for (const auto& member : gone)
      remove(group, member);
  }
  for (const auto& [member, label] : members)
    put(group, member, label);
}

void WantedRegistry::assign_states(const std::string& group, WantedMemberStates states) {
  const auto known = states_.find(group);
  if (known == states_.end() ? states.empty() : known->second == states) return;
  ++states_generation_;
  if (states.empty())
    states_.erase(known);
  else
    states_[group] = std::move(states);
}

void WantedRegistry::assign(WantedGroups groups) {
  std::erase_if(groups, [](const auto& group) { return group.second.empty(); });
  if (groups == groups_) return;
  groups_ = std::move(groups);
  ++generation_;
  bytes_of_.clear();
  reply_bytes_ = 0;
  for (const auto& [name, members] : groups_) {
    std::size_t bytes = bytes_of_group();
    for (const auto& [key, label] : members)
      bytes += bytes_of(label);
    bytes_of_.emplace_hint(bytes_of_.end(), name, bytes);
    reply_bytes_ += bytes;
  }
}

}  // namespace saspd::sasp
