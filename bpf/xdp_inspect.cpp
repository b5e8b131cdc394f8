// SPDX-License-Identifier: Apache-2.0
// Reads states, traces and counters from the maps.
#include <array>
#include <span>
#include <utility>

#include "bpf/links.hpp"
#include "bpf/xdp.hpp"

namespace saspd::bpf {

std::map<Endpoint, lb::DestinationState> Xdp::states(const lb::ServiceKey& key) {
  std::map<Endpoint, lb::DestinationState> states;
  const auto known = services_.find(key);
  if (known == services_.end()) return states;
  const auto table = maps_->tables.find(2 * known->second.value.number + known->second.table);
  if (!table) return states;
  std::map<std::uint32_t, std::uint32_t> slots;
  for (const std::uint16_t number : std::span(table->backend).first(LB_SLOTS))
    ++slots[number];
  for (const auto& [endpoint, number] : known->second.backends) {
    lb::DestinationState& state = states[endpoint];
    state.slots = slots[number];
    state.reachable = is_resolved(backends_[number]);
    if (const auto hop = next_hop_of(endpoint.address)) state.next_hop = lb::frame_text(*hop);
    for (const auto& counters : maps_->backend_counters.find(number)) {
      state.packets += counters.packets;
      state.bytes += counters.bytes;
      state.flows += counters.flows;
    }
  }
  return states;
}

Result<lb::Trace> Xdp::trace(lb::Protocol protocol, const Endpoint& source,
                             const Endpoint& destination) {
  lb::Trace trace;
  if (source.address.family() != destination.address.family()) {
    return fail(std::errc::invalid_argument,
                "source and destination have different address families");
  }
  const auto known = services_.find(lb::VirtualEndpoint{protocol, destination});
  if (known == services_.end()) return trace;
  const Service& service = known->second;
  trace.is_service = true;
  trace.forward = forward_of(service.value);
  const lb_flow_key key = flow_key(protocol, source, destination);
  trace.slot = lb_slot(&key, maps_->limits.seed);
  const auto table = maps_->tables.find(2 * service.value.number + service.table);
  std::uint32_t number = table ? table->backend[trace.slot] : 0;
  if (const auto flow = known_flow(service, key)) {
    trace.known_flow = true;
    number = *flow;
  }
  for (const auto& [endpoint, candidate] : service.backends) {
    if (candidate != number) continue;
    trace.destination = endpoint;
    trace.reachable = is_resolved(backends_[number]);
    trace.next_hop = next_hop_of(endpoint.address);
  }
  return trace;
}

// The backend that a flow is bound to, by the rules of the program.
std::optional<std::uint32_t> Xdp::known_flow(const Service& service, const lb_flow_key& key) const {
  if ((service.value.flags & LB_SERVICE_STATELESS) != 0) return std::nullopt;
  const auto flow = maps_->flows.find(key);
  if (!flow || flow->backend >= backends_.size()) return std::nullopt;
  const lb_backend& backend = backends_[flow->backend];
  const bool ended = (backend.flags & LB_BACKEND_LOST) != 0 &&
                     (key.protocol == static_cast<std::uint8_t>(lb::Protocol::udp) ||
                      (service.value.flags & LB_SERVICE_DROP_LOST) != 0);
  const bool valid = is_present(backend) && backend.generation == flow->generation &&
                     backend.service == service.value.number && !ended;
  return valid ? std::optional<std::uint32_t>(flow->backend) : std::nullopt;
}

std::optional<lb::NextHop> Xdp::next_hop_of(const IpAddress& address) const {
  if (!next_hops_) return std::nullopt;
  const auto known = next_hops_->find(address);
  if (known == next_hops_->end()) return std::nullopt;
  return lb::NextHop{{}, interface_name(known->second.interface), address, known->second.mac};
}

std::vector<std::pair<std::string, std::uint64_t>> Xdp::packet_counters() {
#define LB_REASON(reason, name) std::string_view(name),
  static constexpr std::array names{LB_REASON_LIST(LB_REASON)};
#undef LB_REASON
  std::vector<std::pair<std::string, std::uint64_t>> counters;
  for (std::uint32_t reason = 0; reason < LB_REASONS; ++reason) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : maps_->reasons.find(reason))
      sum += count;
    counters.emplace_back(names[reason], sum);
  }
  return counters;
}

}  // namespace saspd::bpf
