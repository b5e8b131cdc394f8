// SPDX-License-Identifier: Apache-2.0
// The vocabulary of load balancing in the kernel, as plain values. Names are the kernel's.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>

#include "controller/base/address.hpp"

namespace saspd::lb {

enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };  // IANA numbers
std::string_view name(Protocol protocol);                              // "tcp"

// What a client connects to: a virtual address and port.
struct VirtualEndpoint {
  Protocol protocol = Protocol::tcp;
  Endpoint endpoint;
  auto operator<=>(const VirtualEndpoint&) const = default;
};

// Or every packet with a netfilter mark.
struct FirewallMark {
  Family family = Family::v4;
  std::uint32_t mark = 0;
  auto operator<=>(const FirewallMark&) const = default;
};

// The identity of a service in the kernel.
using ServiceKey = std::variant<VirtualEndpoint, FirewallMark>;
Family family(const ServiceKey& key);
// tcp:192.0.2.10:443  udp:[2001:db8::1]:53  sctp:...  fwmark:7  fwmark6:7
Result<ServiceKey> parse_service(std::string_view text);
std::string text(const ServiceKey& key);

// Values of enum ip_vs forwarding methods, include/uapi/linux/ip_vs.h (IP_VS_CONN_F_FWD_MASK).
enum class Forward : std::uint32_t { masquerade = 0, local = 1, tunnel = 2, route = 3, bypass = 4 };
std::string_view name(Forward forward);

// How a tunnelled destination is encapsulated; all zero is plain IPIP.
struct Tunnel {
  std::uint8_t type = 0;   // IP_VS_CONN_F_TUNNEL_TYPE_*
  std::uint16_t port = 0;  // host order
  std::uint16_t flags = 0;
  auto operator<=>(const Tunnel&) const = default;
};

// The configuration of a server of a service. Its identity within the service is its endpoint.
struct Destination {
  Endpoint endpoint;
  std::uint32_t weight = 0;  // 0..2147483647
  Forward forward = Forward::masquerade;
  std::uint32_t upper_threshold = 0;  // connections; 0 is none
  std::uint32_t lower_threshold = 0;
  Tunnel tunnel{};
  // Dead, not draining: its flows end if the service says so. XDP only.
  bool lost = false;

  bool operator==(const Destination&) const = default;
};

// What the kernel said of a destination besides its configuration.
struct Observation {
  std::uint32_t connections = 0;  // active and inactive
};

// A destination as listed. Compared by its configuration: what was observed has changed by the time
// that it is looked at.
struct ListedDestination : Destination {
  ListedDestination() = default;
  ListedDestination(Destination configured, Observation seen = {})  // NOLINT: a listing has both
      : Destination(configured), observed(seen) {}

  Observation observed;
};

inline constexpr std::uint32_t max_weight = 0x7FFFFFFF;  // IPVS refuses more with ERANGE

// IP_VS_SVC_F_* of include/uapi/linux/ip_vs.h, except the last two.
namespace service_flag {
inline constexpr std::uint32_t persistent = 0x01;
inline constexpr std::uint32_t hashed = 0x02;  // the kernel's own, on every service
inline constexpr std::uint32_t one_packet = 0x04;
inline constexpr std::uint32_t fallback = 0x08;   // sh, mh: another server for one of weight 0
inline constexpr std::uint32_t hash_port = 0x10;  // sh, mh: the client's port counts too
inline constexpr std::uint32_t sched3 = 0x20;
inline constexpr std::uint32_t stateless = 0x10000;  // XDP only, and ours: no flow is remembered
inline constexpr std::uint32_t drop_lost =
    0x20000;  // XDP only, and ours: TCP flows of a lost destination end
}  // namespace service_flag

// The attributes of a service besides its key.
struct Service {
  std::string scheduler;
  std::uint32_t flags = 0;    // service_flag
  std::uint32_t timeout = 0;  // of persistence, in seconds
  // For persistence, as in netlink: an IPv4 mask in network order, an IPv6 prefix length.
  std::uint32_t netmask = 0;
  std::string persistence_engine;

  std::string text() const;  // "scheduler mh, mh-fallback, persistent 300 s"
  bool operator==(const Service&) const = default;
};
// For IPVS_SVC_ATTR_NETMASK: each client on its own.
std::uint32_t host_netmask(Family family);
// Schedulers that hash clients to slots, and lose those of a server of weight 0 unless the service
// has the fallback flag (ip_vs_sh.c, ip_vs_mh.c).
bool hashes_clients(std::string_view scheduler);

// An existing service with its destinations. Having none is a valid state.
struct Pool : Service {
  std::map<Endpoint, ListedDestination> destinations;
  // Whether the data plane follows its weights. It does not after an interrupted write or an edit
  // by another program (XDP); with IPVS the kernel itself ensures it.
  bool intact = true;
  bool operator==(const Pool&) const = default;
};

// The existing services. A service that is absent does not exist in the kernel.
using Table = std::map<ServiceKey, Pool>;
void keep_only(std::span<const ServiceKey> services, Table& table);

}  // namespace saspd::lb
