// SPDX-License-Identifier: Apache-2.0
// What services are to become, before any of it is written.
#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "bpf/xdp.hpp"

namespace saspd::bpf {
namespace {

std::uint8_t forward_number(lb::Forward forward) {
  return forward == lb::Forward::tunnel ? LB_FORWARD_IPIP : LB_FORWARD_L2;
}

void set_lost(lb_backend& backend, bool lost) {
  backend.flags &= static_cast<std::uint8_t>(~LB_BACKEND_LOST);
  if (lost) backend.flags |= LB_BACKEND_LOST;
}

std::uint8_t flags_of(const lb::Service& attributes) {
  std::uint8_t flags = 0;
  if ((attributes.flags & lb::service_flag::stateless) != 0) flags |= LB_SERVICE_STATELESS;
  if ((attributes.flags & lb::service_flag::drop_lost) != 0) flags |= LB_SERVICE_DROP_LOST;
  if (attributes.scheduler == "independent") flags |= LB_SERVICE_INDEPENDENT;
  return flags;
}

Error no_room(std::string_view what, std::size_t most, std::string_view flag) {
  return fail(
      std::errc::no_space_on_device,
      fmt::format("the maps of the XDP program have room for {} {}; attach again with more: "
                  "systemctl restart saspd-xdp-attach makes room for all that is configured, "
                  "saspd --attach {} N for N",
                  most, what, flag));
}

}  // namespace

// Why the change cannot be, or nothing and it is in the drafts.
std::optional<Error> Xdp::draft(const lb::Change& change, Drafts& drafts) {
  if (change.action == lb::Action::add_service) return draft_service(change, drafts);
  if (const auto full = drafts.refused.find(change.service); full != drafts.refused.end()) {
    return full->second;
  }
  const auto known = services_.find(change.service);
  if (!drafts.services.contains(change.service)) {
    if (known == services_.end()) return fail(std::errc::no_such_process, "no such service");
    if (!known->second.known) {
      return fail(std::errc::no_such_process, "its last write failed; the maps are read first");
    }
    drafts.services[change.service] = {known->second, false, backends_of(known->second), {}, {}};
  }
  Draft& draft = drafts.services[change.service];
  const auto number = draft.service.backends.find(change.destination.endpoint);
  const bool exists = number != draft.service.backends.end();
  const auto absent = fail(std::errc::no_such_file_or_directory, "no such destination");
  switch (change.action) {
    case lb::Action::set_service: draft.service.value.flags = flags_of(change.attributes); break;
    case lb::Action::add_destination:
      if (exists) return fail(std::errc::file_exists, "it already exists");
      return draft_destination(change.destination, draft, drafts);
    case lb::Action::set_destination:
      if (!exists) return absent;
      draft.backends[number->second].weight = change.destination.weight;
      set_lost(draft.backends[number->second], change.destination.lost);
      draft.service.value.forward = forward_number(change.destination.forward);
      break;
    case lb::Action::remove_destination:
      if (!exists) return absent;
      draft.backends.erase(number->second);
      draft.leaving.push_back(number->second);
      draft.service.backends.erase(number);
      break;
    case lb::Action::remove_service: drafts.removed.insert(change.service); break;
    case lb::Action::add_service:
    case lb::Action::repair_service: break;  // to be published is enough
  }
  return std::nullopt;
}

std::optional<Error> Xdp::draft_service(const lb::Change& change, Drafts& drafts) {
  const auto number = free_service_number(drafts);
  if (!number) {
    auto full = no_room("services", maps_->limits.max_services, "--max-services");
    drafts.refused.emplace(change.service, full);
    return full;
  }
  Draft draft;
  draft.is_new = true;
  draft.service.value = {{}, *number, LB_FORWARD_L2, flags_of(change.attributes), 0};
  drafts.services[change.service] = std::move(draft);
  return std::nullopt;
}

std::optional<Error> Xdp::draft_destination(const lb::Destination& destination, Draft& draft,
                                            Drafts& drafts) {
  const auto number = free_number(drafts);
  if (!number) return no_room("servers", backends_.size() - 1, "--max-backends");
  drafts.taken.insert(*number);
  lb_backend backend{};
  backend.address = address_bytes(destination.endpoint.address);
  backend.family = family_number(destination.endpoint.address);
  backend.service = draft.service.value.number;
  backend.weight = destination.weight;
  backend.generation = static_cast<std::uint16_t>(backends_[*number].generation + 1);
  backend.flags = LB_BACKEND_PRESENT;
  set_lost(backend, destination.lost);
  draft.backends[*number] = with_next_hop(backend);
  draft.joining.push_back(*number);
  draft.service.backends[destination.endpoint] = *number;
  draft.service.value.forward = forward_number(destination.forward);
  return std::nullopt;
}

std::optional<std::uint32_t> Xdp::free_service_number(const Drafts& drafts) const {
  std::set<std::uint32_t> numbers;
  for (const auto& [key, service] : services_)
    numbers.insert(service.value.number);
  for (const auto& [key, draft] : drafts.services)
    numbers.insert(draft.service.value.number);
  for (std::uint32_t number = 0; number < tables_in_use_.size(); ++number) {
    if (!numbers.contains(number)) return number;
  }
  return std::nullopt;
}

// The one that was given the longest ago: its generation comes round as late as can be. Those who
// leave make room only after the new tables are in place.
std::optional<std::uint32_t> Xdp::free_number(const Drafts& drafts) {
  const auto count = static_cast<std::uint32_t>(backends_.size());
  for (std::uint32_t tried = 1; tried < count; ++tried) {
    last_number_ = last_number_ + 1 < count ? last_number_ + 1 : 1;
    const bool is_free =
        !is_present(backends_[last_number_]) && !drafts.taken.contains(last_number_);
    if (is_free) return last_number_;
  }
  return std::nullopt;
}

lb_backend Xdp::with_next_hop(lb_backend backend) const {
  if (!next_hops_) return backend;
  const auto known = next_hops_->find(ip_address(backend.address, backend.family));
  backend.flags &= static_cast<std::uint8_t>(~LB_BACKEND_RESOLVED);
  if (known == next_hops_->end()) return backend;
  const NextHop& next_hop = known->second;
  backend.flags |= LB_BACKEND_RESOLVED;
  backend.interface = next_hop.interface;
  backend.mtu = next_hop.mtu;
  backend.vlan = next_hop.vlan;
  std::copy(next_hop.mac.begin(), next_hop.mac.end(), std::begin(backend.next_hop));
  std::copy(next_hop.source.begin(), next_hop.source.end(), std::begin(backend.source));
  return backend;
}

}  // namespace saspd::bpf
