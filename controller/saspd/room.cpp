// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/room.hpp"

#include <functional>

#include <fmt/format.h>

#include "controller/base/text.hpp"

namespace saspd::director {
namespace {

// Beyond these only their number is given.
constexpr std::size_t max_named = 5;

std::string names(const std::set<Endpoint>& servers) {
  return listed(servers, max_named, std::mem_fn(&Endpoint::text));
}

}  // namespace

void NoRoom::refused(const lb::Change& change, const lb::Failure& failure) {
  Service& service = services_[change.service];
  service.whole = service.whole || change.action == lb::Action::add_service;
  if (change.action == lb::Action::add_destination) {
    service.servers.insert(change.destination.endpoint);
  }
  service.why = failure.error.detail;
  // Without the change in front, which is one of many.
  const std::string place = change.text() + ": ";
  if (service.why.starts_with(place)) service.why.erase(0, place.size());
}

std::optional<Alarm> NoRoom::alarm(const lb::ServiceKey& key) const {
  const auto found = services_.find(key);
  if (found == services_.end()) return std::nullopt;
  const auto& [whole, servers, why] = found->second;
  return Alarm{"no_room", true, lb::text(key),
               whole ? fmt::format("the service is not served: {}", why)
                     : fmt::format("{} {} no connections: {}", names(servers),
                                   servers.size() == 1 ? "gets" : "get", why)};
}

}  // namespace saspd::director
