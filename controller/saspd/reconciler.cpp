// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/reconciler.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace saspd::director {
namespace {

// An IPv6 address that SASP takes for IPv4 would come back as another member (row 2).
bool survives_the_wire(const IpAddress& address) {
  return sasp::from_wire(sasp::to_wire(address)) == address;
}

}  // namespace

Reconciler::Reconciler(lb::Dataplane& plane, lb::Observer& observer, Settings settings)
    : plane_(plane),
      observer_(observer),
      settings_(std::move(settings)),
      known_(AdviceBook(settings_.groups, settings_.gwms, settings_.trust, settings_.merge)) {
  known_.name_gwms(settings_.gwm_names);
  for (const auto& [name, group] : known_.advice().groups())
    wanted_changed_.insert(name);
}

void Reconciler::remember(Ledger ledger, LedgerKeeper& keeper) {
  known_.remember(std::move(ledger));
  keeper_ = &keeper;
}

// --- the plan

Result<lb::Plan> Reconciler::plan(TimePoint now) const {
  auto table = list();
  if (!table) return fail(table.error());
  Knowledge known = known_;
  look(std::move(*table), known, now);
  known.mark_all();
  const auto settings = decision_settings(now);
  Backlog backlog;
  for (const auto& service : known.due(settings_.stale_after, now)) {
    const auto verdict = director::decide(known, settings, service, now);
    plan_writes(service, verdict ? &verdict->decision : nullptr, known, settings, now, backlog);
  }
  lb::Plan plan;
  while (!backlog.empty()) {
    const auto part = backlog.take(std::numeric_limits<std::size_t>::max());
    plan.insert(plan.end(), part.begin(), part.end());
  }
  return plan;
}

// In a dry run another saspd may write the kernel and the ledger.
void Reconciler::keep_ledger() {
  if (settings_.dry_run || keeper_ == nullptr || !known_.ledger().unkept()) return;
  if (keeper_->keep(known_.ledger())) known_.ledger_was_kept();
}

// --- what the kernel has

bool Reconciler::list(Work& work, TimePoint now) {
  if (advised_) last_pass_ = now;
  at_once_ = advised_ = false;
  auto table = list();
  if (!table) {
    work.list_error = table.error();
    return false;
  }
  look(std::move(*table), known_, now);
  table_known_ = true;
  failed_ = false;
  at_once_ = true;  // all of it is decided with what was seen
  work.appeared = known_.appeared();
  auto kernel_settings = observer_.settings();
  if (kernel_settings != kernel_settings_) all_alarms_changed();
  kernel_settings_ = std::move(kernel_settings);
  if (settings_.adopt) {
    std::erase_if(weight_changes_,
                  [this](const auto& entry) { return !known_.table().contains(entry.first); });
    std::erase_if(drifts_, [this](const auto& entry) {
      return !known_.advice().groups().contains(entry.first);
    });
  }
  return true;
}

Result<lb::Table> Reconciler::list() const {
  const auto list = [this] {
    return lists_all() ? plane_.list_all() : plane_.list(known_.advice().services());
  };
  auto table = list();
  // A table that is edited while it is dumped may lack a destination that only moved. Losing it
  // would lose who wrote its zero, so its absence has to be seen twice.
  if (table && known_.ledger().misses(*table)) table = list();
  return table;
}

void Reconciler::look(lb::Table table, Knowledge& known, TimePoint now) const {
  known.look(std::move(table),
             {settings_.adopt, settings_.own_table, lists_all(),
              settings_.drift != DriftPolicy::overwrite},
             now);
}

bool Reconciler::is_ours_alone(const lb::ServiceKey& service) const {
  const auto owner = known_.advice().owner_of(service);
  return settings_.own_table || (owner && owner->service->manage);
}

// --- what it shall have

void Reconciler::decide(Work& work, TimePoint now) {
  if (advised_ || is_due(now)) last_pass_ = now;
  no_room_.clear();  // what was refused is decided again
  const auto settings = decision_settings(now);
  for (const auto& service : known_.due(settings_.stale_after, now))
    decide(service, settings, work, now);
  work.gwm_changes = known_.gwm_changes();
  at_once_ = advised_ = false;
  regrouped_ = false;
}

