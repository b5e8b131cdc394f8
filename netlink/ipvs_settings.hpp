// SPDX-License-Identifier: Apache-2.0
// The sysctls of IPVS that determine what becomes of connections to a server of weight 0.
#pragma once

#include <string>

#include "controller/lb/observer.hpp"

namespace saspd::netlink {

// expire_nodest_conn, expire_quiescent_template, conn_reuse_mode and sloppy_tcp of the calling
// thread's network namespace (Documentation/networking/ipvs-sysctl.rst). One that cannot be read,
// because /proc/sys is hidden or the kernel does not show it to this user namespace, has no value.
lb::KernelSettings read_ipvs_settings(const std::string& directory = "/proc/sys/net/ipv4/vs");

}  // namespace saspd::netlink
