// SPDX-License-Identifier: Apache-2.0

#include "bpf/backend.hpp"

#include "bpf/service_options.hpp"
#include "bpf/xdp_plane.hpp"

namespace saspd::bpf {
namespace {

constexpr std::string_view service_help =
    R"(Options of a --service with --backend xdp, where saspd creates every service, fills it with its
--member servers and empties it:
  forward=l2|ipip       to the server's MAC, or in a tunnel (default: l2)
  drain=SECONDS         as above
  stateless             no flow is remembered
  on-lost=keep|drop     drop: TCP flows of a dead server end; its UDP flows always move (default:
                        keep)
  table=minimal|independent
                        independent: the same slots on every director (default: minimal)
  manage                members that registered themselves belong to the service as well
Example, the first line as root:
  saspd --attach --interface eth0 [-- the options of the next line, to make room for them]
  saspd --backend xdp --gwm 127.0.0.1 --service web=tcp:192.0.2.10:80 \
        --member web=10.0.0.1:80 --member web=10.0.0.2:80)";

Result<std::unique_ptr<lb::ObservedDataplane>> open(const std::string& pins, bool dry_run) {
  auto plane = XdpPlane::open(pins, dry_run);
  if (!plane) return fail(plane.error());
  return std::unique_ptr<lb::ObservedDataplane>(std::move(*plane));
}

// Pins are opened again when others take their place.
lb::Rights rights(const std::string& pins) {
  lb::Rights rights{{}, {pins + "/settings"}};
  if (maps_want_capability()) rights.capabilities.push_back(Capability::bpf);
  return rights;
}

}  // namespace

const lb::Backend xdp_backend{
    .name = "xdp",
    .title = "XDP",
    .help = "saspd's XDP program",
    .service_help = service_help,
    .traits = lb::Dataplane::Traits::of_own_table(),
    .not_adopted = "only saspd creates services of the XDP program",
    .is_attached = true,
    .parse_options = parse_xdp_options,
    .many_addresses = "a --service for each",
    .rights = rights,
    .open = open,
};

}  // namespace saspd::bpf