void Reconciler::decide(const lb::ServiceKey& service, const DecisionSettings& settings, Work& work,
                        TimePoint now) {
  auto verdict = director::decide(known_, settings, service, now);
  known_.learn(service, verdict ? &*verdict : nullptr, decisions_.find(service), now);
  take_zeros(service, verdict ? verdict->zeros : HeldZeros{}, work);
  ++work.services_decided;
  if (verdict) work.members_decided += verdict->decision.members.size();
  const std::string group = group_of(service);
  alarms_changed_.insert(group);
  states_changed_.insert(group);
  const bool same_members = verdict ? decisions_.replace(service, std::move(verdict->decision))
                                    : decisions_.drop(service);
  if (!same_members || regrouped_) wanted_changed_.insert(group);
  note_drifts(service, work, now);
  plan_writes(service, decisions_.find(service), known_, settings, now, backlog_);
}

void Reconciler::note_drifts(const lb::ServiceKey& service, Work& work, TimePoint now) {
  for (auto& write : known_.take_foreign_writes(service)) {
    auto follows =
        what_follows(write, decisions_.find(service), settings_.drift, is_ours_alone(service));
    work.drifts.push_back({std::move(write), std::move(follows), now});
    DriftCount& count = drifts_[group_of(service)];
    ++count.total;
    count.last = work.drifts.back();
  }
}

void Reconciler::plan_writes(const lb::ServiceKey& service, const ServiceDecision* decision,
                             const Knowledge& known, const DecisionSettings& settings,
                             TimePoint now, Backlog& backlog) {
  const auto owner = known.advice().owner_of(service);
  if (owner && known.overrides().is_held(owner->group->settings.name))
    return backlog.replace(service, {}, {}, 0);
  auto [changes, late] = writes(known, settings, service, decision, now);
  // A table of our own is written whole, or not at all.
  const std::size_t ahead =
      settings.own_table ? 0 : lb::before_the_last_goes(known.pool(service), changes);
  backlog.replace(service, std::move(changes), std::move(late), ahead);
}

DecisionSettings Reconciler::decision_settings(TimePoint now) const {
  return {settings_.policy, settings_.own_table, started_.value_or(now) + settings_.advice_wait,
          settings_.stale_after, settings_.pace};
}

void Reconciler::take_zeros(const lb::ServiceKey& service, const HeldZeros& zeros, Work& work) {
  HeldZeros& all = decisions_.zeros;
  const auto first = all.lower_bound({service, {}});
  auto end = first;
  while (end != all.end() && end->first.first == service)
    ++end;
  if (std::equal(first, end, zeros.begin(), zeros.end())) return;
  work.zeros_before.insert(first, end);
  work.zeros.insert(zeros.begin(), zeros.end());
  all.erase(first, end);
  all.insert(zeros.begin(), zeros.end());
}

std::string Reconciler::group_of(const lb::ServiceKey& service) const {
  const auto owner = known_.advice().owner_of(service);
  return owner ? owner->group->settings.name : lb::text(service);
}

// --- writing it

void Reconciler::write(Work& work, TimePoint now) {
  lb::Plan chunk = backlog_.take(settings_.chunk, settings_.services);
  if (chunk.empty()) return;
  work.remaining = backlog_.size();
  if (settings_.dry_run) {
    for (const auto& change : chunk)
      known_.mark(change.service);
    work.applied = std::move(chunk);
    work.more = !backlog_.empty();
    return;
  }
  apply(chunk, work, now);
  note_written(chunk);
  overtaken_ = overtaken_ || !work.overtaken.empty();
  work.more = !backlog_.empty();
}

// The kernel takes nothing at all: the rest is not tried.
void Reconciler::drop_backlog() {
  for (const auto& service : backlog_.clear()) {
    known_.mark(service);
    alarms_changed_.insert(group_of(service));
  }
}

