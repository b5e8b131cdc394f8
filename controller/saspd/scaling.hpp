// SPDX-License-Identifier: Apache-2.0
// SASP weights have 16 bits, but some IPVS schedulers fail long before that. Weights are only
// scaled down, and only for those schedulers (net/netfilter/ipvs of Linux 6.1 and 6.12; measured).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace saspd::director {

// The limits that keep a scheduler close to the advised shares. Without either, it accepts any
// weight.
struct Limits {
  std::optional<std::uint32_t> largest;  // the largest single weight
  std::optional<std::uint32_t>
      slots;  // the size of a slot table that is filled in turns of the weights
  bool operator==(const Limits&) const = default;
};

//   wrr   serves a server (its weight - second largest weight) times in a row, so large weights
//         cause bursts: 60001/40003/20011/10007 gave one server 997 of the first 1000 connections.
//         100.
//   twos  multiplies weights and connections in 32 bits. 100. (It gives one server a weight of one
//         more than it has: weights of 1 are far from even, and scaling them up is not our task.)
//   mh    takes 6 bits of a weight (ip_vs_mh_shift_weight). 63.
//   sh    fills 256 slots with as many of each server as its weight, one at least
//         (ip_vs_sh_reassign).
// `max` is the operator's own limit of the largest weight, for schedulers to which a weight is a
// capacity in connections (ovf, lblc, lblcr).
Limits limits_of(std::string_view scheduler, std::optional<std::uint32_t> max = {});

// The number of servers above which a scheduler no longer serves its purpose; nothing where there is
// no such bound.
//   wrr   walks all of them twice for each written weight, while packets wait: 2000.
//   mh    has 4093 slots (Debian's kernels) and gives servers beyond them none. 4093.
//   sh    the same with 256 slots. 256.
std::optional<std::size_t> useful_servers(std::string_view scheduler);

// The scale of one service. A factor that still fits is kept, so that a change of one weight, even
// the largest, changes only that weight in the kernel.
class Scale {
 public:
  struct Factor {
    std::uint64_t numerator = 1;
    std::uint64_t denominator = 1;

    bool is_one() const { return numerator == denominator; }
    std::uint32_t of(std::uint32_t weight) const;
    std::vector<std::uint32_t> of(std::span<const std::uint32_t> weights) const;
    bool operator==(const Factor&) const = default;
  };

  Scale() = default;
  // Continues with a factor() of another one.
  explicit Scale(const Factor& factor) : factor_(factor) {}
  const Factor& factor() const { return factor_; }
  bool operator==(const Scale&) const = default;

  // The weights within `limits`. Zero stays zero, any other weight is at least 1. A new factor is
  // the largest that fits, or a slightly smaller one that keeps the ratios exactly. `beside_kept`:
  // other servers of the service keep weights of the current factor, so it stays while it fits,
  // even if half of the range is unused.
  std::vector<std::uint32_t> scale(std::span<const std::uint32_t> weights, const Limits& limits,
                                   bool beside_kept = false);

 private:
  bool keeps_largest(std::uint32_t largest, std::uint32_t limit, bool beside_kept) const;
  static Factor for_largest(std::span<const std::uint32_t> weights, std::uint32_t limit);
  static Factor for_slots(std::span<const std::uint32_t> weights, std::uint32_t slots);
  static Factor for_turn(std::span<const std::uint32_t> weights, std::uint64_t slots);

  Factor factor_;
};

}  // namespace saspd::director
