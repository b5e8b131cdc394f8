#include "controller/saspd/reconciler.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controller/base/host_address.hpp"

namespace saspd {
namespace {

// A GWM that was restarted takes two samples of each member first. One that knows nobody for longer
// than this has taken back what it said by the confident flag.
constexpr Duration confidence_lapses = std::chrono::minutes{3};

bool is_avoided(const Decision& decision) {
  return decision.reason == Reason::not_confident && decision.weight == 0;
}

// An IPv6 address that SASP takes for IPv4 would come back as another member (row 2).
bool survives_the_wire(const IpAddress& address) {
  return sasp::from_wire(sasp::to_wire(address)) == address;
}

Endpoint endpoint_of(const sasp::MemberKey& member) {
  return {member.address, member.port};
}

}  // namespace

Reconciler::Reconciler(lb::Dataplane& plane, Settings settings)
    : plane_(plane),
      settings_(std::move(settings)),
      connections_(settings_.gwms),
      heard_(settings_.gwms) {
  for (auto& group : settings_.groups) {
    for (const auto& service : group.services)
      services_.push_back(service.key);
    Group& ours = groups_[group.name];
    ours.settings = std::move(group);
    ours.advice.resize(settings_.gwms);
  }
}

void Reconciler::remember(Ledger ledger, LedgerKeeper& keeper) {
  ledger_ = std::move(ledger);
  keeper_ = &keeper;
}

// --- what a GWM says

std::size_t Reconciler::update(std::size_t gwm, const sasp::WeightsReceived& weights,
                               TimePoint now) {
  std::size_t ignored = 0;
  std::map<std::string, std::map<sasp::MemberKey, std::string>> self_registered;
  for (const auto& received : weights.groups) {
    const auto found = groups_.find(received.group.name);
    if (found == groups_.end()) {
      ignored += received.items.size();
      continue;
    }
    auto& [name, group] = *found;
    for (const auto& entry : received.items) {
      const Advice advice{entry.weight, entry.flags, entry.state, now};
      const auto member = entry.member.key();
      const bool joins = settings_.trust && group.is_open() && !advice.registered_by_lb() &&
                         group.configured(endpoint_of(member)) == nullptr &&
                         kind_of_no_host(member.address).empty();
      if (joins) self_registered[name][member] = entry.member.label;
      if (joins || is_known(group, member))
        group.advice.at(gwm)[member] = advice;
      else
        ++ignored;
    }
  }
  if (settings_.trust && gwm == first_connected()) {
    for (auto& [name, group] : groups_)
      group.self_registered.told(connections_[gwm], self_registered[name], weights.full, now);
  }
  decided_ = false;
  return ignored;
}

void Reconciler::heard(std::size_t gwm, const sasp::Heard& heard) {
  heard_.at(gwm) = heard;
}

void Reconciler::set_connected(std::size_t gwm, bool connected) {
  auto& connection = connections_.at(gwm);
  if (connected == (connection != 0)) return;
  connection = connected ? ++last_connection_ : 0;
  decided_ = false;
}

std::optional<std::size_t> Reconciler::first_connected() const {
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [](const auto connection) { return connection != 0; });
  if (found == connections_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - connections_.begin());
}

void Reconciler::choose_gwm(Group& group) const {
  for (std::size_t gwm = 0; gwm < connections_.size(); ++gwm) {
    if (connections_[gwm] == 0 || group.advice[gwm].empty()) continue;
    group.gwm = gwm;
    return;
  }
}

const Advice* Reconciler::Group::advice_for(const sasp::MemberKey& member) const {
  if (!gwm) return nullptr;
  const auto found = advice[*gwm].find(member);
  return found != advice[*gwm].end() ? &found->second : nullptr;
}

// --- who belongs to a group

const MemberSettings* Reconciler::Group::configured(const Endpoint& endpoint) const {
  const auto found = settings.members.find(endpoint);
  return found != settings.members.end() ? &found->second : nullptr;
}

