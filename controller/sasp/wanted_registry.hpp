// What a load balancer wants registered. Its owner changes it, and the sessions to all GWMs read
// it; by its generation they see at once whether anything has changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "controller/sasp/types.hpp"

namespace saspd::sasp {

using WantedMembers = std::map<MemberKey, std::string>;  // and their labels
// By the name of the group. A group without members is the same as none.
using WantedGroups = std::map<std::string, WantedMembers>;

class WantedRegistry {
 public:
  // Moves with every change of a group, a member or a label, and with nothing else.
  std::uint64_t generation() const { return generation_; }
  const WantedGroups& groups() const { return groups_; }

  // At most so many bytes of a Get Weights reply are about all groups, or about this one.
  std::size_t reply_bytes() const { return reply_bytes_; }
  std::size_t reply_bytes(const std::string& group) const;

  // One member: the cost does not grow with the number of the others.
  void put(const std::string& group, const MemberKey& member, std::string label);
  void remove(const std::string& group, const MemberKey& member);

  // Everything: compared with what was there before.
  void assign(WantedGroups groups);

 private:
  WantedGroups groups_;
  std::map<std::string, std::size_t> bytes_of_;  // the same groups
  std::size_t reply_bytes_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace saspd::sasp
