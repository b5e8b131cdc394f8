// SPDX-License-Identifier: Apache-2.0

#include "netlink/ipvsadm_rules.hpp"

#include <array>
#include <cstring>

#include <fmt/format.h>

namespace saspd::netlink {
namespace {

std::string service_option(const lb::ServiceKey& key) {
  if (const auto* mark = std::get_if<lb::FirewallMark>(&key)) {
    return fmt::format("-f {}{}", mark->mark, mark->family == Family::v6 ? " -6" : "");
  }
  const auto& [protocol, endpoint] = std::get<lb::VirtualEndpoint>(key);
  const char* option = protocol == lb::Protocol::tcp   ? "-t"
                       : protocol == lb::Protocol::udp ? "-u"
                                                       : "--sctp-service";
  return fmt::format("{} {}", option, endpoint.text());
}

std::string netmask(Family family, std::uint32_t netmask) {
  if (family == Family::v6) return fmt::to_string(netmask);
  std::array<std::uint8_t, 4> bytes{};
  std::memcpy(bytes.data(), &netmask, bytes.size());  // is in network order
  return IpAddress::v4(bytes).text();
}

// "mh-fallback,mh-port"; of other schedulers flags have numbers.
std::string scheduler_flags(const lb::Service& service) {
  const bool named = lb::hashes_clients(service.scheduler);
  const std::string& prefix = service.scheduler;
  std::string flags;
  const auto add = [&](std::uint32_t flag, const std::string& name) {
    if ((service.flags & flag) != 0) flags += (flags.empty() ? "" : ",") + name;
  };
  add(lb::service_flag::fallback, named ? prefix + "-fallback" : "flag-1");
  add(lb::service_flag::hash_port, named ? prefix + "-port" : "flag-2");
  add(lb::service_flag::sched3, "flag-3");
  return flags;
}

std::string service_rule(const lb::ServiceKey& key, const lb::Service& service) {
  const Family family = lb::family(key);
  std::string rule = fmt::format("-A {} -s {}", service_option(key), service.scheduler);
  if ((service.flags & lb::service_flag::persistent) != 0) {
    rule += fmt::format(" -p {}", service.timeout);
  }
  if (service.netmask != lb::host_netmask(family)) {
    rule += fmt::format(" -M {}", netmask(family, service.netmask));
  }
  if (!service.persistence_engine.empty()) {
    rule += fmt::format(" --pe {}", service.persistence_engine);
  }
  if ((service.flags & lb::service_flag::one_packet) != 0) rule += " -o";
  if (const auto flags = scheduler_flags(service); !flags.empty()) rule += " -b " + flags;
  return rule;
}

// Values of include/uapi/linux/ip_vs.h. One that ipvsadm has no name for is refused by it, which is
// better than restored as another.
std::string tunnel_options(const lb::Tunnel& tunnel) {
  constexpr std::array types{"ipip", "gue", "gre"};  // IP_VS_CONN_F_TUNNEL_TYPE_*
  constexpr std::uint16_t csum = 1;                  // IP_VS_TUNNEL_ENCAP_FLAG_*
  constexpr std::uint16_t remcsum = 2;
  std::string options =
      fmt::format(" --tun-type {}",
                  tunnel.type < types.size() ? types.at(tunnel.type) : fmt::to_string(tunnel.type));
  if (tunnel.port != 0) options += fmt::format(" --tun-port {}", tunnel.port);
  if ((tunnel.flags & csum) != 0) options += " --tun-csum";
  if ((tunnel.flags & remcsum) != 0) options += " --tun-remcsum";
  return options;
}

std::string forward_option(const lb::Destination& destination) {
  switch (destination.forward) {
    case lb::Forward::masquerade: return "-m";
    case lb::Forward::tunnel: return "-i" + tunnel_options(destination.tunnel);
    case lb::Forward::route:
    case lb::Forward::local:
    case lb::Forward::bypass: return "-g";
  }
  return "-g";
}

std::string destination_rule(const lb::ServiceKey& key, const lb::Destination& destination) {
  std::string rule =
      fmt::format("-a {} -r {} {} -w {}", service_option(key), destination.endpoint.text(),
                  forward_option(destination), destination.weight);
  if (destination.upper_threshold != 0) rule += fmt::format(" -x {}", destination.upper_threshold);
  if (destination.lower_threshold != 0) rule += fmt::format(" -y {}", destination.lower_threshold);
  return rule;
}

}  // namespace

std::vector<std::string> ipvsadm_rules(const lb::Table& table) {
  std::vector<std::string> rules;
  for (const auto& [key, pool] : table) {
    rules.push_back(service_rule(key, pool));
    for (const auto& [endpoint, destination] : pool.destinations)
      rules.push_back(destination_rule(key, destination));
  }
  return rules;
}

}  // namespace saspd::netlink
