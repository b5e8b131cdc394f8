// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/decide.hpp"

#include <algorithm>
#include <iterator>

namespace saspd::director {
namespace {

// A restarted GWM takes two samples of each member first. One that knows no member for longer
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
        page_(known.ledger().page(service.key)),
        seen_(known.seen(service.key)),
        unknown_since_(known.unknown_since(service.key)),
        full_(known.advice().adviser_of(group).heard.full),
        now_(now) {}

  Verdict verdict() {
    Verdict verdict;
    auto members = inputs();
    verdict.advice = watch(members);
    const Standing standing = standing_with(verdict.advice);
    if (standing == Standing::stale) forget_unsaid(verdict.advice, members);
    const auto& scheduler = service_.manage ? service_.manage->service.scheduler : pool_.scheduler;
    verdict.scale = known_.scale(service_.key);
    verdict.decision = project(members, standing, limits_of(scheduler, service_.max), verdict.scale,
                               settings_.policy, now_);
    let_stand(known_.standing(service_.key), pool_, verdict.decision);
    if (const auto when = keep_pace(verdict.decision, pool_, known_.last_writes(service_.key),
                                    settings_.pace, now_))
      ends_at(*when);
    note_held_zeros(verdict);
    note_drains(verdict.decision);
    verdict.until = until_;
    return verdict;
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
      destination.lost = service_.manage->tells_lost && is_lost(destination, member);
      if (member.reason == Reason::leaving && has_left(endpoint)) wish.destinations.erase(endpoint);
    }
    return wish;
  }

 private:
  std::map<Endpoint, MemberInput> inputs() {
    std::map<Endpoint, MemberInput> inputs;
    for (const auto& [endpoint, destination] : pool_.destinations)
      inputs.emplace_hint(inputs.end(), endpoint, input(destination));
    if (service_.manage) add_members(inputs);
    return inputs;
  }

  AdviceWatch watch(const std::map<Endpoint, MemberInput>& inputs) {
    const auto adviser = known_.advice().adviser_of(group_);
    const auto& heard = adviser.heard;
    Guidance guidance = director::guidance(inputs, heard);
    if (guidance == Guidance::advised && is_silent(heard, settings_.stale_after, now_))
      guidance = Guidance::stale;
    if (!adviser.connected && !inputs.empty()) guidance = Guidance::lost;
    AdviceWatch watch = known_.advice_watch(service_.key);
    const bool has_advice = guidance == Guidance::advised && group_.gwm() && !inputs.empty();
    watch.update(guidance, has_advice, heard.last, patience_with(heard, settings_.stale_after),
                 now_);
    if (const auto when = watch.deadline()) ends_at(*when);
    return watch;
  }

  // Static weights do without advice; nothing else is done in the name of a GWM that never spoke.
  Standing standing_with(const AdviceWatch& watch) const {
    const bool can_be_stale = watch.was_advised() || settings_.policy.on_stale == OnStale::static_;
    if (watch.lack() && can_be_stale) return Standing::stale;
    return group_.gwm() ? Standing::current : Standing::none;
  }

  // What no GWM says any more does not outlive --stale-after, unless it is held.
  void forget_unsaid(const AdviceWatch& watch, std::map<Endpoint, MemberInput>& inputs) const {
    if (settings_.policy.on_stale == OnStale::hold || watch.lack() == Guidance::unknown) return;
    for (auto& [endpoint, input] : inputs)
      input.advice.reset();
  }

  void note_held_zeros(Verdict& verdict) const {
    for (const auto& [endpoint, member] : verdict.decision.members) {
      if (member.reason != Reason::foreign_zero && member.reason != Reason::unclear_zero) continue;
      verdict.zeros[{service_.key, endpoint}] = {group_.settings.name, page_.zero(endpoint)};
    }
  }

  // Who is to leave a managed service, and who is to be added.
  void add_members(std::map<Endpoint, MemberInput>& inputs) {
    const auto members = group_.members(service_);
    for (auto& [endpoint, input] : inputs)
      input.leaving = !members.contains(endpoint);
    for (const auto& endpoint : members) {
      if (pool_.destinations.contains(endpoint)) continue;
      const bool waits = now_ < settings_.waits_until;
      if (waits && group_.advice_for(member_of(service_, endpoint)) == nullptr) {
        ends_at(settings_.waits_until);
        continue;
      }
      lb::Destination added;
      added.endpoint = endpoint;
      inputs[endpoint] = input(added);
      inputs[endpoint].absent = true;
    }
  }

