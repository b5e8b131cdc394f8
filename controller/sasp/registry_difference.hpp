// SPDX-License-Identifier: Apache-2.0
// The changes that make a GWM's registry equal to the wanted one, one request at a time (sasp-interop
// row 35): first the missing members, group by group, then the surplus.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/sasp/messages.hpp"
#include "controller/sasp/wanted_registry.hpp"

namespace saspd::sasp {

class RegistryDifference {
 public:
  // Members of one group to register or to deregister.
  struct Change {
    bool registers = true;
    std::string group;
    std::vector<MemberData> members;  // at least one, at most as many as a request takes
  };
  // Whether no member of this group shall be registered for now.
  using HeldBack = std::function<bool(const std::string& group)>;

  // `known` is everything that the GWM lists for this load balancer.
  explicit RegistryDifference(const std::vector<GroupOfWeightEntries>& known);

  // The next change, which stays the same until it is answered; nothing at the end. `wanted` may
  // change between calls; what is then added before the place that was reached is not found.
  std::optional<Change> next(const WantedGroups& wanted, std::size_t most,
                             const HeldBack& is_held_back);
  // The GWM has answered the last change, with any code.
  void answered() { reached_ = next_; }

 private:
  struct Known {
    MemberKey key;
    bool registered_by_lb = false;
  };
  using KnownGroups = std::map<std::string, std::vector<Known>>;  // each key once, in order

  // After this member of this group; without a member, before the group.
  struct Position {
    bool in_surplus = false;
    std::string group;
    std::optional<MemberKey> member;
  };

  bool is_known(const std::string& group, const MemberKey& member) const;
  std::optional<Change> next_missing(const WantedGroups& wanted, std::size_t most,
                                     const HeldBack& is_held_back) const;
  std::optional<Change> next_surplus(const WantedGroups& wanted, std::size_t most) const;

  KnownGroups known_;
  Position reached_;  // everything before it was answered
  Position next_;     // the end of the last change
};

}  // namespace saspd::sasp