bool Reconciler::Group::is_open() const {
  return std::any_of(settings.services.begin(), settings.services.end(),
                     [](const auto& service) { return service.manage && service.manage->open; });
}

std::set<Endpoint> Reconciler::Group::members(const ServiceSettings& service) const {
  std::set<Endpoint> members;
  for (const auto& [endpoint, member] : settings.members) {
    if (fits(settings, service, member_of(service, endpoint))) members.insert(endpoint);
  }
  if (!service.manage || !service.manage->open) return members;
  for (const auto& [key, member] : self_registered.members()) {
    if (fits(settings, service, key)) members.insert(endpoint_of(key));
  }
  return members;
}

bool Reconciler::is_known(const Group& group, const sasp::MemberKey& member) const {
  if (group.self_registered.members().contains(member)) return true;
  const Endpoint endpoint = endpoint_of(member);
  const bool configured = group.configured(endpoint) != nullptr;
  const auto& services = group.settings.services;
  return std::any_of(services.begin(), services.end(), [&](const auto& service) {
    if (member_of(service, endpoint) != member) return false;
    return pool_of(service.key).destinations.contains(endpoint) ||
           (service.manage && configured && fits(group.settings, service, member));
  });
}

const lb::Pool& Reconciler::pool_of(const lb::ServiceKey& key) const {
  static const lb::Pool absent;
  const auto found = actual_.find(key);
  return found != actual_.end() ? found->second : absent;
}

// --- what the kernel has

Work Reconciler::work(TimePoint now) {
  Work work;
  if (!started_) started_ = now;
  if (!actual_known_ && !list(work, now)) return work;
  keep_ledger();
  if (!decided_) decide(now);
  if (!settings_.dry_run) {
    if (auto tidied = plane_.tidy(); !tidied) work.failures.push_back(tidied.error());
  }
  write_chunk(work);
  return work;
}

void Reconciler::look_again() {
  actual_known_ = false;
  looked_at_once_ = false;
}

// In a dry run somebody else may write the kernel, and the ledger.
void Reconciler::keep_ledger() {
  if (settings_.dry_run || keeper_ == nullptr || !ledger_.unkept()) return;
  if (keeper_->keep(ledger_)) ledger_.was_kept();
}

Result<lb::Plan> Reconciler::preview(TimePoint now) {
  Work work;
  if (!started_) started_ = now;
  if (!list(work, now)) return fail(*work.list_error);
  decide(now);
  return lb::Plan(plan_.begin(), plan_.end());
}

bool Reconciler::list(Work& work, TimePoint now) {
  auto table = list_services();
  // A table that is edited while it is dumped may lack a destination that only moved. Losing it
  // would lose who wrote its zero, so its absence has to be seen twice.
  if (table && ledger_.misses(*table)) table = list_services();
  if (!table) {
    work.list_error = table.error();
    return false;
  }
  const lb::Table before = std::exchange(actual_, std::move(*table));
  actual_known_ = true;
  decided_ = false;
  note_vanished(before, now);
  if (settings_.adopt) adopt_services();
  if (std::exchange(listed_, true)) work.appeared = new_services(before);
  observe(before, now);
  kernel_settings_ = plane_.settings();
  std::erase_if(losses_, [this](const auto& entry) { return !actual_.contains(entry.first); });
  std::erase_if(advice_watches_,
                [this](const auto& entry) { return !actual_.contains(entry.first); });
  std::erase_if(unknown_since_,
                [this](const auto& entry) { return !actual_.contains(entry.first); });
  return true;
}

Result<lb::Table> Reconciler::list_services() {
  return lists_all() ? plane_.list_all() : plane_.list(services_);
}

bool Reconciler::lists_all() const {
  return settings_.adopt || settings_.own_table;
}

// Somebody has taken out what they had not given to us to take out: `ipvsadm -C`.
void Reconciler::note_vanished(const lb::Table& before, TimePoint now) {
  constexpr Duration remembered = std::chrono::hours{1};
  std::erase_if(vanished_, [&](const auto& entry) {
    return actual_.contains(entry.first) || now - entry.second >= remembered;
  });
  for (const auto& [key, pool] : before) {
    if (!actual_.contains(key) && is_of_a_group(key)) vanished_.emplace(key, now);
  }
}

