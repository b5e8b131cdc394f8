// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/knowledge.hpp"

#include <utility>

namespace saspd::director {
namespace {

bool is_avoided(const Decision& decision) {
  return decision.reason == Reason::not_confident && decision.weight == 0;
}

template <class Value>
void keep_only(const lb::Table& table, std::map<lb::ServiceKey, Value>& by_service) {
  std::erase_if(by_service, [&](const auto& entry) { return !table.contains(entry.first); });
}

}  // namespace

const ServiceDecision* Decisions::find(const lb::ServiceKey& service) const {
  const auto found = services.find(service);
  return found != services.end() ? &found->second : nullptr;
}

const Decision* Decisions::find(const lb::ServiceKey& service, const Endpoint& endpoint) const {
  const auto* decision = find(service);
  if (decision == nullptr) return nullptr;
  const auto found = decision->members.find(endpoint);
  return found != decision->members.end() ? &found->second : nullptr;
}

const lb::Pool& Knowledge::pool(const lb::ServiceKey& service) const {
  static const lb::Pool absent;
  const auto found = table_.find(service);
  return found != table_.end() ? found->second : absent;
}

const Knowledge::Seen* Knowledge::seen(const lb::ServiceKey& service,
                                       const Endpoint& endpoint) const {
  const auto known = seen_.find(service);
  if (known == seen_.end()) return nullptr;
  const auto found = known->second.find(endpoint);
  return found != known->second.end() ? &found->second : nullptr;
}

Scale Knowledge::scale(const lb::ServiceKey& service) const {
  const auto found = scales_.find(service);
  return found != scales_.end() ? found->second : Scale{};
}

std::optional<TimePoint> Knowledge::unknown_since(const lb::ServiceKey& service) const {
  const auto found = unknown_since_.find(service);
  if (found == unknown_since_.end()) return std::nullopt;
  return found->second;
}

// --- what the kernel shows

void Knowledge::look(lb::Table table, const Look& look, TimePoint now) {
  const lb::Table before = std::exchange(table_, std::move(table));
  note_vanished(before, now);
  if (look.adopt) advice_.adopt(table_, vanished_);
  appeared_.clear();
  if (std::exchange(looked_, true)) note_appeared(before);
  advice_.look(before, table_);
  observe(look, now);
  keep_only(table_, losses_);
  keep_only(table_, advice_watches_);
  keep_only(table_, unknown_since_);
}

// Somebody has taken out what they had not given to us to take out: `ipvsadm -C`.
void Knowledge::note_vanished(const lb::Table& before, TimePoint now) {
  constexpr Duration remembered = std::chrono::hours{1};
  std::erase_if(vanished_, [&](const auto& entry) {
    return table_.contains(entry.first) || now - entry.second >= remembered;
  });
  for (const auto& [key, pool] : before) {
    if (!table_.contains(key) && advice_.has(key)) vanished_.emplace(key, now);
  }
}

void Knowledge::note_appeared(const lb::Table& before) {
  for (const auto& [key, pool] : table_) {
    if (!before.contains(key) && advice_.has(key)) appeared_.push_back(key);
  }
}

// Brings what we know up to date with what the kernel shows now.
void Knowledge::observe(const Look& look, TimePoint now) {
  std::vector<Ledger::Watched> watched;
  SeenByService seen;
  for (const auto& [name, group] : advice_.groups()) {
    for (const auto& service : group.settings.services) {
      watched.push_back({service.key, look.own_table || service.manage.has_value()});
      seen[service.key] = see(service.key, now);
    }
  }
  seen_ = std::move(seen);
  ledger_.look(table_, watched, look.whole);
}

std::map<Endpoint, Knowledge::Seen> Knowledge::see(const lb::ServiceKey& service,
                                                   TimePoint now) const {
  std::map<Endpoint, Seen> all;
  for (const auto& [endpoint, destination] : pool(service).destinations) {
    const Seen* before = seen(service, endpoint);
    // A zero of before our time may be a minute old.
    Seen& now_seen = all[endpoint] = before != nullptr ? *before : Seen{now, false, {}};
    now_seen.idle = destination.weight == 0 && destination.observed.connections == 0;
  }
  return all;
}

// --- what is decided and written

void Knowledge::learn(const Decisions& decisions, TimePoint now) {
  for (const auto& [service, scale] : decisions.scales)
    scales_[service] = scale;
  for (const auto& [service, steering] : decisions.steering)
    advice_watches_[service].update(steering.guidance, steering.patience, now);
  for (const auto& [service, decision] : decisions.services) {
    note_who_serves(service, now);
    note_who_leaves(service, decision, now);
    note_who_is_avoided(service, decision, now);
    losses_[service].update(pool(service), decision, now);
  }
}

void Knowledge::note_who_serves(const lb::ServiceKey& service, TimePoint now) {
  for (const auto& [endpoint, destination] : pool(service).destinations) {
    if (destination.weight > 0) seen_[service][endpoint].served = now;
  }
}

void Knowledge::note_who_leaves(const lb::ServiceKey& service, const ServiceDecision& decision,
                                TimePoint now) {
  for (auto& [endpoint, seen] : seen_[service]) {
    const auto member = decision.members.find(endpoint);
    if (member == decision.members.end()) continue;
    if (is_withdrawn(member->second.reason)) seen.served.reset();
    const bool leaves = member->second.reason == Reason::leaving;
    if (!leaves) seen.leaving_since.reset();
    if (leaves && !seen.leaving_since) seen.leaving_since = now;
  }
}

// Whether a zero has no other cause than the confident flag: it was a weight until then, and no
// other rule has given it a reason since.
void Knowledge::note_who_is_avoided(const lb::ServiceKey& service, const ServiceDecision& decision,
                                    TimePoint now) {
  if (!decision.nobody_known)
    unknown_since_.erase(service);
  else
    unknown_since_.try_emplace(service, now);
  for (const auto& [endpoint, member] : decision.members) {
    const auto* known = ledger_.find(service, endpoint);
    const auto destination = pool(service).destinations.find(endpoint);
    if (known == nullptr || destination == pool(service).destinations.end()) continue;
    if (member.reason == Reason::static_weight) continue;  // no rule: nobody has advised yet
    const bool was_so = known->avoided || destination->second.weight > 0;
    ledger_.avoided(service, endpoint, is_avoided(member) && was_so);
  }
}

void Knowledge::wrote(const lb::Change& change, const Decision* decision) {
  const Endpoint& endpoint = change.destination.endpoint;
  lb::apply(change, table_);
  ledger_.wrote(change);
  if (change.action == lb::Action::remove_service) seen_.erase(change.service);
  if (change.action == lb::Action::remove_destination) seen_[change.service].erase(endpoint);
  if (!change.writes_weight()) return;
  if (change.action == lb::Action::add_destination && decision != nullptr) {
    ledger_.avoided(change.service, endpoint, is_avoided(*decision));
  }
  // A connection may have come before the weight was 0.
  seen_[change.service][endpoint].idle = false;
}

}  // namespace saspd::director
