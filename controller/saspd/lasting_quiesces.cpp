// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/lasting_quiesces.hpp"

#include <algorithm>
#include <iterator>

namespace saspd::director {
namespace {

using Counts = std::function<bool(std::size_t)>;

// When one of those that still call it quiesced, as far as is known, said so last.
TimePoint last_said(std::span<const GwmWords> words, const LastingQuiesces::Quiesce& quiesce,
                    const sasp::MemberKey& member) {
  TimePoint said = quiesce.said;
  for (const std::size_t gwm : quiesce.known_to) {
    const auto stored = words[gwm].advice->find(member);
    if (stored == words[gwm].advice->end() || !stored->second.quiesced()) continue;
    said = std::max(said, stored->second.received);
    if (words[gwm].of(member) != nullptr) said = std::max(said, words[gwm].last.value_or(said));
  }
  return said;
}

// What all say of it. Returns whether one that knew of it lifts it. `spread`: another knows of it now.
bool hear(std::span<const GwmWords> words, const Counts& counts, LastingQuiesces::Quiesce& quiesce,
          const sasp::MemberKey& member, bool& spread) {
  bool lifted = false;
  quiesce.confirmed = false;
  for (std::size_t gwm = 0; gwm < words.size(); ++gwm) {
    const Advice* advice = words[gwm].speaks ? words[gwm].of(member) : nullptr;
    if (advice == nullptr) continue;
    if (advice->quiesced()) {
      spread = quiesce.known_to.insert(gwm).second || spread;
      quiesce.confirmed = quiesce.confirmed || counts(gwm);
    } else if (advice->confident()) {
      lifted = lifted || quiesce.known_to.contains(gwm);
    }
  }
  return lifted;
}

}  // namespace

void LastingQuiesces::update(std::span<const GwmWords> words, const Counts& counts,
                             std::optional<Duration> stale_after, TimePoint now) {
  for (std::size_t gwm = 0; gwm < words.size(); ++gwm) {
    if (!words[gwm].speaks || !counts(gwm)) continue;
    for (const auto& [member, advice] : *words[gwm].advice) {
      if (advice.quiesced() && is_named(advice, words[gwm].full))
        changed_ = all_.try_emplace(member, Quiesce{gwm, {}}).second || changed_;
    }
  }
  until_.reset();
  for (auto at = all_.begin(); at != all_.end();) {
    auto& [member, quiesce] = *at;
    if (std::exchange(quiesce.restored, false)) quiesce.said = now;
    const bool lifted = hear(words, counts, quiesce, member, changed_);
    std::optional<TimePoint> stale_from;
    if (stale_after && !quiesce.confirmed)
      stale_from = last_said(words, quiesce, member) + *stale_after + Duration{1};
    const bool stale = stale_from && now >= *stale_from;
    if (stale_from && !stale) until_ = earliest({until_, stale_from});
    const bool ends = !quiesce.confirmed && (lifted || stale);
    changed_ = changed_ || ends;
    at = ends ? all_.erase(at) : std::next(at);
  }
}

void LastingQuiesces::renumber(const Renumbering& gwms) {
  for (auto at = all_.begin(); at != all_.end();) {
    Quiesce& quiesce = at->second;
    std::set<std::size_t> known_to;
    for (const std::size_t gwm : quiesce.known_to) {
      if (const auto now = gwms.now(gwm)) known_to.insert(*now);
    }
    changed_ = changed_ || known_to.size() < quiesce.known_to.size();
    quiesce.known_to = std::move(known_to);
    if (quiesce.known_to.empty()) {
      at = all_.erase(at);
      continue;
    }
    quiesce.by = gwms.now(quiesce.by).value_or(*quiesce.known_to.begin());
    ++at;
  }
}

bool LastingQuiesces::lift(const sasp::MemberKey& member) {
  const auto found = all_.find(member);
  if (found == all_.end() || found->second.confirmed) return false;
  all_.erase(found);
  return changed_ = true;
}

void LastingQuiesces::forget_unless(const std::function<bool(const sasp::MemberKey&)>& is_member) {
  changed_ = std::erase_if(all_, [&](const auto& entry) { return !is_member(entry.first); }) > 0 ||
             changed_;
}

void LastingQuiesces::restore(const sasp::MemberKey& member, std::size_t by,
                              std::set<std::size_t> known_to) {
  all_.insert_or_assign(member, Quiesce{by, std::move(known_to), false, true});
}

}  // namespace saspd::director