std::vector<lb::ServiceKey> Reconciler::new_services(const lb::Table& before) const {
  std::vector<lb::ServiceKey> appeared;
  for (const auto& [key, pool] : actual_) {
    if (!before.contains(key) && is_of_a_group(key)) appeared.push_back(key);
  }
  return appeared;
}

bool Reconciler::is_of_a_group(const lb::ServiceKey& key) const {
  return groups_.contains(lb::text(key)) ||
         std::find(services_.begin(), services_.end(), key) != services_.end();
}

void Reconciler::adopt_services() {
  std::erase_if(groups_, [this](const auto& entry) {
    const auto& [name, group] = entry;
    if (!group.adopted) return false;
    const auto& key = group.settings.services.front().key;
    return !actual_.contains(key) && !vanished_.contains(key);
  });
  std::erase_if(weight_changes_,
                [this](const auto& entry) { return !actual_.contains(entry.first); });
  for (const auto& [key, pool] : actual_) {
    if (std::find(services_.begin(), services_.end(), key) != services_.end()) continue;
    const auto [entry, added] = groups_.try_emplace(lb::text(key));
    if (!added) continue;
    Group& group = entry->second;
    group.adopted = true;
    group.settings = {entry->first, {plain_service(key)}, {}};
    group.advice.resize(settings_.gwms);
  }
}

// Brings what we know up to date with what the kernel shows now.
void Reconciler::observe(const lb::Table& before, TimePoint now) {
  std::vector<Ledger::Watched> watched;
  SeenByService seen;
  for (auto& [name, group] : groups_) {
    if (settings_.trust) find_self_registered(group, before);
    for (const auto& service : group.settings.services) {
      watched.push_back({service.key, settings_.own_table || service.manage.has_value()});
      seen[service.key] = see(service.key, now);
    }
    forget_advice(group);
  }
  seen_ = std::move(seen);
  ledger_.look(actual_, watched, lists_all());
}

std::map<Endpoint, Reconciler::Seen> Reconciler::see(const lb::ServiceKey& service,
                                                     TimePoint now) const {
  std::map<Endpoint, Seen> seen;
  const auto known = seen_.find(service);
  for (const auto& [endpoint, destination] : pool_of(service).destinations) {
    Seen& now_seen = seen[endpoint];
    now_seen.served = now;  // a zero of before our time may be a minute old
    if (known != seen_.end()) {
      const auto before = known->second.find(endpoint);
      if (before != known->second.end()) now_seen = before->second;
    }
    now_seen.idle = destination.weight == 0 && destination.connections == 0;
  }
  return seen;
}

// A destination of a managed service that is seen for the first time, and that nobody configured.
void Reconciler::find_self_registered(Group& group, const lb::Table& before) {
  for (const auto& service : group.settings.services) {
    if (!service.manage || !service.manage->open) continue;
    const auto known = before.find(service.key);
    for (const auto& [endpoint, destination] : pool_of(service.key).destinations) {
      if (group.configured(endpoint) != nullptr) continue;
      if (known != before.end() && known->second.destinations.contains(endpoint)) continue;
      group.self_registered.found(member_of(service, endpoint));
    }
  }
}

void Reconciler::forget_advice(Group& group) const {
  for (auto& advice : group.advice) {
    std::erase_if(advice, [&](const auto& entry) { return !is_known(group, entry.first); });
  }
}

// --- what it shall have

void Reconciler::decide(TimePoint now) {
  lb::Table desired;
  decisions_.clear();
  held_zeros_.clear();
  for (auto& [name, group] : groups_) {
    choose_gwm(group);
    for (const auto& service : group.settings.services)
      decide(group, service, now, desired);
  }
  const auto surplus = settings_.own_table ? lb::Surplus::remove : lb::Surplus::keep;
  lb::Plan plan = lb::diff(actual_, desired, surplus);
  if (settings_.own_table && !plan.empty()) configured_first(plan);
  plan_.assign(plan.begin(), plan.end());
  no_room_.clear();
  decided_ = true;
}

