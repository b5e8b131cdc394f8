// SPDX-License-Identifier: Apache-2.0

#include "controller/base/ip_protocol.hpp"

#include "controller/base/ascii.hpp"

namespace saspd {
namespace {

struct Named {
  std::uint8_t number;
  std::string_view name;
};
constexpr Named protocols[] = {{6, "tcp"}, {17, "udp"}, {132, "sctp"}};

}  // namespace

std::string_view ip_protocol_name(std::uint8_t number) {
  for (const auto& protocol : protocols) {
    if (protocol.number == number) return protocol.name;
  }
  return {};
}

std::string ip_protocol_text(std::uint8_t number) {
  const auto name = ip_protocol_name(number);
  return name.empty() ? std::to_string(number) : std::string(name);
}

std::optional<std::uint8_t> parse_ip_protocol(std::string_view name) {
  for (const auto& protocol : protocols) {
    if (ascii::same(protocol.name, name)) return protocol.number;
  }
  return std::nullopt;
}

}  // namespace saspd
