// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/reconciler.hpp"

#include <algorithm>
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
      known_(AdviceBook(settings_.groups, settings_.gwms, settings_.trust)) {}

void Reconciler::remember(Ledger ledger, LedgerKeeper& keeper) {
  known_.ledger() = std::move(ledger);
  keeper_ = &keeper;
}

std::size_t Reconciler::update(std::size_t gwm, const sasp::WeightsReceived& weights,
                               TimePoint now) {
  decided_ = false;
  return known_.advice().update(gwm, weights, known_.table(), now);
}

void Reconciler::set_connected(std::size_t gwm, bool connected) {
  if (known_.advice().set_connected(gwm, connected)) decided_ = false;
}

// --- the pass

Work Reconciler::work(TimePoint now) {
  Work work;
  if (!started_) started_ = now;
  if (!table_known_ && !list(work, now)) return work;
  keep_ledger();
  if (!decided_) decide(now);
  if (!settings_.dry_run) {
    if (auto tidied = plane_.tidy(); !tidied) work.failures.push_back(tidied.error());
  }
  write(work);
  return work;
}

void Reconciler::look_again() {
  table_known_ = false;
  looked_at_once_ = false;
}

Result<lb::Plan> Reconciler::plan(TimePoint now) const {
  auto table = list();
  if (!table) return fail(table.error());
  Knowledge known = known_;
  look(std::move(*table), known, now);
  return decide(known, now).plan;
}

// In a dry run somebody else may write the kernel, and the ledger.
void Reconciler::keep_ledger() {
  if (settings_.dry_run || keeper_ == nullptr || !known_.ledger().unkept()) return;
  if (keeper_->keep(known_.ledger())) known_.ledger().was_kept();
}

// --- what the kernel has

bool Reconciler::list(Work& work, TimePoint now) {
  auto table = list();
  if (!table) {
    work.list_error = table.error();
    return false;
  }
  look(std::move(*table), known_, now);
  table_known_ = true;
  decided_ = false;
  work.appeared = known_.appeared();
  kernel_settings_ = observer_.settings();
  if (settings_.adopt) {
    std::erase_if(weight_changes_,
                  [this](const auto& entry) { return !known_.table().contains(entry.first); });
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
  known.look(std::move(table), {settings_.adopt, settings_.own_table, lists_all()}, now);
}

// --- what it shall have

void Reconciler::decide(TimePoint now) {
  decisions_ = decide(known_, now);
  known_.learn(decisions_, now);
  plan_.assign(decisions_.plan.begin(), decisions_.plan.end());
  no_room_.clear();
  decided_ = true;
}

Decisions Reconciler::decide(Knowledge& known, TimePoint now) const {
  known.advice().choose_gwms();
  const TimePoint started = started_.value_or(now);
  return director::decide(known,
                          {settings_.policy, settings_.own_table, started + settings_.advice_wait,
                           settings_.stale_after},
                          now);
}

// --- writing it

// A chunk ends with a service if it can, because the kernel reads a service anew for each.
std::size_t Reconciler::next_chunk() const {
  if (plan_.size() <= settings_.chunk) return plan_.size();
  const lb::ServiceKey& next = plan_[settings_.chunk].service;
  std::size_t count = settings_.chunk;
  while (count > 0 && plan_[count - 1].service == next)
    --count;
  return count > 0 ? count : settings_.chunk;
}

void Reconciler::write(Work& work) {
  const auto end = plan_.begin() + static_cast<std::ptrdiff_t>(next_chunk());
  if (end == plan_.begin()) return;
  lb::Plan chunk(plan_.begin(), end);
  plan_.erase(plan_.begin(), end);
  work.remaining = plan_.size();
  if (settings_.dry_run) {
    work.applied = std::move(chunk);
    work.more = !plan_.empty();
    return;
  }
  apply(chunk, work);
  if (!work.failures.empty()) {
    plan_.clear();
    table_known_ = false;
  }
  overtaken_ = overtaken_ || !work.overtaken.empty();
  work.more = !plan_.empty();
  if (work.more || !overtaken_) return;
  // The rest of the plan is written, and nothing of it over what others wrote. Now it is looked at
  // what that was: at once, but not again and again, or two who write would never come to rest.
  overtaken_ = table_known_ = false;
  work.more = !std::exchange(looked_at_once_, true);
}

void Reconciler::apply(const lb::Plan& chunk, Work& work) {
  for (const auto& change : chunk)
    known_.ledger().will_write(change);
  keep_ledger();
  const auto failures = plane_.apply(chunk);
  auto failed = failures.begin();
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (failed == failures.end() || failed->index != i) {
      record(chunk[i]);
      work.applied.push_back(chunk[i]);
      continue;
    }
    if (failed->no_room) no_room_.refused(chunk[i], *failed);
    (failed->no_room               ? work.no_room
     : failed->changed_meanwhile() ? work.overtaken
                                   : work.failures)
        .push_back(failed->error);
    if (!failed->outcome_unknown()) known_.ledger().refused(chunk[i]);
    ++failed;
  }
  keep_ledger();
}

// The kernel has done it.
void Reconciler::record(const lb::Change& change) {
  const Decision* decision = decisions_.find(change.service, change.destination.endpoint);
  known_.wrote(change, decision);
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
      if (is_meant(service.key)) known_.ledger().keepalived_says(service.key, news.server, news.up);
    }
  }
  look_again();
}

std::size_t Reconciler::give_back(const std::optional<std::string>& group, const Endpoint& member) {
  std::size_t given = 0;
  for (const auto& [name, candidate] : known_.advice().groups()) {
    if (group && name != *group) continue;
    for (const auto& service : candidate.settings.services)
      given += known_.ledger().give_back(service.key, member) ? 1U : 0U;
  }
  if (given > 0) decided_ = false;
  return given;
}

// --- what others are told

sasp::WantedGroups Reconciler::wanted() const {
  sasp::WantedGroups wanted;
  for (const auto& [name, group] : known_.advice().groups()) {
    std::map<sasp::MemberKey, std::string> members;
    const auto add = [&group = group, &members](const ServiceSettings& service,
                                                const Endpoint& endpoint) {
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
    if (!members.empty()) wanted[name] = std::move(members);
  }
  return wanted;
}

Reconciler::Extent Reconciler::extent() const {
  Extent extent{known_.advice().groups().size(), 0};
  for (const auto& [service, decision] : decisions_.services)
    extent.members += decision.members.size();
  return extent;
}

AlarmsByGroup Reconciler::alarms(const std::set<IpAddress>& unreachable) const {
  AlarmsByGroup all;
  for (const auto& [name, group] : known_.advice().groups()) {
    auto found = find_alarms({group.settings, known_.table(), decisions_.zeros, decisions_.services,
                              known_.losses(), known_.advice_watches(), known_.vanished(),
                              unreachable, kernel_settings_, group.self_registered.left_out()});
    for (const auto& service : group.settings.services) {
      if (auto alarm = no_room_.alarm(service.key)) found.push_back(std::move(*alarm));
    }
    if (!found.empty()) all[name] = std::move(found);
  }
  return all;
}

std::vector<GroupView> Reconciler::view(const std::set<IpAddress>& unreachable) const {
  return director::view(known_, decisions_, weight_changes_, alarms(unreachable));
}

}  // namespace saspd::director
