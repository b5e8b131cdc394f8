// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/gwm_choice.hpp"

#include <algorithm>
#include <utility>

namespace saspd::director {

std::optional<std::size_t> GwmChoice::first() const {
  return counted_.empty() ? std::nullopt : std::optional(counted_.front());
}

bool GwmChoice::counts(std::size_t gwm) const {
  return std::find(counted_.begin(), counted_.end(), gwm) != counted_.end();
}

bool GwmChoice::update(std::span<const GwmWords> words, bool merge, TimePoint now) {
  note(words, now);
  auto chosen = choose(words, merge, now);
  return std::exchange(counted_, std::move(chosen)) != counted_;
}

void GwmChoice::renumber(const Renumbering& gwms) {
  standings_.resize(gwms.size_before());
  standings_ = gwms.applied_to(std::move(standings_));
  std::vector<std::size_t> counted;
  for (const std::size_t gwm : counted_) {
    if (const auto now = gwms.now(gwm)) counted.push_back(*now);
  }
  std::sort(counted.begin(), counted.end());
  counted_ = std::move(counted);
}

void GwmChoice::note(std::span<const GwmWords> words, TimePoint now) {
  standings_.resize(words.size());
  for (std::size_t gwm = 0; gwm < words.size(); ++gwm) {
    Standing& standing = standings_[gwm];
    if (knows(words[gwm])) {
      if (!standing.knows_since) standing.knows_since = now;
      continue;
    }
    if (!std::exchange(standing.knows_since, std::nullopt) || !counts(gwm)) continue;
    standing.restless = standing.gave_way && now - *standing.gave_way < restless_within;
    standing.gave_way = now;
  }
}

bool GwmChoice::may_join(std::size_t gwm, std::span<const GwmWords> words, bool merge,
                         TimePoint now) const {
  const Standing& standing = standings_[gwm];
  if (now - *standing.knows_since >= settles_after) return true;
  if (standing.restless) return false;
  return merge || knows_all_of(words[gwm], words[counted_.front()]);
}

std::vector<std::size_t> GwmChoice::choose(std::span<const GwmWords> words, bool merge,
                                           TimePoint now) {
  until_.reset();
  const auto knows_it = [this](std::size_t gwm) { return standings_[gwm].knows_since.has_value(); };
  const bool somebody = std::any_of(counted_.begin(), counted_.end(), knows_it);
  std::vector<std::size_t> chosen;
  for (std::size_t gwm = 0; gwm < words.size(); ++gwm) {
    if (!knows_it(gwm)) continue;
    const bool joins = !somebody || counts(gwm) || may_join(gwm, words, merge, now);
    if (!joins) {
      until_ = earliest({until_, *standings_[gwm].knows_since + settles_after});
      continue;
    }
    chosen.push_back(gwm);
    if (!merge) return chosen;
  }
  if (!chosen.empty() || !counted_.empty()) return chosen.empty() ? counted_ : chosen;
  // Nobody knows it, and nobody did: what there is can be shown at least.
  for (std::size_t gwm = 0; gwm < words.size() && chosen.empty(); ++gwm) {
    if (words[gwm].speaks && !words[gwm].advice->empty()) chosen.push_back(gwm);
  }
  return chosen;
}

}  // namespace saspd::director
