// SPDX-License-Identifier: Apache-2.0
// The quiesces of one group's members, which outlive the GWM that advised them: the next GWM need
// not have heard of them, and must not raise a server that is under the operator's hands. A value.
// Pure.
//
// A quiesce begins when a GWM whose word counts says so. It stands until
//   a GWM that knew of it says otherwise: one that speaks, knows the member's state and says that it
//     is not quiesced, and that called it quiesced itself at some time since the quiesce began.
//     That is also the GWM that advised it, when it is back
//   the operator lifts it (saspctl undrain)
//   --stale-after, where it is given, has passed since a GWM said so last
// and while a GWM whose word counts says so, nothing of that ends it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "controller/base/renumbering.hpp"
#include "controller/saspd/gwm_words.hpp"

namespace saspd::director {

class LastingQuiesces {
 public:
  struct Quiesce {
    std::size_t by = 0;  // the GWM that said so first
    std::set<std::size_t> known_to;
    bool confirmed = true;  // a GWM whose word counts says so now
    // Known from before our start: when anyone said so last is not known, but not later than it.
    bool restored = false;
    TimePoint said{};  // not earlier than this
  };

  // `words`: by GWM. `counts`: whether a quiesce by that GWM is one.
  void update(std::span<const GwmWords> words, const std::function<bool(std::size_t)>& counts,
              std::optional<Duration> stale_after, TimePoint now);
  // The GWMs are others now: what only those knew that are gone is forgotten.
  void renumber(const Renumbering& gwms);

  // When --stale-after ends the first of them, if nobody speaks before.
  std::optional<TimePoint> until() const { return until_; }
  // False: there is none, or one that a GWM whose word counts would put back at once.
  bool lift(const sasp::MemberKey& member);
  void forget_unless(const std::function<bool(const sasp::MemberKey&)>& is_member);

  const std::map<sasp::MemberKey, Quiesce>& all() const { return all_; }

  // Of an earlier life. `known_to` names GWMs of now, one at least.
  void restore(const sasp::MemberKey& member, std::size_t by, std::set<std::size_t> known_to);
  // Whether there are others now, or others know of them, than at the last call.
  bool take_changed() { return std::exchange(changed_, false); }

 private:
  std::map<sasp::MemberKey, Quiesce> all_;
  std::optional<TimePoint> until_;
  bool changed_ = false;
};

}  // namespace saspd::director
