// SPDX-License-Identifier: Apache-2.0
// Addresses that parse and that no single host has.
#pragma once

#include <string_view>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"

namespace saspd {

// "a multicast address", and so on: 0.0.0.0, 224.0.0.0/4, 255.255.255.255, ::, ff00::/8, and these
// IPv4 addresses as ::ffff:a.b.c.d. Empty: a host may have it. IPVS refuses exactly these as servers
// (inet_addr_type and ipv6_addr_type in ip_vs_new_dest).
std::string_view kind_of_no_host(const IpAddress& address);

// The error says of which kind it is, and what is meant to stand there: `wanted`.
Result<void> check_host_address(const IpAddress& address, std::string_view wanted);

}  // namespace saspd
