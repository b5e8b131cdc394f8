// Whether a device can transmit frames that an XDP program in native mode redirects to it.
#pragma once

#include <optional>

#include "netlink/genl.hpp"

namespace saspd::netlink {

class XdpFeatures {
 public:
  XdpFeatures();

  // As the kernel says (6.3 and later). Nothing: it does not say. Of a veth it says so only while
  // its other end has an XDP program or GRO. Needs no capability.
  std::optional<bool> can_transmit(unsigned interface);

 private:
  GenlSocket socket_;
  Requests request_;
  std::optional<std::uint16_t> family_;
  bool is_absent_ = false;  // the kernel has no such family
};

}  // namespace saspd::netlink