void Reconciler::decide(const Group& group, const ServiceSettings& service, TimePoint now,
                        lb::Table& desired) {
  if (!service.manage && !actual_.contains(service.key)) return;
  const lb::Pool& pool = pool_of(service.key);
  const auto& scheduler = service.manage ? service.manage->service.scheduler : pool.scheduler;
  note_who_serves(service.key, now);
  const auto members = inputs(group, service, pool, now);
  decisions_[service.key] =
      project(members, group.gwm.has_value(), limits_of(scheduler, service.max),
              scales_[service.key], settings_.policy, now);
  note_guidance(group, service.key, members, now);
  note_who_is_withdrawn(service.key);
  note_who_is_avoided(service.key, now);
  note_held_zeros(group, service.key);
  losses_[service.key].update(pool, decisions_[service.key], now);
  desired[service.key] = wish(service, pool, now);
}

void Reconciler::note_who_serves(const lb::ServiceKey& key, TimePoint now) {
  auto& seen = seen_[key];
  for (const auto& [endpoint, destination] : pool_of(key).destinations) {
    if (destination.weight > 0) seen[endpoint].served = now;
  }
}

void Reconciler::note_who_is_withdrawn(const lb::ServiceKey& key) {
  auto& seen = seen_[key];
  for (const auto& [endpoint, member] : decisions_[key].members) {
    const auto found = seen.find(endpoint);
    if (is_withdrawn(member.reason) && found != seen.end()) found->second.served.reset();
  }
}

// Whether a zero has no other cause than the confident flag: it was a weight until then, and no
// other rule has given it a reason since.
void Reconciler::note_who_is_avoided(const lb::ServiceKey& key, TimePoint now) {
  const ServiceDecision& decision = decisions_[key];
  if (!decision.nobody_known)
    unknown_since_.erase(key);
  else
    unknown_since_.try_emplace(key, now);
  const lb::Pool& pool = pool_of(key);
  for (const auto& [endpoint, member] : decision.members) {
    const auto* known = ledger_.find(key, endpoint);
    const auto destination = pool.destinations.find(endpoint);
    if (known == nullptr || destination == pool.destinations.end()) continue;
    if (member.reason == Reason::static_weight) continue;  // no rule: nobody has advised yet
    const bool was_so = known->avoided || destination->second.weight > 0;
    ledger_.avoided(key, endpoint, is_avoided(member) && was_so);
  }
}

void Reconciler::note_guidance(const Group& group, const lb::ServiceKey& key,
                               const std::map<Endpoint, MemberInput>& members, TimePoint now) {
  const auto gwm = group.gwm ? group.gwm : first_connected();
  const bool connected = gwm && connections_[*gwm] != 0;
  const sasp::Heard heard = gwm ? heard_[*gwm] : sasp::Heard();
  const Duration patience = patience_with(heard, settings_.stale_after);
  auto is = guidance(members, heard);
  if (is == Guidance::advised && heard.last && now - *heard.last > patience) is = Guidance::stale;
  if (!connected && !members.empty()) is = Guidance::lost;
  advice_watches_[key].update(is, patience, now);
}

void Reconciler::note_held_zeros(const Group& group, const lb::ServiceKey& key) {
  for (const auto& [endpoint, member] : decisions_[key].members) {
    if (member.reason != Reason::foreign_zero && member.reason != Reason::unclear_zero) continue;
    held_zeros_[{key, endpoint}] = {group.settings.name, ledger_.zero(key, endpoint)};
  }
}

