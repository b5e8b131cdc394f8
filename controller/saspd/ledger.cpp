// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/ledger.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "controller/base/lines.hpp"
#include "controller/base/sealed_text.hpp"
#include "controller/base/text.hpp"

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
                    record.presence, record.static_weight, record.told);
}

void set_zero(Record& record, ZeroAuthor author, Doubt doubt = Doubt::none) {
  record.zero = author;
  record.doubt = doubt;
  record.others_zero = record.others_zero || author == ZeroAuthor::foreign;
  record.told = record.told || author == ZeroAuthor::foreign;
  record.avoided = record.avoided && author == ZeroAuthor::ours;
  record.attributes.reset();
}

// It was not there before, or is another one.
void see_new(Record& record, const lb::Destination& destination, bool blind) {
  record.static_weight = record.last_positive = destination.weight;
  record.told = record.told || blind;
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
  if (records->second.empty()) records_.erase(records);
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
    unkept_ = records_.erase(change.service) > 0 || unkept_;
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

bool Ledger::avoided(const lb::ServiceKey& service, const Endpoint& endpoint, bool avoided) {
  const auto records = records_.find(service);
  if (records == records_.end()) return false;
  const auto found = records->second.find(endpoint);
  if (found == records->second.end() || found->second.avoided == avoided) return false;
  found->second.avoided = avoided;
  unkept_ = true;
  return true;
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
  const auto records = records_.find(service);
  if (records == records_.end()) return;
  const auto found = records->second.find(endpoint);
  if (found == records->second.end() || !found->second.told) return;
  if (found->second.zero == ZeroAuthor::foreign && found->second.presence == Presence::here) return;
  found->second.told = false;
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
  const auto records = records_.find(service);
  if (records == records_.end()) return;
  const auto found = records->second.find(endpoint);
  if (found == records->second.end() || found->second.held_down == !up) return;
  found->second.held_down = !up;
  found->second.written.reset();  // what comes now is its own
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

// --- its text
//
//   saspd-ledger 1
//   table ipvs BOOT NAMESPACE [NAME]
//   tcp:192.0.2.10:80 10.0.0.1:8080 here ours none 10 40 others_zero held_down
//   …
//   end 1a2b3c4d

namespace {

constexpr Seal seal{"saspd-ledger", "1", "a ledger"};
constexpr std::array<std::string_view, 4> authors{"nobody", "ours", "foreign", "unclear"};
constexpr std::array<std::string_view, 5> doubts{"none", "no_record", "added_again", "edited",
                                                 "restored"};
constexpr std::array<std::string_view, 3> presences{"here", "gone", "gone_alone"};

template <class Names, class Value>
bool read_name(std::string_view word, const Names& names, Value& value) {
  const auto found = std::find(names.begin(), names.end(), word);
  value = static_cast<Value>(found - names.begin());
  return found != names.end();
}

bool read_weight(std::string_view word, std::uint32_t& weight) {
  const auto number = parse_number(word, 0, lb::max_weight);
  if (number) weight = static_cast<std::uint32_t>(*number);
  return number.has_value();
}

std::string line_of(const lb::ServiceKey& service, const Endpoint& endpoint, const Record& record) {
  return fmt::format("{} {} {} {} {} {} {}{}{}{}{}\n", lb::text(service), endpoint.text(),
                     presences.at(static_cast<std::size_t>(record.presence)),
                     authors.at(static_cast<std::size_t>(record.zero)),
                     doubts.at(static_cast<std::size_t>(record.doubt)), record.static_weight,
                     record.last_positive, record.others_zero ? " others_zero" : "",
                     record.held_down ? " held_down" : "", record.avoided ? " avoided" : "",
                     record.told ? " told" : "");
}

struct Line {
  lb::ServiceKey service;
  Endpoint endpoint;
  Record record;
};

std::optional<Line> parse_line(std::string_view text) {
  const auto service = lb::parse_service(take_first_word(text));
  const auto endpoint = Endpoint::parse(take_first_word(text));
  if (!service || !endpoint) return std::nullopt;
  Line line{*service, *endpoint, {}};
  Record& record = line.record;
  if (!read_name(take_first_word(text), presences, record.presence) ||
      !read_name(take_first_word(text), authors, record.zero) ||
      !read_name(take_first_word(text), doubts, record.doubt) ||
      !read_weight(take_first_word(text), record.static_weight) ||
      !read_weight(take_first_word(text), record.last_positive)) {
    return std::nullopt;
  }
  for (auto word = take_first_word(text); !word.empty(); word = take_first_word(text)) {
    if (word != "others_zero" && word != "held_down" && word != "avoided" && word != "told")
      return std::nullopt;
    (word == "others_zero" ? record.others_zero
     : word == "held_down" ? record.held_down
     : word == "avoided"   ? record.avoided
                           : record.told) = true;
  }
  return line;
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

std::string Ledger::text(const LedgerPlace& here) const {
  std::string body = fmt::format("table {} {} {}{}{}\n", here.backend, here.boot,
                                 here.network_namespace, here.name.empty() ? "" : " ", here.name);
  for (const auto& [service, records] : records_) {
    for (const auto& [endpoint, record] : records)
      body += line_of(service, endpoint, record);
  }
  return sealed(seal, body);
}

Result<Ledger> Ledger::parse(std::string_view text, const LedgerPlace& here) {
  const auto damaged = [](std::string what) {
    return fail(std::errc::illegal_byte_sequence, std::move(what));
  };
  const auto body = unsealed(seal, text);
  if (!body) return fail(body.error());
  std::string_view rest = *body;

  auto table = take_line(rest);
  const auto title = take_first_word(table);
  LedgerPlace there;
  for (std::string* word : {&there.backend, &there.boot, &there.network_namespace, &there.name})
    *word = take_first_word(table);
  if (title != "table" || there.network_namespace.empty()) return damaged("it names no table");
  const bool same_boot = there.boot == here.boot && here.boot != LedgerPlace::unknown;
  const bool same_namespace = there.network_namespace == here.network_namespace;
  // A namespace that was made again under its name is what it was, as after a boot.
  const bool successor = there.name == here.name && (!same_boot || !here.name.empty());
  if (there.backend != here.backend || (!(same_boot && same_namespace) && !successor)) {
    return fail(std::errc::no_such_device,
                "it is about another network namespace, or another --backend");
  }

  Ledger ledger = empty();
  ledger.unkept_ = !(same_boot && same_namespace);
  while (!rest.empty()) {
    auto line = parse_line(take_line(rest));
    if (!line) return damaged("it is damaged: a line cannot be understood");
    ledger.records_[line->service][line->endpoint] = line->record;
  }
  if (!(same_boot && same_namespace)) {
    for (auto& [service, records] : ledger.records_)
      ledger.lose(records, nullptr);
  }
  return ledger;
}

}  // namespace saspd::director
