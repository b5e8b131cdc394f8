// SPDX-License-Identifier: Apache-2.0

#include "netlink/xdp_features.hpp"

#include <libmnl/libmnl.h>

#include <cstring>

namespace saspd::netlink {
namespace {

// include/uapi/linux/netdev.h, which headers older than Linux 6.3 lack.
constexpr char family_name[] = "netdev";
constexpr std::uint8_t version = 1;
constexpr std::uint8_t dev_get = 1;             // NETDEV_CMD_DEV_GET
constexpr std::uint16_t dev_ifindex = 1;        // NETDEV_A_DEV_IFINDEX
constexpr std::uint16_t dev_xdp_features = 3;   // NETDEV_A_DEV_XDP_FEATURES
constexpr std::uint64_t ndo_xmit = 1ULL << 2U;  // NETDEV_XDP_ACT_NDO_XMIT

}  // namespace

XdpFeatures::XdpFeatures() : request_(1) {}

std::optional<bool> XdpFeatures::can_transmit(unsigned interface) {
  if (is_absent_) return std::nullopt;
  if (!family_) {
    const auto family = socket_.resolve(family_name);
    is_absent_ = !family && family.error().code == std::errc::no_such_file_or_directory;
    if (!family) return std::nullopt;
    family_ = *family;
  }
  request_.clear();
  mnl_attr_put_u32(&request_.add(*family_, version, dev_get), dev_ifindex, interface);
  const auto answer = socket_.ask(request_);
  if (!answer) return std::nullopt;
  Attributes device(*answer, "device");
  const ByteView bytes = device.bytes(dev_xdp_features, sizeof(std::uint64_t));
  if (device.error()) return std::nullopt;
  std::uint64_t features = 0;
  std::memcpy(&features, bytes.data(), sizeof features);
  return (features & ndo_xmit) != 0;
}

}  // namespace saspd::netlink