std::map<Endpoint, MemberInput> Reconciler::inputs(const Group& group,
                                                   const ServiceSettings& service,
                                                   const lb::Pool& pool, TimePoint now) const {
  std::map<Endpoint, MemberInput> inputs;
  for (const auto& [endpoint, destination] : pool.destinations)
    inputs[endpoint] = input(group, service, destination, now);
  if (!service.manage) return inputs;
  const auto members = group.members(service);
  for (auto& [endpoint, input] : inputs)
    input.leaving = !members.contains(endpoint);
  const bool waited = now - *started_ >= settings_.advice_wait;
  for (const auto& endpoint : members) {
    if (pool.destinations.contains(endpoint)) continue;
    if (!waited && group.advice_for(member_of(service, endpoint)) == nullptr) continue;
    lb::Destination added;
    added.endpoint = endpoint;
    inputs[endpoint] = input(group, service, added, now);
    inputs[endpoint].absent = true;
  }
  return inputs;
}

MemberInput Reconciler::input(const Group& group, const ServiceSettings& service,
                              const lb::Destination& destination, TimePoint now) const {
  MemberInput input;
  if (const auto* advice = group.advice_for(member_of(service, destination.endpoint))) {
    input.advice = *advice;
  }
  input.kernel_weight = destination.weight;
  const Zero zero = ledger_.zero(service.key, destination.endpoint);
  input.own_zero = zero.author == ZeroAuthor::ours;
  input.unclear_zero = zero.author == ZeroAuthor::unclear;
  if (const auto* known = ledger_.find(service.key, destination.endpoint)) {
    if (known->static_weight > 0) input.static_weight = known->static_weight;
    input.last_positive = known->last_positive;
    const auto unknown = unknown_since_.find(service.key);
    input.avoided = known->avoided;
    input.released = input.avoided && unknown != unknown_since_.end() &&
                     now - unknown->second >= confidence_lapses;
  }
  if (const auto service_seen = seen_.find(service.key); service_seen != seen_.end()) {
    const auto seen = service_seen->second.find(destination.endpoint);
    if (seen != service_seen->second.end()) input.served = seen->second.served;
  }
  const auto* configured = group.configured(destination.endpoint);
  if (configured != nullptr && configured->weight) input.static_weight = *configured->weight;
  return input;
}

// What the decision makes of the service. Of one that is not managed that is weights, no more.
lb::Pool Reconciler::wish(const ServiceSettings& service, const lb::Pool& pool, TimePoint now) {
  lb::Pool wish = pool;
  if (service.manage) {
    const lb::Service& managed = service.manage->service;
    const bool exists = actual_.contains(service.key);
    constexpr std::uint32_t kept = lb::service_flag::hashed | lb::service_flag::sched3;
    wish.scheduler = managed.scheduler;
    wish.flags = (pool.flags & kept) | managed.flags;
    if (!exists || (managed.flags & lb::service_flag::persistent) != 0) {
      wish.timeout = managed.timeout;
      wish.netmask = managed.netmask;
    }
  }
  for (const auto& [endpoint, member] : decisions_[service.key].members) {
    lb::Destination& destination = wish.destinations[endpoint];
    destination.endpoint = endpoint;
    destination.weight = member.weight;
    if (!service.manage) continue;
    destination.forward = service.manage->forward;
    destination.lost = service.manage->tells_lost && member.reason == Reason::no_contact;
    if (has_left(service, endpoint, member.reason == Reason::leaving, now)) {
      wish.destinations.erase(endpoint);
    }
  }
  return wish;
}

// A leaving destination may go when the kernel was seen to have no connection to it, and no way to
// give it one; or when its time is up.
bool Reconciler::has_left(const ServiceSettings& service, const Endpoint& endpoint, bool leaving,
                          TimePoint now) {
  auto& destinations = seen_[service.key];
  const auto found = destinations.find(endpoint);
  if (found == destinations.end()) return false;  // not in the kernel yet
  Seen& seen = found->second;
  if (!leaving) {
    seen.leaving_since.reset();
    return false;
  }
  if (!seen.leaving_since) seen.leaving_since = now;
  const auto& drain = service.manage->drain;
  return seen.idle || (drain && now - *seen.leaving_since >= *drain);
}

