// SPDX-License-Identifier: Apache-2.0

#include "netlink/next_hops.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/object.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <tuple>

#include <fmt/format.h>

#include "controller/base/descriptor.hpp"

namespace saspd::netlink {
namespace {

constexpr int event_buffer = 1024 * 1024;  // as far as net.core.rmem_max allows
constexpr std::uint16_t discard_port = 9;

Error library_error(std::string_view what, int code) {
  return fail(std::errc::io_error, fmt::format("{}: {}", what, nl_geterror(code)));
}

// libnl does not check what it is given.
Error no_memory() {
  return fail(std::errc::not_enough_memory, "no memory for a request to rtnetlink");
}

// The gateway, which may be of the other family (RTA_VIA); none: the address is on the link.
std::optional<IpAddress> gateway_of(rtnl_nexthop* hop) {
  if (const auto gateway = ip_address(rtnl_route_nh_get_gateway(hop))) return gateway;
  return ip_address(rtnl_route_nh_get_via(hop));
}

std::uint32_t mtu_of(rtnl_route* route) {
  std::uint32_t mtu = 0;
  return rtnl_route_get_metric(route, RTAX_MTU, &mtu) == 0 ? mtu : 0;
}

// Works without any privilege: the kernel must resolve the neighbour in order to send to it. The
// socket is bound to the interface and does not route, because the gateway need not be in any route
// of its own. Each neighbour has a socket, because those awaiting an answer would fill a shared
// send buffer. If it cannot be sent, that is not an error of ours: the neighbour stays unresolved,
// and is reported so.
void send_datagram(unsigned interface, const IpAddress& address) {
  const Descriptor socket(
      ::socket(family_of(address), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return;
  const int index = static_cast<int>(interface);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof index);
  sockaddr_storage to{};
  socklen_t size = sizeof(sockaddr_in);
  if (address.family() == Family::v4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(to);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(discard_port);
    std::ranges::copy(address.bytes(), reinterpret_cast<std::uint8_t*>(&v4.sin_addr));
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(to);
    size = sizeof v6;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(discard_port);
    v6.sin6_scope_id = interface;
    std::ranges::copy(address.bytes(), v6.sin6_addr.s6_addr);
  }
  ::sendto(socket.get(), nullptr, 0, MSG_DONTROUTE | MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&to), size);
}

}  // namespace

NextHops::~NextHops() = default;

Result<std::unique_ptr<NextHops>> NextHops::open() {
  std::unique_ptr<NextHops> hops(new NextHops);
  if (const auto watched = hops->watch(); !watched) return fail(watched.error());
  return hops;
}

int NextHops::descriptor() const {
  return nl_socket_get_fd(events_.get());
}

Result<bool> NextHops::read_events() {
  for (;;) {
    const int code = nl_recvmsgs_default(events_.get());
    if (code == -NLE_AGAIN) return changed_;
    if (code == -NLE_NOMEM) {  // ENOBUFS
      is_complete_ = false;
      changed_ = true;
    } else if (code < 0) {
      return fail(library_error("reading rtnetlink events", code));
    }
  }
}

void NextHops::want(std::set<IpAddress> addresses) {
  std::erase_if(routes_, [&](const auto& route) { return !addresses.contains(route.first); });
  wanted_ = std::move(addresses);
}

Result<std::map<IpAddress, NextHop>> NextHops::resolve() {
  if (const auto caught_up = catch_up(); !caught_up) return fail(caught_up.error());
  changed_ = false;
  std::map<IpAddress, NextHop> resolved;
  for (const auto& [address, route] : routes_)
    resolved.emplace_hint(resolved.end(), address, resolve(route));
  return resolved;
}

void NextHops::set_native(std::vector<unsigned> interfaces) {
  changed_ = changed_ || native_ != interfaces;
  native_ = std::move(interfaces);
}

NextHop NextHops::resolve(const Route& route) {
  NextHop hop{.state = route.state,
              .interface_name = {},
              .neighbour = {},
              .exit_name = {},
              .transmit_help = {}};
  if (route.state != NextHop::State::resolved) return hop;
  std::tie(hop.interface, hop.neighbour) = route.to;
  const auto link = links_.find(hop.interface);
  if (link == links_.end()) {
    hop.state = NextHop::State::interface_down;  // its end is about to be reported
    return hop;
  }
  hop.interface_name = link->second.name;
  hop.source = link->second.mac;
  hop.mtu = route.mtu > 0 ? std::min(route.mtu, link->second.mtu) : link->second.mtu;
  const auto neighbour = neighbours_.find(route.to);
  if (!link->second.ethernet) {
    hop.state = NextHop::State::no_ethernet;
  } else if (!link->second.running) {
    hop.state = NextHop::State::interface_down;
  } else if (neighbour == neighbours_.end()) {
    hop.state = NextHop::State::unresolved;
  } else {
    hop.state = neighbour->second.state;
    hop.mac = neighbour->second.mac;
  }
  if (hop.state == NextHop::State::resolved) find_exit(hop);
  return hop;
}

// In generic mode the interface itself sends, whatever it is.
void NextHops::find_exit(NextHop& hop) {
  hop.exit = hop.interface;
  hop.exit_name = hop.interface_name;
  if (native_.empty()) return;
  const auto cannot = [&hop](std::string_view help) {
    hop.state = NextHop::State::no_transmit;
    hop.transmit_help = help;
  };
  constexpr int most = 8;  // above each other
  for (int i = 0; i < most; ++i) {
    const auto link = links_.find(hop.exit);
    if (link == links_.end()) return cannot(" (it is in another namespace)");
    hop.exit_name = link->second.name;
    if (!link->second.running) {
      hop.state = NextHop::State::interface_down;
      return;
    }
    if (link->second.kind == "vlan") {
      if (hop.vlan != 0) return cannot(" (two VLAN tags)");
      if (link->second.vlan == 0) return cannot(" (it is not an 802.1Q device)");
      hop.vlan = link->second.vlan;
      hop.exit = link->second.parent;
    } else if (link->second.kind == "bridge") {
      if (link->second.filters_vlans) return cannot(" (the bridge filters VLANs)");
      const auto port = ports_.find({hop.exit, hop.mac});
      if (port == ports_.end()) {
        hop.state = NextHop::State::no_port;
        return;
      }
      hop.exit = port->second;
    } else {
      if (!can_transmit(hop.exit, link->second)) {
        cannot(
            link->second.kind == "veth"
                ? " (a veth can while its peer has an XDP program or GRO: ethtool -K PEER gro on)"
                : "");
      }
      return;
    }
  }
  cannot(" (too many stacked devices)");
}

// What a program sends back out of the interface that it runs on needs nothing more.
bool NextHops::can_transmit(unsigned interface, const Link& link) {
  if (native_.size() == 1 && native_.front() == interface) return true;
  const auto known = transmits_.find(interface);
  if (known != transmits_.end()) return known->second;
  // Kernels that do not say so: these of the kernel's own take frames, and nearly all drivers.
  static constexpr std::array<std::string_view, 5> kinds{"", "veth", "bond", "team", "tun"};
  const bool by_kind = std::find(kinds.begin(), kinds.end(), link.kind) != kinds.end();
  return transmits_[interface] = features_.can_transmit(interface).value_or(by_kind);
}

// Changes of it are not reported.
void NextHops::look_at_features() {
  for (auto& [interface, transmits] : transmits_) {
    const bool now = features_.can_transmit(interface).value_or(transmits);
    changed_ = changed_ || now != transmits;
    transmits = now;
  }
}

Result<void> NextHops::refresh() {
  if (const auto caught_up = catch_up(); !caught_up) return fail(caught_up.error());
  look_at_features();
  std::set<NeighbourKey> asked;
  for (const auto& [address, route] : routes_) {
    if (route.state == NextHop::State::resolved && needs_refresh(route.to)) asked.insert(route.to);
  }
  const auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  for (const auto& key : asked) {
    if (is_privileged_) {
      if (const auto done = ask_kernel(socket->get(), key); !done) return fail(done.error());
    }
    if (!is_privileged_) send_datagram(key.first, key.second);
  }
  return {};
}

bool NextHops::needs_refresh(const NeighbourKey& key) const {
  const auto link = links_.find(key.first);
  if (link == links_.end() || !link->second.ethernet || !link->second.running) return false;
  const auto neighbour = neighbours_.find(key);
  return neighbour == neighbours_.end() || !neighbour->second.is_fresh;
}

// As if the kernel had a packet to send (net/core/neighbour.c, neigh_add).
Result<void> NextHops::ask_kernel(nl_sock* socket, const NeighbourKey& key) {
  const NlNeighbour neighbour(rtnl_neigh_alloc());
  const NlAddress address = nl_address(key.second);
  if (!neighbour || !address) return fail(no_memory());
  rtnl_neigh_set_ifindex(neighbour.get(), static_cast<int>(key.first));
  rtnl_neigh_set_dst(neighbour.get(), address.get());
  rtnl_neigh_set_flags(neighbour.get(), NTF_USE);
  const int code = rtnl_neigh_add(socket, neighbour.get(), NLM_F_CREATE);
  if (code == -NLE_PERM) is_privileged_ = false;
  // A refusal concerns this neighbour (its interface is gone, the table is full), which stays
  // unresolved; no answer concerns all.
  if (code == -NLE_AGAIN) return fail(library_error("asking for a neighbour", code));
  return {};
}

Result<void> NextHops::watch() {
  auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  events_ = std::move(*socket);
  nl_socket_disable_seq_check(events_.get());
  nl_socket_set_buffer_size(events_.get(), event_buffer, 0);
  nl_socket_set_nonblocking(events_.get());
  nl_socket_modify_cb(events_.get(), NL_CB_VALID, NL_CB_CUSTOM, &NextHops::on_message, this);
  const int code =
      nl_socket_add_memberships(events_.get(), RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE,
                                RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP, 0);
  if (code < 0) return fail(library_error("watching rtnetlink", code));
  return {};
}

// Events were watched before this, so nothing can change unseen.
Result<void> NextHops::read_all() {
  links_.clear();
  neighbours_.clear();
  ports_.clear();
  forget_routes();
  if (auto links = dump(RTM_GETLINK, AF_UNSPEC); !links) return links;
  if (auto neighbours = dump(RTM_GETNEIGH, AF_UNSPEC); !neighbours) return neighbours;
  const bool bridges = std::any_of(links_.begin(), links_.end(),
                                   [](const auto& link) { return link.second.kind == "bridge"; });
  if (bridges) {
    if (auto ports = dump(RTM_GETNEIGH, AF_BRIDGE); !ports) return ports;
  }
  is_complete_ = true;
  return {};
}

Result<void> NextHops::dump(int type, int family) {
  const auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  nl_socket_modify_cb(socket->get(), NL_CB_VALID, NL_CB_CUSTOM, &NextHops::on_message, this);
  // With anything shorter a forwarding table seems to be empty.
  ndmsg neighbours{};
  neighbours.ndm_family = static_cast<std::uint8_t>(family);
  const int code = netlink::dump(socket->get(), [&] {
    return type == RTM_GETNEIGH
               ? nl_send_simple(socket->get(), type, NLM_F_DUMP, &neighbours, sizeof neighbours)
               : nl_rtgen_request(socket->get(), type, family, NLM_F_DUMP);
  });
  if (code < 0) return fail(library_error("reading interfaces and neighbours", code));
  return {};
}

int NextHops::on_message(nl_msg* message, void* self) {
  auto& hops = *static_cast<NextHops*>(self);
  switch (nlmsg_hdr(message)->nlmsg_type) {
    case RTM_NEWLINK: hops.learn_link(message, false); return NL_OK;
    case RTM_DELLINK: hops.learn_link(message, true); return NL_OK;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      if (nl_msg_parse(message, &NextHops::on_object, self) >= 0) return NL_OK;
      break;
    default: break;  // addresses, rules, nexthop objects
  }
  hops.forget_routes();
  return NL_OK;
}

void NextHops::on_object(nl_object* object, void* self) {
  auto& hops = *static_cast<NextHops*>(self);
  switch (nl_object_get_msgtype(object)) {
    case RTM_NEWNEIGH: return hops.learn_neighbour(object, false);
    case RTM_DELNEIGH: return hops.learn_neighbour(object, true);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return hops.learn_route(object);
    default: return;
  }
}

void NextHops::learn_link(nl_msg* message, bool gone) {
  const auto link = link_in(message);
  if (!link) return;
  const auto& [index, now] = *link;
  const auto before = links_.find(index);
  if (!gone && before != links_.end() && before->second == now) return;
  transmits_.erase(index);
  if (gone)
    links_.erase(index);
  else
    links_[index] = now;
  forget_routes();  // IPv4 routes go with the link of their interface without a word
}

void NextHops::learn_neighbour(nl_object* object, bool gone) {
  auto* neighbour = reinterpret_cast<rtnl_neigh*>(object);
  if (rtnl_neigh_get_family(neighbour) == AF_BRIDGE) return learn_port(object, gone);
  const auto address = ip_address(rtnl_neigh_get_dst(neighbour));
  if (!address) return;
  const NeighbourKey key(static_cast<unsigned>(rtnl_neigh_get_ifindex(neighbour)), *address);
  const auto state = static_cast<unsigned>(rtnl_neigh_get_state(neighbour));
  const auto mac = mac_of(rtnl_neigh_get_lladdr(neighbour));
  Neighbour now{.is_fresh = (state & (NUD_FAILED | NUD_STALE)) == 0 && state != NUD_NONE};
  if ((state & NUD_FAILED) != 0) {
    now.state = NextHop::State::failed;
  } else if ((state & NUD_INCOMPLETE) == 0 && mac) {
    now.state = NextHop::State::resolved;
    now.mac = *mac;
  }
  const auto before = neighbours_.find(key);
  const Neighbour old = before == neighbours_.end() ? Neighbour{} : before->second;
  if (gone) {
    now = {};
    neighbours_.erase(key);
  } else {
    neighbours_[key] = now;
  }
  changed_ = changed_ || now.state != old.state || now.mac != old.mac;
}

// An entry of a bridge's forwarding table.
void NextHops::learn_port(nl_object* object, bool gone) {
  auto* entry = reinterpret_cast<rtnl_neigh*>(object);
  const auto mac = mac_of(rtnl_neigh_get_lladdr(entry));
  const int bridge = rtnl_neigh_get_master(entry);
  if (!mac || bridge <= 0) return;             // of a card's filter
  if (rtnl_neigh_get_vlan(entry) > 0) return;  // for a bridge that filters VLANs
  const std::pair key(static_cast<unsigned>(bridge), *mac);
  const auto port = static_cast<unsigned>(rtnl_neigh_get_ifindex(entry));
  const auto before = ports_.find(key);
  if (gone) {
    changed_ = ports_.erase(key) > 0 || changed_;
  } else if (before == ports_.end() || before->second != port) {
    ports_[key] = port;
    changed_ = true;
  }
}

// Forgets the routes of those that it covers: a router among us hears of many that do not concern
// us.
void NextHops::learn_route(nl_object* object) {
  nl_addr* prefix = rtnl_route_get_dst(reinterpret_cast<rtnl_route*>(object));
  const auto first = ip_address(prefix);
  if (!first) return forget_routes();  // the default route
  const auto covers = [prefix](const IpAddress& address) {
    const NlAddress other = nl_address(address);
    return !other || nl_addr_cmp_prefix(prefix, other.get()) == 0;  // asked for again, if in doubt
  };
  for (auto it = wanted_.lower_bound(*first); it != wanted_.end() && covers(*it); ++it)
    changed_ = routes_.erase(*it) > 0 || changed_;
}

void NextHops::forget_routes() {
  routes_.clear();
  changed_ = true;
}

Result<void> NextHops::catch_up() {
  if (!is_complete_) {
    if (auto read = read_all(); !read) return read;
  }
  return routes_.size() == wanted_.size() ? Result<void>() : look_up_routes();
}

Result<void> NextHops::look_up_routes() {
  const auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  int refusal = 0;  // the kernel's errno
  nl_socket_modify_err_cb(
      socket->get(), NL_CB_CUSTOM,
      [](sockaddr_nl*, nlmsgerr* error, void* number) -> int {
        *static_cast<int*>(number) = -error->error;
        return NL_STOP;
      },
      &refusal);
  for (const IpAddress& address : wanted_) {
    if (routes_.contains(address)) continue;
    const NlAddress to = nl_address(address);
    if (!to) return fail(no_memory());
    rtnl_route* found = nullptr;
    refusal = 0;
    const int code = rtnl_route_lookup(socket->get(), to.get(), &found);
    const NlRoute route(found);
    // Any other refusal is the verdict on the address: unreachable, prohibited, no such family.
    if (code < 0 && (refusal == 0 || refusal == ENOMEM || refusal == ENOBUFS))
      return fail(library_error("asking for a route", code));
    Route& known = routes_[address];
    if (code < 0) continue;
    if (rtnl_route_get_type(found) == RTN_LOCAL) known.state = NextHop::State::local;
    if (rtnl_route_get_type(found) != RTN_UNICAST) continue;
    rtnl_nexthop* hop = rtnl_route_nexthop_n(found, 0);
    if (hop == nullptr) continue;
    known = {
        NextHop::State::resolved,
        {static_cast<unsigned>(rtnl_route_nh_get_ifindex(hop)), gateway_of(hop).value_or(address)},
        mtu_of(found)};
  }
  return {};
}

}  // namespace saspd::netlink
