// Whether a program on an interface sees the VLAN tags of its frames.
#pragma once

#include <optional>
#include <string>

#include "netlink/links.hpp"

namespace saspd::netlink {

// Whether the card takes tags off and gives them beside the frame (rx-vlan-offload), where XDP does
// not see them. False of an interface that does not say.
bool hides_vlan_tags(const std::string& interface);

// What is wrong with attaching to `interface`, which takes tags off or not. An error: VLAN devices
// are on it, so that frames of one VLAN would surely be led into another. Text: what to look out
// for. Nothing: all is well. Both name the command that mends it.
Result<std::optional<std::string>> check_vlan_tags(const Links& links, unsigned interface,
                                                   bool takes_tags_off);

}  // namespace saspd::netlink
