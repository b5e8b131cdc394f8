// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/gwm_words.hpp"

#include <algorithm>

namespace saspd::director {

const Advice* GwmWords::of(const sasp::MemberKey& member) const {
  const auto found = advice->find(member);
  return found != advice->end() && is_named(found->second, full) ? &found->second : nullptr;
}

bool is_named(const Advice& advice, const std::optional<TimePoint>& full) {
  return !full || advice.received >= *full;
}

bool is_decided(const Advice& advice) {
  return advice.confident() || advice.quiesced();
}

bool knows(const GwmWords& words) {
  if (!words.speaks) return false;
  bool any_decided = false;
  bool any_unknown = false;
  for (const auto& [member, advice] : *words.advice) {
    if (!is_named(advice, words.full)) continue;
    const bool may_have_work = advice.contact() && !advice.quiesced();
    if (may_have_work && advice.confident()) return true;
    any_unknown = any_unknown || may_have_work;
    any_decided = any_decided || is_decided(advice);
  }
  return any_decided && !any_unknown;
}

bool knows_all_of(const GwmWords& words, const GwmWords& other) {
  return std::all_of(other.advice->begin(), other.advice->end(), [&](const auto& entry) {
    const auto& [member, advice] = entry;
    if (!is_named(advice, other.full) || !is_decided(advice)) return true;
    const Advice* ours = words.of(member);
    return ours != nullptr && is_decided(*ours);
  });
}

}  // namespace saspd::director
