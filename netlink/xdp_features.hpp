// SPDX-License-Identifier: Apache-2.0
// Whether a device can transmit frames that an XDP program in native mode redirects to it.
#pragma once

#include <optional>

#include "netlink/genl.hpp"

namespace saspd::netlink {

class XdpFeatures {
 public:
  XdpFeatures();

  // What the kernel reports (6.3 and later); empty if it does not report it. A veth can only while
  // its peer has an XDP program or GRO. Needs no capability.
  std::optional<bool> can_transmit(unsigned interface);

 private:
  GenlSocket socket_;
  Requests request_;
  std::optional<std::uint16_t> family_;
  bool is_absent_ = false;  // the kernel has no such family
};

}  // namespace saspd::netlink
