// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/ledger.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace saspd::director {
namespace {

using Record = Ledger::Record;
using Presence = Record::Presence;

// A destination that left with a zero of ours may come back; this limits how many others can make
// us remember.
constexpr std::size_t max_gone = 4096;

Record::Attributes attributes_of(const lb::Destination& destination) {
  return {destination.forward, destination.upper_threshold, destination.lower_threshold,
          destination.tunnel};
}

auto kept_part(const Record& record) {
  return std::tuple(record.zero, record.doubt, record.others_zero, record.held_down, record.avoided,
                    record.presence, record.static_weight, record.told, record.standing,
                    record.served);
}

void set_zero(Record& record, ZeroAuthor author, Doubt doubt = Doubt::none) {
  record.zero = author;
  record.doubt = doubt;
  record.others_zero = record.others_zero || author == ZeroAuthor::foreign;
  record.told = record.told || author == ZeroAuthor::foreign;
  record.avoided = record.avoided && author == ZeroAuthor::ours;
  if (author == ZeroAuthor::nobody) record.served.reset();
  record.attributes.reset();
}

// It was not there before, or is another one.
void see_new(Record& record, const lb::Destination& destination, bool blind) {
  record.static_weight = record.last_positive = destination.weight;
  record.told = record.told || blind;
  record.standing.reset();
  record.served.reset();
  if (destination.weight == 0) {
    set_zero(record, blind ? ZeroAuthor::unclear : ZeroAuthor::foreign,
             blind ? Doubt::no_record : Doubt::none);
  } else {
    set_zero(record, ZeroAuthor::nobody);
  }
}

void see_again(Record& record, const lb::Destination& destination) {
  const bool alone = record.presence == Presence::gone_alone;
  record.presence = Presence::here;
  record.written.reset();
  record.attributes.reset();
  if (destination.weight > 0 || record.zero == ZeroAuthor::nobody) {
    return see_new(record, destination, false);
  }
  if (record.zero != ZeroAuthor::ours) return;
  if (alone) {
    set_zero(record, ZeroAuthor::unclear, Doubt::added_again);
  } else if (record.others_zero) {
    set_zero(record, ZeroAuthor::unclear, Doubt::restored);
  }
}

void see_still(Record& record, const lb::Destination& destination) {
  if (destination.weight > 0) {
    if (record.written != destination.weight) {
      record.written.reset();
      record.held_down = false;  // who holds it at 0 has raised it
    }
    if (record.static_weight == 0) record.static_weight = destination.weight;
    record.last_positive = destination.weight;
    return set_zero(record, ZeroAuthor::nobody);
  }
  record.written.reset();
  if (record.zero == ZeroAuthor::nobody) return set_zero(record, ZeroAuthor::foreign);
  if (record.zero != ZeroAuthor::ours) return;
  const auto attributes = attributes_of(destination);
  if (record.attributes.value_or(attributes) != attributes) {
    return set_zero(record, ZeroAuthor::unclear, Doubt::edited);
  }
  record.attributes = attributes;
}

}  // namespace

Ledger Ledger::empty() {
  Ledger ledger;
  ledger.blind_ = false;
  return ledger;
}

// --- what the kernel has

void Ledger::look(const lb::Table& table, std::span<const Watched> watched, bool whole) {
  watch(watched);
  auto all = services();
  for (const auto& each : watched)
    all.insert(each.service);
  look(table, all, whole);
}

void Ledger::watch(std::span<const Watched> watched) {
  watched_.clear();
  for (const auto& each : watched)
    watched_[each.service] = each.all_ours;
  const auto is_not_watched = [this](const auto& entry) { return !watched_.contains(entry.first); };
  unkept_ = std::erase_if(scales_, is_not_watched) > 0 || unkept_;
}

Ledger::Looked Ledger::look(const lb::Table& table, const std::set<lb::ServiceKey>& services,
                            bool whole) {
  Looked looked;
  for (const auto& service : services) {
    const auto pool = table.find(service);
    if (look(service, pool != table.end() ? &pool->second : nullptr, whole))
      looked.unsettled.insert(service);
  }
  blind_ = false;
  looked.forgot_gone = std::exchange(some_left_, false) && forget_gone(whole);
  return looked;
}

std::set<lb::ServiceKey> Ledger::services() const {
  std::set<lb::ServiceKey> services;
  for (const auto& [service, records] : records_)
    services.insert(service);
  return services;
}

// Returns whether anything is recorded otherwise than before.
bool Ledger::look(const lb::ServiceKey& service, const lb::Pool* pool, bool whole) {
  const auto watched = watched_.find(service);
  const bool is_watched = watched != watched_.end();
  bool changed = false;
  if (is_watched && pool != nullptr) changed = see(records_[service], *pool, watched->second);
  const auto records = records_.find(service);
  if (records == records_.end()) return changed;
  if ((whole || is_watched) && lose(records->second, pool)) changed = some_left_ = true;
  if (!records->second.empty()) return changed;
  records_.erase(records);
  scales_.erase(service);
  return changed;
}

