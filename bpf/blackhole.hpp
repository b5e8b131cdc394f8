// SPDX-License-Identifier: Apache-2.0
// attach() with `blackhole`: drops packets for a service address that would otherwise be routed
// (netlink/blackhole.hpp), as long as something is attached.
#pragma once

#include <string>

#include "bpf/pins.hpp"
#include "netlink/blackhole.hpp"

namespace saspd::bpf {

// The entry on the record of the pins if it was requested. It is not a pin.
inline constexpr std::string_view blackhole_entry = "blackhole";

// For the addresses of all services that are in the maps now, and all interfaces on the record,
// even those that are gone. Needs no capability but those for the maps.
Result<netlink::Blackhole> wanted_blackhole(const std::string& pins, const Record& record);

}  // namespace saspd::bpf
