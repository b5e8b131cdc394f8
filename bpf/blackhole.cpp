// SPDX-License-Identifier: Apache-2.0

#include "bpf/blackhole.hpp"

#include "bpf/lb.h"
#include "bpf/map.hpp"
#include "bpf/xdp_maps.hpp"

namespace saspd::bpf {

Result<netlink::Blackhole> wanted_blackhole(const std::string& pins, const Record& record) {
  const auto map = Map<lb_address_key, std::uint32_t>::open(path_of(pins, "addresses"));
  if (!map) return fail(map.error());
  const auto addresses = map->entries();
  const auto links = netlink::read_links();
  if (!addresses) return fail(addresses.error());
  if (!links) return fail(links.error());
  netlink::Blackhole wanted;
  for (const auto& [key, value] : *addresses)
    wanted.addresses.insert(ip_address(key.address, static_cast<std::uint8_t>(key.family)));
  for (const auto& [name, index] : record) {
    auto interface = interface_of(name);
    if (!interface) interface = shared_interface_of(name);
    if (!interface) continue;
    wanted.interfaces.insert(*interface);
    wanted.interfaces.merge(netlink::names_above(*links, index));
  }
  return wanted;
}

}  // namespace saspd::bpf