// Too many of those that left may come back, so none of them is remembered. Returns whether it is so.
bool Ledger::forget_gone(bool whole) {
  const auto is_gone = [](const auto& entry) { return entry.second.presence != Presence::here; };
  std::size_t gone = 0;
  for (const auto& [service, records] : records_) {
    if (whole || watched_.contains(service))
      gone += static_cast<std::size_t>(std::count_if(records.begin(), records.end(), is_gone));
  }
  if (gone <= max_gone) return false;
  for (auto& [service, records] : records_)
    std::erase_if(records, is_gone);
  std::erase_if(records_, [](const auto& entry) { return entry.second.empty(); });
  unkept_ = true;
  return true;
}

bool Ledger::see(Records& records, const lb::Pool& pool, bool all_ours) {
  bool changed = false;
  for (const auto& [endpoint, destination] : pool.destinations) {
    const auto [entry, added] = records.try_emplace(endpoint);
    Record& record = entry->second;
    const Record before = record;
    if (added) {
      see_new(record, destination, blind_);
    } else if (record.presence != Presence::here) {
      see_again(record, destination);
    } else {
      see_still(record, destination);
    }
    if (all_ours) {
      record.others_zero = record.told = false;
      if (destination.weight == 0) set_zero(record, ZeroAuthor::ours);
    }
    changed = changed || added || record != before;
    unkept_ = unkept_ || added || kept_part(record) != kept_part(before);
  }
  return changed;
}

// A program that adds a destination again is its new author, so little must be remembered of one
// that left. `pool`: what is left; empty if the service left. Returns whether any has left.
bool Ledger::lose(Records& records, const lb::Pool* pool) {
  bool any = false;
  for (auto entry = records.begin(); entry != records.end();) {
    Record& record = entry->second;
    const bool went = record.presence == Presence::here &&
                      (pool == nullptr || !pool->destinations.contains(entry->first));
    if (went) {
      any = unkept_ = true;
      record.presence = pool == nullptr ? Presence::gone : Presence::gone_alone;
      record.held_down = false;
      record.standing.reset();
      record.served.reset();
    }
    const bool may_return = record.zero == ZeroAuthor::ours || record.zero == ZeroAuthor::unclear;
    if (went && !may_return && record.told) {
      const auto presence = record.presence;
      record = {};
      record.told = true;
      record.presence = presence;
    }
    entry = went && !may_return && !record.told ? records.erase(entry) : std::next(entry);
  }
  return any;
}

bool Ledger::misses(const lb::Table& table) const {
  return std::any_of(records_.begin(), records_.end(), [&](const auto& known) {
    if (!watched_.contains(known.first)) return false;
    const auto pool = table.find(known.first);
    return std::any_of(known.second.begin(), known.second.end(), [&](const auto& entry) {
      return entry.second.presence == Presence::here &&
             (pool == table.end() || !pool->second.destinations.contains(entry.first));
    });
  });
}

// --- what we write

Ledger::Record& Ledger::record(const lb::Change& change) {
  return records_[change.service][change.destination.endpoint];
}

void Ledger::will_write(const lb::Change& change) {
  if (!change.writes_weight() || change.destination.weight > 0) return;
  Record& zeroed = record(change);
  zeroed.before_write = zeroed.zero;
  if (zeroed.zero != ZeroAuthor::ours) unkept_ = true;
  set_zero(zeroed, ZeroAuthor::ours);
}

void Ledger::wrote(const lb::Change& change) {
  if (change.action == lb::Action::remove_service) {
    unkept_ = records_.erase(change.service) + scales_.erase(change.service) > 0 || unkept_;
  } else if (change.action == lb::Action::remove_destination) {
    unkept_ = records_[change.service].erase(change.destination.endpoint) > 0 || unkept_;
  }
  if (!change.writes_weight()) return;
  const std::uint32_t weight = change.destination.weight;
  Record& changed = record(change);
  if (change.action == lb::Action::add_destination) changed.static_weight = weight;
  changed.written = weight;
  if (weight == 0) return;
  unkept_ = unkept_ || changed.zero != ZeroAuthor::nobody;
  changed.last_positive = weight;
  set_zero(changed, ZeroAuthor::nobody);
}

void Ledger::refused(const lb::Change& change) {
  if (!change.writes_weight()) return;
  if (change.action == lb::Action::add_destination) {
    records_[change.service].erase(change.destination.endpoint);
  } else if (change.destination.weight == 0) {
    Record& refused = record(change);
    refused.zero = refused.before_write;
  }
  unkept_ = true;
}

