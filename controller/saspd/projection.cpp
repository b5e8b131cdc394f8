// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/projection.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "controller/saspd/pace.hpp"

namespace saspd::director {
namespace {

// A weight before scaling.
struct Draft {
  const MemberInput* input = nullptr;
  std::uint32_t weight = 0;
  Reason reason = Reason::static_weight;
  bool kept = false;  // the kernel's own weight: never scaled again
};
using Drafts = std::map<Endpoint, Draft>;

Draft keep(const MemberInput& member, Reason reason) {
  // What was out when its service went, at a boot, returns as it was.
  if (member.absent) return {&member, member.own_zero ? 0 : member.static_weight, reason};
  return {&member, member.kernel_weight, reason, true};
}

// Whether an action takes the place of the advice.
bool is_replaced(Standing standing, const ProjectionPolicy& policy) {
  return standing == Standing::stale && policy.on_stale != OnStale::hold;
}

// The rules for one member alone, highest precedence first.
Draft draft(const MemberInput& member, Standing standing, const ProjectionPolicy& policy) {
  if (member.override && !member.leaving)
    return {&member, *member.override, Reason::override_, true};
  if (member.held) return keep(member, Reason::held_operator);
  if (member.leaving) return {&member, 0, Reason::leaving};
  if (!member.absent && member.kernel_weight == 0 && !member.own_zero) {
    return keep(member, member.unclear_zero ? Reason::unclear_zero : Reason::foreign_zero);
  }
  if (standing == Standing::none) return keep(member, Reason::static_weight);
  const bool replaced = is_replaced(standing, policy);
  if (replaced && policy.on_stale == OnStale::drain) return {&member, 0, Reason::held_stale};
  if (!member.advice) return {&member, member.static_weight, Reason::static_weight};
  if (member.advice->quiesced()) return {&member, 0, Reason::quiesced};
  if (!member.advice->contact()) return {&member, 0, Reason::no_contact};
  if (replaced) return {&member, member.static_weight, Reason::static_weight};
  if (member.advice->weightless) return keep(member, Reason::static_weight);
  if (!member.advice->confident()) return {&member, 0, Reason::not_confident};
  return {&member, on_grid(member.advice->weight, policy.min_change), Reason::advice};
}

// Its present weight if it has one, else the last it had. Both are the kernel's, scaled long ago.
Draft give_back(const MemberInput& member, Reason reason) {
  if (member.absent || member.kernel_weight > 0) return keep(member, reason);
  return {&member, std::max(member.last_positive, 1U), reason, true};
}

// RFC 4678 5.3: members without confidence are avoided while others have it. When no valid member
// has it (contact on, not quiesced), the GWM gives no advice and their weights stay; those that it
// had avoided for nothing else get theirs back in time. Returns whether it is so. A GWM that was
// restarted may lack members: what it said of them before does not speak against those that have
// returned, and are not known yet.
bool apply_confidence(Drafts& drafts) {
  const bool anyone_known = std::any_of(drafts.begin(), drafts.end(), [](const auto& entry) {
    return entry.second.reason == Reason::advice && !entry.second.input->unnamed;
  });
  if (anyone_known) return false;
  bool anyone_unknown = false;
  for (auto& [endpoint, draft] : drafts) {
    if (draft.reason != Reason::not_confident) continue;
    const MemberInput& member = *draft.input;
    draft = (member.released ? give_back : keep)(member, Reason::not_confident);
    anyone_unknown = true;
  }
  return anyone_unknown;
}

// Whether it serves, or would but for the confident flag.
bool would_serve(const Draft& draft) {
  if (draft.reason != Reason::not_confident) return draft.weight > 0;
  const MemberInput& member = *draft.input;
  return !member.absent && (member.kernel_weight > 0 || member.avoided);
}

// A GWM that has forgotten servers takes no farm down to the few that it knows first: if more than a
// third of the servers would be avoided, those that still serve go on. Those that were avoided count
// as well, or they would go one by one. Returns whether it is so.
bool hold_unknown(Drafts& drafts) {
  std::size_t serving = 0;
  std::size_t unknown = 0;
  for (const auto& [endpoint, draft] : drafts) {
    if (!would_serve(draft)) continue;
    ++serving;
    if (draft.reason == Reason::not_confident) ++unknown;
  }
  if (3 * unknown <= serving) return false;
  for (auto& [endpoint, draft] : drafts) {
    if (draft.reason == Reason::not_confident && !draft.input->absent)
      draft = keep(*draft.input, Reason::not_confident);
  }
  return true;
}

// A server that was avoided was never lost: it is as unknown as before.
bool may_share(const Draft& draft, TimePoint now) {
  const MemberInput& member = *draft.input;
  if (member.absent || member.kernel_weight > 0) return true;
  if (member.avoided && draft.reason == Reason::not_confident) return true;
  return member.served && now - *member.served <= lost_lately;
}

// Why the advice is not followed as it is, if so. Members that were withdrawn are not counted.
std::optional<Reason> reason_to_hold(const Drafts& drafts, const ProjectionPolicy& policy) {
  if (!policy.hold_all_zero) return std::nullopt;
  std::size_t members = 0;
  std::size_t serving = 0;
  bool anybody = false;
  for (const auto& [endpoint, draft] : drafts) {
    anybody = anybody || draft.weight > 0;
    if (is_withdrawn(draft.reason)) continue;
    ++members;
    if (draft.weight > 0) ++serving;
  }
  if (!anybody) return Reason::held_all_zero;
  if (serving * 100 < members * policy.panic) return Reason::held_panic;
  return std::nullopt;
}

// No accidental blackout, not even server by server: a server that was lost recently keeps its
// weight or gets it back, so that the load of all never falls on the last one.
std::optional<Reason> hold_back(Drafts& drafts, const ProjectionPolicy& policy, TimePoint now) {
  const auto reason = reason_to_hold(drafts, policy);
  if (!reason) return std::nullopt;
  bool held = false;
  for (auto& [endpoint, draft] : drafts) {
    if (draft.weight > 0 || is_withdrawn(draft.reason)) continue;
    if (!may_share(draft, now)) continue;
    draft = give_back(*draft.input, *reason);
    held = true;
  }
  return held ? reason : std::nullopt;
}

ServiceDecision scaled(const Drafts& drafts, const Limits& limits, Scale& scale, bool held) {
  std::vector<std::uint32_t> weights;
  for (const auto& [endpoint, draft] : drafts)
    weights.push_back(draft.kept ? 0 : draft.weight);
  const auto within_limits = scale.scale(weights, limits, held);
  ServiceDecision decision;
  auto next = within_limits.begin();
  for (const auto& [endpoint, draft] : drafts) {
    const std::uint32_t weight = *next++;
    decision.members[endpoint] = {draft.kept ? draft.weight : weight, draft.reason,
                                  draft.input->last_positive > 0};
    decision.members[endpoint].unscaled = draft.weight;
  }
  return decision;
}

// Whether its weight stands for want of fresh advice. A zero that came from not_confident alone
// keeps its name: who avoided it is remembered by that.
bool stands_on_stale(const Decision& member) {
  return member.reason == Reason::advice ||
         (member.reason == Reason::not_confident && member.weight > 0);
}

}  // namespace

ServiceDecision project(const std::map<Endpoint, MemberInput>& members, Standing standing,
                        const Limits& limits, Scale& scale, const ProjectionPolicy& policy,
                        TimePoint now) {
  Drafts drafts;
  for (const auto& [endpoint, member] : members)
    drafts[endpoint] = draft(member, standing, policy);
  const bool nobody_known = apply_confidence(drafts);
  const bool few_known = !nobody_known && policy.hold_all_zero && hold_unknown(drafts);
  const bool follows = standing != Standing::none && !is_replaced(standing, policy);
  const auto held = follows ? hold_back(drafts, policy, now) : std::nullopt;
  ServiceDecision decision = scaled(drafts, limits, scale, held.has_value());
  decision.nobody_known = nobody_known;
  decision.few_known = few_known;
  decision.held = held;
  for (auto& [endpoint, member] : decision.members)
    member.target = member.weight;
  if (standing != Standing::stale) return decision;
  for (auto& [endpoint, member] : decision.members) {
    if (stands_on_stale(member)) member.reason = Reason::held_stale;
  }
  return decision;
}

bool is_withdrawn(Reason reason) {
  return reason == Reason::quiesced || reason == Reason::foreign_zero ||
         reason == Reason::unclear_zero || reason == Reason::leaving ||
         reason == Reason::override_ || reason == Reason::held_operator;
}

}  // namespace saspd::director
