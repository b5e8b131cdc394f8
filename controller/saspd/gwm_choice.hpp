// SPDX-License-Identifier: Apache-2.0
// Whose advice counts for one group, of several GWMs: in a merge that of all that know the group
// (see knows()); else that of the first of them, in the order of --gwm. A value. Pure.
//
// One that no longer knows the group gives way at once to one that does; while nobody knows it, who
// counted last goes on counting, and the weights stay. One that comes to know it is taken
//   at once    if nobody else knows it; or if it lost the group not more than once within
//              `restless_within` and, where another would have to give way to it, knows all members
//              that the other knows: one that was restarted gets to know them one by one
//   otherwise  when it has known the group without a break for `settles_after`
// So one that comes and goes moves the weights twice, and not each time.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "controller/base/renumbering.hpp"
#include "controller/saspd/gwm_words.hpp"

namespace saspd::director {

class GwmChoice {
 public:
  static constexpr Duration settles_after = std::chrono::minutes{3};
  static constexpr Duration restless_within = std::chrono::minutes{15};

  // By GWM. Returns whether others count now than before.
  bool update(std::span<const GwmWords> words, bool merge, TimePoint now);

  // The GWMs are others now: see Renumbering.
  void renumber(const Renumbering& gwms);

  // In the order of --gwm; of the one that is followed, or of all that are merged. Empty: none has
  // advised the group yet.
  const std::vector<std::size_t>& counted() const { return counted_; }
  std::optional<std::size_t> first() const;
  bool counts(std::size_t gwm) const;
  // When time alone makes another GWM count, if it does.
  std::optional<TimePoint> until() const { return until_; }

 private:
  struct Standing {
    std::optional<TimePoint> knows_since;
    std::optional<TimePoint> gave_way;
    bool restless = false;
  };

  void note(std::span<const GwmWords> words, TimePoint now);
  bool may_join(std::size_t gwm, std::span<const GwmWords> words, bool merge, TimePoint now) const;
  std::vector<std::size_t> choose(std::span<const GwmWords> words, bool merge, TimePoint now);

  std::vector<Standing> standings_;
  std::vector<std::size_t> counted_;
  std::optional<TimePoint> until_;
};

}  // namespace saspd::director