Ledger::Record* Ledger::known(const lb::ServiceKey& service, const Endpoint& endpoint) {
  const auto records = records_.find(service);
  if (records == records_.end()) return nullptr;
  const auto found = records->second.find(endpoint);
  return found != records->second.end() ? &found->second : nullptr;
}

bool Ledger::avoided(const lb::ServiceKey& service, const Endpoint& endpoint, bool avoided) {
  Record* const record = known(service, endpoint);
  if (record == nullptr || record->avoided == avoided) return false;
  record->avoided = avoided;
  unkept_ = true;
  return true;
}

void Ledger::served(const lb::ServiceKey& service, const Endpoint& endpoint,
                    std::optional<TimePoint> served) {
  if (served) served = std::chrono::floor<std::chrono::seconds>(*served);
  Record* const record = known(service, endpoint);
  if (record == nullptr || record->served == served) return;
  record->served = served;
  unkept_ = true;
}

void Ledger::stand(const lb::ServiceKey& service, const Endpoint& endpoint,
                   std::optional<StandingWeight> standing) {
  Record* const record = known(service, endpoint);
  if (record == nullptr || record->standing == standing) return;
  record->standing = standing;
  unkept_ = true;
}

StandingWeights Ledger::standing(const lb::ServiceKey& service) const {
  StandingWeights standing;
  const auto records = records_.find(service);
  if (records == records_.end()) return standing;
  for (const auto& [endpoint, record] : records->second) {
    if (record.standing) standing.emplace_hint(standing.end(), endpoint, *record.standing);
  }
  return standing;
}

// --- of services and groups

Scale Ledger::scale(const lb::ServiceKey& service) const {
  const auto found = scales_.find(service);
  return found != scales_.end() ? found->second : Scale{};
}

void Ledger::scaled(const lb::ServiceKey& service, const Scale& to) {
  if (scale(service) == to) return;
  scales_[service] = to;
  if (to == Scale{}) scales_.erase(service);
  unkept_ = true;
}

void Ledger::quiesced(const std::string& group, KeptQuiesces quiesces) {
  KeptQuiesces& kept = quiesces_[group];
  unkept_ = unkept_ || kept != quiesces;
  kept = std::move(quiesces);
  if (kept.empty()) quiesces_.erase(group);
}

// --- what GWMs were told

std::vector<Endpoint> Ledger::told(const lb::ServiceKey& service) const {
  std::vector<Endpoint> told;
  const auto records = records_.find(service);
  if (records == records_.end()) return told;
  for (const auto& [endpoint, record] : records->second) {
    if (record.told) told.push_back(endpoint);
  }
  return told;
}

void Ledger::untold(const lb::ServiceKey& service, const Endpoint& endpoint) {
  Record* const record = known(service, endpoint);
  if (record == nullptr || !record->told) return;
  if (record->zero == ZeroAuthor::foreign && record->presence == Presence::here) return;
  record->told = false;
  unkept_ = true;
}

// --- what others say

bool Ledger::give_back(const lb::ServiceKey& service, const Endpoint& endpoint) {
  const auto author = zero(service, endpoint).author;
  if (author != ZeroAuthor::foreign && author != ZeroAuthor::unclear) return false;
  Record& record = records_[service][endpoint];
  record.held_down = record.others_zero = false;
  set_zero(record, ZeroAuthor::ours);
  unkept_ = true;
  return true;
}

void Ledger::keepalived_says(const lb::ServiceKey& service, const Endpoint& endpoint, bool up) {
  Record* const record = known(service, endpoint);
  if (record == nullptr || record->held_down == !up) return;
  record->held_down = !up;
  record->written.reset();  // what comes now is its own
  unkept_ = true;
}

// --- whose a zero is

Ledger::Page Ledger::page(const lb::ServiceKey& service) const {
  const auto records = records_.find(service);
  const auto watched = watched_.find(service);
  return {records != records_.end() ? &records->second : nullptr,
          watched != watched_.end() && watched->second};
}

const Ledger::Record* Ledger::Page::find(const Endpoint& endpoint) const {
  if (records_ == nullptr) return nullptr;
  const auto found = records_->find(endpoint);
  return found != records_->end() ? &found->second : nullptr;
}

Zero Ledger::Page::zero(const Endpoint& endpoint) const {
  const Record* record = find(endpoint);
  if (record == nullptr || record->zero == ZeroAuthor::nobody) return {};
  if (record->held_down && !all_ours_) return {ZeroAuthor::foreign, Doubt::none, true};
  return {record->zero, record->doubt, false};
}

std::optional<TimePoint> Ledger::Page::served(const Endpoint& endpoint, TimePoint now) const {
  const Record* record = find(endpoint);
  const bool is_known =
      record != nullptr && record->zero != ZeroAuthor::nobody && record->presence == Presence::here;
  if (!is_known) return now;
  if (!record->served) return std::nullopt;
  return std::min(*record->served, now);
}

}  // namespace saspd::director
