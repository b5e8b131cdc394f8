// SPDX-License-Identifier: Apache-2.0
// Whether a program on an interface sees the VLAN tags of its frames.
#pragma once

#include <optional>
#include <string>

#include "netlink/links.hpp"

namespace saspd::netlink {

// Whether the card strips tags and passes them beside the frame (rx-vlan-offload), where XDP does
// not see them. False for an interface that does not report it.
bool hides_vlan_tags(const std::string& interface);

// Judges attaching to `interface`, which strips tags or not. An error if it has VLAN devices,
// because frames of one VLAN would certainly be forwarded into another; a warning if that may
// happen; empty if all is well. Error and warning name the command that corrects it.
Result<std::optional<std::string>> check_vlan_tags(const Links& links, unsigned interface,
                                                   bool takes_tags_off);

}  // namespace saspd::netlink
