// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/messages.hpp"

#include <algorithm>
#include <span>

namespace saspd::sasp {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::array<std::uint8_t, 12> compatible_prefix{};

bool starts_with(const WireAddress& address, const std::array<std::uint8_t, 12>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

template <class... Ms>
bool is_one_of(Type type, const std::variant<Ms...>*) {
  return ((type == Ms::type) || ...);
}

}  // namespace

WireAddress to_wire(const IpAddress& address) {
  WireAddress wire{};
  const auto bytes = address.bytes();
  std::copy(bytes.rbegin(), bytes.rend(), wire.rbegin());
  return wire;
}

IpAddress from_wire(const WireAddress& address) {
  const std::span bytes(address);
  // :: and ::1 look compatible and are IPv6's own (RFC 4291 2.5.2, 2.5.3).
  const bool own = address[12] == 0 && address[13] == 0 && address[14] == 0 && address[15] <= 1;
  const bool compatible = starts_with(address, compatible_prefix) && !own;
  if (compatible || is_mapped(address)) return IpAddress::v4(bytes.last<4>());
  return IpAddress::v6(bytes);
}

bool is_mapped(const WireAddress& address) {
  return starts_with(address, mapped_prefix);
}

bool is_message(Type type) {
  return is_one_of(type, static_cast<const Message*>(nullptr));
}

Type type_of(const Message& message) {
  return std::visit([](const auto& m) { return m.type; }, message);
}

}  // namespace saspd::sasp
