#include "controller/saspd/reconciler.hpp"

#include <algorithm>
#include <utility>

namespace saspd {

sasp::MemberKey member_of(const lb::ServiceKey& service, const Endpoint& destination) {
  const auto* at = std::get_if<lb::VirtualEndpoint>(&service);
  const auto protocol = at != nullptr ? at->protocol : lb::Protocol::tcp;
  return {destination.address, static_cast<std::uint8_t>(protocol), destination.port};
}

Reconciler::Reconciler(lb::Dataplane& plane, Settings settings)
    : plane_(plane), settings_(std::move(settings)), connected_(settings_.gwms) {
  for (auto& group : settings_.groups) {
    services_.insert(services_.end(), group.services.begin(), group.services.end());
    Group& ours = groups_[group.name];
    ours.settings = std::move(group);
    ours.advice.resize(settings_.gwms);
  }
}

std::size_t Reconciler::update(std::size_t gwm, const sasp::WeightsReceived& weights,
                               TimePoint now) {
  std::size_t ignored = 0;
  for (const auto& received : weights.groups) {
    const auto group = groups_.find(received.group.name);
    if (group == groups_.end()) {
      ignored += received.items.size();
      continue;
    }
    for (const auto& entry : received.items) {
      const auto member = entry.member.key();
      if (!exists(group->second, member)) {
        ++ignored;
        continue;
      }
      group->second.advice.at(gwm)[member] = {entry.weight, entry.flags, entry.state, now};
    }
  }
  decided_ = false;
  return ignored;
}

void Reconciler::set_connected(std::size_t gwm, bool connected) {
  connected_.at(gwm) = connected;
  decided_ = false;
}

void Reconciler::choose_gwm(Group& group) const {
  for (std::size_t gwm = 0; gwm < connected_.size(); ++gwm) {
    if (!connected_[gwm] || group.advice[gwm].empty()) continue;
    group.gwm = gwm;
    return;
  }
}

const Advice* Reconciler::Group::advice_for(const sasp::MemberKey& member) const {
  if (!gwm) return nullptr;
  const auto found = advice[*gwm].find(member);
  return found != advice[*gwm].end() ? &found->second : nullptr;
}

Work Reconciler::work() {
  Work work;
  if (!actual_known_ && !list(work)) return work;
  if (!decided_) decide();
  write_chunk(work);
  return work;
}

void Reconciler::look_again() {
  actual_known_ = false;
}

bool Reconciler::list(Work& work) {
  auto table = plane_.list(services_);
  // A table that is edited while it is dumped may lack a destination that only moved. Losing it
  // would lose who wrote its zero, so its absence has to be seen twice.
  if (table && lost_any(*table)) table = plane_.list(services_);
  if (!table) {
    work.list_error = table.error();
    return false;
  }
  actual_ = std::move(*table);
  actual_known_ = true;
  decided_ = false;
  observe();
  return true;
}

bool Reconciler::lost_any(const lb::Table& table) const {
  return std::any_of(histories_.begin(), histories_.end(), [&](const auto& known) {
    const auto pool = table.find(known.first);
    return std::any_of(known.second.begin(), known.second.end(), [&](const auto& history) {
      return pool == table.end() || !pool->second.destinations.contains(history.first);
    });
  });
}

// Brings the histories up to date with what the kernel shows now.
void Reconciler::observe() {
  Histories seen;
  for (const auto& [service, pool] : actual_) {
    for (const auto& [endpoint, destination] : pool.destinations) {
      History history;
      history.first_seen = destination.weight;
      const auto known = histories_[service].find(endpoint);
      if (known != histories_[service].end()) history = known->second;
      // A lost acknowledgement: what we tried to write is there, so it was us.
      if (history.attempted == destination.weight) history.written = destination.weight;
      history.attempted.reset();
      // Another value is another author's.
      if (history.written != destination.weight) history.written.reset();
      if (destination.weight > 0) history.last_positive = destination.weight;
      seen[service].emplace(endpoint, history);
    }
  }
  histories_ = std::move(seen);
  for (auto& named : groups_) {
    Group& group = named.second;
    for (auto& advice : group.advice) {
      std::erase_if(advice, [&](const auto& entry) { return !exists(group, entry.first); });
    }
  }
}

void Reconciler::decide() {
  lb::Table desired;
  decisions_.clear();
  for (auto& [name, group] : groups_) {
    choose_gwm(group);
    for (const auto& key : group.settings.services) {
      const auto pool = actual_.find(key);
      if (pool == actual_.end()) continue;
      auto& decision = decisions_[key] =
          project(pool->second.scheduler, inputs(group, key, pool->second), group.gwm.has_value(),
                  settings_.policy);
      auto& wish = desired[key] = pool->second;
      for (const auto& [endpoint, member] : decision.members) {
        wish.destinations.at(endpoint).weight = member.weight;
      }
    }
  }
  const lb::Plan plan = lb::diff(actual_, desired);
  plan_.assign(plan.begin(), plan.end());
  decided_ = true;
}

std::map<Endpoint, MemberInput> Reconciler::inputs(const Group& group, const lb::ServiceKey& key,
                                                   const lb::Pool& pool) const {
  std::map<Endpoint, MemberInput> inputs;
  for (const auto& [endpoint, destination] : pool.destinations) {
    const History& history = histories_.at(key).at(endpoint);
    MemberInput& input = inputs[endpoint];
    const Advice* advice = group.advice_for(member_of(key, endpoint));
    if (advice != nullptr) input.advice = *advice;
    input.kernel_weight = destination.weight;
    input.own_zero = history.written == 0U;
    input.static_weight = history.first_seen;
    input.last_positive = history.last_positive;
    const auto configured = group.settings.members.find(endpoint);
    if (configured != group.settings.members.end() && configured->second.weight) {
      input.static_weight = *configured->second.weight;
    }
  }
  return inputs;
}

void Reconciler::write_chunk(Work& work) {
  const std::size_t count = std::min(plan_.size(), settings_.chunk);
  if (count == 0) return;
  const lb::Plan chunk(plan_.begin(), plan_.begin() + static_cast<std::ptrdiff_t>(count));
  plan_.erase(plan_.begin(), plan_.begin() + static_cast<std::ptrdiff_t>(count));
  if (settings_.dry_run) {
    work.applied = chunk;
    work.more = !plan_.empty();
    return;
  }
  for (const auto& change : chunk)
    history_of(change).attempted = change.destination.weight;
  const auto failures = plane_.apply(chunk);
  auto failed = failures.begin();
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    const auto& change = chunk[i];
    if (failed != failures.end() && failed->index == i) {
      work.failures.push_back(failed->error.detail);
      if (!failed->outcome_unknown()) history_of(change).attempted.reset();
      ++failed;
      continue;
    }
    lb::apply(change, actual_);
    History& history = history_of(change);
    history.written = change.destination.weight;
    history.attempted.reset();
    if (change.destination.weight > 0) history.last_positive = change.destination.weight;
    work.applied.push_back(change);
  }
  if (!failures.empty()) {
    plan_.clear();
    actual_known_ = false;
  }
  work.more = !plan_.empty();
}

