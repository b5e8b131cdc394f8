#include "controller/gwm/weigher.hpp"

#include <algorithm>

namespace saspd::gwm {

using namespace sasp;

Advice Weigher::advice(std::string_view group, const MemberKey& member) const {
  const auto members = table_.find(group);
  if (members == table_.end()) return {};
  const auto known = members->second.find(member);
  return known == members->second.end() ? Advice{} : known->second;
}

WeightEntry weight_entry(MemberData member, std::uint8_t state, bool quiesced,
                         bool registered_by_lb, const Advice& advice) {
  quiesced = quiesced || advice.quiesce;
  std::uint8_t flags = 0;
  const auto set = [&](bool on, std::uint8_t flag) {
    if (on) flags |= flag;
  };
  set(advice.contact, weight_flag::contact);
  set(quiesced, weight_flag::quiesce);
  set(registered_by_lb, weight_flag::registered_by_lb);
  set(advice.confident, weight_flag::confident);
  const bool avoided = quiesced || !advice.contact;
  return {std::move(member), state, flags, avoided ? std::uint16_t{0} : advice.weight};
}

void spread_if_all_zero(std::vector<WeightEntry>& group) {
  const auto has_weight = [](const WeightEntry& entry) { return entry.weight > 0; };
  if (std::any_of(group.begin(), group.end(), has_weight)) return;
  for (WeightEntry& entry : group) {
    const auto judged = entry.flags & (weight_flag::contact | weight_flag::quiesce);
    if (judged == weight_flag::contact) entry.weight = 1;
  }
}

}  // namespace saspd::gwm
