// SPDX-License-Identifier: Apache-2.0
// The map of devices (lb.h): which frames the XDP program accepts as its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bpf/lb.h"
#include "controller/base/error.hpp"
#include "netlink/links.hpp"

namespace saspd::bpf {

// An interface to which the program is attached.
struct Attachment {
  std::uint32_t interface = 0;  // index
  bool native = false;
  bool operator==(const Attachment&) const = default;
};

// The whole map, by index.
using DeviceTable = std::vector<lb_devices>;

// The attachments according to the map.
std::vector<Attachment> attachments(const DeviceTable& table);

// What the map must hold, and what it has no room for: there are too many VLANs or MACs.
struct Arrangement {
  struct Surplus {
    std::uint32_t interface = 0;
    std::uint16_t vlan = 0;
    std::string text() const;  // "VLAN 7 of eth0"
  };
  DeviceTable table;
  std::vector<Surplus> surplus;
};

// Computed for these attachments from what it holds now: what stays the same keeps its index.
// Entries of an attachment whose interface is gone do not change.
Arrangement arrange_devices(DeviceTable table, const netlink::Links& links,
                            const std::vector<Attachment>& attached);

// Read and write the map by its descriptor. Only indices that change are written. They need no
// capability but those for the map.
Result<DeviceTable> read_devices(int map);
Result<void> write_devices(int map, const DeviceTable& before, const DeviceTable& after);

}  // namespace saspd::bpf
