// SPDX-License-Identifier: Apache-2.0

#include "netlink/blackhole.hpp"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/object.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <sys/socket.h>

#include <algorithm>
#include <compare>
#include <vector>

#include <fmt/format.h>

#include "netlink/libnl.hpp"

namespace saspd::netlink {
namespace {

// Without ports it drops every packet; without ARP it does not ask for a neighbour first, whose
// absence would be reported to clients.
constexpr const char* kind = "bridge";

struct Rule {
  int family = AF_INET;
  std::string interface;
  std::uint32_t priority = 0;
  std::uint32_t table = 0;
  auto operator<=>(const Rule&) const = default;
};
struct Entries {
  std::set<IpAddress> routes;
  std::set<Rule> rules;
  bool operator==(const Entries&) const = default;
};

Entries entries_of(const Blackhole& wanted) {
  Entries entries;
  for (const auto& address : wanted.addresses) {
    entries.routes.insert(address);
    const int family = family_of(address);
    for (const auto& interface : wanted.interfaces) {
      entries.rules.insert({family, interface, Blackhole::host_routes_first, RT_TABLE_MAIN});
      entries.rules.insert({family, interface, Blackhole::then_table, Blackhole::table});
    }
  }
  return entries;
}

Error failed(std::string_view what, int code) {
  const bool forbidden = code == -NLE_PERM || code == -NLE_NOACCESS;
  return fail(forbidden ? std::errc::operation_not_permitted : std::errc::io_error,
              fmt::format("{}: {}", what, nl_geterror(code)));
}

// --- reading

void take_route(nl_object* object, void* entries) {
  auto* route = reinterpret_cast<rtnl_route*>(object);
  const nl_addr* to = rtnl_route_get_dst(route);
  const bool ours = rtnl_route_get_table(route) == Blackhole::table &&
                    rtnl_route_get_protocol(route) == Blackhole::protocol &&
                    rtnl_route_get_type(route) == RTN_UNICAST && to != nullptr;
  if (!ours) return;
  const auto address = ip_address(to);
  if (address && nl_addr_get_prefixlen(to) == 8 * address->bytes().size())
    static_cast<Entries*>(entries)->routes.insert(*address);
}

void take_rule(nl_object* object, void* entries) {
  auto* rule = reinterpret_cast<rtnl_rule*>(object);
  std::uint8_t protocol = 0;
  const char* interface = rtnl_rule_get_iif(rule);
  if (rtnl_rule_get_protocol(rule, &protocol) != 0 || protocol != Blackhole::protocol) return;
  static_cast<Entries*>(entries)->rules.insert(
      {rtnl_rule_get_family(rule), interface != nullptr ? interface : "", rtnl_rule_get_prio(rule),
       rtnl_rule_get_table(rule)});
}

using Take = void (*)(nl_object*, void*);

// A family or table that the kernel does not have has nothing of ours.
Result<void> dump(nl_sock* socket, nl_msg* request, Take take, Entries& entries) {
  Entries fresh;
  struct Sink {
    Take take;
    Entries* entries;
  } sink{take, &fresh};
  nl_socket_modify_cb(
      socket, NL_CB_VALID, NL_CB_CUSTOM,
      [](nl_msg* message, void* argument) {
        auto* to = static_cast<Sink*>(argument);
        nl_msg_parse(message, to->take, to->entries);
        return static_cast<int>(NL_OK);
      },
      &sink);
  const int code = netlink::dump(socket, [&] {
    fresh = {};
    nlmsg_hdr(request)->nlmsg_seq = NL_AUTO_SEQ;
    return nl_send_auto(socket, request);
  });
  const bool absent =
      code == -NLE_OBJ_NOTFOUND || code == -NLE_AF_NOSUPPORT || code == -NLE_OPNOTSUPP;
  if (code < 0 && !absent) return failed("reading routes and rules", code);
  entries.routes.merge(fresh.routes);
  entries.rules.merge(fresh.rules);
  return {};
}

// The kernel looks for the routes of the table itself: others may have a million.
Result<void> read_routes(int family, Entries& entries) {
  auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  const int strict = 1;
  ::setsockopt(nl_socket_get_fd(socket->get()), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict,
               sizeof strict);
  const NlMessage request(nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_DUMP));
  rtmsg header{};
  header.rtm_family = static_cast<unsigned char>(family);
  if (!request || nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0 ||
      nla_put_u32(request.get(), RTA_TABLE, Blackhole::table) < 0) {
    return fail(std::errc::not_enough_memory, "no memory for a request to rtnetlink");
  }
  return dump(socket->get(), request.get(), take_route, entries);
}

Result<void> read_rules(int family, Entries& entries) {
  auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  const NlMessage request(nlmsg_alloc_simple(RTM_GETRULE, NLM_F_DUMP));
  fib_rule_hdr header{};
  header.family = static_cast<__u8>(family);
  if (!request || nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0)
    return fail(std::errc::not_enough_memory, "no memory for a request to rtnetlink");
  return dump(socket->get(), request.get(), take_rule, entries);
}

Result<Entries> read_entries() {
  Entries entries;
  for (const int family : {AF_INET, AF_INET6}) {
    if (auto read = read_routes(family, entries); !read) return fail(read.error());
    if (auto read = read_rules(family, entries); !read) return fail(read.error());
  }
  return entries;
}

// --- writing

Result<void> done(std::string_view what, int code) {
  if (code < 0 && code != -NLE_EXIST && code != -NLE_OBJ_NOTFOUND) return failed(what, code);
  return {};
}

NlRoute route_to(const IpAddress& address, unsigned device) {
  NlRoute route(rtnl_route_alloc());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  const NlAddress to = nl_address(address);
  if (!route || !to || hop == nullptr) return nullptr;
  rtnl_route_nh_set_ifindex(hop, static_cast<int>(device));
  rtnl_route_add_nexthop(route.get(), hop);
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family_of(address)));
  rtnl_route_set_table(route.get(), Blackhole::table);
  rtnl_route_set_protocol(route.get(), Blackhole::protocol);
  rtnl_route_set_scope(route.get(), RT_SCOPE_LINK);
  rtnl_route_set_type(route.get(), RTN_UNICAST);
  rtnl_route_set_dst(route.get(), to.get());
  return route;
}

