// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/advice_watch.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace saspd::director {

Duration patience_with(const sasp::Heard& heard, std::optional<Duration> stale_after) {
  constexpr Duration shortest = std::chrono::minutes{3};
  if (!stale_after) return std::max<Duration>(shortest, 3 * heard.next_within);
  return std::max<Duration>(*stale_after, 2 * heard.next_within);
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

void AdviceWatch::update(Guidance guidance, bool has_advice, const std::optional<TimePoint>& heard,
                         Duration patience, TimePoint now) {
  guidance_ = guidance;
  patience_ = patience;
  was_advised_ = was_advised_ || has_advice;
  if (guidance == Guidance::advised) {
    without_since_.reset();
    lack_.reset();
    return;
  }
  // A GWM that has gone was heard before it went; one that speaks has only now nothing to say.
  const bool is_gone = guidance == Guidance::lost || guidance == Guidance::stale;
  if (!without_since_) without_since_ = is_gone && was_advised_ ? heard.value_or(now) : now;
  const bool long_ago = guidance == Guidance::stale || now - *without_since_ >= patience;
  lack_ = long_ago ? std::optional(guidance) : std::nullopt;
}

std::optional<TimePoint> AdviceWatch::stale_at() const {
  if (!without_since_) return std::nullopt;
  return *without_since_ + patience_;
}

std::optional<TimePoint> AdviceWatch::deadline() const {
  return lack_ ? std::nullopt : stale_at();
}

namespace {

std::string_view consequence(const AdviceWatch& watch, OnStale on_stale) {
  if (on_stale == OnStale::static_) return "the servers have their static weights (--on-stale)";
  if (on_stale == OnStale::drain && watch.was_advised())
    return "no server gets new connections (--on-stale drain)";
  return "the weights stay as they are";
}

}  // namespace

std::string explain_lack(const AdviceWatch& watch, const std::string& group, OnStale on_stale) {
  const auto because = [&](const std::string& why) {
    return fmt::format("no GWM steers it, and {}: {}", consequence(watch, on_stale), why);
  };
  switch (watch.lack().value_or(Guidance::advised)) {
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