void Reconciler::apply(const lb::Plan& chunk, Work& work, TimePoint now) {
  known_.will_write(chunk);
  keep_ledger();
  const auto failures = plane_.apply(chunk);
  auto failed = failures.begin();
  std::size_t refused = 0;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (failed == failures.end() || failed->index != i) {
      record(chunk[i], now);
      work.applied.push_back(chunk[i]);
      continue;
    }
    if (failed->no_room) {
      no_room_.refused(chunk[i], *failed);
      work.no_room.push_back(failed->error);
    } else {
      // Nothing that was to follow it is written, but decided anew.
      backlog_.drop(chunk[i].service);
      const bool overtaken = failed->changed_meanwhile();
      (overtaken ? work.overtaken : work.failures).push_back(failed->error);
      if (!overtaken) ++refused;
    }
    if (!failed->outcome_unknown()) known_.refused(chunk[i]);
    ++failed;
  }
  failed_ = failed_ || refused > 0;
  if (refused == chunk.size()) drop_backlog();
  keep_ledger();
}

// The alarms of a service that takes many chunks are raised when the last of it is written.
void Reconciler::note_written(const lb::Plan& chunk) {
  const lb::ServiceKey* last = nullptr;
  for (const auto& change : chunk) {
    if (last != nullptr && *last == change.service) continue;
    last = &change.service;
    if (!backlog_.has(change.service)) alarms_changed_.insert(group_of(change.service));
  }
}

// The kernel has done it.
void Reconciler::record(const lb::Change& change, TimePoint now) {
  const Decision* decision = decisions_.find(change.service, change.destination.endpoint);
  known_.wrote(change, decision, now);
  if (change.writes_weight() && decision != nullptr)
    ++weight_changes_[change.service][decision->reason];
}

// --- what others say

// It has written, or is about to: the kernel is looked at before anything is written.
void Reconciler::keepalived_says(const KeepalivedNews& news) {
  const auto is_meant = [&news](const lb::ServiceKey& service) {
    return news.services.empty() ||
           std::find(news.services.begin(), news.services.end(), service) != news.services.end();
  };
  for (const auto& [name, group] : known_.advice().groups()) {
    for (const auto& service : group.settings.services) {
      if (is_meant(service.key)) known_.keepalived_says(service.key, news.server, news.up);
    }
  }
  look_again();
}

std::size_t Reconciler::give_back(const std::optional<std::string>& group, const Endpoint& member) {
  std::size_t given = 0;
  for (const auto& [name, candidate] : known_.advice().groups()) {
    if (group && name != *group) continue;
    for (const auto& service : candidate.settings.services)
      given += known_.give_back(service.key, member) ? 1U : 0U;
  }
  if (given > 0) at_once_ = true;
  return given;
}

// --- what others learn

sasp::WantedGroups Reconciler::wanted() const {
  sasp::WantedGroups all;
  for (const auto& [name, group] : known_.advice().groups()) {
    if (auto members = wanted(group); !members.empty()) all[name] = std::move(members);
  }
  return all;
}

sasp::WantedGroups Reconciler::new_wanted() {
  sasp::WantedGroups changed;
  for (const auto& name : std::exchange(wanted_changed_, {})) {
    const auto group = known_.advice().groups().find(name);
    changed[name] =
        group != known_.advice().groups().end() ? wanted(group->second) : sasp::WantedMembers{};
  }
  return changed;
}

sasp::WantedMembers Reconciler::wanted(const Group& group) const {
  sasp::WantedMembers members;
  const auto add = [&](const ServiceSettings& service, const Endpoint& endpoint) {
    if (!survives_the_wire(endpoint.address)) return;
    const auto* configured = group.configured(endpoint);
    members[member_of(service, endpoint)] = configured != nullptr ? configured->label : "";
  };
  for (const auto& service : group.settings.services) {
    if (!service.manage) {
      for (const auto& [endpoint, destination] : known_.pool(service.key).destinations)
        add(service, endpoint);
      continue;
    }
    for (const auto& [endpoint, settings] : group.settings.members) {
      if (fits(group.settings, service, member_of(service, endpoint))) add(service, endpoint);
    }
  }
  const auto is_system = [](const auto& member) { return member.first.port == 0; };
  if (!std::all_of(members.begin(), members.end(), is_system)) std::erase_if(members, is_system);
  return members;
}

