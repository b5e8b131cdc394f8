// SPDX-License-Identifier: Apache-2.0
// Whether a GWM steers a service at all. Weights that no GWM steers stay as they are, and that
// looks well from outside. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "controller/base/clock.hpp"
#include "controller/lb/service.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd::director {

// How long a missing GWM is no alarm: --stale-after, and at least twice its interval, because a GWM
// that answers in time is not missing; or else three times its interval and at least three minutes.
Duration patience_with(const sasp::Heard& heard, std::optional<Duration> stale_after);
// From when on it has not spoken for longer than that; nothing: it has never spoken.
std::optional<TimePoint> silent_from(const sasp::Heard& heard, std::optional<Duration> stale_after);
bool is_silent(const sasp::Heard& heard, std::optional<Duration> stale_after, TimePoint now);

// What the GWM that counts for a service says of its members.
enum class Guidance : std::uint8_t {
  advised,  // there is advice, or there are no members
  lost,     // it is not connected
  stale,    // it is connected, and does not speak
  silent,   // nothing of any member
  unknown,  // it knows the state of no valid member: no advice (RFC 4678 5.3)
};
Guidance guidance(const std::map<Endpoint, MemberInput>& members, const sasp::Heard& heard);

// Per service: it is unsteered when there was no advice for so long that neither a start nor a
// GWM that was restarted explains it.
class AdviceWatch {
 public:
  // `has_advice`: there are members, and a GWM steers them. `heard`: when the GWM that counts spoke
  // last.
  void update(Guidance guidance, bool has_advice, const std::optional<TimePoint>& heard,
              Duration patience, TimePoint now);
  // As of the last update.
  Guidance guidance() const { return guidance_; }
  // Why no GWM steers it; nothing: it is steered, or was until recently.
  std::optional<Guidance> lack() const { return lack_; }
  // Whether a GWM ever steered it.
  bool was_advised() const { return was_advised_; }
  // Since when there is no fresh advice; nothing: there is.
  std::optional<TimePoint> without_since() const { return without_since_; }
  // When it was without it for too long, or will be; nothing: there is fresh advice.
  std::optional<TimePoint> stale_at() const;
  // When time alone will make it unsteered, if it will.
  std::optional<TimePoint> deadline() const;

 private:
  Guidance guidance_ = Guidance::advised;
  bool was_advised_ = false;
  Duration patience_{};
  std::optional<TimePoint> without_since_;
  std::optional<Guidance> lack_;
};

// What is the matter, what becomes of the weights, and what helps.
std::string explain_lack(const AdviceWatch& watch, const std::string& group, OnStale on_stale);

}  // namespace saspd::director
