// SPDX-License-Identifier: Apache-2.0
// Shared by the files that use libnl: owners of its objects, and conversion of its addresses.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"

struct nl_addr;
struct nl_msg;
struct nl_sock;
struct rtnl_link;
struct rtnl_neigh;
struct rtnl_route;
struct rtnl_rule;

namespace saspd::netlink {

struct Release {
  void operator()(nl_addr* address) const;
  void operator()(nl_msg* message) const;
  void operator()(nl_sock* socket) const;
  void operator()(rtnl_link* link) const;
  void operator()(rtnl_neigh* neighbour) const;
  void operator()(rtnl_route* route) const;
  void operator()(rtnl_rule* rule) const;
};
using NlAddress = std::unique_ptr<nl_addr, Release>;
using NlMessage = std::unique_ptr<nl_msg, Release>;
using NlSocket = std::unique_ptr<nl_sock, Release>;
using NlLink = std::unique_ptr<rtnl_link, Release>;
using NlNeighbour = std::unique_ptr<rtnl_neigh, Release>;
using NlRoute = std::unique_ptr<rtnl_route, Release>;
using NlRule = std::unique_ptr<rtnl_rule, Release>;

// Connected to rtnetlink. Each answer is waited for no longer than a second: the kernel answers
// within the call, and one that it could not deliver never comes.
Result<NlSocket> rtnetlink_socket();

// A dump: `ask` sends the request and returns libnl's code; the socket's callback is given the answers. When the
// tables change meanwhile it is asked again, five times at most. Returns libnl's code.
int dump(nl_sock* socket, const std::function<int()>& ask);

// AF_INET or AF_INET6.
int family_of(const IpAddress& address);

// Null if there is no memory.
NlAddress nl_address(const IpAddress& address);

// Empty if the address is null, or of another family.
std::optional<IpAddress> ip_address(const nl_addr* address);

}  // namespace saspd::netlink
