// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/decide.hpp"

#include <algorithm>

namespace saspd::director {
namespace {

// A GWM that was restarted takes two samples of each member first. One that knows nobody for longer
// than this has taken back what it said by the confident flag.
constexpr Duration confidence_lapses = std::chrono::minutes{3};

// One service of one group.
class ServiceToDecide {
 public:
  ServiceToDecide(const Knowledge& known, const DecisionSettings& settings, const Group& group,
                  const ServiceSettings& service, TimePoint now)
      : known_(known),
        settings_(settings),
        group_(group),
        service_(service),
        pool_(known.pool(service.key)),
        now_(now) {}

  std::map<Endpoint, MemberInput> inputs() const {
    std::map<Endpoint, MemberInput> inputs;
    for (const auto& [endpoint, destination] : pool_.destinations)
      inputs[endpoint] = input(destination);
    if (service_.manage) add_members(inputs);
    return inputs;
  }

  ServiceDecision decide(const std::map<Endpoint, MemberInput>& inputs, Scale& scale) const {
    const auto& scheduler = service_.manage ? service_.manage->service.scheduler : pool_.scheduler;
    return project(inputs, group_.gwm.has_value(), limits_of(scheduler, service_.max), scale,
                   settings_.policy, now_);
  }

  Decisions::Steering steering(const std::map<Endpoint, MemberInput>& inputs) const {
    const auto adviser = known_.advice().adviser_of(group_);
    const auto& heard = adviser.heard;
    const Duration patience = patience_with(heard, settings_.stale_after);
    auto is = guidance(inputs, heard);
    if (is == Guidance::advised && heard.last && now_ - *heard.last > patience)
      is = Guidance::stale;
    if (!adviser.connected && !inputs.empty()) is = Guidance::lost;
    return {is, patience};
  }

  // What the decision makes of the service. Of one that is not managed that is weights, no more.
  lb::Pool wish(const ServiceDecision& decision) const {
    lb::Pool wish = pool_;
    if (service_.manage) set_attributes(wish);
    for (const auto& [endpoint, member] : decision.members) {
      lb::Destination& destination = wish.destinations[endpoint];
      destination.endpoint = endpoint;
      destination.weight = member.weight;
      if (!service_.manage) continue;
      destination.forward = service_.manage->forward;
      destination.lost = service_.manage->tells_lost && member.reason == Reason::no_contact;
      if (member.reason == Reason::leaving && has_left(endpoint)) wish.destinations.erase(endpoint);
    }
    return wish;
  }

 private:
  // Who is to leave a managed service, and who is to be added.
  void add_members(std::map<Endpoint, MemberInput>& inputs) const {
    const auto members = group_.members(service_);
    for (auto& [endpoint, input] : inputs)
      input.leaving = !members.contains(endpoint);
    for (const auto& endpoint : members) {
      if (pool_.destinations.contains(endpoint)) continue;
      const bool waits = now_ < settings_.waits_until;
      if (waits && group_.advice_for(member_of(service_, endpoint)) == nullptr) continue;
      lb::Destination added;
      added.endpoint = endpoint;
      inputs[endpoint] = input(added);
      inputs[endpoint].absent = true;
    }
  }

  MemberInput input(const lb::Destination& destination) const {
    const Endpoint& endpoint = destination.endpoint;
    MemberInput input;
    if (const auto* advice = group_.advice_for(member_of(service_, endpoint))) {
      input.advice = *advice;
    }
    input.kernel_weight = destination.weight;
    const Zero zero = known_.ledger().zero(service_.key, endpoint);
    input.own_zero = zero.author == ZeroAuthor::ours;
    input.unclear_zero = zero.author == ZeroAuthor::unclear;
    if (const auto* record = known_.ledger().find(service_.key, endpoint)) {
      if (record->static_weight > 0) input.static_weight = record->static_weight;
      input.last_positive = record->last_positive;
      const auto unknown = known_.unknown_since(service_.key);
      input.avoided = record->avoided;
      input.released = input.avoided && unknown && now_ - *unknown >= confidence_lapses;
    }
    if (const auto* seen = known_.seen(service_.key, endpoint)) input.served = seen->served;
    if (destination.weight > 0) input.served = now_;
    const auto* configured = group_.configured(endpoint);
    if (configured != nullptr && configured->weight) input.static_weight = *configured->weight;
    return input;
  }

  void set_attributes(lb::Pool& wish) const {
    const lb::Service& managed = service_.manage->service;
    const bool exists = known_.table().contains(service_.key);
    constexpr std::uint32_t kept = lb::service_flag::hashed | lb::service_flag::sched3;
    wish.scheduler = managed.scheduler;
    wish.flags = (pool_.flags & kept) | managed.flags;
    if (exists && (managed.flags & lb::service_flag::persistent) == 0) return;
    wish.timeout = managed.timeout;
    wish.netmask = managed.netmask;
  }

  // A leaving destination may go when the kernel was seen to have no connection to it, and no way
  // to give it one; or when its time is up.
  bool has_left(const Endpoint& endpoint) const {
    const auto* seen = known_.seen(service_.key, endpoint);
    if (seen == nullptr) return false;  // not in the kernel yet
    const auto& drain = service_.manage->drain;
    return seen->idle || (drain && now_ - seen->leaving_since.value_or(now_) >= *drain);
  }

  const Knowledge& known_;
  const DecisionSettings& settings_;
  const Group& group_;
  const ServiceSettings& service_;
  const lb::Pool& pool_;
  const TimePoint now_;
};

void note_held_zeros(const Group& group, const lb::ServiceKey& service,
                     const ServiceDecision& decision, const Ledger& ledger, HeldZeros& zeros) {
  for (const auto& [endpoint, member] : decision.members) {
    if (member.reason != Reason::foreign_zero && member.reason != Reason::unclear_zero) continue;
    zeros[{service, endpoint}] = {group.settings.name, ledger.zero(service, endpoint)};
  }
}

// Where there is no room for all, those who registered themselves are left out.
void configured_first(const AdviceBook& book, lb::Plan& plan) {
  std::map<lb::ServiceKey, const Group*> groups;
  for (const auto& [name, group] : book.groups()) {
    for (const auto& service : group.settings.services)
      groups[service.key] = &group;
  }
  std::stable_partition(plan.begin(), plan.end(), [&groups](const lb::Change& change) {
    const auto group = groups.find(change.service);
    return change.action != lb::Action::add_destination || group == groups.end() ||
           group->second->configured(change.destination.endpoint) != nullptr;
  });
}

}  // namespace

Decisions decide(const Knowledge& known, const DecisionSettings& settings, TimePoint now) {
  Decisions decisions;
  lb::Table desired;
  for (const auto& [name, group] : known.advice().groups()) {
    for (const auto& service : group.settings.services) {
      if (!service.manage && !known.table().contains(service.key)) continue;
      const ServiceToDecide to_decide(known, settings, group, service, now);
      Scale& scale = decisions.scales[service.key] = known.scale(service.key);
      const auto inputs = to_decide.inputs();
      const auto& decision = decisions.services[service.key] = to_decide.decide(inputs, scale);
      decisions.steering[service.key] = to_decide.steering(inputs);
      note_held_zeros(group, service.key, decision, known.ledger(), decisions.zeros);
      desired[service.key] = to_decide.wish(decision);
    }
  }
  const auto surplus = settings.own_table ? lb::Surplus::remove : lb::Surplus::keep;
  decisions.plan = lb::diff(known.table(), desired, surplus);
  if (settings.own_table && !decisions.plan.empty())
    configured_first(known.advice(), decisions.plan);
  return decisions;
}

}  // namespace saspd::director
