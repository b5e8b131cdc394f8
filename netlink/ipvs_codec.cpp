// SPDX-License-Identifier: Apache-2.0

#include "netlink/ipvs_codec.hpp"

#include <libmnl/libmnl.h>
#include <linux/ip_vs.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include <fmt/format.h>

namespace saspd::netlink {
namespace {

std::uint16_t address_family(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

void put_address(nlmsghdr& request, std::uint16_t type, const IpAddress& address) {
  mnl_attr_put(&request, type, address.bytes().size(), address.bytes().data());
}

void put_port(nlmsghdr& request, std::uint16_t type, std::uint16_t port) {
  const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(port >> 8),
                                          static_cast<std::uint8_t>(port)};
  mnl_attr_put(&request, type, bytes.size(), bytes.data());
}

void put_key(nlmsghdr& request, const lb::ServiceKey& service) {
  mnl_attr_put_u16(&request, IPVS_SVC_ATTR_AF, address_family(lb::family(service)));
  if (const auto* mark = std::get_if<lb::FirewallMark>(&service)) {
    mnl_attr_put_u32(&request, IPVS_SVC_ATTR_FWMARK, mark->mark);
  } else {
    const auto& at = std::get<lb::VirtualEndpoint>(service);
    mnl_attr_put_u16(&request, IPVS_SVC_ATTR_PROTOCOL, static_cast<std::uint16_t>(at.protocol));
    put_address(request, IPVS_SVC_ATTR_ADDR, at.endpoint.address);
    put_port(request, IPVS_SVC_ATTR_PORT, at.endpoint.port);
  }
}

void put_text(nlmsghdr& request, std::uint16_t type, const std::string& text) {
  mnl_attr_put_strz(&request, type, text.c_str());
}

void put_key(nlmsghdr& request, const Endpoint& destination) {
  put_address(request, IPVS_DEST_ATTR_ADDR, destination.address);
  put_port(request, IPVS_DEST_ATTR_PORT, destination.port);
  // Without it a destination of another family than the service's is not found.
  mnl_attr_put_u16(&request, IPVS_DEST_ATTR_ADDR_FAMILY,
                   address_family(destination.address.family()));
}

}  // namespace

void put_service(nlmsghdr& request, const lb::ServiceKey& service) {
  nlattr* nest = mnl_attr_nest_start(&request, IPVS_CMD_ATTR_SERVICE);
  put_key(request, service);
  mnl_attr_nest_end(&request, nest);
}

void put_service(nlmsghdr& request, const lb::ServiceKey& service, const lb::Service& attributes) {
  nlattr* nest = mnl_attr_nest_start(&request, IPVS_CMD_ATTR_SERVICE);
  put_key(request, service);
  put_text(request, IPVS_SVC_ATTR_SCHED_NAME, attributes.scheduler);
  if (!attributes.persistence_engine.empty()) {
    put_text(request, IPVS_SVC_ATTR_PE_NAME, attributes.persistence_engine);
  }
  const ip_vs_flags flags{attributes.flags, 0xFFFFFFFF};  // the mask: all of them are meant
  mnl_attr_put(&request, IPVS_SVC_ATTR_FLAGS, sizeof flags, &flags);
  mnl_attr_put_u32(&request, IPVS_SVC_ATTR_TIMEOUT, attributes.timeout);
  mnl_attr_put_u32(&request, IPVS_SVC_ATTR_NETMASK, attributes.netmask);
  mnl_attr_nest_end(&request, nest);
}

void put_destination_key(nlmsghdr& request, const Endpoint& endpoint) {
  nlattr* nest = mnl_attr_nest_start(&request, IPVS_CMD_ATTR_DEST);
  put_key(request, endpoint);
  mnl_attr_nest_end(&request, nest);
}

void put_destination(nlmsghdr& request, const lb::Destination& destination) {
  const auto& tunnel = destination.tunnel;
  nlattr* nest = mnl_attr_nest_start(&request, IPVS_CMD_ATTR_DEST);
  put_key(request, destination.endpoint);
  mnl_attr_put_u32(&request, IPVS_DEST_ATTR_FWD_METHOD,
                   static_cast<std::uint32_t>(destination.forward));
  mnl_attr_put_u32(&request, IPVS_DEST_ATTR_WEIGHT, destination.weight);
  mnl_attr_put_u32(&request, IPVS_DEST_ATTR_U_THRESH, destination.upper_threshold);
  mnl_attr_put_u32(&request, IPVS_DEST_ATTR_L_THRESH, destination.lower_threshold);
  mnl_attr_put_u8(&request, IPVS_DEST_ATTR_TUN_TYPE, tunnel.type);
  put_port(request, IPVS_DEST_ATTR_TUN_PORT, tunnel.port);
  mnl_attr_put_u16(&request, IPVS_DEST_ATTR_TUN_FLAGS, tunnel.flags);
  mnl_attr_nest_end(&request, nest);
}

void put_changed_destination(nlmsghdr& request, const PresentDestination& present,
                             std::uint32_t weight, lb::Forward forward) {
  const auto& kept = present.kept;
  nlattr* nest = mnl_attr_nest_start(&request, IPVS_CMD_ATTR_DEST);
  std::memcpy(mnl_nlmsg_put_extra_header(&request, kept.size()), kept.data(), kept.size());
  mnl_attr_put_u32(&request, IPVS_DEST_ATTR_FWD_METHOD, static_cast<std::uint32_t>(forward));
  mnl_attr_put_u32(&request, IPVS_DEST_ATTR_WEIGHT, weight);
  mnl_attr_nest_end(&request, nest);
}

namespace {

Result<Family> family_of(std::uint16_t number) {
  if (number == AF_INET) return Family::v4;
  if (number == AF_INET6) return Family::v6;
  return fail(std::errc::bad_message,
              fmt::format("address family {}, expected {} or {}", number, AF_INET, AF_INET6));
}

IpAddress read_address(Attributes& attributes, std::uint16_t type, Family family) {
  if (family == Family::v4) {
    const ByteView bytes = attributes.bytes(type, 4);
    return bytes.empty() ? IpAddress{} : IpAddress::v4(bytes.first<4>());
  }
  const ByteView bytes = attributes.bytes(type, 16);
  return bytes.empty() ? IpAddress{} : IpAddress::v6(bytes.first<16>());
}

std::optional<lb::ServiceKey> read_key(Attributes& service, Family family) {
  if (service.has(IPVS_SVC_ATTR_FWMARK)) {
    return lb::FirewallMark{family, service.u32(IPVS_SVC_ATTR_FWMARK)};
  }
  const Endpoint endpoint{read_address(service, IPVS_SVC_ATTR_ADDR, family),
                          service.big_endian_u16(IPVS_SVC_ATTR_PORT)};
  const auto number = service.u16(IPVS_SVC_ATTR_PROTOCOL);
  for (const auto protocol : {lb::Protocol::tcp, lb::Protocol::udp, lb::Protocol::sctp}) {
    if (number == static_cast<std::uint16_t>(protocol)) {
      return lb::VirtualEndpoint{protocol, endpoint};
    }
  }
  return std::nullopt;
}

// IPVS_DEST_ATTR_ADDR_FAMILY: since Linux 3.18, and 0 stands for the family of the service.
Result<Family> read_family(Attributes& destination, Family service_family) {
  if (!destination.has(IPVS_DEST_ATTR_ADDR_FAMILY)) return service_family;
  const auto number = destination.u16(IPVS_DEST_ATTR_ADDR_FAMILY);
  return number == AF_UNSPEC ? service_family : family_of(number);
}

// A destination whose connections are not reported counts as in use.
std::uint32_t read_connections(Attributes& destination) {
  if (!destination.has(IPVS_DEST_ATTR_ACTIVE_CONNS) ||
      !destination.has(IPVS_DEST_ATTR_INACT_CONNS)) {
    return std::numeric_limits<std::uint32_t>::max();
  }
  return destination.u32(IPVS_DEST_ATTR_ACTIVE_CONNS) + destination.u32(IPVS_DEST_ATTR_INACT_CONNS);
}

// IPVS_DEST_ATTR_TUN_*: since Linux 5.3.
lb::Tunnel read_tunnel(Attributes& destination) {
  lb::Tunnel tunnel;
  if (destination.has(IPVS_DEST_ATTR_TUN_TYPE)) {
    tunnel.type = destination.u8(IPVS_DEST_ATTR_TUN_TYPE);
  }
  if (destination.has(IPVS_DEST_ATTR_TUN_PORT)) {
    tunnel.port = destination.big_endian_u16(IPVS_DEST_ATTR_TUN_PORT);
  }
  if (destination.has(IPVS_DEST_ATTR_TUN_FLAGS)) {
    tunnel.flags = destination.u16(IPVS_DEST_ATTR_TUN_FLAGS);
  }
  return tunnel;
}

}  // namespace

Result<ServiceRecord> parse_service_record(ByteView attributes) {
  Attributes command(attributes, "answer");
  Attributes service = command.nest(IPVS_CMD_ATTR_SERVICE, "service");
  const auto number = service.u16(IPVS_SVC_ATTR_AF);
  if (service.error()) return fail(*service.error());
  const auto family = family_of(number);
  if (!family) return fail(at("service", family.error()));
  ServiceRecord record;
  record.key = read_key(service, *family);
  lb::Service& of_service = record.attributes;
  of_service.scheduler = service.text(IPVS_SVC_ATTR_SCHED_NAME);
  of_service.timeout = service.u32(IPVS_SVC_ATTR_TIMEOUT);
  of_service.netmask = service.u32(IPVS_SVC_ATTR_NETMASK);
  if (service.has(IPVS_SVC_ATTR_PE_NAME)) {
    of_service.persistence_engine = service.text(IPVS_SVC_ATTR_PE_NAME);
  }
  // struct ip_vs_flags: the flags, then a mask of those that are meant.
  const ByteView flags = service.bytes(IPVS_SVC_ATTR_FLAGS, sizeof(ip_vs_flags));
  if (service.error()) return fail(*service.error());
  std::memcpy(&of_service.flags, flags.data(), sizeof of_service.flags);
  return record;
}

namespace {

Result<Endpoint> read_endpoint(Attributes& destination, Family service_family) {
  const auto family = read_family(destination, service_family);
  if (!family) return fail(at("destination", family.error()));
  return Endpoint{read_address(destination, IPVS_DEST_ATTR_ADDR, *family),
                  destination.big_endian_u16(IPVS_DEST_ATTR_PORT)};
}

lb::ListedDestination read_destination(Attributes& record, const Endpoint& endpoint) {
  lb::ListedDestination destination;
  destination.endpoint = endpoint;
  destination.weight = record.u32(IPVS_DEST_ATTR_WEIGHT);
  destination.forward = static_cast<lb::Forward>(record.u32(IPVS_DEST_ATTR_FWD_METHOD));
  destination.upper_threshold = record.u32(IPVS_DEST_ATTR_U_THRESH);
  destination.lower_threshold = record.u32(IPVS_DEST_ATTR_L_THRESH);
  destination.tunnel = read_tunnel(record);
  destination.observed.connections = read_connections(record);
  return destination;
}

}  // namespace

Result<lb::ListedDestination> parse_destination_record(ByteView attributes, Family service_family) {
  Attributes command(attributes, "answer");
  Attributes record = command.nest(IPVS_CMD_ATTR_DEST, "destination");
  const auto endpoint = read_endpoint(record, service_family);
  if (!endpoint) return fail(endpoint.error());
  auto destination = read_destination(record, *endpoint);
  if (record.error()) return fail(*record.error());
  return destination;
}

namespace {

// A request has headers, the key of the service, forwarding method and weight besides.
constexpr std::size_t max_kept = Requests::max_request - 96;

// But for what put_changed_destination() writes anew, and what the kernel counts.
bool is_kept(std::uint16_t type) {
  switch (type) {
    case IPVS_DEST_ATTR_FWD_METHOD:
    case IPVS_DEST_ATTR_WEIGHT:
    case IPVS_DEST_ATTR_ACTIVE_CONNS:
    case IPVS_DEST_ATTR_INACT_CONNS:
    case IPVS_DEST_ATTR_PERSIST_CONNS:
    case IPVS_DEST_ATTR_STATS:
    case IPVS_DEST_ATTR_STATS64: return false;
    default: return true;
  }
}

// `record` is known to be whole.
std::vector<std::uint8_t> kept_of(ByteView record) {
  std::vector<std::uint8_t> kept;
  kept.reserve(max_kept);
  while (!record.empty()) {
    const auto* attribute = reinterpret_cast<const nlattr*>(record.data());
    const auto size = std::min<std::size_t>(MNL_ALIGN(attribute->nla_len), record.size());
    if (is_kept(mnl_attr_get_type(attribute))) {
      kept.insert(kept.end(), record.begin(), record.begin() + static_cast<std::ptrdiff_t>(size));
      kept.resize(MNL_ALIGN(kept.size()));
    }
    record = record.subspan(size);
  }
  return kept;
}

}  // namespace

Result<std::optional<PresentDestination>> parse_present_destination(ByteView attributes,
                                                                    Family service_family,
                                                                    const Wanted& wanted) {
  Attributes command(attributes, "answer");
  Attributes record = command.nest(IPVS_CMD_ATTR_DEST, "destination");
  const auto endpoint = read_endpoint(record, service_family);
  if (!endpoint) return fail(endpoint.error());
  if (record.error()) return fail(*record.error());
  if (!wanted(*endpoint)) return std::optional<PresentDestination>();
  PresentDestination present{read_destination(record, *endpoint), {}};
  if (record.error()) return fail(*record.error());
  present.kept = kept_of(command.value(IPVS_CMD_ATTR_DEST));
  if (present.kept.size() > max_kept) {
    return fail(std::errc::message_size,
                fmt::format("destination: {} bytes of attributes, at most {} can be written back",
                            present.kept.size(), max_kept));
  }
  return std::optional(std::move(present));
}

Result<std::string> parse_version(ByteView attributes) {
  Attributes command(attributes, "answer");
  const std::uint32_t version = command.u32(IPVS_INFO_ATTR_VERSION);
  if (command.error()) return fail(*command.error());
  return fmt::format("{}.{}.{}", version >> 16 & 0xFF, version >> 8 & 0xFF, version & 0xFF);
}

}  // namespace saspd::netlink
