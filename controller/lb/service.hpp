// The vocabulary of load balancing in the kernel, as plain values. Names are the kernel's.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
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

// Or every packet that netfilter marked.
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

// A server of a service, as configured; what the kernel counts of it is not part of it. Its identity
// within the service is its endpoint.
struct Destination {
  Endpoint endpoint;
  std::uint32_t weight = 0;  // 0..2147483647
  Forward forward = Forward::masquerade;
  std::uint32_t upper_threshold = 0;  // connections; 0 is none
  std::uint32_t lower_threshold = 0;
  Tunnel tunnel{};
  bool operator==(const Destination&) const = default;
};

inline constexpr std::uint32_t max_weight = 0x7FFFFFFF;  // IPVS refuses more with ERANGE

// A service that exists, with its destinations. None is a valid state.
struct Pool {
  std::string scheduler;
  std::uint32_t flags = 0;  // IP_VS_SVC_F_*
  std::map<Endpoint, Destination> destinations;
  bool operator==(const Pool&) const = default;
};

// The services that exist. One that is absent does not exist in the kernel.
using Table = std::map<ServiceKey, Pool>;

}  // namespace saspd::lb
