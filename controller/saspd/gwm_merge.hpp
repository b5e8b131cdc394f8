// SPDX-License-Identifier: Apache-2.0
// The advice of several GWMs for one group, made into one (--gwm-merge). A function of the advice
// alone, in integers: the same advice gives the same weights, in whatever order the GWMs stand and
// the messages came. Pure.
//
// Weights mean something only beside those of the same GWM. So each GWM's are measured by its
// average over the members to which all of these GWMs give a weight (where there is none, over those
// to which it gives one itself), and the result is on the scale of the mean of these averages:
// GWMs that say the same leave every weight as it is.
//
// For each member, the words of GWMs that do not name it, do not know its state, or have not given
// its weight yet, are left out.
//   quiesced    if any GWM says so, whether it knows the member's state or not
//   no contact  the weight of a GWM that cannot reach it is 0. It is called so if no GWM that knows
//               its state can reach it, or with min if one cannot. One GWM that has lost its way to
//               the farm would else take down what all others see serving: that asks for min
//   weight      the mean, the least or the greatest; never 0 if it is above 0 before rounding
#pragma once

#include <cstdint>
#include <span>

#include "controller/saspd/gwm_words.hpp"

namespace saspd::director {

enum class GwmMerge : std::uint8_t { primary, mean, min, max };

// Merges the words of GWMs that know the group. `how`: not primary. `received` of the result is the latest.
AdviceByMember merged(std::span<const GwmWords> words, GwmMerge how);

}  // namespace saspd::director
