// SPDX-License-Identifier: Apache-2.0
// Whether the kernel drops what comes in by another way than an answer would go (RFC 3704):
// net.ipv4.conf.*.rp_filter. IPv6 has none. Of the current network namespace, and asked for by
// netlink: the units do not see /proc/sys.
#pragma once

#include <set>
#include <string>

#include "controller/base/error.hpp"

namespace saspd::netlink {

// Those of `interfaces` with a strict one (1). The larger value of the interface and of "all"
// counts. An interface that does not exist has none.
Result<std::set<std::string>> with_strict_reverse_path(const std::set<std::string>& interfaces);

}  // namespace saspd::netlink
