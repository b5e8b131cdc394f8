// SPDX-License-Identifier: Apache-2.0
// The transport protocols that services and members have names for, by their IANA numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace saspd {

// "tcp" (6), "udp" (17) or "sctp" (132); empty for all others.
std::string_view ip_protocol_name(std::uint8_t number);
// The name, or the number where there is none: "47".
std::string ip_protocol_text(std::uint8_t number);
// The number of one of these names, in any case ("TCP").
std::optional<std::uint8_t> parse_ip_protocol(std::string_view name);

}  // namespace saspd
