// SPDX-License-Identifier: Apache-2.0
// How old the advice of a group is, whatever the reason, and what follows from that and when. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "controller/base/clock.hpp"
#include "controller/report/words.hpp"
#include "controller/saspd/knowledge.hpp"

namespace saspd::director {

struct Freshness {
  // An answer that is late by less than this is not overdue: so long may a GWM take for it.
  static constexpr Duration grace = std::chrono::seconds{10};

  OnStale on_stale = OnStale::hold;
  Guidance guidance = Guidance::advised;
  bool was_advised = false;             // since the start
  std::optional<TimePoint> last{};      // when there was fresh advice; nothing: never
  std::optional<TimePoint> due{};       // until then no more is expected; nothing: none comes
  std::optional<TimePoint> stale_at{};  // nothing: no GWM was heard yet

  report::AdviceState state(TimePoint now) const;
  // Why no more comes; advised: it is expected in time.
  Guidance lack(TimePoint now) const;
  // Whether --on-stale decides the weights.
  bool acts(TimePoint now) const;
};

// The freshness of the group's service that has been without advice for longest. Nothing: none was
// decided.
std::optional<Freshness> freshness_of(const Knowledge& known, const Group& group,
                                      std::optional<Duration> stale_after, OnStale on_stale);

// For scripts: "not_connected"; and in words: "the GWM is not connected".
std::string_view name_of(Guidance lack);
std::string_view words(Guidance lack);

}  // namespace saspd::director
