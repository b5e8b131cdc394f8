// SPDX-License-Identifier: Apache-2.0

#include "controller/base/seconds.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "controller/base/address.hpp"
#include "controller/base/ascii.hpp"

namespace saspd {

Result<std::chrono::seconds> parse_seconds(std::string_view text, std::uint64_t low,
                                           std::uint64_t high) {
  constexpr std::string_view units = "smhd";
  constexpr std::array<std::uint64_t, units.size()> sizes{1, 60, 3600, 86'400};
  const auto unit = text.empty() ? std::string_view::npos : units.find(text.back());
  const bool has_unit = unit != std::string_view::npos;
  const std::uint64_t size = has_unit ? sizes.at(unit) : 1;
  const auto count = parse_number(has_unit ? text.substr(0, text.size() - 1) : text, 0,
                                  std::numeric_limits<std::uint32_t>::max());
  if (count && *count * size >= low && *count * size <= high) {
    return std::chrono::seconds(*count * size);
  }
  const bool tries_a_unit = !count && std::any_of(text.begin(), text.end(), ascii::is_letter);
  return fail(std::errc::invalid_argument,
              fmt::format("'{}' is not a whole number of seconds from {} to {}{}", text, low, high,
                          tries_a_unit ? "; the units are s, m, h and d, as in 5m" : ""));
}

}  // namespace saspd
