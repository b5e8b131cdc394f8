// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/gwm_merge.hpp"

#include <algorithm>
#include <set>
#include <vector>

namespace saspd::director {
namespace {

// Averages and weights have this many binary digits behind the point. 16 + 8 + 24 bits fit a product.
constexpr unsigned fraction = 8;

using Words = std::span<const GwmWords>;

std::uint16_t usable_weight(const Advice* advice) {
  const bool is_usable = advice != nullptr && advice->confident() && advice->contact() &&
                         !advice->quiesced() && !advice->weightless;
  return is_usable ? advice->weight : 0;
}

std::set<sasp::MemberKey> members_of(Words words) {
  std::set<sasp::MemberKey> members;
  for (const auto& one : words) {
    for (const auto& [member, advice] : *one.advice) {
      if (is_named(advice, one.full)) members.insert(member);
    }
  }
  return members;
}

struct Sum {
  std::uint64_t weights = 0;
  std::uint64_t members = 0;
  void add(std::uint16_t weight) {
    weights += weight;
    ++members;
  }
  // 0: of none.
  std::uint64_t average() const { return members == 0 ? 0 : (weights << fraction) / members; }
};

// What a GWM's weights are measured by, each; 0: it gives none.
std::vector<std::uint64_t> averages(Words words, const std::set<sasp::MemberKey>& members) {
  std::vector<Sum> common(words.size());
  std::vector<Sum> own(words.size());
  for (const auto& member : members) {
    const bool all = std::all_of(words.begin(), words.end(), [&](const auto& one) {
      return usable_weight(one.of(member)) > 0;
    });
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto weight = usable_weight(words[i].of(member));
      if (weight > 0) own[i].add(weight);
      if (all) common[i].add(weight);
    }
  }
  const bool any =
      std::any_of(common.begin(), common.end(), [](const Sum& sum) { return sum.members > 0; });
  std::vector<std::uint64_t> averages;
  for (const auto& sum : any ? common : own)
    averages.push_back(sum.average());
  return averages;
}

// The average of the result: the mean of theirs, or less where a weight would not fit.
std::uint64_t common_scale(Words words, const std::vector<std::uint64_t>& averages) {
  constexpr std::uint64_t most = 65535;
  std::uint64_t sum = 0;
  std::uint64_t count = 0;
  std::uint64_t fits = most << fraction;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (averages[i] == 0) continue;
    sum += averages[i];
    ++count;
    std::uint16_t greatest = 1;
    for (const auto& [member, advice] : *words[i].advice)
      greatest = std::max(greatest, usable_weight(words[i].of(member)));
    fits = std::min(fits, most * averages[i] / greatest);
  }
  return count == 0 ? 0 : std::min(sum / count, fits);
}

// Combines weights on the common scale, with a fraction; at least one.
std::uint16_t combined(const std::vector<std::uint64_t>& weights, GwmMerge how) {
  std::uint64_t sum = 0;
  for (const auto weight : weights)
    sum += weight;
  const auto [least, greatest] = std::minmax_element(weights.begin(), weights.end());
  const std::uint64_t exact = how == GwmMerge::min   ? *least
                              : how == GwmMerge::max ? *greatest
                                                     : sum / weights.size();
  const bool is_zero = how == GwmMerge::min ? *least == 0 : *greatest == 0;
  if (is_zero) return 0;
  const std::uint64_t rounded = (exact + (1U << (fraction - 1))) >> fraction;
  return static_cast<std::uint16_t>(std::clamp<std::uint64_t>(rounded, 1, 65535));
}

class Merger {
 public:
  Merger(Words words, GwmMerge how, const std::set<sasp::MemberKey>& members)
      : words_(words),
        how_(how),
        averages_(averages(words, members)),
        scale_(common_scale(words, averages_)) {}

  Advice of(const sasp::MemberKey& member) const {
    using namespace sasp::weight_flag;
    Advice merged;
    bool any_quiesced = false;
    bool any_registered = false;
    bool any_contact = false;
    bool any_confident = false;
    bool any_weightless = false;
    std::size_t reached = 0;  // by those that know its state
    std::vector<std::uint64_t> weights;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const Advice* advice = words_[i].of(member);
      if (advice == nullptr) continue;
      merged.received = std::max(merged.received, advice->received);
      merged.state = std::max(merged.state, advice->state);
      any_quiesced = any_quiesced || advice->quiesced();
      any_registered = any_registered || advice->registered_by_lb();
      any_contact = any_contact || advice->contact();
      any_confident = any_confident || advice->confident();
      if (!advice->confident() || advice->quiesced()) continue;
      if (advice->weightless && advice->contact()) {
        any_weightless = true;
        continue;
      }
      reached += advice->contact() ? 1U : 0U;
      weights.push_back(on_scale(usable_weight(advice), i));
    }
    merged.weightless = any_weightless && weights.empty();
    const bool lost = how_ == GwmMerge::min ? reached < weights.size() : reached == 0;
    const bool contact_on = weights.empty() ? any_contact : !lost;
    const auto set = [&merged](bool is, std::uint8_t flag) {
      if (is) merged.flags = static_cast<std::uint8_t>(merged.flags | flag);
    };
    set(contact_on, contact);
    set(any_quiesced, quiesce);
    set(any_registered, registered_by_lb);
    set(any_confident, confident);
    if (!weights.empty() && contact_on && !any_quiesced) merged.weight = combined(weights, how_);
    return merged;
  }

 private:
  std::uint64_t on_scale(std::uint16_t weight, std::size_t gwm) const {
    if (weight == 0) return 0;
    // Never 0: that would be another advice.
    return std::max<std::uint64_t>(1, (weight * scale_ << fraction) / averages_[gwm]);
  }

  Words words_;
  GwmMerge how_;
  std::vector<std::uint64_t> averages_;
  std::uint64_t scale_;
};

}  // namespace

AdviceByMember merged(std::span<const GwmWords> words, GwmMerge how) {
  const auto members = members_of(words);
  const Merger merger(words, how, members);
  AdviceByMember all;
  for (const auto& member : members)
    all.emplace_hint(all.end(), member, merger.of(member));
  return all;
}

}  // namespace saspd::director
