// SPDX-License-Identifier: Apache-2.0
// IP addresses and endpoints as values: parsed, printed, compared. No sockets.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

enum class Family : std::uint8_t { v4, v6 };

// An IPv4 or IPv6 address, always in network byte order. An IPv4 address uses the first 4 bytes;
// the rest is zero, so that equality is plain equality of bytes.
class IpAddress {
 public:
  IpAddress() = default;
  static IpAddress v4(std::span<const std::uint8_t, 4> bytes);
  static IpAddress v6(std::span<const std::uint8_t, 16> bytes);
  // "192.0.2.1" or "2001:db8::1"; no brackets, no zone, no name.
  static Result<IpAddress> parse(std::string_view text);

  Family family() const { return family_; }
  // 4 or 16 bytes.
  std::span<const std::uint8_t> bytes() const;
  bool is_loopback() const;
  std::string text() const;

  // In the order of family and bytes, compared as two integers: the defaulted comparison calls
  // memcmp() at every step of every tree that is keyed by an address.
  std::strong_ordering operator<=>(const IpAddress& other) const {
    if (family_ != other.family_) return family_ <=> other.family_;
    const auto first = half(0) <=> other.half(0);
    return first != 0 ? first : half(1) <=> other.half(1);
  }
  bool operator==(const IpAddress& other) const { return (*this <=> other) == 0; }

 private:
  // Eight of the bytes, as a number.
  std::uint64_t half(std::size_t n) const {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes_.data() + n * sizeof number, sizeof number);
    return std::endian::native == std::endian::big ? number : __builtin_bswap64(number);
  }

  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

// An address with a port. Port 0 means "no port of its own" (system member, fwmark service).
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "192.0.2.1:80" or "[2001:db8::1]:80"; the port is 0..65535 in decimal. The error names what is
  // missing and, if it can be determined, the text that was meant.
  static Result<Endpoint> parse(std::string_view text);
  std::string text() const;

  auto operator<=>(const Endpoint&) const = default;
};

// Parses an address where a port would be possible as well: "192.0.2.1", "2001:db8::1" or
// "[2001:db8::1]". Refuses an IPv6 address without brackets whose end may be meant as a port:
// "2001:db8::1:80".
Result<IpAddress> parse_lone_address(std::string_view text);

// Parses the whole text as a decimal number within [low, high]; the error names that range.
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t low, std::uint64_t high);

}  // namespace saspd

template <>
struct std::hash<saspd::Endpoint> {
  std::size_t operator()(const saspd::Endpoint& endpoint) const noexcept;
};
