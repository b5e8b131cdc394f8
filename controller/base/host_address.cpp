// SPDX-License-Identifier: Apache-2.0

#include "controller/base/host_address.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace saspd {
namespace {

std::string_view kind_of_no_host(std::span<const std::uint8_t, 4> v4) {
  const auto is = [v4](std::uint8_t value) {
    return std::all_of(v4.begin(), v4.end(), [value](std::uint8_t byte) { return byte == value; });
  };
  if (is(0)) return "the unspecified address";
  if (is(0xFF)) return "the broadcast address";
  if (v4[0] >> 4U == 0xE) return "a multicast address";
  return {};
}

}  // namespace

std::string_view kind_of_no_host(const IpAddress& address) {
  const auto bytes = address.bytes();
  if (address.family() == Family::v4) return kind_of_no_host(bytes.first<4>());
  if (address == IpAddress::v6(std::array<std::uint8_t, 16>{})) return "the unspecified address";
  if (bytes[0] == 0xFF) return "a multicast address";
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::equal(mapped.begin(), mapped.end(), bytes.begin()))
    return kind_of_no_host(bytes.last<4>());
  return {};
}

Result<void> check_host_address(const IpAddress& address, std::string_view wanted) {
  const auto kind = kind_of_no_host(address);
  if (kind.empty()) return {};
  return fail(std::errc::invalid_argument,
              fmt::format("{} is {}; write {}", address.text(), kind, wanted));
}

}  // namespace saspd