Reconciler::History& Reconciler::history_of(const lb::WeightChange& change) {
  return histories_.at(change.service).at(change.destination.endpoint);
}

bool Reconciler::exists(const Group& group, const sasp::MemberKey& member) const {
  return std::any_of(group.settings.services.begin(), group.settings.services.end(),
                     [&](const auto& key) {
                       const Endpoint endpoint{member.address, member.port};
                       const auto pool = actual_.find(key);
                       return pool != actual_.end() && member_of(key, endpoint) == member &&
                              pool->second.destinations.contains(endpoint);
                     });
}

sasp::WantedGroups Reconciler::wanted() const {
  sasp::WantedGroups wanted;
  for (const auto& [name, group] : groups_) {
    for (const auto& key : group.settings.services) {
      const auto pool = actual_.find(key);
      if (pool == actual_.end()) continue;
      for (const auto& [endpoint, destination] : pool->second.destinations) {
        // An IPv6 address that SASP takes for IPv4 would come back as another member (row 2).
        if (sasp::from_wire(sasp::to_wire(endpoint.address)) != endpoint.address) continue;
        const auto configured = group.settings.members.find(endpoint);
        wanted[name][member_of(key, endpoint)] =
            configured != group.settings.members.end() ? configured->second.label : "";
      }
    }
  }
  return wanted;
}

std::vector<Reconciler::GroupView> Reconciler::view() const {
  std::vector<GroupView> views;
  for (const auto& [name, group] : groups_) {
    GroupView view{name, group.gwm, {}, {}};
    for (const auto& key : group.settings.services)
      view_service(group, key, view);
    views.push_back(std::move(view));
  }
  return views;
}

void Reconciler::view_service(const Group& group, const lb::ServiceKey& key,
                              GroupView& view) const {
  static const lb::Pool absent;
  const auto found = actual_.find(key);
  const lb::Pool& pool = found != actual_.end() ? found->second : absent;
  const auto decision = decisions_.find(key);
  view.services.push_back({key, found != actual_.end(), pool.scheduler,
                           decision != decisions_.end() && decision->second.held});
  const auto add = [&](const Endpoint& endpoint) -> MemberView& {
    MemberView& member = view.members.emplace_back();
    member.endpoint = endpoint;
    member.service = key;
    const auto as_member = member_of(key, endpoint);
    member.protocol = as_member.protocol;
    const Advice* advice = group.advice_for(as_member);
    if (advice != nullptr) member.advice = *advice;
    const auto configured = group.settings.members.find(endpoint);
    if (configured != group.settings.members.end()) member.label = configured->second.label;
    return member;
  };
  for (const auto& [endpoint, destination] : pool.destinations) {
    MemberView& member = add(endpoint);
    member.kernel_weight = member.effective_weight = destination.weight;
    member.reason = Reason::static_weight;
    if (decision == decisions_.end()) continue;
    const auto decided = decision->second.members.find(endpoint);
    if (decided == decision->second.members.end()) continue;
    member.effective_weight = decided->second.weight;
    member.reason = decided->second.reason;
  }
  for (const auto& [endpoint, settings] : group.settings.members) {
    if (!pool.destinations.contains(endpoint)) add(endpoint);
  }
}

}  // namespace saspd
