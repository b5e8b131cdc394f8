// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/advice_book.hpp"

#include <algorithm>
#include <utility>

#include "controller/base/host_address.hpp"
#include "controller/saspd/advice_watch.hpp"

namespace saspd::director {
namespace {

bool has_destination(const lb::Table& table, const lb::ServiceKey& service,
                     const Endpoint& endpoint) {
  const auto pool = table.find(service);
  return pool != table.end() && pool->second.destinations.contains(endpoint);
}

void mark(const Group& group, Agenda& agenda) {
  for (const auto& service : group.settings.services)
    agenda.mark(service.key);
}

void mark(const Group& group, const sasp::MemberKey& member, Agenda& agenda) {
  for (const auto& service : group.settings.services) {
    if (member_of(service, member.endpoint()) == member) agenda.mark(service.key);
  }
}

// The services with members for which other advice counts than before.
void mark_differences(const Group& group, const AdviceByMember& before, const AdviceByMember& now,
                      Agenda& agenda) {
  const auto is_same = [](const AdviceByMember& in, const auto& entry) {
    const auto found = in.find(entry.first);
    return found != in.end() && found->second.says_the_same_as(entry.second);
  };
  for (const auto& entry : before) {
    if (!is_same(now, entry)) mark(group, entry.first, agenda);
  }
  for (const auto& entry : now) {
    if (!before.contains(entry.first)) mark(group, entry.first, agenda);
  }
}

// What is left of an entry without the quiesce that we have asked for ourselves. The GWM's operator
// may have quiesced the member as well: until our own is lifted it gets no weight from us.
Advice without_echo(Advice echo) {
  echo.flags &= static_cast<std::uint8_t>(~sasp::weight_flag::quiesce);
  echo.weightless = true;
  echo.weight = 0;
  return echo;
}

bool has_lost(const lb::Table& before, const lb::Table& now, const lb::ServiceKey& service) {
  const auto old = before.find(service);
  if (old == before.end()) return false;
  return std::any_of(
      old->second.destinations.begin(), old->second.destinations.end(),
      [&](const auto& entry) { return !has_destination(now, service, entry.first); });
}

}  // namespace

AdviceBook::AdviceBook(std::vector<GroupSettings> groups, std::size_t gwms, bool trust,
                       GwmMerge merge)
    : trust_(trust), merge_(merge), gwms_(gwms) {
  add(std::move(groups));
}

void AdviceBook::add(std::vector<GroupSettings> groups) {
  for (auto& settings : groups) {
    for (std::size_t i = 0; i < settings.services.size(); ++i) {
      services_.push_back(settings.services[i].key);
      places_.emplace(settings.services[i].key, Place{settings.name, i});
    }
    Group& group = groups_[settings.name];
    group.settings = std::move(settings);
    group.advice.resize(gwms_.size());
  }
}

// --- what GWMs say

std::size_t AdviceBook::update(std::size_t gwm, const sasp::WeightsReceived& weights,
                               const lb::Table& kernel, TimePoint now, Agenda& agenda) {
  losses_.clear();
  std::size_t ignored = 0;
  MembersByGroup self_registered;
  for (const auto& received : weights.groups) {
    const auto found = groups_.find(received.group.name);
    if (found == groups_.end()) {
      ignored += received.items.size();
      continue;
    }
    auto& [name, group] = *found;
    const Membership members(group, kernel);
    const auto echoes = weights.echoes.find(name);
    for (const auto& entry : received.items) {
      Advice advice{entry.weight, entry.flags, entry.state, now};
      const auto member = entry.member.key();
      if (echoes != weights.echoes.end() && echoes->second.contains(member))
        advice = without_echo(advice);
      const bool joins = trust_ && group.is_open() && !advice.registered_by_lb() &&
                         group.configured(member.endpoint()) == nullptr &&
                         kind_of_no_host(member.address).empty();
      if (joins) self_registered[name][member] = entry.member.label;
      const bool is_member = members.has(member);
      if (joins || is_member)
        take(group, gwm, member, advice, agenda);
      else
        ++ignored;
      if (joins && !is_member) have_lost_.insert(name);  // perhaps it never becomes one
    }
  }
  if (trust_) take_self_registered(gwm, self_registered, weights.full, now, agenda);
  return ignored;
}

void AdviceBook::take(Group& group, std::size_t gwm, const sasp::MemberKey& member,
                      const Advice& advice, Agenda& agenda) {
  const auto [entry, added] = group.advice.at(gwm).try_emplace(member, advice);
  const Advice before = std::exchange(entry->second, advice);
  const bool is_news =
      added || !before.says_the_same_as(advice) || !is_named(before, gwms_[gwm].heard.full);
  // What counts instead of it has the age of the latest word.
  if (is_news || !group.instead.empty()) to_settle_.insert(group.settings.name);
  if (is_news && group.gwm() == gwm) mark(group, member, agenda);
  if (is_news && advice.takes_away() && is_advised_by(group, gwm))
    losses_.push_back({group.settings.name, member, advice.quiesced()});
}

// In a message that is not full, a group that it does not name loses nothing. Of several GWMs the
// one speaks whose advice counts: one that came back and knows nobody removes nobody.
void AdviceBook::take_self_registered(std::size_t gwm, const MembersByGroup& named, bool full,
                                      TimePoint now, Agenda& agenda) {
  static const MembersByGroup::mapped_type none;
  const auto tell = [&](Group& group, const auto& members) {
    if (advising(group) != gwm) return;
    if (!group.self_registered.told(gwms_[gwm].connection, members, full, now)) return;
    have_lost_.insert(group.settings.name);
    mark(group, agenda);
  };
  if (!full) {
    for (const auto& [name, members] : named)
      tell(groups_.at(name), members);
    return;
  }
  for (auto& [name, group] : groups_) {
    const auto members = named.find(name);
    tell(group, members != named.end() ? members->second : none);
  }
}

bool AdviceBook::set_connected(std::size_t gwm, bool connected, Agenda& agenda) {
  auto& connection = gwms_.at(gwm).connection;
  if (connected == (connection != 0)) return false;
  connection = connected ? ++last_connection_ : 0;
  mark_all(agenda);
  return true;
}

bool AdviceBook::heard(std::size_t gwm, const sasp::Heard& heard, Agenda& agenda) {
  const auto before = std::exchange(gwms_.at(gwm).heard, heard);
  if (before.full != heard.full) mark_unnamed(gwm, before.full, agenda);
  // How long it may be silent follows from it.
  const bool other_pace = before.next_within != heard.next_within;
  if (other_pace) mark_advised_by(gwm, agenda);
  const bool speaks_again = gwms_[gwm].silent && before.last != heard.last;
  return before.full != heard.full || other_pace || speaks_again;
}

// Groups with a member of which it does not speak any more.
void AdviceBook::mark_unnamed(std::size_t gwm, const std::optional<TimePoint>& full_before,
                              Agenda& agenda) {
  const auto& full = gwms_[gwm].heard.full;
  for (const auto& [name, group] : groups_) {
    const auto& advised = group.advice[gwm];
    if (std::none_of(advised.begin(), advised.end(), [&](const auto& entry) {
          return is_named(entry.second, full_before) != is_named(entry.second, full);
        }))
      continue;
    to_settle_.insert(name);
    if (is_advised_by(group, gwm)) mark(group, agenda);
  }
}

void AdviceBook::find_silent(std::optional<Duration> stale_after, TimePoint now, Agenda& agenda) {
  for (std::size_t gwm = 0; gwm < gwms_.size(); ++gwm) {
    const bool silent = is_silent(gwms_[gwm].heard, stale_after, now);
    if (std::exchange(gwms_[gwm].silent, silent) != silent) mark_all(agenda);
  }
}

std::optional<TimePoint> AdviceBook::next_change(std::optional<Duration> stale_after) const {
  auto next = settle_at_.next();
  for (const auto& gwm : gwms_) {
    const auto at = silent_from(gwm.heard, stale_after);
    if (!gwm.silent) next = earliest({next, at});
  }
  return next;
}

void AdviceBook::mark_advised_by(std::size_t gwm, Agenda& agenda) const {
  for (const auto& [name, group] : groups_) {
    if (is_advised_by(group, gwm)) mark(group, agenda);
  }
}

void AdviceBook::mark_all(Agenda& agenda) {
  for (const auto& [name, group] : groups_) {
    to_settle_.insert(name);
    mark(group, agenda);
  }
}

// --- who counts

std::optional<std::size_t> AdviceBook::first_connected() const {
  const auto found =
      std::find_if(gwms_.begin(), gwms_.end(), [](const Gwm& gwm) { return gwm.connection != 0; });
  if (found == gwms_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - gwms_.begin());
}

std::optional<std::size_t> AdviceBook::advising(const Group& group) const {
  return group.gwm() ? group.gwm() : first_connected();
}

bool AdviceBook::is_advised_by(const Group& group, std::size_t gwm) const {
  return group.gwm() ? group.choice.counts(gwm) : first_connected() == gwm;
}

AdviceBook::Adviser AdviceBook::adviser_of(const Group& group) const {
  const auto gwm = advising(group);
  if (!gwm) return {};
  Adviser adviser{gwms_[*gwm].connection != 0, gwms_[*gwm].heard};
  for (const std::size_t counted : group.choice.counted()) {
    const Gwm& one = gwms_[counted];
    adviser.connected = adviser.connected || one.connection != 0;
    adviser.heard.last = std::max(adviser.heard.last, one.heard.last);
    adviser.heard.full = std::min(adviser.heard.full, one.heard.full);
    adviser.heard.next_within = std::max(adviser.heard.next_within, one.heard.next_within);
  }
  return adviser;
}

std::vector<GwmWords> AdviceBook::words_of(const Group& group) const {
  std::vector<GwmWords> words;
  for (std::size_t gwm = 0; gwm < gwms_.size(); ++gwm) {
    const Gwm& from = gwms_[gwm];
    words.push_back({&group.advice[gwm], from.connection != 0 && !from.silent, from.heard.last,
                     from.heard.full});
  }
  return words;
}

void AdviceBook::settle(std::optional<Duration> stale_after, TimePoint now, Agenda& agenda) {
  find_silent(stale_after, now, agenda);
  for (auto& name : settle_at_.due(now))
    to_settle_.insert(std::move(name));
  for (const auto& name : std::exchange(to_settle_, {})) {
    if (const auto group = groups_.find(name); group != groups_.end())
      settle(group->second, stale_after, now, agenda);
  }
}

void AdviceBook::settle(Group& group, std::optional<Duration> stale_after, TimePoint now,
                        Agenda& agenda) {
  const auto words = words_of(group);
  choose(group, words, now, agenda);
  if (gwms_.size() < 2) {  // it is followed, or nobody is
    if (!group.quiesces.all().empty()) quiesces_changed_.insert(group.settings.name);
    group.quiesces = {};
    return;
  }
  if (auto restored = restored_.extract(group.settings.name); !restored.empty())
    group.quiesces = std::move(restored.mapped());
  find_quiesces(group, words, stale_after, now);
  auto instead = instead_of_followed(group, words);
  mark_differences(group, group.instead, instead, agenda);
  group.instead = std::move(instead);
  if (group.quiesces.take_changed()) quiesces_changed_.insert(group.settings.name);
  settle_later(group);
}

void AdviceBook::settle_later(const Group& group) {
  if (const auto until = earliest({group.choice.until(), group.quiesces.until()}))
    settle_at_.set(group.settings.name, *until);
  else
    settle_at_.clear(group.settings.name);
}

void AdviceBook::choose(Group& group, std::span<const GwmWords> words, TimePoint now,
                        Agenda& agenda) {
  const auto before = group.choice.counted();
  if (!group.choice.update(words, merge_ != GwmMerge::primary, now)) return;
  mark(group, agenda);
  changes_.push_back(
      {group.settings.name, before, group.choice.counted(), cause_of_change(before, words)});
}

GwmChange::Cause AdviceBook::cause_of_change(const std::vector<std::size_t>& before,
                                             std::span<const GwmWords> words) const {
  if (before.empty()) return GwmChange::Cause::first;
  for (const std::size_t gwm : before) {
    if (gwms_[gwm].connection == 0) return GwmChange::Cause::lost;
    if (gwms_[gwm].silent) return GwmChange::Cause::silent;
    if (!knows(words[gwm])) return GwmChange::Cause::ignorant;
  }
  return GwmChange::Cause::joined;
}

// A GWM that precedes the one that is followed, and may not count yet, is heard in this; and so is
// every one while that one does not speak.
void AdviceBook::find_quiesces(Group& group, std::span<const GwmWords> words,
                               std::optional<Duration> stale_after, TimePoint now) const {
  const auto followed = group.gwm();
  const bool all_count = merge_ != GwmMerge::primary || !followed || !words[*followed].speaks;
  group.quiesces.update(
      words, [&](std::size_t gwm) { return all_count || gwm <= *followed; }, stale_after, now);
}

AdviceByMember AdviceBook::instead_of_followed(const Group& group,
                                               std::span<const GwmWords> words) const {
  AdviceByMember instead;
  if (merge_ != GwmMerge::primary) {
    std::vector<GwmWords> counted;
    for (const std::size_t gwm : group.choice.counted())
      counted.push_back(words[gwm]);
    instead = merged(counted, merge_);
  }
  for (const auto& [member, quiesce] : group.quiesces.all()) {
    const Advice* word = group.said_by(group.gwm().value_or(quiesce.by), member);
    if (word == nullptr) word = group.said_by(quiesce.by, member);
    if (word == nullptr || (merge_ == GwmMerge::primary && word->quiesced())) continue;
    auto& advice = instead.try_emplace(member, *word).first->second;
    advice.flags = static_cast<std::uint8_t>(advice.flags | sasp::weight_flag::quiesce);
  }
  return instead;
}

void AdviceBook::restore(std::map<std::string, LastingQuiesces> quiesces) {
  restored_ = std::move(quiesces);
}

bool AdviceBook::lift_quiesce(const std::string& group, const sasp::MemberKey& member) {
  const auto found = groups_.find(group);
  if (found == groups_.end() || !found->second.quiesces.lift(member)) return false;
  to_settle_.insert(group);
  return true;
}

// --- what the kernel shows

void AdviceBook::look(const lb::Table& before, const lb::Table& now,
                      const std::set<lb::ServiceKey>& changed, Agenda& agenda) {
  for (const auto& service : changed) {
    if (trust_) find_self_registered(service, before, now, agenda);
    const auto place = places_.find(service);
    if (place != places_.end() && has_lost(before, now, service))
      have_lost_.insert(place->second.group);
  }
  for (const auto& name : std::exchange(have_lost_, {})) {
    if (const auto group = groups_.find(name); group != groups_.end())
      forget_advice(group->second, now);
  }
}

// A destination of a managed service that is seen for the first time and is not configured.
void AdviceBook::find_self_registered(const lb::ServiceKey& key, const lb::Table& before,
                                      const lb::Table& now, Agenda& agenda) {
  const auto place = places_.find(key);
  const auto pool = now.find(key);
  if (place == places_.end() || pool == now.end()) return;
  Group& group = groups_.at(place->second.group);
  const ServiceSettings& service = group.settings.services[place->second.index];
  if (!service.manage || !service.manage->open) return;
  for (const auto& [endpoint, destination] : pool->second.destinations) {
    if (group.configured(endpoint) != nullptr || has_destination(before, key, endpoint)) continue;
    if (group.self_registered.found(member_of(service, endpoint))) mark(group, agenda);
  }
}

void AdviceBook::removed(const lb::ServiceKey& service) {
  const auto place = places_.find(service);
  if (place != places_.end()) have_lost_.insert(place->second.group);
}

void AdviceBook::forget_advice(Group& group, const lb::Table& kernel) {
  const Membership members(group, kernel);
  for (auto& advice : group.advice)
    std::erase_if(advice, [&](const auto& entry) { return !members.has(entry.first); });
  group.quiesces.forget_unless([&](const auto& member) { return members.has(member); });
  to_settle_.insert(group.settings.name);
}

void AdviceBook::adopt(const lb::Table& kernel,
                       const std::map<lb::ServiceKey, TimePoint>& remembered,
                       const std::set<lb::ServiceKey>& changed) {
  for (const auto& key : changed) {
    if (is_configured(key)) continue;
    const std::string name = lb::text(key);
    if (kernel.contains(key)) {
      const auto [entry, added] = groups_.try_emplace(name);
      if (!added) continue;
      Group& group = entry->second;
      group.adopted = true;
      group.settings = {name, {plain_service(key)}, {}};
      group.advice.resize(gwms_.size());
      places_.emplace(key, Place{name, 0});
      to_settle_.insert(name);
    } else if (places_.contains(key) && !remembered.contains(key)) {
      groups_.erase(name);
      settle_at_.clear(name);
      places_.erase(key);
    }
  }
}

bool AdviceBook::is_configured(const lb::ServiceKey& service) const {
  const auto owner = owner_of(service);
  return owner && !owner->group->adopted;
}

bool AdviceBook::has(const lb::ServiceKey& service) const {
  return places_.contains(service) || groups_.contains(lb::text(service));
}

std::optional<AdviceBook::Owner> AdviceBook::owner_of(const lb::ServiceKey& service) const {
  const auto place = places_.find(service);
  if (place == places_.end()) return std::nullopt;
  const Group& group = groups_.at(place->second.group);
  return Owner{&group, &group.settings.services[place->second.index]};
}

}  // namespace saspd::director
