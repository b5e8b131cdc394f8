#include "controller/sasp/wanted_registry.hpp"

#include <utility>

namespace saspd::sasp {
namespace {

constexpr std::size_t group_bytes = 2 * max_text;  // its LB UID and its name
constexpr std::size_t member_bytes = 24 + 8;       // RFC 4678 5.1, 5.3; the label comes on top

}  // namespace

std::size_t WantedRegistry::reply_bytes(const std::string& group) const {
  const auto found = bytes_of_.find(group);
  return found == bytes_of_.end() ? 0 : found->second;
}

void WantedRegistry::put(const std::string& group, const MemberKey& member, std::string label) {
  auto [bytes, is_new_group] = bytes_of_.try_emplace(group, group_bytes);
  if (is_new_group) reply_bytes_ += group_bytes;
  auto [place, is_new] = groups_[group].try_emplace(member);
  if (!is_new && place->second == label) return;
  const std::size_t before = is_new ? 0 : member_bytes + place->second.size();
  const std::size_t now = member_bytes + label.size();
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
  const std::size_t gone = member_bytes + place->second.size();
  bytes->second -= gone;
  reply_bytes_ -= gone;
  members->second.erase(place);
  ++generation_;
  if (!members->second.empty()) return;
  reply_bytes_ -= bytes->second;
  bytes_of_.erase(bytes);
  groups_.erase(members);
}

void WantedRegistry::assign(WantedGroups groups) {
  std::erase_if(groups, [](const auto& group) { return group.second.empty(); });
  if (groups == groups_) return;
  groups_ = std::move(groups);
  ++generation_;
  bytes_of_.clear();
  reply_bytes_ = 0;
  for (const auto& [name, members] : groups_) {
    std::size_t bytes = group_bytes;
    for (const auto& [key, label] : members)
      bytes += member_bytes + label.size();
    bytes_of_.emplace_hint(bytes_of_.end(), name, bytes);
    reply_bytes_ += bytes;
  }
}

}  // namespace saspd::sasp
