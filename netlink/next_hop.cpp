// SPDX-License-Identifier: Apache-2.0
// A next hop in words.
#include <fmt/format.h>

#include "netlink/next_hops.hpp"

namespace saspd::netlink {

std::string_view name(NextHop::State state) {
  switch (state) {
    case NextHop::State::resolved: return "resolved";
    case NextHop::State::no_route: return "no_route";
    case NextHop::State::local: return "local";
    case NextHop::State::interface_down: return "interface_down";
    case NextHop::State::no_ethernet: return "no_ethernet";
    case NextHop::State::unresolved: return "unresolved";
    case NextHop::State::failed: return "failed";
    case NextHop::State::no_port: return "no_port";
    case NextHop::State::no_transmit: return "no_transmit";
  }
  return "unknown";
}

namespace {

// Where it is not the interface itself: " (VLAN 100 of eth0)".
std::string exit_text(const NextHop& hop) {
  if (hop.exit == hop.interface) return {};
  if (hop.vlan != 0) return fmt::format(" (VLAN {} of {})", hop.vlan, hop.exit_name);
  return fmt::format(" (port {})", hop.exit_name);
}

std::string problem_of(const NextHop& hop) {
  using State = NextHop::State;
  const std::string& name = hop.interface_name;
  switch (hop.state) {
    case State::resolved: return {};
    case State::no_route: return "no route";
    case State::local: return "an address of this machine";
    case State::interface_down: return fmt::format("interface {} has no link", name);
    case State::no_ethernet: return fmt::format("interface {} is not Ethernet", name);
    case State::unresolved:
      return fmt::format("neighbour {} on {} is not resolved yet", hop.neighbour.text(), name);
    case State::failed:
      return fmt::format("neighbour {} on {} does not answer", hop.neighbour.text(), name);
    case State::no_port:
      return fmt::format("bridge {} has not learned yet which port {} is behind", name,
                         hop.neighbour.text());
    case State::no_transmit:
      return fmt::format(
          "interface {} cannot transmit frames that XDP redirects in native mode{}; attach with "
          "--xdp-mode generic",
          hop.exit_name, hop.transmit_help);
  }
  return "unknown";
}

}  // namespace

lb::NextHop NextHop::shown() const {
  if (state != State::resolved) return {problem_of(*this), {}, {}, {}};
  return {{}, interface_name + exit_text(*this), neighbour, mac};
}

}  // namespace saspd::netlink