sasp::WantedStates Reconciler::new_states() {
  sasp::WantedStates changed;
  for (const auto& name : std::exchange(states_changed_, {})) {
    const auto group = known_.advice().groups().find(name);
    changed[name] = group != known_.advice().groups().end() ? states(group->second)
                                                            : sasp::WantedMemberStates{};
  }
  return changed;
}

// A member of several services is quiesced when it is held at 0 in all of them.
sasp::WantedMemberStates Reconciler::states(const Group& group) const {
  sasp::WantedMemberStates states;
  std::set<sasp::MemberKey> served;
  for (const auto& service : group.settings.services) {
    for (const auto& endpoint : known_.ledger().told(service.key)) {
      const auto member = member_of(service, endpoint);
      const auto* advice = group.advice_for(member);
      states[member].state = advice != nullptr ? advice->state : std::uint8_t{0};
      const auto zero = decisions_.zeros.find({service.key, endpoint});
      const bool foreign =
          zero != decisions_.zeros.end() && zero->second.zero.author == ZeroAuthor::foreign;
      if (foreign) states[member].quiesced = true;
    }
  }
  if (states.empty()) return states;
  for (const auto& service : group.settings.services) {
    for (const auto& [endpoint, destination] : known_.pool(service.key).destinations) {
      if (!decisions_.zeros.contains({service.key, endpoint}))
        served.insert(member_of(service, endpoint));
    }
  }
  for (auto& [member, state] : states)
    state.quiesced = state.quiesced && !served.contains(member);
  return states;
}

void Reconciler::lifted(const std::string& name, const sasp::MemberKey& member) {
  const auto group = known_.advice().groups().find(name);
  if (group == known_.advice().groups().end()) return;
  const Endpoint endpoint = member.endpoint();
  for (const auto& service : group->second.settings.services) {
    if (member_of(service, endpoint) == member) known_.untold(service.key, endpoint);
  }
  states_changed_.insert(name);
}

Reconciler::Extent Reconciler::extent() const {
  return {known_.advice().groups().size(), decisions_.members()};
}

AlarmsByGroup Reconciler::alarms(const std::set<IpAddress>& unreachable) const {
  AlarmsByGroup all;
  for (const auto& [name, group] : known_.advice().groups()) {
    if (auto found = alarms(group, unreachable); !found.empty()) all[name] = std::move(found);
  }
  return all;
}

AlarmsByGroup Reconciler::new_alarms(const std::set<IpAddress>& unreachable) {
  if (unreachable != unreachable_) all_alarms_changed();
  unreachable_ = unreachable;
  AlarmsByGroup changed;
  for (const auto& name : std::exchange(alarms_changed_, {})) {
    const auto group = known_.advice().groups().find(name);
    changed[name] = group != known_.advice().groups().end() ? alarms(group->second, unreachable)
                                                            : std::vector<Alarm>{};
  }
  return changed;
}

std::vector<Alarm> Reconciler::alarms(const Group& group,
                                      const std::set<IpAddress>& unreachable) const {
  auto found = find_alarms(
      {group.settings, known_.table(), decisions_.zeros, decisions_.services(), known_.losses(),
       known_.moves(), known_.advice_watches(), known_.vanished(), unreachable, kernel_settings_,
       group.self_registered.left_out(), settings_.policy.on_stale, settings_.drift});
  for (const auto& service : group.settings.services) {
    if (auto alarm = no_room_.alarm(service.key)) found.push_back(std::move(*alarm));
  }
  return found;
}

void Reconciler::all_alarms_changed() {
  for (const auto& [name, group] : known_.advice().groups())
    alarms_changed_.insert(name);
}

std::optional<Freshness> Reconciler::freshness(const Group& group) const {
  return freshness_of(known_, group, settings_.stale_after, settings_.policy.on_stale);
}

std::vector<Reconciler::GroupView> Reconciler::view(const std::set<IpAddress>& unreachable) const {
  auto views = director::view(known_, decisions_, weight_changes_, alarms(unreachable));
  for (auto& view : views)
    view.freshness = freshness(known_.advice().groups().at(view.name));
  for (auto& view : views) {
    if (const auto drift = drifts_.find(view.name); drift != drifts_.end())
      view.drift = drift->second;
  }
  return views;
}

}  // namespace saspd::director
