// What makes a GWM's registry equal to the one that is wanted, a request at a time (sasp-interop
// row 35): first all that is missing, group by group, then the surplus.
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
  // Members of one group that are to be registered, or deregistered.
  struct Change {
    bool registers = true;
    std::string group;
    std::vector<MemberData> members;  // at least one, at most as many as a request takes
  };
  // Is nothing of this group to be registered for now?
  using HeldBack = std::function<bool(const std::string& group)>;

  // `known` is all that the GWM lists for this load balancer.
  explicit RegistryDifference(const std::vector<GroupOfWeightEntries>& known);

  // The next change; the same one again until it was answered. Nothing: there is no more. `wanted`
  // may have become another one since the last call: what is added behind our back is not seen.
  std::optional<Change> next(const WantedGroups& wanted, std::size_t most,
                             const HeldBack& is_held_back);
  // The GWM answered the last change, whatever it said of it.
  void answered() { reached_ = next_; }

 private:
  struct Known {
    MemberKey key;
    bool registered_by_lb = false;
  };
  using KnownGroups = std::map<std::string, std::vector<Known>>;  // each key once, in order

  // Behind this member of this group; without a member in front of the group.
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
  Position reached_;  // all before it was answered
  Position next_;     // the end of the last change
};

}  // namespace saspd::sasp
