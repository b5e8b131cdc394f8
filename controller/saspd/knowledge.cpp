// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/knowledge.hpp"

#include <algorithm>
#include <utility>

#include "controller/saspd/decide.hpp"

namespace saspd::director {
namespace {

bool is_avoided(const Decision& decision) {
  return decision.reason == Reason::not_confident && decision.weight == 0;
}

bool is_idle(const lb::ListedDestination& destination) {
  return destination.weight == 0 && destination.observed.connections == 0;
}

// As far as anything follows from it: connections that come and go matter to a server without a
// weight alone, and only whether there are any.
bool is_same(const lb::ListedDestination& a, const lb::ListedDestination& b) {
  return a == b && (a.weight > 0 || is_idle(a) == is_idle(b));
}

bool is_same(const lb::Pool& a, const lb::Pool& b) {
  return static_cast<const lb::Service&>(a) == b && a.intact == b.intact &&
         std::equal(a.destinations.begin(), a.destinations.end(), b.destinations.begin(),
                    b.destinations.end(), [](const auto& one, const auto& other) {
                      return one.first == other.first && is_same(one.second, other.second);
                    });
}

// The services that are not the same in both tables.
std::set<lb::ServiceKey> differences(const lb::Table& before, const lb::Table& now) {
  std::set<lb::ServiceKey> different;
  auto old = before.begin();
  for (const auto& [key, pool] : now) {
    for (; old != before.end() && old->first < key; ++old)
      different.insert(old->first);
    const bool was_there = old != before.end() && old->first == key;
    if (!was_there || !is_same(old->second, pool)) different.insert(key);
    if (was_there) ++old;
  }
  for (; old != before.end(); ++old)
    different.insert(old->first);
  return different;
}

// Returns whether it was another value.
template <class Value>
bool set(Value& value, const Value& to) {
  return std::exchange(value, to) != to;
}

}  // namespace

bool Decisions::replace(const lb::ServiceKey& service, ServiceDecision decision) {
  ServiceDecision& kept = services_[service];
  const bool same = std::equal(kept.members.begin(), kept.members.end(), decision.members.begin(),
                               decision.members.end(),
                               [](const auto& a, const auto& b) { return a.first == b.first; });
  members_ += decision.members.size() - kept.members.size();
  kept = std::move(decision);
  return same;
}

bool Decisions::drop(const lb::ServiceKey& service) {
  const auto found = services_.find(service);
  if (found == services_.end()) return true;
  members_ -= found->second.members.size();
  services_.erase(found);
  return false;
}

const ServiceDecision* Decisions::find(const lb::ServiceKey& service) const {
  const auto found = services_.find(service);
  return found != services_.end() ? &found->second : nullptr;
}

const Decision* Decisions::find(const lb::ServiceKey& service, const Endpoint& endpoint) const {
  const auto* decision = find(service);
  if (decision == nullptr) return nullptr;
  const auto found = decision->members.find(endpoint);
  return found != decision->members.end() ? &found->second : nullptr;
}

const LastWrites& Knowledge::last_writes(const lb::ServiceKey& service) const {
  static const LastWrites nothing;
  const auto known = last_writes_.find(service);
  return known != last_writes_.end() ? known->second : nothing;
}

const lb::Pool& Knowledge::pool(const lb::ServiceKey& service) const {
  static const lb::Pool absent;
  const auto found = table_.find(service);
  return found != table_.end() ? found->second : absent;
}

const Knowledge::SeenOfService& Knowledge::seen(const lb::ServiceKey& service) const {
  static const SeenOfService nothing;
  const auto known = seen_.find(service);
  return known != seen_.end() ? known->second : nothing;
}

AdviceWatch Knowledge::advice_watch(const lb::ServiceKey& service) const {
  const auto found = advice_watches_.find(service);
  return found != advice_watches_.end() ? found->second : AdviceWatch{};
}

std::optional<TimePoint> Knowledge::unknown_since(const lb::ServiceKey& service) const {
  const auto found = unknown_since_.find(service);
  if (found == unknown_since_.end()) return std::nullopt;
  return found->second;
}

// --- advice

Knowledge::Knowledge(AdviceBook book) : advice_(std::move(book)) {
  mark_all();
}

void Knowledge::mark_all() {
  advice_.mark_all(agenda_);
  for (const auto& [service, pool] : table_)
    agenda_.mark(service);
}

std::size_t Knowledge::update(std::size_t gwm, const sasp::WeightsReceived& weights,
                              TimePoint now) {
  return advice_.update(gwm, weights, table_, now, agenda_);
}

bool Knowledge::set_connected(std::size_t gwm, bool connected) {
  return advice_.set_connected(gwm, connected, agenda_);
}

bool Knowledge::heard(std::size_t gwm, const sasp::Heard& heard) {
  return advice_.heard(gwm, heard, agenda_);
}

void Knowledge::remember(Ledger ledger) {
  ledger_ = std::move(ledger);
  restore_quiesces();
  mark_all();
}

void Knowledge::keepalived_says(const lb::ServiceKey& service, const Endpoint& server, bool up) {
  ledger_.keepalived_says(service, server, up);
  touched_.insert(service);
  agenda_.mark(service);
}

bool Knowledge::give_back(const lb::ServiceKey& service, const Endpoint& endpoint) {
  const auto owner = advice_.owner_of(service);
  const bool lifted = owner && advice_.lift_quiesce(owner->group->settings.name,
                                                    member_of(*owner->service, endpoint));
  if (!ledger_.give_back(service, endpoint) && !lifted) return false;
  touched_.insert(service);
  agenda_.mark(service);
  return true;
}

// --- what the kernel shows

void Knowledge::look(lb::Table table, const Look& look, TimePoint now) {
  auto changed = differences(table_, table);
  changed.merge(std::exchange(touched_, {}));
  for (const auto& service : changed)
    keep_until_last_decision(service);
  const lb::Table before = std::exchange(table_, std::move(table));
  changed.merge(note_vanished(changed, before, now));
  if (look.adopt) advice_.adopt(table_, vanished_, changed);
  appeared_.clear();
  if (looked_) note_appeared(changed, before);
  note_foreign_writes(changed, before, look);
  advice_.look(before, table_, changed, agenda_);
  observe(changed, look, now);
  looked_ = true;
}

// Another program removed what was not ours to remove: `ipvsadm -C`. Returns those
// that are not remembered any more.
std::set<lb::ServiceKey> Knowledge::note_vanished(const std::set<lb::ServiceKey>& changed,
                                                  const lb::Table& before, TimePoint now) {
  constexpr Duration remembered = std::chrono::hours{1};
  std::set<lb::ServiceKey> forgotten;
  std::erase_if(vanished_, [&](const auto& entry) {
    const bool forgets = table_.contains(entry.first) || now - entry.second >= remembered;
    if (forgets) forgotten.insert(entry.first);
    return forgets;
  });
  for (const auto& key : changed) {
    if (before.contains(key) && !table_.contains(key) && advice_.has(key))
      vanished_.emplace(key, now);
  }
  return forgotten;
}

void Knowledge::note_appeared(const std::set<lb::ServiceKey>& changed, const lb::Table& before) {
  for (const auto& key : changed) {
    if (table_.contains(key) && !before.contains(key) && advice_.has(key)) appeared_.push_back(key);
  }
}

void Knowledge::note_foreign_writes(const std::set<lb::ServiceKey>& changed,
                                    const lb::Table& before, const Look& look) {
  static const UncertainWeights certain;
  for (const auto& service : changed) {
    const auto old = before.find(service);
    const auto now = table_.find(service);
    if (now == table_.end()) foreign_writes_.erase(service);
    const auto owner = advice_.owner_of(service);
    if (old == before.end() || now == table_.end() || !owner) continue;
    const auto tried = uncertain_.find(service);
    auto found = director::foreign_writes(service, old->second, now->second,
                                          tried != uncertain_.end() ? tried->second : certain);
    const bool stands = look.lets_stand && !look.own_table && !owner->service->manage;
    for (const auto& write : found) {
      if (stands) stand(write);
    }
    if (!found.empty()) foreign_writes_[service] = std::move(found);
  }
  uncertain_.clear();
}

std::vector<ForeignWrite> Knowledge::take_foreign_writes(const lb::ServiceKey& service) {
  auto taken = foreign_writes_.extract(service);
  return taken.empty() ? std::vector<ForeignWrite>{} : std::move(taken.mapped());
}

// What was in the kernel before, or what that was on the way to, is what was decided when it was
// written: if that is decided still, the advice has not changed since.
void Knowledge::stand(const ForeignWrite& write) {
  if (!write.weights || write.weights->now == 0) return;
  const auto* known = ledger_.find(write.service, *write.endpoint);
  const bool stands = known != nullptr && known->standing;
  ledger_.stand(write.service, *write.endpoint,
                StandingWeight{write.weights->now,
                               stands ? known->standing->target
                                      : target_of(write.service, *write.endpoint, *write.weights)});
}

std::uint32_t Knowledge::target_of(const lb::ServiceKey& service, const Endpoint& endpoint,
                                   const ForeignWrite::Weights& weights) const {
  const auto& last = last_writes(service);
  const auto written = last.find(endpoint);
  const bool is_ours = written != last.end() && written->second.weight == weights.before;
  return is_ours ? written->second.target : weights.before;
}

// Brings what we know up to date with what the kernel shows now.
void Knowledge::observe(const std::set<lb::ServiceKey>& changed, const Look& look, TimePoint now) {
  for (const auto& service : changed) {
    see(service, now);
    agenda_.mark(service);
    if (table_.contains(service)) continue;
    losses_.erase(service);
    moves_.erase(service);
    advice_watches_.erase(service);
    unknown_since_.erase(service);
  }
  look_at_ledger(changed, look);
}

void Knowledge::look_at_ledger(std::set<lb::ServiceKey> services, const Look& look) {
  const bool begins = !looked_ || std::exchange(watches_anew_, false);
  if (begins || look.adopt) ledger_.watch(watched(look));
  if (begins && !look.lets_stand) {
    for (const auto& service : ledger_.services()) {
      for (const auto& [endpoint, standing] : ledger_.standing(service))
        ledger_.stand(service, endpoint, std::nullopt);
    }
  }
  if (!looked_) services.merge(ledger_.services());
  auto looked = ledger_.look(table_, services, look.whole);
  touched_.merge(looked.unsettled);
  if (looked.forgot_gone) mark_all();
}

std::vector<Ledger::Watched> Knowledge::watched(const Look& look) const {
  std::vector<Ledger::Watched> watched;
  for (const auto& [name, group] : advice_.groups()) {
    for (const auto& service : group.settings.services)
      watched.push_back({service.key, look.own_table || service.manage.has_value()});
  }
  return watched;
}

void Knowledge::see(const lb::ServiceKey& service, TimePoint now) {
  if (!advice_.owner_of(service) || pool(service).destinations.empty()) {
    seen_.erase(service);
    last_writes_.erase(service);
    return;
  }
  if (const auto last = last_writes_.find(service); last != last_writes_.end()) {
    std::erase_if(last->second, [this, &service](const auto& entry) {
      return !pool(service).destinations.contains(entry.first);
    });
  }
  SeenOfService& kept = seen_[service];
  const SeenOfService before = std::exchange(kept, {});
  const auto page = ledger_.page(service);
  for (const auto& [endpoint, destination] : pool(service).destinations) {
    const auto known = before.find(endpoint);
    Seen seen =
        known != before.end() ? known->second : Seen{page.served(endpoint, now), false, {}, false};
    seen.idle = is_idle(destination);
    kept.emplace_hint(kept.end(), endpoint, seen);
  }
}

// --- what is decided

std::set<lb::ServiceKey> Knowledge::due(std::optional<Duration> stale_after, TimePoint now) {
  advice_.settle(stale_after, now, agenda_);
  for (const auto& group : advice_.take_quiesce_changes())
    keep_quiesces(group);
  decided_ = now;
  kept_.clear();
  return agenda_.take(now);
}

std::optional<TimePoint> Knowledge::next_due(std::optional<Duration> stale_after) const {
  return earliest({agenda_.next(), advice_.next_change(stale_after)});
}

// Where it made us learn something that the decision follows from, it is decided once more.
void Knowledge::learn(const lb::ServiceKey& service, const Verdict* verdict,
                      const ServiceDecision* before, TimePoint now) {
  if (verdict == nullptr) return agenda_.set_deadline(service, std::nullopt);
  const lb::Pool& kernel = pool(service);
  ledger_.scaled(service, verdict->scale);
  advice_watches_[service] = verdict->advice;
  forget_overruled(service, verdict->decision);
  const bool leaves = note_who_leaves(service, verdict->decision, now);
  note_who_serves(service, now);
  note_who_is_out(service);
  const bool avoided = note_who_is_avoided(service, verdict->decision, now);
  LossWatch& loss = losses_[service];
  const bool restored = loss.update(kernel, verdict->decision, now);
  const auto rests = note_moves(service, before, verdict->decision, now);
  agenda_.set_deadline(service, earliest({verdict->until, loss.deadline(kernel), rests}));
  // What is not in the kernel is forgotten at each look.
  if (leaves || avoided || restored || !table_.contains(service)) agenda_.mark(service);
}

std::optional<TimePoint> Knowledge::note_moves(const lb::ServiceKey& service,
                                               const ServiceDecision* before,
                                               const ServiceDecision& decision, TimePoint now) {
  RestlessWatch& watch = moves_[service];
  watch.update(before, decision, now);
  const auto rests = watch.deadline();
  if (watch.is_at_rest()) moves_.erase(service);
  return rests;
}

// Foreign weights that do not stand any more. At the start no rule has a say yet.
void Knowledge::forget_overruled(const lb::ServiceKey& service, const ServiceDecision& decision) {
  for (const auto& [endpoint, standing] : ledger_.standing(service)) {
    const auto found = decision.members.find(endpoint);
    const Decision* member = found != decision.members.end() ? &found->second : nullptr;
    const bool stays =
        member != nullptr &&
        (member->reason == Reason::foreign_weight ||
         (member->reason == Reason::static_weight && member->weight == standing.weight));
    if (!stays) ledger_.stand(service, endpoint, std::nullopt);
  }
}

// A decision that was not made anew would have been the same when others were.
void Knowledge::keep_until_last_decision(const lb::ServiceKey& service) {
  if (!decided_ || !kept_.insert(service).second) return;
  note_who_serves(service, *decided_);
  if (const auto loss = losses_.find(service); loss != losses_.end())
    loss->second.kept(pool(service), *decided_);
}

void Knowledge::note_who_serves(const lb::ServiceKey& service, TimePoint now) {
  const auto known = seen_.find(service);
  if (known == seen_.end()) return;
  for (const auto& [endpoint, destination] : pool(service).destinations) {
    const auto seen = known->second.find(endpoint);
    if (destination.weight > 0 && seen != known->second.end() && !seen->second.withdrawn)
      seen->second.served = now;
  }
}

bool Knowledge::note_who_leaves(const lb::ServiceKey& service, const ServiceDecision& decision,
                                TimePoint now) {
  bool changed = false;
  for (auto& [endpoint, seen] : seen_[service]) {
    const auto member = decision.members.find(endpoint);
    if (member == decision.members.end()) continue;
    seen.withdrawn = is_withdrawn(member->second.reason);
    if (seen.withdrawn) changed = set(seen.served, {}) || changed;
    const bool leaves = member->second.reason == Reason::leaving;
    if (!leaves) changed = set(seen.leaving_since, {}) || changed;
    if (leaves && !seen.leaving_since) changed = set(seen.leaving_since, {now});
  }
  return changed;
}

// Whether a zero has no other cause than the confident flag: it was a weight until then, and no
// other rule has given it a reason since.
bool Knowledge::note_who_is_avoided(const lb::ServiceKey& service, const ServiceDecision& decision,
                                    TimePoint now) {
  bool changed = decision.nobody_known ? unknown_since_.try_emplace(service, now).second
                                       : unknown_since_.erase(service) > 0;
  const auto page = ledger_.page(service);
  const auto& destinations = pool(service).destinations;
  for (const auto& [endpoint, member] : decision.members) {
    const auto* known = page.find(endpoint);
    if (member.reason == Reason::static_weight) continue;  // no rule: no GWM has advised yet
    if (known == nullptr || known->avoided == is_avoided(member)) continue;
    const auto destination = destinations.find(endpoint);
    if (destination == destinations.end()) continue;
    // A zero that was avoided stays so until its raise is written, which may take several tries.
    if (destination->second.weight == 0 && (is_avoided(member) || member.target > 0)) continue;
    changed = ledger_.avoided(service, endpoint, is_avoided(member)) || changed;
  }
  return changed;
}

// --- what is written

void Knowledge::will_write(const lb::Plan& changes) {
  const lb::ServiceKey* last = nullptr;  // they come service by service
  for (const auto& change : changes) {
    if (last == nullptr || *last != change.service) {
      last = &change.service;
      keep_until_last_decision(*last);
      touched_.insert(*last);
      agenda_.mark(*last);
    }
    if (change.writes_weight())
      uncertain_[change.service][change.destination.endpoint] = change.destination.weight;
    if (change.action == lb::Action::remove_destination)
      uncertain_[change.service][change.destination.endpoint] = std::nullopt;
    ledger_.will_write(change);
    if (change.writes_weight() && change.destination.weight == 0) {
      const auto known = seen(change.service).find(change.destination.endpoint);
      if (known != seen(change.service).end())
        ledger_.served(change.service, known->first, known->second.served);
    }
  }
}

void Knowledge::is_certain(const lb::Change& change) {
  const auto tried = uncertain_.find(change.service);
  if (tried != uncertain_.end()) tried->second.erase(change.destination.endpoint);
}

void Knowledge::wrote(const lb::Change& change, const Decision* decision, TimePoint now) {
  const Endpoint& endpoint = change.destination.endpoint;
  lb::apply(change, table_);
  is_certain(change);
  ledger_.wrote(change);
  if (change.action == lb::Action::remove_service) {
    seen_.erase(change.service);
    last_writes_.erase(change.service);
  }
  if (change.action == lb::Action::remove_destination) {
    seen_[change.service].erase(endpoint);
    last_writes_[change.service].erase(endpoint);
    advice_.removed(change.service);
  }
  if (!change.writes_weight()) return;
  if (change.action == lb::Action::add_destination && decision != nullptr) {
    ledger_.avoided(change.service, endpoint, is_avoided(*decision));
  }
  // A connection may have come before the weight was 0.
  seen_[change.service][endpoint].idle = false;
  const std::uint32_t weight = change.destination.weight;
  last_writes_[change.service][endpoint] = {now, weight, decision ? decision->target : weight};
}

void Knowledge::refused(const lb::Change& change) {
  is_certain(change);
  ledger_.refused(change);
}

}  // namespace saspd::director
