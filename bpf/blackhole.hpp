// attach() with `blackhole`: packets to a service address that would be routed on are dropped
// (netlink/blackhole.hpp), for as long as something is attached.
#pragma once

#include <string>

#include "bpf/pins.hpp"
#include "netlink/blackhole.hpp"

namespace saspd::bpf {

// On the record of the pins when it was asked for. It is pinned nowhere.
inline constexpr std::string_view blackhole_entry = "blackhole";

// For the addresses of all services that the maps have now, and all interfaces of the record, also
// those that are gone. Needs no capability but for the maps.
Result<netlink::Blackhole> wanted_blackhole(const std::string& pins, const Record& record);

}  // namespace saspd::bpf