NlRule rule_of(const Rule& wanted) {
  NlRule rule(rtnl_rule_alloc());
  if (!rule) return nullptr;
  rtnl_rule_set_family(rule.get(), wanted.family);
  rtnl_rule_set_iif(rule.get(), wanted.interface.c_str());
  rtnl_rule_set_prio(rule.get(), wanted.priority);
  rtnl_rule_set_table(rule.get(), wanted.table);
  rtnl_rule_set_protocol(rule.get(), Blackhole::protocol);
  rtnl_rule_set_action(rule.get(), FR_ACT_TO_TBL);
  return rule;
}

// Only routes to a single address count in the main table. libnl has no name for that.
int add_rule(nl_sock* socket, const Rule& wanted) {
  const NlRule rule = rule_of(wanted);
  if (!rule) return -NLE_NOMEM;
  nl_msg* built = nullptr;
  int code = rtnl_rule_build_add_request(rule.get(), NLM_F_CREATE | NLM_F_EXCL, &built);
  NlMessage request(built);
  if (code < 0) return code;
  if (wanted.table == RT_TABLE_MAIN) {
    const std::uint32_t all_but_host_routes = wanted.family == AF_INET ? 31 : 127;
    code = nla_put_u32(request.get(), FRA_SUPPRESS_PREFIXLEN, all_but_host_routes);
    if (code < 0) return code;
  }
  return nl_send_sync(socket, request.release());
}

int remove_rule(nl_sock* socket, const Rule& rule) {
  const NlRule unwanted = rule_of(rule);
  return unwanted ? rtnl_rule_delete(socket, unwanted.get(), 0) : -NLE_NOMEM;
}

int add_route(nl_sock* socket, const IpAddress& address, unsigned device) {
  const NlRoute route = route_to(address, device);
  return route ? rtnl_route_add(socket, route.get(), NLM_F_EXCL) : -NLE_NOMEM;
}

int remove_route(nl_sock* socket, const IpAddress& address, unsigned device) {
  const NlRoute route = route_to(address, device);
  return route ? rtnl_route_delete(socket, route.get(), 0) : -NLE_NOMEM;
}

