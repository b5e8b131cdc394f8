// SPDX-License-Identifier: Apache-2.0
// The pinned maps as their writer opens them, and everything in them that decides where packets go.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/lb.h"
#include "bpf/map.hpp"
#include "bpf/writer_lock.hpp"
#include "controller/lb/service.hpp"

namespace saspd::bpf {

// Conversions to the types of lb.h.
lb_address_key address_key(const IpAddress& address);
lb_service_key service_key(const lb::VirtualEndpoint& service);
lb_flow_key flow_key(lb::Protocol protocol, const Endpoint& source, const Endpoint& destination);

// Conversions back. Empty for a protocol that is not balanced.
IpAddress ip_address(const lb_address& address, std::uint8_t family);
std::optional<lb::VirtualEndpoint> service_of(const lb_service_key& key);

lb_address address_bytes(const IpAddress& address);
std::uint8_t family_number(const IpAddress& address);

inline bool is_present(const lb_backend& backend) {
  return (backend.flags & LB_BACKEND_PRESENT) != 0;
}
inline bool is_resolved(const lb_backend& backend) {
  return (backend.flags & LB_BACKEND_RESOLVED) != 0;
}
inline lb::Forward forward_of(const lb_service& service) {
  return service.forward == LB_FORWARD_IPIP ? lb::Forward::tunnel : lb::Forward::route;
}

// Whether the running kernel requires CAP_BPF besides the pins, as those before 5.19 do.
bool maps_want_capability();

// What the maps hold, except the slots.
struct Contents {
  std::vector<std::pair<lb_service_key, lb_service>> services;
  std::vector<lb_address_key> addresses;
  std::vector<std::uint32_t> tables_in_use;  // by the number of the service
  std::vector<lb_backend> backends;          // by number
};

struct XdpMaps {
  // Takes the `lock` of the pins, unless it already is theirs; nullptr: for reading only. Errors
  // that callers distinguish:
  // no_such_file_or_directory, nothing is attached; permission_denied, the pins belong to another
  // user; not_supported, they have another layout; address_in_use, another process writes them.
  // Their details name the remedy.
  static Result<XdpMaps> open(const std::string& pins, std::optional<WriterLock>* lock);

  // Whether other maps, or none, are pinned there now.
  bool replaced(const std::string& pins) const;

  Result<Contents> read() const;

  lb_settings limits;  // as read by open()
  Map<lb_service_key, lb_service> services;
  Map<std::uint32_t, std::uint32_t> tables_in_use;
  Map<lb_address_key, std::uint32_t> addresses;
  Map<std::uint32_t, lb_table> tables;
  Map<std::uint32_t, lb_backend> backends;
  Map<std::uint32_t, lb_devices> devices;
  Map<lb_flow_key, lb_flow> flows;
  PerCpuArray<lb_counters> backend_counters;
  PerCpuArray<lb_counters> service_counters;
  PerCpuArray<std::uint64_t> reasons;
  Map<std::uint32_t, lb_settings> settings;
};

}  // namespace saspd::bpf
