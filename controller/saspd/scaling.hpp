// SASP weights have 16 bits; some IPVS schedulers go wrong long before that. Weights are scaled
// down only, and only for those schedulers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace saspd {

// The largest weight that keeps `scheduler` close to the advised shares; nothing where it takes
// any. wrr serves a server (its weight - second largest weight) times in a row, so that large
// weights come in bursts: 60001/40003/20011/10007 gave one server 997 of the first 1000 connections
// (net/netfilter/ipvs/ip_vs_wrr.c; measured on 6.1 and 6.12).
std::optional<std::uint32_t> largest_weight(std::string_view scheduler);

// The weights with their largest at most `limit`: unchanged when it is already; divided by their
// greatest common divisor when that is enough, which keeps the ratios exactly; else rounded. Zero
// stays zero, everything else is at least 1.
std::vector<std::uint32_t> scale_weights(std::span<const std::uint32_t> weights,
                                         std::optional<std::uint32_t> limit);

}  // namespace saspd
