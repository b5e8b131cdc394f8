// SPDX-License-Identifier: Apache-2.0
// What a load balancer wants registered. Its owner changes it, and the sessions with all GWMs read
// it; the generation shows them at once whether anything has changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "controller/sasp/types.hpp"

namespace saspd::sasp {

using WantedMembers = std::map<MemberKey, std::string>;  // and their labels
// By group name. A group without members is the same as none.
using WantedGroups = std::map<std::string, WantedMembers>;

// Members that shall be quiesced; and those of which a quiesce by this load balancer or an earlier
// life of it may be left, and shall not be.
struct WantedState {
  bool quiesced = false;
  std::uint8_t state = 0;  // the member's own, which is to stay (RFC 4678 5.4)
  bool operator==(const WantedState&) const = default;
};
using WantedMemberStates = std::map<MemberKey, WantedState>;
using WantedStates = std::map<std::string, WantedMemberStates>;  // by group

class WantedRegistry {
 public:
  // Another number after each change of a group, a member or a label, and only then.
  std::uint64_t generation() const { return generation_; }
  const WantedGroups& groups() const { return groups_; }

  // The most bytes that a Get Weights reply needs for all groups, or for this one.
  std::size_t reply_bytes() const { return reply_bytes_; }
  std::size_t reply_bytes(const std::string& group) const;

  // One member. The cost does not grow with the number of the others.
  void put(const std::string& group, const MemberKey& member, std::string label);
  void remove(const std::string& group, const MemberKey& member);

  // Replaces the members of one group, or everything, after a comparison with what was there.
  void assign(const std::string& group, const WantedMembers& members);
  void assign(WantedGroups groups);

  const WantedStates& states() const { return states_; }
  // Another number after each change of a state.
  std::uint64_t states_generation() const { return states_generation_; }
  // Replaces those of one group.
  void assign_states(const std::string& group, WantedMemberStates states);

 private:
  WantedGroups groups_;
  std::map<std::string, std::size_t> bytes_of_;  // the same groups
  std::size_t reply_bytes_ = 0;
  std::uint64_t generation_ = 0;
  WantedStates states_;
  std::uint64_t states_generation_ = 0;
};

}  // namespace saspd::sasp
