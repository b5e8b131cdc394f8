// SPDX-License-Identifier: Apache-2.0
// What one of several GWMs says of a group, and whether that can be followed now. Pure.
#pragma once

#include <map>
#include <optional>

#include "controller/base/clock.hpp"
#include "controller/sasp/types.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd::director {

using AdviceByMember = std::map<sasp::MemberKey, Advice>;

struct GwmWords {
  const AdviceByMember* advice = nullptr;  // never null; also what it said before it was lost
  bool speaks = false;                     // it is connected, and not silent beyond its patience
  std::optional<TimePoint> last{};         // see sasp::Heard
  std::optional<TimePoint> full{};         // likewise

  // Nothing: it does not speak of the member, or not any more.
  const Advice* of(const sasp::MemberKey& member) const;
};

// Whether a GWM that gave its last full picture at `full` still speaks of a member.
bool is_named(const Advice& advice, const std::optional<TimePoint>& full);

// Whether the GWM knows what it says there (RFC 4678 5.3). A quiesce comes from an operator or the
// member, and needs no confidence.
bool is_decided(const Advice& advice);

// Whether the GWM speaks, and its advice for the group can be followed: it knows the state of a
// member that may have work, or of one that may not, where none is left that may.
bool knows(const GwmWords& words);
// Whether it knows each member that `other` knows.
bool knows_all_of(const GwmWords& words, const GwmWords& other);

}  // namespace saspd::director