// Where there is no room for all, those who registered themselves are left out.
void Reconciler::configured_first(lb::Plan& plan) const {
  std::map<lb::ServiceKey, const Group*> groups;
  for (const auto& [name, group] : groups_) {
    for (const auto& service : group.settings.services)
      groups[service.key] = &group;
  }
  std::stable_partition(plan.begin(), plan.end(), [&groups](const lb::Change& change) {
    const auto group = groups.find(change.service);
    return change.action != lb::Action::add_destination || group == groups.end() ||
           group->second->configured(change.destination.endpoint) != nullptr;
  });
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

void Reconciler::write_chunk(Work& work) {
  const std::size_t count = next_chunk();
  if (count == 0) return;
  const lb::Plan chunk(plan_.begin(), plan_.begin() + static_cast<std::ptrdiff_t>(count));
  plan_.erase(plan_.begin(), plan_.begin() + static_cast<std::ptrdiff_t>(count));
  if (settings_.dry_run) {
    work.applied = chunk;
    work.more = !plan_.empty();
    return;
  }
  for (const auto& change : chunk)
    ledger_.will_write(change);
  keep_ledger();
  const auto failures = plane_.apply(chunk);
  auto failed = failures.begin();
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (failed != failures.end() && failed->index == i) {
      if (failed->no_room) no_room_.refused(chunk[i], *failed);
      (failed->no_room               ? work.no_room
       : failed->changed_meanwhile() ? work.overtaken
                                     : work.failures)
          .push_back(failed->error);
      if (!failed->outcome_unknown()) ledger_.refused(chunk[i]);
      ++failed;
      continue;
    }
    record(chunk[i]);
    work.applied.push_back(chunk[i]);
  }
  keep_ledger();
  if (!work.failures.empty()) {
    plan_.clear();
    actual_known_ = false;
  }
  overtaken_ = overtaken_ || !work.overtaken.empty();
  work.more = !plan_.empty();
  if (work.more || !overtaken_) return;
  // The rest of the plan is written, and nothing of it over what others wrote. Now it is looked at
  // what that was: at once, but not again and again, or two who write would never come to rest.
  overtaken_ = actual_known_ = false;
  work.more = !std::exchange(looked_at_once_, true);
}

// The kernel has done it.
void Reconciler::record(const lb::Change& change) {
  lb::apply(change, actual_);
  ledger_.wrote(change);
  if (change.action == lb::Action::remove_service) seen_.erase(change.service);
  if (change.action == lb::Action::remove_destination) {
    seen_[change.service].erase(change.destination.endpoint);
  }
  if (!change.writes_weight()) return;
  const Endpoint& endpoint = change.destination.endpoint;
  const Decision& decision = decisions_[change.service].members[endpoint];
  ++weight_changes_[change.service][decision.reason];
  if (change.action == lb::Action::add_destination) {
    ledger_.avoided(change.service, endpoint, is_avoided(decision));
  }
  seen_[change.service][endpoint].idle =
      false;  // a connection may have come before the weight was 0
}

// It has written, or is about to: the kernel is looked at before anything is written.
void Reconciler::keepalived_says(const KeepalivedNews& news) {
  const auto is_meant = [&news](const lb::ServiceKey& service) {
    return news.services.empty() ||
           std::find(news.services.begin(), news.services.end(), service) != news.services.end();
  };
  for (const auto& [name, group] : groups_) {
    for (const auto& service : group.settings.services) {
      if (is_meant(service.key)) ledger_.keepalived_says(service.key, news.server, news.up);
    }
  }
  look_again();
}

std::size_t Reconciler::give_back(const std::optional<std::string>& group, const Endpoint& member) {
  std::size_t given = 0;
  for (const auto& [name, candidate] : groups_) {
    if (group && name != *group) continue;
    for (const auto& service : candidate.settings.services)
      given += ledger_.give_back(service.key, member) ? 1U : 0U;
  }
  if (given > 0) decided_ = false;
  return given;
}

// --- what others are told

