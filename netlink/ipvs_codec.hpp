// SPDX-License-Identifier: Apache-2.0
// IPVS values <-> generic netlink attributes, as include/uapi/linux/ip_vs.h numbers them. Pure.
//
// Ports are big-endian on the wire; everything else is in host order. IPv4 addresses are sent as 4
// bytes; the kernel answers with 16 (net/netfilter/ipvs/ip_vs_ctl.c, union nf_inet_addr).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "controller/lb/service.hpp"
#include "netlink/message.hpp"

namespace saspd::netlink {

// Appends the key of a service: what GET_SERVICE, GET_DEST and SET_DEST need of it
// (ip_vs_genl_parse_service).
void put_service(nlmsghdr& request, const lb::ServiceKey& service);

// Appends a whole service for NEW_SERVICE and SET_SERVICE (ip_vs_genl_parse_service): scheduler,
// flags, timeout and netmask are required; a persistence engine that is left out is removed.
void put_service(nlmsghdr& request, const lb::ServiceKey& service, const lb::Service& attributes);

// Appends the key of a destination, for DEL_DEST.
void put_destination_key(nlmsghdr& request, const Endpoint& endpoint);

// Appends a whole destination for NEW_DEST.
void put_destination(nlmsghdr& request, const lb::Destination& destination);

// Parses an answer to GET_SERVICE.
struct ServiceRecord {
  // Empty for a protocol for which we have no name; IPVS accepts any number.
  std::optional<lb::ServiceKey> key;
  lb::Service attributes;  // scheduler: "none" while another program is changing it
};
Result<ServiceRecord> parse_service_record(ByteView attributes);

// Parses an answer to GET_DEST. The address has the service's family unless the answer says
// otherwise, which it may for a tunnelled destination (since Linux 3.18). A forwarding method
// unknown to us keeps its number.
Result<lb::ListedDestination> parse_destination_record(ByteView attributes, Family service_family);

// An existing destination, and what SET_DEST must be given again: everything in the answer to
// GET_DEST but weight, forwarding method and counters, byte for byte, including attributes of a
// kernel newer than we are.
struct PresentDestination {
  lb::ListedDestination destination;
  std::vector<std::uint8_t> kept;
};
// Parses an answer to GET_DEST; empty unless it is about one of the `wanted`. Error message_size:
// what must be kept does not fit into a request.
using Wanted = std::function<bool(const Endpoint&)>;
Result<std::optional<PresentDestination>> parse_present_destination(ByteView attributes,
                                                                    Family service_family,
                                                                    const Wanted& wanted);

// Appends a whole destination for SET_DEST. The command is not a partial update
// (ip_vs_genl_parse_dest and __ip_vs_update_dest): thresholds are required, and anything else that
// is left out is reset.
void put_changed_destination(nlmsghdr& request, const PresentDestination& present,
                             std::uint32_t weight, lb::Forward forward);

// Parses an answer to GET_INFO: the version of IPVS, "1.2.1".
Result<std::string> parse_version(ByteView attributes);

}  // namespace saspd::netlink