  MemberInput input(const lb::Destination& destination) {
    const Endpoint& endpoint = destination.endpoint;
    MemberInput input;
    if (const auto* advice = group_.advice_for(member_of(service_, endpoint))) {
      input.advice = *advice;
      input.unnamed = full_ && advice->received < *full_;
    }
    input.kernel_weight = destination.weight;
    const Zero zero = page_.zero(endpoint);
    input.own_zero = zero.author == ZeroAuthor::ours;
    input.unclear_zero = zero.author == ZeroAuthor::unclear;
    if (const auto* record = page_.find(endpoint)) {
      if (record->static_weight > 0) input.static_weight = record->static_weight;
      input.last_positive = record->last_positive;
      const auto& unknown = unknown_since_;
      input.avoided = record->avoided;
      input.released = input.avoided && unknown && now_ - *unknown >= confidence_lapses;
      if (unknown) ends_at(*unknown + confidence_lapses);
    }
    if (const auto seen = seen_.find(endpoint); seen != seen_.end())
      input.served = seen->second.served;
    if (destination.weight > 0)
      input.served = now_;
    else if (input.served)
      ends_at(*input.served + lost_lately + Duration{1});
    const auto& overrides = known_.overrides();
    if (const auto* override = overrides.find(group_.settings.name, endpoint))
      input.override = override->weight;
    input.held = overrides.is_held(group_.settings.name);
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

  // One that stays at 0 for now is not yet written as found again.
  static bool is_lost(const lb::Destination& present, const Decision& member) {
    return member.reason == Reason::no_contact ||
           (present.lost && member.pending && member.weight == 0);
  }

  // A leaving destination may go when the kernel was seen to have no connection to it, and no way
  // to give it one; or when its time is up.
  bool has_left(const Endpoint& endpoint) const {
    const auto seen = seen_.find(endpoint);
    if (seen == seen_.end()) return false;  // not in the kernel yet
    const auto& [served, idle, leaving_since, withdrawn] = seen->second;
    const auto& drain = service_.manage->drain;
    return idle || (drain && now_ - leaving_since.value_or(now_) >= *drain);
  }

  void note_drains(const ServiceDecision& decision) {
    if (!service_.manage || !service_.manage->drain) return;
    for (const auto& [endpoint, member] : decision.members) {
      if (member.reason != Reason::leaving) continue;
      const auto seen = seen_.find(endpoint);
      if (seen != seen_.end() && seen->second.leaving_since)
        ends_at(*seen->second.leaving_since + *service_.manage->drain);
    }
  }

  // What is decided now may be decided otherwise from `when` on.
  void ends_at(TimePoint when) {
    if (when > now_ && (!until_ || when < *until_)) until_ = when;
  }

  const Knowledge& known_;
  const DecisionSettings& settings_;
  const Group& group_;
  const ServiceSettings& service_;
  const lb::Pool& pool_;
  const Ledger::Page page_;
  const Knowledge::SeenOfService& seen_;
  const std::optional<TimePoint> unknown_since_;
  const std::optional<TimePoint> full_;  // when the GWM last named all that it knows
  const TimePoint now_;
  std::optional<TimePoint> until_;
};

}  // namespace

std::optional<Verdict> decide(const Knowledge& known, const DecisionSettings& settings,
                              const lb::ServiceKey& service, TimePoint now) {
  const auto owner = known.advice().owner_of(service);
  if (!owner) return std::nullopt;
  if (!owner->service->manage && !known.table().contains(service)) return std::nullopt;
  return ServiceToDecide(known, settings, *owner->group, *owner->service, now).verdict();
}

Writes writes(const Knowledge& known, const DecisionSettings& settings,
              const lb::ServiceKey& service, const ServiceDecision* decision, TimePoint now) {
  const auto exists = known.table().find(service);
  const lb::Pool* pool = exists != known.table().end() ? &exists->second : nullptr;
  if (decision == nullptr) {
    const bool surplus = settings.own_table && pool != nullptr;
    if (!surplus) return {};
    return {{{lb::Action::remove_service, service, {}, {}}}, {}};
  }
  const auto owner = known.advice().owner_of(service);
  const ServiceToDecide decided(known, settings, *owner->group, *owner->service, now);
  Writes writes{lb::diff(service, pool, decided.wish(*decision)), {}};
  if (!settings.own_table) return writes;
  const auto late = std::stable_partition(
      writes.changes.begin(), writes.changes.end(), [&owner](const lb::Change& change) {
        return change.action != lb::Action::add_destination ||
               owner->group->configured(change.destination.endpoint) != nullptr;
      });
  writes.late.assign(std::move_iterator(late), std::move_iterator(writes.changes.end()));
  writes.changes.erase(late, writes.changes.end());
  return writes;
}

}  // namespace saspd::director
