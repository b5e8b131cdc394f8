// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/workload_manager.hpp"

#include <algorithm>
#include <utility>

namespace saspd::gwm {

using namespace sasp;

namespace {

template <class Groups>
std::set<std::string> lbs_of(const Groups& groups) {
  std::set<std::string> lbs;
  for (const auto& group : groups)
    lbs.insert(group.group.lb_uid);
  return lbs;
}

// One, or several that a member speaks to.
std::set<std::string> lbs_changed_by(const Message& request) {
  if (const auto* r = std::get_if<RegistrationRequest>(&request)) return lbs_of(r->groups);
  if (const auto* r = std::get_if<DeregistrationRequest>(&request)) return lbs_of(r->groups);
  if (const auto* r = std::get_if<SetMemberStateRequest>(&request)) return lbs_of(r->groups);
  return {};
}

PublisherConfig publisher_config(const RegistryConfig& registry) {
  PublisherConfig config;
  config.interval = std::chrono::seconds{registry.interval};
  return config;
}

bool has_member_at(const Group& group, const IpAddress& address) {
  const auto member = group.lower_bound(MemberKey{address, 0, 0});
  return member != group.end() && member->first.address == address;
}

}  // namespace

WorkloadManager::WorkloadManager(WorkloadManagerConfig config)
    : registry_(config.registry),
      weigher_(config.weigher, std::move(config.probes)),
      publisher_(publisher_config(config.registry), weigher_, registry_.total()) {}

void WorkloadManager::reconfigure(WorkloadManagerConfig config, TimePoint now) {
  registry_.reconfigure(config.registry);
  weigher_.reconfigure(config.weigher, std::move(config.probes));
  publisher_.reconfigure(publisher_config(config.registry));
  ++generation_;
  for (const auto& [lb_uid, lb] : registry_.load_balancers())
    publisher_.event(lb, lb_uid, now);
}

Outcome WorkloadManager::handle(const Sender& sender, const Message& request, TimePoint now) {
  Outcome outcome = registry_.handle(sender, request);
  if (outcome.refusal.empty()) publish(request, outcome, now);
  return outcome;
}

// The effect of an accepted request on what its LB is sent.
void WorkloadManager::publish(const Message& request, Outcome& outcome, TimePoint now) {
  // sasp-interop row 32: the first message after a connect or a Set LB State is full.
  const auto* state = std::get_if<SetLbStateRequest>(&request);
  const std::string* starts = outcome.attached   ? &*outcome.attached
                              : state != nullptr ? &state->lb_uid
                                                 : nullptr;
  if (starts != nullptr) publisher_.start(*registry_.find(*starts), *starts, now);
  if (outcome.changed || outcome.attached) ++orders_;
  if (outcome.changed) {
    ++revision_;
    for (const std::string& lb_uid : lbs_changed_by(request))
      publisher_.event(*registry_.find(lb_uid), lb_uid, now);
    // States are reported often, and do not change which members are probed.
    if (std::holds_alternative<RegistrationRequest>(request) ||
        std::holds_alternative<DeregistrationRequest>(request)) {
      ++generation_;
    }
  }
  if (const auto* asks = std::get_if<GetWeightsRequest>(&request)) {
    const std::string& lb_uid = asks->groups[0].lb_uid;
    std::get<GetWeightsReply>(outcome.reply).groups =
        publisher_.answer(*registry_.find(lb_uid), lb_uid, asks->groups, now);
  }
}

void WorkloadManager::disconnected(ConnectionId connection, TimePoint now) {
  const std::string* lb_uid = registry_.attached_to(connection);
  if (lb_uid != nullptr) publisher_.forget(*lb_uid);
  registry_.disconnected(connection, now);
}

// Every LB that has a member there is sent the change.
void WorkloadManager::event_at(const IpAddress& address, TimePoint now) {
  for (const auto& [lb_uid, lb] : registry_.load_balancers()) {
    const bool concerned = std::any_of(lb.groups.begin(), lb.groups.end(), [&](const auto& group) {
      return has_member_at(group.second, address);
    });
    if (concerned) publisher_.event(lb, lb_uid, now);
  }
}

void WorkloadManager::event_everywhere(TimePoint now) {
  for (const auto& [lb_uid, lb] : registry_.load_balancers())
    publisher_.event(lb, lb_uid, now);
}

void WorkloadManager::use(AdviceTable table, TimePoint now) {
  weigher_.use(std::move(table));
  event_everywhere(now);
}

void WorkloadManager::use_drains(std::set<MemberName> file, TimePoint now) {
  if (weigher_.use_drains(std::move(file))) event_everywhere(now);
}

// The servers served on meanwhile, so what is measured by time went on as well.
void WorkloadManager::recall(State state, const Authority& authority, TimePoint now,
                             std::int64_t unix_time) {
  // A clock that was set meanwhile says little.
  constexpr std::int64_t longest = 86400LL * 365;
  const std::chrono::seconds away{
      std::clamp<std::int64_t>(unix_time - state.unix_time, 0, longest)};
  for (auto& [target, known] : state.probes) {
    if (known.back_for) *known.back_for += away;
  }
  registry_.recall(std::move(state.lbs), authority, now);
  weigher_.recall(state.probes, now);
  weigher_.keep_only(probe_targets());
  for (const auto& [member, drain] : state.drains)
    weigher_.drain(member, drain);
  recalled_at_ = now;
  ++generation_;
  ++revision_;
}

void WorkloadManager::learn(const ProbeTarget& target, const Reading& reading, TimePoint now) {
  if (weigher_.learn(target, reading, now)) event_at(target.endpoint.address, now);
}

std::size_t WorkloadManager::drain(const MemberName& name, TimePoint now, const Drain& drain) {
  std::size_t found = 0;
  for (const auto& [lb_uid, lb] : registry_.load_balancers()) {
    for (const auto& [group_name, group] : lb.groups) {
      found += static_cast<std::size_t>(std::count_if(
          group.begin(), group.end(), [&, &group_name = group_name](const auto& member) {
            return names(name, group_name, member.first);
          }));
    }
  }
  if (found > 0 && weigher_.drain(name, drain)) {
    ++orders_;
    event_at(name.endpoint.address, now);
  }
  return found;
}

bool WorkloadManager::undrain(const MemberName& name, TimePoint now) {
  if (!weigher_.undrain(name)) return false;
  ++orders_;
  event_at(name.endpoint.address, now);
  return true;
}

std::set<ProbeTarget> WorkloadManager::probe_targets() const {
  std::set<ProbeTarget> targets;
  for (const auto& [lb_uid, lb] : registry_.load_balancers()) {
    for (const auto& [name, group] : lb.groups) {
      for (const auto& [key, member] : group) {
        for (auto& target : weigher_.targets_of(name, key))
          targets.insert(std::move(target));
      }
    }
  }
  return targets;
}

std::optional<TimePoint> WorkloadManager::deadline() const {
  return earliest({publisher_.next_look(), registry_.next_expiry(), weigher_.waits_until()});
}

std::vector<Push> WorkloadManager::due(TimePoint now,
                                       const std::function<bool(ConnectionId)>& ready) {
  if (const auto end = weigher_.waits_until(); end && *end <= now) {
    weigher_.end_wait();
    event_everywhere(now);
  }
  std::vector<Push> pushes;
  for (const std::string& lb_uid : publisher_.due(now)) {
    const LoadBalancer& lb = *registry_.find(lb_uid);
    if (!ready(*lb.connection)) {
      publisher_.suspend(lb_uid);
      continue;
    }
    auto messages = publisher_.look(lb, lb_uid, now);
    if (messages.count > 0) pushes.push_back({*lb.connection, std::move(messages)});
  }
  return pushes;
}

void WorkloadManager::writable(ConnectionId connection, TimePoint now) {
  const std::string* lb_uid = registry_.attached_to(connection);
  if (lb_uid != nullptr) publisher_.resume(*lb_uid, now);
}

std::vector<std::string> WorkloadManager::forget_expired(TimePoint now) {
  auto forgotten = registry_.forget_expired(now);
  if (!forgotten.empty()) {
    ++generation_;
    ++revision_;
    ++orders_;
  }
  return forgotten;
}

}  // namespace saspd::gwm
