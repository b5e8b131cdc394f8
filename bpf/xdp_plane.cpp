// SPDX-License-Identifier: Apache-2.0

#include "bpf/xdp_plane.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "bpf/attachment.hpp"
#include "bpf/backend.hpp"
#include "bpf/pins_lock.hpp"
#include "controller/base/text.hpp"

namespace saspd::bpf {
namespace {

NextHop of_kernel(const netlink::NextHop& way) {
  constexpr std::uint32_t most = std::numeric_limits<std::uint16_t>::max();
  return {way.exit, way.mac, way.source, static_cast<std::uint16_t>(std::min(way.mtu, most)),
          way.vlan};
}

std::vector<unsigned> native_interfaces(const std::vector<Attachment>& attached) {
  std::vector<unsigned> interfaces;
  for (const auto& one : attached) {
    if (one.native) interfaces.push_back(one.interface);
  }
  return interfaces;
}

bool is_resolved(const netlink::NextHop& way) {
  return way.state == netlink::NextHop::State::resolved;
}

lb::Problem no_room_for(const std::vector<Arrangement::Surplus>& devices) {
  return {"device_surplus", devices.front().text(),
          fmt::format("packets from clients that arrive at {} bypass the program: there are too "
                      "many VLAN devices on its interfaces, or too many MAC addresses; remove some",
                      listed(devices, 1, std::mem_fn(&Arrangement::Surplus::text))),
          false};
}

// Where nothing is attached there is nothing to lock, and Xdp says so.
Result<std::unique_ptr<Xdp>> open_locked(const std::string& pins, Xdp::Access access) {
  const auto lock = PinsLock::take(pins);
  auto xdp = Xdp::open(pins, Clock::now, access);
  if (xdp && !lock) return fail(lock.error());
  return xdp;
}

}  // namespace

Result<std::unique_ptr<XdpPlane>> XdpPlane::open(const std::string& pins, bool dry_run) {
  auto xdp = open_locked(pins, dry_run ? Xdp::Access::read : Xdp::Access::write);
  if (!xdp) return fail(xdp.error());
  auto next_hops = netlink::NextHops::open();
  if (!next_hops) return fail(next_hops.error());
  std::unique_ptr<XdpPlane> plane(
      new XdpPlane(pins, dry_run, std::move(*xdp), std::move(*next_hops)));
  if (auto gathered = plane->gather_events(); !gathered) return fail(gathered.error());
  if (auto followed = plane->follow_locked(); !followed) return fail(followed.error());
  return plane;
}

lb::Dataplane::Traits XdpPlane::traits() const {
  return xdp_backend.traits;
}

Result<void> XdpPlane::gather_events() {
  events_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  for (const int descriptor : {next_hops_->descriptor(), watch_.descriptor()}) {
    if (descriptor < 0) continue;
    epoll_event readable{};
    readable.events = EPOLLIN;
    if (::epoll_ctl(events_.get(), EPOLL_CTL_ADD, descriptor, &readable) != 0) {
      return fail(std::error_code(errno, std::generic_category()), "epoll");
    }
  }
  return {};
}

Result<lb::Table> XdpPlane::list(std::span<const lb::ServiceKey> services) {
  auto table = list_all();
  if (table) lb::keep_only(services, *table);
  return table;
}

Result<lb::Table> XdpPlane::list_all() {
  watch_.renew();
  if (auto asked = next_hops_->refresh(); !asked) return fail(asked.error());
  if (ways_wait_) {
    if (auto followed = follow_locked(); !followed) return fail(followed.error());
  }
  const auto lock = PinsLock::take(pins_);
  // What is not there at all Xdp says better.
  if (!lock && lock.error().code != std::errc::no_such_file_or_directory) return fail(lock.error());
  // Which frames are ours is compared as well: what is not as it should be drops every packet.
  if (lock) {
    if (auto written = set_devices(); !written) return fail(written.error());
  }
  return xdp_->list_all();
}

std::vector<lb::Failure> XdpPlane::apply(std::span<const lb::Change> changes) {
  const auto lock = PinsLock::take(pins_);
  if (!lock) {
    std::vector<lb::Failure> failures;
    for (std::size_t i = 0; i < changes.size(); ++i)
      failures.push_back({i, at(changes[i].text(), lock.error())});
    return failures;
  }
  auto addresses = xdp_->addresses();
  for (const auto& change : changes) {
    if (change.action == lb::Action::add_destination) {
      addresses.insert(change.destination.endpoint.address);
    }
  }
  // What is not resolved yet comes as an event; what cannot even be asked for shows in the listing.
  (void)follow(std::move(addresses));
  auto failures = xdp_->apply(changes);
  (void)follow(xdp_->addresses());
  return failures;
}

Result<void> XdpPlane::follow_locked() {
  ways_wait_ = true;  // until it has been done
  const auto lock = PinsLock::take(pins_);
  if (!lock) return fail(lock.error());
  auto followed = follow(xdp_->addresses());
  ways_wait_ = !followed;
  return followed;
}

// Determines how the addresses are reached, and writes that for the program.
Result<void> XdpPlane::follow(std::set<IpAddress> addresses) {
  next_hops_->want(std::move(addresses));
  next_hops_->set_native(native_interfaces(xdp_->attached()));
  if (auto asked = next_hops_->refresh(); !asked) return asked;
  const auto ways = next_hops_->resolve();
  if (!ways) return fail(ways.error());
  if (auto told = set_devices(); !told) return told;
  std::map<IpAddress, NextHop> resolved;
  std::map<IpAddress, lb::NextHop> now;
  for (const auto& [address, way] : *ways) {
    if (is_resolved(way)) resolved[address] = of_kernel(way);
    const auto& shown = now[address] = way.shown();
    const auto before = ways_.find(address);
    if (before == ways_.end() || before->second != shown) changed_[address] = shown;
  }
  ways_ = std::move(now);
  if (!dry_run_) return xdp_->set_next_hops(resolved);
  xdp_->know_next_hops(resolved);
  return {};
}

Result<void> XdpPlane::set_devices() {
  return dry_run_ ? Result<void>() : xdp_->set_devices(next_hops_->links());
}

Result<lb::Dataplane::Events> XdpPlane::handle_events() {
  const bool replaced = watch_.changed();
  const auto changed = next_hops_->read_events();
  if (!changed) return fail(changed.error());
  if (*changed && replaced) {
    ways_wait_ = true;  // for the listing of what is there now
  } else if (*changed) {
    if (auto followed = follow_locked(); !followed) return fail(followed.error());
  }
  return Events{std::exchange(changed_, {}), replaced};
}

std::map<Endpoint, lb::DestinationState> XdpPlane::states(const lb::ServiceKey& service) {
  auto states = xdp_->states(service);
  for (auto& [endpoint, state] : states) {
    const auto way = ways_.find(endpoint.address);
    if (way != ways_.end()) state.next_hop = lb::text(way->second);
  }
  return states;
}

std::set<IpAddress> XdpPlane::unreachable() {
  std::set<IpAddress> addresses;
  for (const auto& [address, way] : ways_) {
    if (!way.is_known()) addresses.insert(address);
  }
  return addresses;
}

Result<lb::Trace> XdpPlane::trace(lb::Protocol protocol, const Endpoint& source,
                                  const Endpoint& destination) {
  return xdp_->trace(protocol, source, destination);
}

std::vector<lb::Problem> XdpPlane::problems() {
  // During an attach, the previous findings still count.
  const auto lock = PinsLock::take(pins_);
  const bool gone = !lock && lock.error().code == std::errc::no_such_file_or_directory;
  if (lock || gone) problems_ = attachment_problems(pins_);
  auto problems = problems_;
  if (const auto& surplus = xdp_->surplus_devices(); !surplus.empty())
    problems.push_back(no_room_for(surplus));
  return problems;
}

std::vector<std::pair<std::string, std::uint64_t>> XdpPlane::packet_counters() {
  return xdp_->packet_counters();
}

}  // namespace saspd::bpf
