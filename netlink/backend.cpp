// SPDX-License-Identifier: Apache-2.0

#include "netlink/backend.hpp"

#include "netlink/ipvs.hpp"
#include "netlink/ipvsadm_rules.hpp"
#include "netlink/service_options.hpp"

namespace saspd::netlink {
namespace {

constexpr std::string_view service_help = R"(Options of a --service:
  max=N                 the largest weight, for schedulers that treat a weight as a capacity
                        (ovf, lblc, lblcr)
  proto=tcp|udp|sctp    protocol of the members of a fwmark service (default: tcp)
  manage                saspd creates the service, adds its members, and drains and removes those
                        that leave; other programs should not touch it. Only with manage:
    forward=masquerade|route|tunnel   (required)
    scheduler=NAME      (default: wlc); sh and mh get their fallback flag
    drain=SECONDS       the longest wait for the connections of a server that leaves (default: no
                        limit)
    persistent=SECONDS  one-packet  sh-port  mh-port    as in ipvsadm
Example:
  saspd --gwm 127.0.0.1 --service web=tcp:192.0.2.10:80,manage,forward=masquerade \
        --member web=10.0.0.1:80 --member web=10.0.0.2:80)";

Result<std::unique_ptr<lb::ObservedDataplane>> open(const std::string& /*pins*/, bool /*dry_run*/) {
  auto ipvs = Ipvs::open();
  if (!ipvs) return fail(ipvs.error());
  return std::unique_ptr<lb::ObservedDataplane>(std::move(*ipvs));
}

lb::Rights rights(const std::string& /*pins*/) {
  return {{Capability::net_admin}, {}};
}

}  // namespace

const lb::Backend ipvs_backend{
    .name = "ipvs",
    .title = "IPVS",
    .help = "the kernel's IPVS",
    .service_help = service_help,
    .parse_options = parse_ipvs_options,
    .many_addresses = "or fwmark:N for many addresses at once",
    .doubt = doubt_ipvs_service,
    .rules = ipvsadm_rules,
    .rights = rights,
    .open = open,
};

}  // namespace saspd::netlink
