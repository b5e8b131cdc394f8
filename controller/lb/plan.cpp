// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/plan.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace saspd::lb {
namespace {

// Calls use(member) for each attribute of a destination that a plan may set. The others belong
// to the kernel or to the program that wrote them, and stay.
template <class Use>
void for_each_settable(Use use) {
  use(&Destination::weight);
  use(&Destination::forward);
  use(&Destination::lost);
}

// `now`, with each settable attribute of `wish` that differs from `before`.
Destination with_changes(Destination now, const Destination& before, const Destination& wish) {
  for_each_settable([&](auto attribute) {
    if (wish.*attribute != before.*attribute) now.*attribute = wish.*attribute;
  });
  return now;
}

void add_service(const ServiceKey& key, const Pool& wish, Plan& plan) {
  plan.push_back({Action::add_service, key, static_cast<const Service&>(wish), {}});
  for (const auto& [endpoint, destination] : wish.destinations)
    plan.push_back({Action::add_destination, key, {}, destination});
}

void change_service(const ServiceKey& key, const Pool& now, const Pool& wish, Plan& plan) {
  if (static_cast<const Service&>(now) != wish) {
    Change change{Action::set_service, key, static_cast<const Service&>(wish), {}};
    change.old_attributes = static_cast<const Service&>(now);
    plan.push_back(std::move(change));
  }
  if (!now.intact) plan.push_back({Action::repair_service, key, {}, {}});
  for (const auto& [endpoint, destination] : wish.destinations) {
    const auto existing = now.destinations.find(endpoint);
    if (existing == now.destinations.end()) {
      plan.push_back({Action::add_destination, key, {}, destination});
      continue;
    }
    const ListedDestination& listed = existing->second;
    const Destination changed = with_changes(listed, listed, destination);
    if (changed != listed) plan.push_back({Action::set_destination, key, {}, changed, listed});
  }
  for (const auto& [endpoint, destination] : now.destinations) {
    if (wish.destinations.contains(endpoint)) continue;
    plan.push_back({Action::remove_destination, key, {}, destination, destination});
  }
}

// It had a weight, and has none afterwards.
bool takes_a_server(const Change& change) {
  const bool stays = change.action == Action::set_destination && change.destination.weight > 0;
  return change.listed.weight > 0 && !stays;
}

int rank(const Change& change) {
  switch (change.action) {
    case Action::add_service: return 0;
    case Action::set_service: return 1;
    case Action::repair_service: return 1;
    case Action::add_destination: return 2;
    case Action::set_destination:
      if (change.destination.weight > change.listed.weight) return 2;
      return takes_a_server(change) ? 4 : 3;
    case Action::remove_destination: return 5;
    case Action::remove_service: return 6;
  }
  return 7;
}

}  // namespace

std::string_view name(Action action) {
  switch (action) {
    case Action::add_service: return "add_service";
    case Action::set_service: return "set_service";
    case Action::repair_service: return "repair_service";
    case Action::add_destination: return "add_destination";
    case Action::set_destination: return "set_weight";
    case Action::remove_destination: return "remove_destination";
    case Action::remove_service: return "remove_service";
  }
  return "unknown";
}

std::string Change::text() const {
  const auto at = [this] {
    return fmt::format("{} {}", lb::text(service), destination.endpoint.text());
  };
  switch (action) {
    case Action::add_service:
      return fmt::format("{} created: {}", lb::text(service), attributes.text());
    case Action::set_service:
      return fmt::format("{} set to {}", lb::text(service), attributes.text());
    case Action::repair_service:
      return fmt::format("{} repaired: packets did not follow its weights", lb::text(service));
    case Action::add_destination:
      return fmt::format("{} added ({}) with weight {}", at(), name(destination.forward),
                         destination.weight);
    case Action::set_destination:
      if (listed.weight != destination.weight) {
        return fmt::format("{} weight {} -> {}", at(), listed.weight, destination.weight);
      }
      if (listed.forward != destination.forward) {
        return fmt::format("{} set to {}", at(), name(destination.forward));
      }
      return fmt::format("{} {}", at(), destination.lost ? "lost" : "no longer lost");
    case Action::remove_destination: return fmt::format("{} removed", at());
    case Action::remove_service: return fmt::format("{} removed", lb::text(service));
  }
  return {};
}

