// SPDX-License-Identifier: Apache-2.0
// Advice and policy in, weights out. Pure: this is where every "must" about weights is decided.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "controller/base/clock.hpp"
#include "controller/lb/service.hpp"
#include "controller/report/words.hpp"
#include "controller/sasp/types.hpp"
#include "controller/saspd/scaling.hpp"

namespace saspd::director {

// A GWM's last advice for one member.
struct Advice {
  std::uint16_t weight = 0;
  std::uint8_t flags = 0;  // sasp::weight_flag
  std::uint8_t state = 0;  // opaque, from the member
  TimePoint received;
  // Nothing else was said of it than a quiesce that we have asked for: its weight is not known.
  bool weightless = false;

  bool contact() const { return (flags & sasp::weight_flag::contact) != 0; }
  bool quiesced() const { return (flags & sasp::weight_flag::quiesce) != 0; }
  bool confident() const { return (flags & sasp::weight_flag::confident) != 0; }
  bool registered_by_lb() const { return (flags & sasp::weight_flag::registered_by_lb) != 0; }
  // Whether it wants no new connections for the member.
  bool takes_away() const {
    return quiesced() || !contact() || !confident() || (weight == 0 && !weightless);
  }
  // Whenever it was received.
  bool says_the_same_as(const Advice& other) const {
    return weight == other.weight && flags == other.flags && state == other.state &&
           weightless == other.weightless;
  }
};

// What is known about one destination when its weight is decided.
struct MemberInput {
  std::optional<Advice> advice;
  std::uint32_t kernel_weight = 0;
  bool own_zero = false;      // a kernel weight of 0 is our own last write
  bool unclear_zero = false;  // or may be another program's
  std::uint32_t static_weight =
      1;  // weight=N of --member, else the weight first seen in the kernel
  std::uint32_t last_positive = 0;  // 0 if none was ever seen
  // When it last had a weight; empty if never, or if it was taken out on purpose since.
  std::optional<TimePoint> served;
  // Its own zero came from not_confident alone; and that has lapsed, because no server is known any
  // more.
  bool avoided = false;
  bool released = false;
  // The last full picture of the GWM lacked it: what it advised before makes nobody known now.
  bool unnamed = false;
  bool absent = false;                      // about to be added: it has no kernel weight to keep
  bool leaving = false;                     // removed once its connections have ended
  std::optional<std::uint32_t> override{};  // the weight that the operator set
  bool held = false;                        // the operator lets nothing be written
};

using report::PaceRule;
using report::Reason;

// The weight is on its way to what it shall be: what keeps it, and until when if nothing changes.
struct Pending {
  PaceRule rule = PaceRule::calm;
  TimePoint until;
};

struct Decision {
  std::uint32_t weight = 0;  // for the kernel, scaled for its scheduler
  Reason reason = Reason::static_weight;
  bool has_served = false;   // it has been seen with a weight
  std::uint32_t target = 0;  // the weight, if no foreign one stood and it were there already
  std::optional<Pending> pending{};
  std::uint32_t unscaled = 0;  // the target, before it was scaled for the scheduler
};

struct ServiceDecision {
  std::map<Endpoint, Decision> members;
  bool nobody_known = false;   // advised, and no valid member is confident: no advice
  bool few_known = false;      // more than a third of those that serve are not known: an alarm
  std::optional<Reason> held;  // held_all_zero or held_panic: advice is held back, an alarm
};

// Whether it was taken out on purpose, not lost: only who did that brings it back.
bool is_withdrawn(Reason reason);

// Servers that were lost longer ago than this do not take part when advice is held back: they were
// accepted as dead while others served.
inline constexpr Duration lost_lately = std::chrono::minutes{10};

using report::OnStale;

struct ProjectionPolicy {
  bool hold_all_zero = true;     // --on-all-zero hold|apply
  std::uint32_t panic = 0;       // --panic: percent of the members that were not withdrawn
  std::uint32_t min_change = 0;  // --min-change: see on_grid(); 0: off
  OnStale on_stale = OnStale::hold;
};

// What the advice for a service is worth.
enum class Standing : std::uint8_t {
  none,     // there was none yet: every weight stays as it is
  current,  // it counts
  stale,    // no fresh one has come for --stale-after
};

// Decides the weights of one service, within `limits` by its `scale`. Of stale advice that is not
// held, what a member still has is as fresh as can be: quiesced and no contact stand.
ServiceDecision project(const std::map<Endpoint, MemberInput>& members, Standing standing,
                        const Limits& limits, Scale& scale, const ProjectionPolicy& policy,
                        TimePoint now);

}  // namespace saspd::director