sasp::WantedGroups Reconciler::wanted() const {
  sasp::WantedGroups wanted;
  for (const auto& [name, group] : groups_) {
    std::map<sasp::MemberKey, std::string> members;
    const auto add = [&group = group, &members](const ServiceSettings& service,
                                                const Endpoint& endpoint) {
      if (!survives_the_wire(endpoint.address)) return;
      const auto* configured = group.configured(endpoint);
      members[member_of(service, endpoint)] = configured != nullptr ? configured->label : "";
    };
    for (const auto& service : group.settings.services) {
      if (!service.manage) {
        for (const auto& [endpoint, destination] : pool_of(service.key).destinations)
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
  Extent extent{groups_.size(), 0};
  for (const auto& [service, decision] : decisions_)
    extent.members += decision.members.size();
  return extent;
}

AlarmsByGroup Reconciler::alarms() const {
  AlarmsByGroup all;
  const auto unreachable = plane_.unreachable();
  for (const auto& [name, group] : groups_) {
    auto found = alarms_of(group, unreachable);
    if (!found.empty()) all[name] = std::move(found);
  }
  return all;
}

std::vector<Alarm> Reconciler::alarms_of(const Group& group,
                                         const std::set<IpAddress>& unreachable) const {
  auto alarms =
      find_alarms({group.settings, actual_, held_zeros_, decisions_, losses_, advice_watches_,
                   vanished_, unreachable, kernel_settings_, group.self_registered.left_out()});
  for (const auto& service : group.settings.services) {
    if (auto alarm = no_room_.alarm(service.key)) alarms.push_back(std::move(*alarm));
  }
  return alarms;
}

std::vector<Reconciler::GroupView> Reconciler::view() const {
  std::vector<GroupView> views;
  const auto unreachable = plane_.unreachable();
  for (const auto& [name, group] : groups_) {
    GroupView view{name, group.gwm, {}, {}, alarms_of(group, unreachable)};
    for (const auto& service : group.settings.services)
      view_service(group, service, view);
    views.push_back(std::move(view));
  }
  return views;
}

void Reconciler::view_service(const Group& group, const ServiceSettings& service,
                              GroupView& view) const {
  const lb::Pool& pool = pool_of(service.key);
  const auto decision = decisions_.find(service.key);
  const auto changes = weight_changes_.find(service.key);
  view.services.push_back({service.key, actual_.contains(service.key), service.manage.has_value(),
                           pool.scheduler,
                           decision != decisions_.end() ? decision->second.held : std::nullopt,
                           changes != weight_changes_.end() ? changes->second : WeightChanges{}});
  const auto states = plane_.states(service.key);
  std::set<Endpoint> endpoints = group.members(service);
  for (const auto& [endpoint, destination] : pool.destinations)
    endpoints.insert(endpoint);
  for (const auto& endpoint : endpoints) {
    const auto as_member = member_of(service, endpoint);
    MemberView& member = view.members.emplace_back();
    member.endpoint = endpoint;
    member.service = service.key;
    member.protocol = as_member.protocol;
    if (const Advice* advice = group.advice_for(as_member)) member.advice = *advice;
    const auto joined = group.self_registered.members().find(as_member);
    if (joined != group.self_registered.members().end()) member.label = joined->second.label;
    if (const auto* configured = group.configured(endpoint)) member.label = configured->label;
    if (const auto state = states.find(endpoint); state != states.end())
      member.state = state->second;
    const auto destination = pool.destinations.find(endpoint);
    if (destination != pool.destinations.end()) {
      member.kernel_weight = member.effective_weight = destination->second.weight;
      member.reason = Reason::static_weight;
      member.zero = ledger_.zero(service.key, endpoint);
    }
    if (decision == decisions_.end()) continue;
    const auto decided = decision->second.members.find(endpoint);
    if (decided == decision->second.members.end()) continue;
    member.effective_weight = decided->second.weight;
    if (member.kernel_weight) member.reason = decided->second.reason;
  }
}

}  // namespace saspd
