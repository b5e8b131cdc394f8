// SPDX-License-Identifier: Apache-2.0

#include "bpf/devices.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "bpf/links.hpp"
#include "bpf/map.hpp"

namespace saspd::bpf {
namespace {

using Key = std::pair<std::uint32_t, std::uint16_t>;  // interface and VLAN

Key key_of(const lb_device& device) {
  return {device.interface, device.vlan};
}
bool is_free(const lb_device& device) {
  return device.interface == 0;
}

// The MACs of a device, several in each value. The first one fills unused places.
std::vector<lb_device> values_of(const netlink::Device& device, std::uint8_t flags) {
  std::vector<lb_device> values;
  const auto& macs = device.macs;
  for (std::size_t i = 0; i < macs.size(); i += LB_DEVICE_MACS) {
    lb_device& value = values.emplace_back();
    value.interface = device.interface;
    value.vlan = device.vlan;
    value.flags = flags | (macs.size() == 1 ? LB_DEVICE_SIMPLE : 0);
    for (std::size_t n = 0; n < LB_DEVICE_MACS; ++n) {
      const auto& mac = i + n < macs.size() ? macs[i + n] : macs[i];
      std::copy(mac.begin(), mac.end(), value.mac[n]);
    }
  }
  return values;
}

// What each device is to be.
std::map<Key, std::vector<lb_device>> values_for(const DeviceTable& table,
                                                 const netlink::Links& links,
                                                 const std::vector<Attachment>& attached) {
  std::map<Key, std::vector<lb_device>> wanted;
  for (const auto& attachment : attached) {
    for (const auto& device : netlink::devices_on(links, attachment.interface)) {
      const bool itself = device.interface == attachment.interface && device.vlan == 0;
      const std::uint8_t flags = itself ? LB_DEVICE_ATTACHED : 0;
      auto& values = wanted[{device.interface, device.vlan}];
      // The member of a bond may be attached to as well: then that counts.
      if (!values.empty() && !itself) continue;
      values = values_of(device, flags | (itself && attachment.native ? LB_DEVICE_NATIVE : 0));
    }
    if (links.contains(attachment.interface)) continue;
    for (const auto& place : table) {
      for (const auto& device : place.at) {
        if (device.interface == attachment.interface) wanted[key_of(device)].push_back(device);
      }
    }
  }
  return wanted;
}

// Its values go where it was, then where there is room. False: there is none.
bool put(const Key& key, const std::vector<lb_device>& values, lb_devices& place) {
  std::size_t next = 0;
  for (const bool own : {true, false}) {
    for (auto& device : place.at) {
      const bool is_own = !is_free(device) && key_of(device) == key;
      if (own ? !is_own : !is_free(device)) continue;
      if (next < values.size())
        device = values[next++];
      else
        device = {};
    }
  }
  return next == values.size();
}

}  // namespace

std::vector<Attachment> attachments(const DeviceTable& table) {
  std::vector<Attachment> attached;
  for (const auto& place : table) {
    for (const auto& device : place.at) {
      const Attachment one{device.interface, (device.flags & LB_DEVICE_NATIVE) != 0};
      const bool is_known = std::find(attached.begin(), attached.end(), one) != attached.end();
      if ((device.flags & LB_DEVICE_ATTACHED) != 0 && !is_known) attached.push_back(one);
    }
  }
  return attached;
}

std::string Arrangement::Surplus::text() const {
  const std::string name = interface_name(interface);
  return vlan == 0 ? name : fmt::format("VLAN {} of {}", vlan, name);
}

Arrangement arrange_devices(DeviceTable table, const netlink::Links& links,
                            const std::vector<Attachment>& attached) {
  Arrangement arrangement{std::move(table), {}};
  const auto wanted = values_for(arrangement.table, links, attached);
  for (auto& place : arrangement.table) {
    for (auto& device : place.at) {
      if (!wanted.contains(key_of(device))) device = {};
    }
  }
  for (const auto& [key, values] : wanted) {
    const auto& [interface, vlan] = key;
    if (!put(key, values, arrangement.table[lb_device_place(interface, vlan)]))
      arrangement.surplus.push_back({interface, vlan});
  }
  return arrangement;
}

Result<DeviceTable> read_devices(int map) {
  DeviceTable table(LB_DEVICE_PLACES);
  for (std::uint32_t place = 0; place < LB_DEVICE_PLACES; ++place) {
    if (bpf_map_lookup_elem(map, &place, &table[place]) != 0) return system_error("devices");
  }
  return table;
}

Result<void> write_devices(int map, const DeviceTable& before, const DeviceTable& after) {
  for (std::uint32_t place = 0; place < LB_DEVICE_PLACES; ++place) {
    const lb_devices& value = after[place];
    if (std::memcmp(&before[place], &value, sizeof value) == 0) continue;
    if (bpf_map_update_elem(map, &place, &value, BPF_ANY) != 0) return system_error("devices");
  }
  return {};
}

}  // namespace saspd::bpf
