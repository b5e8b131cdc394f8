// SPDX-License-Identifier: Apache-2.0

#include "netlink/reverse_path.hpp"

#include <linux/netconf.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/netconf.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "netlink/libnl.hpp"

namespace saspd::netlink {
namespace {

constexpr int strict = 1;

// 0, as without a filter, where the kernel does not say.
int filter_of(rtnl_netconf* of) {
  int value = 0;
  if (of == nullptr || rtnl_netconf_get_rp_filter(of, &value) < 0) value = 0;
  rtnl_netconf_put(of);
  return value;
}

}  // namespace

Result<std::set<std::string>> with_strict_reverse_path(const std::set<std::string>& interfaces) {
  const auto socket = rtnetlink_socket();
  if (!socket) return fail(socket.error());
  nl_cache* read = nullptr;
  if (const int code = rtnl_netconf_alloc_cache(socket->get(), &read); code < 0)
    return fail(std::errc::io_error, fmt::format("reading rp_filter: {}", nl_geterror(code)));
  const std::unique_ptr<nl_cache, void (*)(nl_cache*)> cache(read, nl_cache_free);
  const int of_all = filter_of(rtnl_netconf_get_all(cache.get(), AF_INET));
  std::set<std::string> found;
  for (const auto& interface : interfaces) {
    const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (index == 0) continue;
    const int own = filter_of(rtnl_netconf_get_by_idx(cache.get(), AF_INET, index));
    if (std::max(of_all, own) == strict) found.insert(interface);
  }
  return found;
}

}  // namespace saspd::netlink
