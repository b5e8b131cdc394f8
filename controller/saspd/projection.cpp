#include "controller/saspd/projection.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace saspd {
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
  if (member.absent) return {&member, member.static_weight, reason};
  return {&member, member.kernel_weight, reason, true};
}

// The rules for one member alone, highest precedence first.
Draft draft(const MemberInput& member, bool advised) {
  if (member.leaving) return {&member, 0, Reason::leaving};
  if (!member.absent && member.kernel_weight == 0 && !member.own_zero) {
    return keep(member, Reason::foreign_zero);
  }
  if (!advised) return keep(member, Reason::static_weight);
  if (!member.advice) return {&member, member.static_weight, Reason::static_weight};
  if (member.advice->quiesced()) return {&member, 0, Reason::quiesced};
  if (!member.advice->contact()) return {&member, 0, Reason::no_contact};
  if (!member.advice->confident()) return {&member, 0, Reason::not_confident};
  return {&member, member.advice->weight, Reason::advice};
}

// RFC 4678 5.3: members without confidence are avoided while others have it. When no valid member
// has it (contact on, not quiesced), the GWM gives no advice and their weights stay.
void apply_confidence(Drafts& drafts) {
  const bool anyone_known = std::any_of(drafts.begin(), drafts.end(), [](const auto& entry) {
    return entry.second.reason == Reason::advice;
  });
  if (anyone_known) return;
  for (auto& [endpoint, draft] : drafts) {
    if (draft.reason == Reason::not_confident) draft = keep(*draft.input, Reason::not_confident);
  }
}

bool is_holdable(Reason reason) {
  return reason != Reason::quiesced && reason != Reason::foreign_zero && reason != Reason::leaving;
}

// No accidental blackout: when the advice leaves nobody, quiesced members and foreign zeros stay at
// 0 and the others keep what they have; if that is nothing, they get back what they had last.
bool hold_all_zero(Drafts& drafts) {
  const auto positive = [](const auto& entry) { return entry.second.weight > 0; };
  if (std::any_of(drafts.begin(), drafts.end(), positive)) return false;
  std::vector<Draft*> held;
  for (auto& [endpoint, draft] : drafts) {
    if (is_holdable(draft.reason)) held.push_back(&draft);
  }
  for (Draft* draft : held)
    *draft = keep(*draft->input, Reason::held_all_zero);
  if (std::any_of(drafts.begin(), drafts.end(), positive)) return true;
  for (Draft* draft : held)
    draft->weight = std::max(draft->input->last_positive, 1U);
  return !held.empty();
}

// Whether `weight` is so near the present one that it is jitter. To zero and from zero is always
// news.
bool is_jitter(const Draft& draft, std::uint32_t weight, const ProjectionPolicy& policy) {
  const std::uint64_t now = draft.input->kernel_weight;
  if (draft.reason != Reason::advice || draft.input->absent || now == 0 || weight == 0)
    return false;
  const std::uint64_t difference = now > weight ? now - weight : weight - now;
  return difference * 100 <= now * policy.min_change;
}

ServiceDecision scaled(const Drafts& drafts, const Limits& limits, Scale& scale,
                       const ProjectionPolicy& policy) {
  std::vector<std::uint32_t> weights;
  for (const auto& [endpoint, draft] : drafts)
    weights.push_back(draft.kept ? 0 : draft.weight);
  const auto within_limits = scale.scale(weights, limits);
  ServiceDecision decision;
  auto next = within_limits.begin();
  for (const auto& [endpoint, draft] : drafts) {
    const std::uint32_t weight = *next++;
    decision.members[endpoint] = {draft.kept                         ? draft.weight
                                  : is_jitter(draft, weight, policy) ? draft.input->kernel_weight
                                                                     : weight,
                                  draft.reason};
  }
  return decision;
}

}  // namespace

ServiceDecision project(const std::map<Endpoint, MemberInput>& members, bool advised,
                        const Limits& limits, Scale& scale, const ProjectionPolicy& policy) {
  Drafts drafts;
  for (const auto& [endpoint, member] : members)
    drafts[endpoint] = draft(member, advised);
  apply_confidence(drafts);
  const bool held = advised && policy.hold_all_zero && hold_all_zero(drafts);
  ServiceDecision decision = scaled(drafts, limits, scale, policy);
  decision.held = held;
  return decision;
}

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::leaving: return "leaving";
    case Reason::foreign_zero: return "foreign_zero";
    case Reason::quiesced: return "quiesced";
    case Reason::no_contact: return "no_contact";
    case Reason::not_confident: return "not_confident";
    case Reason::advice: return "advice";
    case Reason::static_weight: return "static";
    case Reason::held_all_zero: return "held_all_zero";
    case Reason::unbound: return "unbound";
  }
  return "unknown";
}

}  // namespace saspd