Plan diff(const ServiceKey& service, const Pool* actual, const Pool& desired) {
  Plan plan;
  if (actual == nullptr)
    add_service(service, desired, plan);
  else
    change_service(service, *actual, desired, plan);
  std::stable_sort(plan.begin(), plan.end(),
                   [](const Change& a, const Change& b) { return rank(a) < rank(b); });
  return plan;
}

Plan diff(const Table& actual, const Table& desired, Surplus surplus) {
  Plan plan;
  for (const auto& [key, wish] : desired) {
    const auto existing = actual.find(key);
    auto changes = diff(key, existing != actual.end() ? &existing->second : nullptr, wish);
    std::move(changes.begin(), changes.end(), std::back_inserter(plan));
  }
  for (const auto& [key, pool] : actual) {
    if (surplus == Surplus::keep || desired.contains(key)) continue;
    plan.push_back({Action::remove_service, key, {}, {}});
  }
  return plan;
}

std::size_t before_the_last_goes(const Pool& now, const Plan& changes) {
  const auto serves = [](const auto& entry) { return entry.second.weight > 0; };
  const auto all = std::count_if(now.destinations.begin(), now.destinations.end(), serves);
  const auto touched = std::count_if(changes.begin(), changes.end(),
                                     [](const Change& change) { return change.listed.weight > 0; });
  if (touched < all) return 0;
  const auto first = std::find_if(changes.begin(), changes.end(), takes_a_server);
  const bool any_stays = std::any_of(changes.begin(), first, [](const Change& change) {
    return change.writes_weight() && change.destination.weight > 0;
  });
  return any_stays && first != changes.end() ? static_cast<std::size_t>(first - changes.begin())
                                             : 0;
}

void apply(const Change& change, Table& table) {
  if (change.action == Action::add_service || change.action == Action::set_service) {
    static_cast<Service&>(table[change.service]) = change.attributes;
    return;
  }
  if (change.action == Action::remove_service) {
    table.erase(change.service);
    return;
  }
  const auto pool = table.find(change.service);
  if (pool == table.end()) return;
  if (change.action == Action::repair_service) {
    pool->second.intact = true;
    return;
  }
  auto& destinations = pool->second.destinations;
  const Endpoint& endpoint = change.destination.endpoint;
  switch (change.action) {
    case Action::add_destination: destinations.emplace(endpoint, change.destination); break;
    case Action::remove_destination: destinations.erase(endpoint); break;
    default:
      if (const auto found = destinations.find(endpoint); found != destinations.end()) {
        static_cast<Destination&>(found->second) = rebased(change, found->second);
      }
  }
}

bool still_follows(const Change& change, const ListedDestination& now) {
  if (now.weight != change.listed.weight) return false;
  // Who writes other attributes writes the weight with them, and so is an author of this zero.
  const Destination& listed = change.listed;
  const bool raises = change.destination.weight > 0;
  if (now.weight == 0 && raises && static_cast<const Destination&>(now) != listed) return false;
  const bool was_idle = change.listed.observed.connections == 0;
  return change.action != Action::remove_destination || !was_idle || now.observed.connections == 0;
}

Destination rebased(const Change& change, Destination now) {
  return with_changes(now, change.listed, change.destination);
}

Service rebased(const Change& change, Service now) {
  const Service& before = change.old_attributes;
  const Service& wish = change.attributes;
  const std::uint32_t meant = before.flags ^ wish.flags;
  now.flags = (now.flags & ~meant) | (wish.flags & meant);
  if (wish.scheduler != before.scheduler) now.scheduler = wish.scheduler;
  if (wish.timeout != before.timeout) now.timeout = wish.timeout;
  if (wish.netmask != before.netmask) now.netmask = wish.netmask;
  if (wish.persistence_engine != before.persistence_engine) {
    now.persistence_engine = wish.persistence_engine;
  }
  return now;
}

}  // namespace saspd::lb
