// The map of devices (lb.h): which frames the XDP program takes for its own.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/lb.h"
#include "controller/base/error.hpp"
#include "netlink/links.hpp"

namespace saspd::bpf {

// What the program is attached to.
struct Attachment {
  std::uint32_t interface = 0;  // index
  bool native = false;
  bool operator==(const Attachment&) const = default;
};

// The whole map, by place.
using DeviceTable = std::vector<lb_devices>;

// As the map says.
std::vector<Attachment> attachments(const DeviceTable& table);

// What the map has to hold for these, made from what it holds: what stays the same keeps its place.
// Of an attachment whose interface is not there nothing is changed. An error, no_space_on_device:
// there are too many VLANs and MACs.
Result<DeviceTable> arrange_devices(DeviceTable table, const netlink::Links& links,
                                    const std::vector<Attachment>& attached);

// The map by its descriptor. Only places that change are written. Needs no capability but for the
// map.
Result<DeviceTable> read_devices(int map);
Result<void> write_devices(int map, const netlink::Links& links,
                           const std::vector<Attachment>& attached);

}  // namespace saspd::bpf
