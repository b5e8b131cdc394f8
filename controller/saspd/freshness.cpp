// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/freshness.hpp"

namespace saspd::director {
namespace {

using report::AdviceState;

// The freshness of one service; `heard`: what its GWM has said.
Freshness freshness_of(const AdviceWatch& watch, const sasp::Heard& heard,
                       std::optional<Duration> stale_after) {
  Freshness found;
  found.guidance = watch.guidance();
  found.was_advised = watch.was_advised();
  if (const auto since = watch.without_since()) {
    if (found.was_advised) found.last = since;
    found.stale_at = watch.stale_at();
  } else if (heard.last) {
    found.last = heard.last;
    found.due = *heard.last + heard.next_within + Freshness::grace;
    found.stale_at = *heard.last + patience_with(heard, stale_after);
  }
  return found;
}

bool is_worse(const Freshness& one, const Freshness& other) {
  const bool lacks = one.guidance != Guidance::advised;
  if (lacks != (other.guidance != Guidance::advised)) return lacks;
  return one.stale_at && (!other.stale_at || *one.stale_at < *other.stale_at);
}

}  // namespace

AdviceState Freshness::state(TimePoint now) const {
  if (stale_at && now >= *stale_at) return AdviceState::stale;
  return lack(now) == Guidance::advised ? AdviceState::fresh : AdviceState::ageing;
}

Guidance Freshness::lack(TimePoint now) const {
  return guidance == Guidance::advised && due && now > *due ? Guidance::stale : guidance;
}

bool Freshness::acts(TimePoint now) const {
  return state(now) == AdviceState::stale && (was_advised || on_stale == OnStale::static_);
}

std::optional<Freshness> freshness_of(const Knowledge& known, const Group& group,
                                      std::optional<Duration> stale_after, OnStale on_stale) {
  const auto heard = known.advice().adviser_of(group).heard;
  std::optional<Freshness> worst;
  for (const auto& service : group.settings.services) {
    const auto watch = known.advice_watches().find(service.key);
    if (watch == known.advice_watches().end()) continue;
    const auto one = freshness_of(watch->second, heard, stale_after);
    if (!worst || is_worse(one, *worst)) worst = one;
  }
  if (worst) worst->on_stale = on_stale;
  return worst;
}

std::string_view name_of(Guidance lack) {
  switch (lack) {
    case Guidance::lost: return "not_connected";
    case Guidance::stale: return "no_answer";
    case Guidance::silent: return "names_nobody";
    case Guidance::unknown: return "knows_nobody";
    case Guidance::advised: break;
  }
  return {};
}

std::string_view words(Guidance lack) {
  switch (lack) {
    case Guidance::lost: return "the GWM whose advice counts is not connected";
    case Guidance::stale: return "the GWM is connected and gives no weights";
    case Guidance::silent: return "the GWM says nothing of any server of the group";
    case Guidance::unknown: return "the GWM knows the state of no server of the group";
    case Guidance::advised: break;
  }
  return {};
}

}  // namespace saspd::director
