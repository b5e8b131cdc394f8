// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/weigher.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <utility>

namespace saspd::gwm {

using namespace sasp;

namespace {

// What a member starts with that comes back slowly; nothing at all would never show how it fares.
constexpr double first_share = 0.1;

bool serves(const Reading& reading) {
  return reading.state == Reading::State::passing && reading.up;
}

// RFC 4678 5.3: may it get new work?
bool is_available(const WeightEntry& entry) {
  return (entry.flags & (weight_flag::contact | weight_flag::quiesce)) == weight_flag::contact;
}

// Does its weight come from its share?
bool is_weighed(const WeightEntry& entry, const Judgement& judgement) {
  return is_available(entry) && !judgement.weight_fixed;
}

// The largest share that, with all larger ones reduced to it, does not exceed `part` of their sum.
// `part` is below 1 and at least two equal parts.
double largest_allowed(std::vector<double> shares, double part) {
  std::sort(shares.begin(), shares.end(), std::greater<>());
  double rest = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (shares.front() <= part * rest) return shares.front();
  double most = 0;
  for (std::size_t cut = 1; cut < shares.size() && part * static_cast<double>(cut) < 1; ++cut) {
    rest -= shares[cut - 1];
    most = part * rest / (1 - part * static_cast<double>(cut));
    if (most >= shares[cut]) break;
  }
  return most;
}

}  // namespace

Reading reading_of(const Health& health) {
  Reading reading;
  reading.state = health.state() == Health::State::up     ? Reading::State::passing
                  : health.state() == Health::State::down ? Reading::State::failing
                                                          : Reading::State::unknown;
  const AgentState& agent = health.agent();
  reading.up = agent.health.up();
  reading.drain = agent.admin != AgentAdmin::ready;
  reading.percent = agent.percent;
  return reading;
}

Health health_of(const Reading& reading, TimePoint now) {
  AgentState agent;
  agent.percent = static_cast<std::uint16_t>(reading.percent);
  if (!reading.up) agent.health.word = AgentHealth::Word::down;
  if (reading.drain) agent.admin = AgentAdmin::drain;
  const bool passing = reading.state == Reading::State::passing;
  return {passing ? Health::State::up : Health::State::down, agent, now};
}

void Weigher::reconfigure(WeigherConfig config, ProbePlan plan) {
  config_ = config;
  plan_ = std::move(plan);
  ++generation_;
}

void Weigher::use(AdviceTable table) {
  table_ = std::move(table);
  ++generation_;
}

bool Weigher::drain(const MemberName& member, const Drain& drain) {
  const bool changed = drains_.add(member, drain);
  if (changed) ++generation_;
  return changed;
}

bool Weigher::undrain(const MemberName& member) {
  const bool changed = drains_.remove(member);
  if (changed) ++generation_;
  return changed;
}

bool Weigher::use_drains(std::set<MemberName> file) {
  const bool changed = drains_.use(std::move(file));
  if (changed) ++generation_;
  return changed;
}

void Weigher::wait_until(TimePoint time) {
  waits_until_ = time;
  ++generation_;
}

void Weigher::end_wait() {
  waits_until_.reset();
  ++generation_;
}

std::map<ProbeTarget, Remembered> Weigher::remembered(TimePoint now) const {
  std::map<ProbeTarget, Remembered> all;
  for (const auto& [name, target] : targets_) {
    if (target.reading.state == Reading::State::unknown) continue;
    Remembered& one = all[name];
    one.reading = target.reading;
    one.percent = target.percent;
    if (target.came_back) one.back_for = now - *target.came_back;
  }
  return all;
}

void Weigher::recall(const std::map<ProbeTarget, Remembered>& known, TimePoint now) {
  for (const auto& [name, one] : known) {
    Target& target = targets_[name];
    target.reading = one.reading;
    target.percent = one.percent;
    target.known_since = now;
    if (one.back_for) target.came_back = now - *one.back_for;
  }
  ++generation_;
}

bool Weigher::learn(const ProbeTarget& target, const Reading& reading, TimePoint now) {
  const auto [known, is_new] = targets_.try_emplace(target);
  Target& of = known->second;
  const Reading before = std::exchange(of.reading, reading);
  const bool was_down = before.state == Reading::State::failing || !before.up;
  if (was_down && serves(reading)) of.came_back = now;
  if (!of.known_since && reading.state != Reading::State::unknown) of.known_since = now;
  const double old = config_.damping / 100.0;
  const double percent = std::min(reading.percent, config_.agent_max);
  const double percent_before = of.percent;
  const bool first = before.state != Reading::State::passing;
  of.percent = first ? percent : of.percent * old + percent * (1 - old);
  // Damping never quite arrives.
  if (std::abs(of.percent - percent) < 0.5) of.percent = percent;
  if (before != reading || of.percent != percent_before) ++generation_;
  return before.state != reading.state || before.up != reading.up || before.drain != reading.drain;
}

void Weigher::keep_only(const std::set<ProbeTarget>& targets) {
  const auto is_gone = [&](const auto& target) { return !targets.contains(target.first); };
  if (std::erase_if(targets_, is_gone) > 0) ++generation_;
}

const Advice* Weigher::of_file(std::string_view group, const MemberKey& member) const {
  const auto members = table_.find(group);
  if (members == table_.end()) return nullptr;
  const auto known = members->second.find(member);
  return known == members->second.end() ? nullptr : &known->second;
}

std::vector<ProbeTarget> Weigher::targets_of(std::string_view group,
                                             const MemberKey& member) const {
  std::vector<ProbeTarget> targets;
  for (const ProbeSpec& spec : plan_.of(group)) {
    if (auto target = target_of(spec, member)) targets.push_back(std::move(*target));
  }
  return targets;
}

Judgement Weigher::judge(std::string_view group, const MemberKey& member, TimePoint now) const {
  Judgement judgement;
  judgement.share = 1;
  if (const Advice* said = of_file(group, member)) judgement.advice = *said;
  // A line that says quiesce or down gives no weight, but probes may find the member well later.
  Advice& advice = judgement.advice;
  judgement.weight_fixed = advice.confident;
  bool silent = false;
  const auto targets = targets_of(group, member);
  for (const ProbeTarget& target : targets)
    take(target, judgement, silent, now);
  if (!targets.empty()) advice.confident = !silent || !advice.contact;
  if (!advice.confident) judgement.share = 0;
  judgement.drained = drains_.by_operator(group, member);
  judgement.drained_by_file = drains_.by_file(group, member);
  advice.quiesce = advice.quiesce || judgement.drained || judgement.drained_by_file;
  return judgement;
}

void Weigher::take(const ProbeTarget& target, Judgement& judgement, bool& silent,
                   TimePoint now) const {
  const auto known = targets_.find(target);
  if (known == targets_.end() || known->second.reading.state == Reading::State::unknown) {
    silent = judgement.warms_up = true;
    return;
  }
  judgement.known_since = std::max(judgement.known_since, known->second.known_since);
  const Reading& reading = known->second.reading;
  const bool passing = reading.state == Reading::State::passing;
  judgement.slow_start = std::min(judgement.slow_start, slow_start(known->second, now));
  if (target.spec.kind != ProbeSpec::Kind::agent) {
    if (!passing) judgement.advice.contact = false;
    return;
  }
  if (!passing) {
    silent = true;
    return;
  }
  if (!reading.up) judgement.advice.contact = false;
  if (reading.drain) judgement.advice.quiesce = true;
  judgement.share *= known->second.percent / 100;
}

double Weigher::slow_start(const Target& target, TimePoint now) const {
  if (!target.came_back || config_.slow_start == std::chrono::seconds{0}) return 1;
  const std::chrono::duration<double> since = now - *target.came_back;
  return std::clamp(since / config_.slow_start, first_share, 1.0);
}

Weighing Weigher::weighing(std::string_view name, const Group& group, TimePoint now) const {
  std::vector<Judgement> judgements;
  Weighing weighing;
  auto& entries = weighing.entries;
  judgements.reserve(group.size());
  entries.reserve(group.size());
  for (const auto& [key, member] : group)
    judgements.push_back(judge(name, key, now));
  weighing.wait = wait_of(group, judgements, now);
  weighing.steady = std::none_of(judgements.begin(), judgements.end(), [&](const auto& each) {
    return each.slow_start < 1 || (weighing.wait == Wait::samples && !each.warms_up);
  });
  auto judgement = judgements.begin();
  for (const auto& [key, member] : group) {
    if (weighing.wait != Wait::no) judgement->advice.confident = false;
    entries.push_back(weight_entry(member, judgement++->advice));
  }
  cap_shares(judgements, entries);
  normalise(judgements, file_scale(name, group), entries);
  spread_if_all_zero(entries);
  return weighing;
}

// The end of wait_until() is a new generation; that of the other one comes by itself.
Wait Weigher::wait_of(const Group& group, const std::vector<Judgement>& judgements,
                      TimePoint now) const {
  const auto is_self_registered = [](const auto& member) {
    return !member.second.registered_by_lb;
  };
  if (waits_until_ && now < *waits_until_ &&
      std::any_of(group.begin(), group.end(), is_self_registered)) {
    return Wait::members;
  }
  return settles(judgements, now) ? Wait::samples : Wait::no;
}

bool Weigher::settles(const std::vector<Judgement>& judgements, TimePoint now) const {
  const auto is_old = [&](const Judgement& judgement) {
    if (judgement.warms_up) return false;
    return !judgement.known_since || *judgement.known_since + config_.settle <= now;
  };
  return std::any_of(judgements.begin(), judgements.end(),
                     [](const Judgement& judgement) { return judgement.warms_up; }) &&
         std::none_of(judgements.begin(), judgements.end(), is_old);
}

std::uint16_t Weigher::file_scale(std::string_view name, const Group& group) const {
  const auto members = table_.find(name);
  if (members == table_.end()) return 0;
  std::uint16_t largest = 0;
  for (const auto& [key, advice] : members->second) {
    if (group.contains(key)) largest = std::max(largest, advice.weight);
  }
  return largest;
}

// One agent that is wrong, or lies, does not get the group.
void Weigher::cap_shares(std::vector<Judgement>& judgements,
                         const std::vector<WeightEntry>& entries) const {
  std::vector<double> shares;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (is_weighed(entries[i], judgements[i])) shares.push_back(judgements[i].share);
  }
  const double part = std::max(config_.max_share / 100.0, 2.0 / static_cast<double>(shares.size()));
  if (shares.empty() || part >= 1) return;
  const double most = largest_allowed(std::move(shares), part);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    double& share = judgements[i].share;
    if (is_weighed(entries[i], judgements[i])) share = std::min(share, most);
  }
}

