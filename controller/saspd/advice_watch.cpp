// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/advice_watch.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace saspd::director {

Duration patience_with(const sasp::Heard& heard, std::optional<Duration> stale_after) {
  constexpr Duration shortest = std::chrono::minutes{3};
  return stale_after.value_or(std::max<Duration>(shortest, 3 * heard.next_within));
}

std::optional<TimePoint> silent_from(const sasp::Heard& heard,
                                     std::optional<Duration> stale_after) {
  if (!heard.last) return std::nullopt;
  return *heard.last + patience_with(heard, stale_after) + Duration{1};
}

bool is_silent(const sasp::Heard& heard, std::optional<Duration> stale_after, TimePoint now) {
  const auto from = silent_from(heard, stale_after);
  return from && now >= *from;
}

Guidance guidance(const std::map<Endpoint, MemberInput>& members, const sasp::Heard& heard) {
  bool anyone = false;
  bool anyone_named = false;
  bool anyone_valid = false;
  for (const auto& [endpoint, member] : members) {
    if (member.leaving) continue;
    anyone = true;
    if (!member.advice || (heard.full && member.advice->received < *heard.full)) continue;
    anyone_named = true;
    if (member.advice->quiesced() || !member.advice->contact()) continue;
    if (member.advice->confident()) return Guidance::advised;
    anyone_valid = true;
  }
  if (!anyone) return Guidance::advised;
  if (!anyone_named) return Guidance::silent;
  return anyone_valid ? Guidance::unknown : Guidance::advised;
}

void AdviceWatch::update(Guidance guidance, Duration patience, TimePoint now) {
  if (guidance == Guidance::advised) {
    *this = {};
    return;
  }
  if (!without_since_) without_since_ = now;
  const bool long_ago = guidance == Guidance::stale || now - *without_since_ >= patience;
  if (lack_ || long_ago) lack_ = guidance;
}

std::optional<TimePoint> AdviceWatch::deadline(Duration patience) const {
  if (!without_since_ || lack_) return std::nullopt;
  return *without_since_ + patience;
}

std::string explain_lack(Guidance lack, const std::string& group) {
  const auto because = [](const std::string& why) {
    return "no GWM steers it, and the weights stay as they are: " + why;
  };
  switch (lack) {
    case Guidance::lost:
      return because("the GWM whose advice counts is not connected; see saspctl gwm");
    case Guidance::stale:
      return because("the GWM is connected and gives no weights; see saspctl gwm and its log");
    case Guidance::silent:
      return because(fmt::format(
          "the GWM says nothing of any server of group '{}'; whether it knows the group "
          "by this name shows, with sasp-gwm, saspctl --of sasp-gwm groups",
          group));
    case Guidance::unknown:
      return because(fmt::format(
          "the GWM knows the state of none of its servers (RFC 4678 5.3); with sasp-gwm, "
          "--probe {}=tcp or a line for each of them in --weights FILE helps",
          group));
    case Guidance::advised: break;
  }
  return {};
}

}  // namespace saspd::director
