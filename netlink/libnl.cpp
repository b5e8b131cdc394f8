// SPDX-License-Identifier: Apache-2.0

#include "netlink/libnl.hpp"

#include <linux/netlink.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <span>

#include <fmt/format.h>

namespace saspd::netlink {

void Release::operator()(nl_addr* address) const {
  nl_addr_put(address);
}
void Release::operator()(nl_msg* message) const {
  nlmsg_free(message);
}
void Release::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}
void Release::operator()(rtnl_link* link) const {
  rtnl_link_put(link);
}
void Release::operator()(rtnl_neigh* neighbour) const {
  rtnl_neigh_put(neighbour);
}
void Release::operator()(rtnl_route* route) const {
  rtnl_route_put(route);
}
void Release::operator()(rtnl_rule* rule) const {
  rtnl_rule_put(rule);
}

Result<NlSocket> rtnetlink_socket() {
  constexpr timeval patience{1, 0};
  NlSocket socket(nl_socket_alloc());
  if (!socket) return fail(std::errc::not_enough_memory, "no memory for an rtnetlink socket");
  if (const int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0) {
    return fail(std::errc::io_error,
                fmt::format("opening an rtnetlink socket: {}", nl_geterror(code)));
  }
  ::setsockopt(nl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return socket;
}

int dump(nl_sock* socket, const std::function<int()>& ask) {
  constexpr int max_dumps = 5;
  int code = -NLE_DUMP_INTR;
  for (int i = 0; i < max_dumps && code == -NLE_DUMP_INTR; ++i) {
    code = ask();
    if (code >= 0) code = nl_recvmsgs_default(socket);
  }
  return code;
}

int family_of(const IpAddress& address) {
  return address.family() == Family::v4 ? AF_INET : AF_INET6;
}

NlAddress nl_address(const IpAddress& address) {
  return NlAddress(
      nl_addr_build(family_of(address), address.bytes().data(), address.bytes().size()));
}

std::optional<IpAddress> ip_address(const nl_addr* address) {
  if (address == nullptr) return std::nullopt;
  const auto* bytes = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
  const unsigned length = nl_addr_get_len(address);
  if (nl_addr_get_family(address) == AF_INET && length == 4) {
    return IpAddress::v4(std::span<const std::uint8_t, 4>(bytes, 4));
  }
  if (nl_addr_get_family(address) == AF_INET6 && length == 16) {
    return IpAddress::v6(std::span<const std::uint8_t, 16>(bytes, 16));
  }
  return std::nullopt;
}

}  // namespace saspd::netlink
