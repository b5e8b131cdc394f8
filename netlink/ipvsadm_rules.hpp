// SPDX-License-Identifier: Apache-2.0
// The IPVS table as text for `ipvsadm -R`, in the words of ipvsadm 1.31 (ipvsadm(8)).
#pragma once

#include <string>
#include <vector>

#include "controller/lb/service.hpp"

namespace saspd::netlink {

// "-A -t 192.0.2.10:80 -s wrr", and a line "-a ..." for each of its destinations, without line
// breaks. Complete, including the thresholds that `ipvsadm -S` leaves out.
//
// What ipvsadm cannot express is lost: the order of destinations (the kernel lists the last added
// first, a Table by endpoint), a port of a routed or tunnelled destination other than its
// service's, and a forwarding method that only the kernel sets (local, bypass: -g).
std::vector<std::string> ipvsadm_rules(const lb::Table& table);

}  // namespace saspd::netlink