// Only ratios within the group matter. On the scale of the file a whole share is its largest
// weight; without one the best member that can get work has max_weight.
void Weigher::normalise(const std::vector<Judgement>& judgements, std::uint16_t scale,
                        std::vector<WeightEntry>& entries) const {
  double whole = scale > 0 ? 1 : 0;
  for (std::size_t i = 0; scale == 0 && i < entries.size(); ++i) {
    if (is_weighed(entries[i], judgements[i]))
      whole = std::max(whole, judgements[i].share * judgements[i].slow_start);
  }
  if (whole == 0) return;
  const double top = scale > 0 ? scale : config_.max_weight;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const double share = judgements[i].share * judgements[i].slow_start / whole;
    if (!is_weighed(entries[i], judgements[i]) || share == 0) continue;
    const auto weight = std::clamp(std::lround(share * top), 1L, 65535L);
    entries[i].weight = static_cast<std::uint16_t>(weight);
  }
}

WeightEntry weight_entry(const Member& member, const Advice& advice) {
  const bool quiesced = member.quiesced() || advice.quiesce;
  std::uint8_t flags = 0;
  const auto set = [&](bool on, std::uint8_t flag) {
    if (on) flags |= flag;
  };
  set(advice.contact, weight_flag::contact);
  set(quiesced, weight_flag::quiesce);
  set(member.registered_by_lb, weight_flag::registered_by_lb);
  set(advice.confident, weight_flag::confident);
  const bool avoided = quiesced || !advice.contact;
  return {member.data, member.state, flags, avoided ? std::uint16_t{0} : advice.weight};
}

void spread_if_all_zero(std::vector<WeightEntry>& group) {
  const auto has_weight = [](const WeightEntry& entry) { return entry.weight > 0; };
  if (std::any_of(group.begin(), group.end(), has_weight)) return;
  for (WeightEntry& entry : group) {
    if (is_available(entry)) entry.weight = 1;
  }
}

}  // namespace saspd::gwm
