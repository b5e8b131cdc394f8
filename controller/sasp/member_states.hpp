// SPDX-License-Identifier: Apache-2.0
// Which members a load balancer has its GWM quiesce (RFC 4678 7.5), and which quiesces that the GWM
// reports are therefore our own: they are an echo, and no advice. A value, one for each GWM.
//
// A quiesce outlives a connection, and us. What an earlier life may have asked for is wanted as
// not quiesced: it is lifted where the GWM still reports it, and is an echo until the GWM answers.
// What a GWM does not know now, it may know again: as long as the member is to be registered, only
// what the GWM accepts or says ends a quiesce of ours.
// A quiesce whose lift is refused counts as foreign, and the lift is tried again: a GWM that takes
// no states from load balancers has taken no quiesce of ours either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/sasp/messages.hpp"
#include "controller/sasp/wanted_registry.hpp"

namespace saspd::sasp {

class MemberStates {
 public:
  // A new connection: what is wanted is sent on it again.
  void connected();

  // The next request, of one group; it stays the same until it is answered. Nothing: the GWM knows
  // all, or has refused it until later.
  std::optional<SetMemberStateRequest> next(const std::string& lb_uid, const WantedStates& wanted,
                                            std::size_t most, TimePoint now);
  // To that request, with `code`. One that is not accepted is repeated at `retry`. Returns whether
  // quiesces that were an echo are none any more, so that weights have to be asked for.
  bool answered(const WantedGroups& registered, ReturnCode code, TimePoint retry);

  // A complete answer of the GWM.
  void learn(const WantedRegistry& wanted, const std::vector<GroupOfWeightEntries>& answer);
  // The quiesces in what the GWM says that may be our own.
  using Echoes = std::map<std::string, std::set<MemberKey>>;
  Echoes echoes(const WantedStates& wanted, const std::vector<GroupOfWeightEntries>& said) const;
  // Whether nothing is left of a quiesce of ours.
  bool is_lifted(const std::string& group, const MemberKey& member) const;
  // Another number when is_lifted() may be different.
  std::uint64_t generation() const { return generation_; }

 private:
  using Name = std::pair<std::string, MemberKey>;
  struct Said {
    bool quiesced = false;
    bool confirmed = false;  // on this connection
    bool refused = false;    // its lift: whatever its origin, the quiesce counts
    bool unknown = false;    // the GWM did not know the member then
    TimePoint retry;
  };

  bool is_due(const Name& name, bool wanted, TimePoint now) const;
  bool is_ours(const WantedStates& wanted, const Name& name) const;

  std::map<Name, Said> said_;
  struct Asked {
    bool quiesces = false;
    std::vector<Name> members;
  };
  Asked asked_;
  std::uint64_t generation_ = 0;
};

}  // namespace saspd::sasp
