// SPDX-License-Identifier: Apache-2.0
// The XDP data plane as saspd runs it: the maps, and the kernel's routes and neighbours, which
// determine how each destination is reached.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "bpf/pins_watch.hpp"
#include "bpf/xdp.hpp"
#include "controller/base/descriptor.hpp"
#include "controller/lb/backend.hpp"
#include "netlink/next_hops.hpp"

namespace saspd::bpf {

class XdpPlane final : public lb::ObservedDataplane {
 public:
  // Errors: those of Xdp::open, and address_in_use: another process writes these maps. `dry_run`:
  // nothing is ever written, neither next hops nor devices, and no writer locked out.
  static Result<std::unique_ptr<XdpPlane>> open(const std::string& pins, bool dry_run = false);

  Traits traits() const override;
  // Listing also keeps the neighbours of idle destinations resolved, and the map of devices as the
  // interfaces are.
  Result<lb::Table> list(std::span<const lb::ServiceKey> services) override;
  Result<lb::Table> list_all() override;
  // The next hop of an added destination is looked up before it gets any slot.
  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override;

  std::map<Endpoint, lb::DestinationState> states(const lb::ServiceKey& service) override;
  std::set<IpAddress> unreachable() override;
  Result<lb::Trace> trace(lb::Protocol protocol, const Endpoint& source,
                          const Endpoint& destination) override;
  std::vector<std::pair<std::string, std::uint64_t>> packet_counters() override;
  // Checks whether packets from clients reach the program at all.
  std::vector<lb::Problem> problems() override;

  // Events of routes, neighbours and interfaces, and of attaching and detaching.
  int event_descriptor() const override { return events_.get(); }
  Result<Events> handle_events() override;

 private:
  XdpPlane(std::string pins, bool dry_run, std::unique_ptr<Xdp> xdp,
           std::unique_ptr<netlink::NextHops> next_hops)
      : pins_(std::move(pins)),
        dry_run_(dry_run),
        xdp_(std::move(xdp)),
        next_hops_(std::move(next_hops)),
        watch_(pins_) {}
  Result<void> gather_events();
  Result<void> follow(std::set<IpAddress> addresses);
  Result<void> set_devices();
  Result<void> follow_locked();

  std::string pins_;
  const bool dry_run_;
  std::unique_ptr<Xdp> xdp_;
  std::unique_ptr<netlink::NextHops> next_hops_;
  PinsWatch watch_;
  Descriptor events_;                         // readable when either of them is
  std::map<IpAddress, lb::NextHop> ways_;     // as last resolved
  std::map<IpAddress, lb::NextHop> changed_;  // of them, since the last events
  bool ways_wait_ = false;                    // to be written for the program
  std::vector<lb::Problem> problems_;         // as last seen
};

}  // namespace saspd::bpf
