// SPDX-License-Identifier: Apache-2.0
// Netlink bytes written by hand, a number at a time: bytes(6_u16, 1_u16, 2_u16, 0_u16).
// _uN are in the host's order, _beN in network order.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace saspd::netlink {

using Bytes = std::vector<std::uint8_t>;

template <class Number>
Bytes raw(Number value) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(&value);
  return {at, at + sizeof value};
}

inline Bytes operator""_u8(unsigned long long value) {
  return raw(static_cast<std::uint8_t>(value));
}
inline Bytes operator""_u16(unsigned long long value) {
  return raw(static_cast<std::uint16_t>(value));
}
inline Bytes operator""_u32(unsigned long long value) {
  return raw(static_cast<std::uint32_t>(value));
}
inline Bytes operator""_be16(unsigned long long value) {
  return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}
// Decimal or hexadecimal bytes in wire order: 0xC0000201_be32 is 192.0.2.1.
inline Bytes operator""_be32(unsigned long long value) {
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
          static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}
inline Bytes text(std::string_view characters) {
  return {characters.begin(), characters.end()};
}
inline Bytes zeroes(std::size_t count) {
  return Bytes(count);
}

template <class... Parts>
Bytes bytes(const Parts&... parts) {
  Bytes all;
  (all.insert(all.end(), parts.begin(), parts.end()), ...);
  return all;
}

// One attribute with its padding. For golden tables write the header by hand instead.
inline Bytes attribute(std::uint16_t type, const Bytes& value) {
  Bytes all = bytes(raw(static_cast<std::uint16_t>(4 + value.size())), raw(type), value);
  all.resize((all.size() + 3) / 4 * 4);
  return all;
}

// A copy in a heap block of exactly its size, so that the address sanitizer sees a read behind it.
inline Bytes first(const Bytes& all, std::size_t count) {
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace saspd::netlink