NlLink link_named() {
  NlLink link(rtnl_link_alloc());
  if (!link || rtnl_link_set_type(link.get(), kind) < 0) return nullptr;
  rtnl_link_set_name(link.get(), Blackhole::device);
  return link;
}

// Its index; 0: there is none.
Result<unsigned> find_device() {
  const auto links = read_links();
  if (!links) return fail(links.error());
  for (const auto& [index, link] : *links) {
    if (link.name != Blackhole::device) continue;
    if (link.kind == kind) return index;
    return fail(
        std::errc::device_or_resource_busy,
        fmt::format("there is an interface {} that is not ours: rename it", Blackhole::device));
  }
  return 0U;
}

// There and up.
Result<unsigned> make_device(nl_sock* socket) {
  if (const auto found = find_device(); !found) return found;
  const NlLink link = link_named();
  if (!link) return fail(std::errc::not_enough_memory, "no memory for an interface");
  rtnl_link_set_flags(link.get(), IFF_UP | IFF_NOARP);
  if (const int code = rtnl_link_add(socket, link.get(), NLM_F_CREATE); code < 0)
    return failed(
        fmt::format("creating the interface {} (a bridge without ports)", Blackhole::device), code);
  return find_device();
}

Result<void> remove_device(nl_sock* socket) {
  const auto found = find_device();
  if (!found || *found == 0) return {};
  const NlLink link = link_named();
  if (!link) return fail(std::errc::not_enough_memory, "no memory for an interface");
  rtnl_link_set_ifindex(link.get(), static_cast<int>(*found));
  return done("removing an interface", rtnl_link_delete(socket, link.get()));
}

// What stands in `these` and not in `those`.
template <class Set>
Set without(const Set& these, const Set& those) {
  Set rest;
  std::set_difference(these.begin(), these.end(), those.begin(), those.end(),
                      std::inserter(rest, rest.end()));
  return rest;
}

template <class Set, class Action>
Result<void> each(const Set& entries, nl_sock* socket, std::string_view what, Action action) {
  for (const auto& entry : entries) {
    if (auto ok = done(what, action(socket, entry)); !ok) return ok;
  }
  return {};
}

}  // namespace

Result<bool> is_in_place(const Blackhole& wanted) {
  const auto entries = read_entries();
  if (!entries) return fail(entries.error());
  return *entries == entries_of(wanted);
}

// Routes before the rules that lead to them, and away the other way round.
Result<void> put_in_place(const Blackhole& wanted) {
  const auto there = read_entries();
  if (!there) return fail(there.error());
  const Entries all = entries_of(wanted);
  auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  nl_sock* to = socket->get();
  const auto new_routes = without(all.routes, there->routes);
  const auto new_rules = without(all.rules, there->rules);
  const auto old_routes = without(there->routes, all.routes);
  const auto old_rules = without(there->rules, all.rules);
  const auto device = all.routes.empty() ? find_device() : make_device(to);
  if (!device) return fail(device.error());
  const auto add = [&](nl_sock* by, const auto& address) {
    return add_route(by, address, *device);
  };
  const auto remove = [&](nl_sock* by, const auto& address) {
    return remove_route(by, address, *device);
  };
  if (auto ok = each(new_routes, to, "adding a route", add); !ok) return ok;
  if (auto ok = each(new_rules, to, "adding a routing rule", add_rule); !ok) return ok;
  if (auto ok = each(old_rules, to, "removing a routing rule", remove_rule); !ok) return ok;
  if (auto ok = each(old_routes, to, "removing a route", remove); !ok) return ok;
  if (all.routes.empty()) return remove_device(to);
  return {};
}

std::set<std::string> names_above(const Links& links, unsigned interface) {
  std::set<std::string> names;
  std::set<unsigned> seen;
  std::vector<unsigned> next{interface};
  while (!next.empty()) {
    const unsigned index = next.back();
    next.pop_back();
    const auto link = links.find(index);
    if (link == links.end() || !seen.insert(index).second) continue;
    names.insert(link->second.name);
    if (link->second.master != 0) next.push_back(link->second.master);
    for (const auto& [other, above] : links) {
      if (above.parent == index) next.push_back(other);
    }
  }
  return names;
}

}  // namespace saspd::netlink
