// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/probe_schedule.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace saspd::gwm {
namespace {

constexpr std::int64_t jitter_steps = 1'000'000;
constexpr std::int64_t jitter_divisor = 20;  // 1/20 is 5 %

// The same for the same target and sample: a test and a trace can be repeated.
std::uint64_t scattered(const ProbeTarget& target, std::uint64_t samples) {
  // The finaliser of splitmix64, on what differs between targets and between their samples.
  std::uint64_t x = std::hash<Endpoint>{}(target.endpoint) ^
                    std::hash<std::string>{}(target.spec.path) ^ (samples * 0x9E3779B97F4A7C15U);
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

}  // namespace

void ProbeSchedule::set_targets(const std::set<ProbeTarget>& targets, TimePoint now) {
  remove_others(targets);
  std::vector<Entries::iterator> fresh;
  for (const ProbeTarget& target : targets) {
    const auto known = recalled_.find(target);
    const auto [entry, is_new] = entries_.try_emplace(
        target, Entry{known != recalled_.end() ? known->second : Health(now), queue_.end()});
    if (is_new) fresh.push_back(entry);
    // Gone and back while its probe runs: a new member, whose first sample is on its way.
    if (!entry->second.is_wanted) {
      entry->second.is_wanted = true;
      entry->second.health = Health(now);
    }
  }
  recalled_.clear();
  const auto count = static_cast<std::int64_t>(fresh.size());
  for (std::int64_t i = 0; i < count; ++i) {
    queue(fresh[static_cast<std::size_t>(i)], now + config_.interval * i / count);
  }
}

void ProbeSchedule::reconfigure(ProbeConfig config, TimePoint now) {
  config_ = std::move(config);
  for (auto& [target, entry] : entries_) {
    if (entry.is_running) continue;
    const TimePoint due = std::min(entry.place->first, now + config_.interval);
    queue_.erase(entry.place);
    entry.place = queue_.emplace(due, &target);
  }
}

void ProbeSchedule::remove_others(const std::set<ProbeTarget>& wanted) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (wanted.contains(entry->first)) {
      ++entry;
    } else if (entry->second.is_running) {
      entry->second.is_wanted = false;
      ++entry;
    } else {
      queue_.erase(entry->second.place);
      entry = entries_.erase(entry);
    }
  }
}

void ProbeSchedule::queue(Entries::iterator entry, TimePoint due) {
  entry->second.place = queue_.emplace(due, &entry->first);
}

std::optional<TimePoint> ProbeSchedule::next_due() const {
  if (queue_.empty() || running_ >= config_.concurrency) return {};
  return queue_.begin()->first;
}

std::vector<ProbeTarget> ProbeSchedule::take_due(TimePoint now) {
  std::vector<ProbeTarget> due;
  for (auto next = next_due(); next && *next <= now; next = next_due()) {
    const ProbeTarget& target = *queue_.begin()->second;
    Entry& entry = entries_.find(target)->second;
    queue_.erase(queue_.begin());
    entry.is_running = true;
    entry.started = now;
    ++running_;
    due.push_back(target);
  }
  return due;
}

ProbeSchedule::Entries::iterator ProbeSchedule::end_probe(const ProbeTarget& target) {
  const auto entry = entries_.find(target);
  if (entry == entries_.end() || !entry->second.is_running) return entries_.end();
  --running_;
  entry->second.is_running = false;
  if (entry->second.is_wanted) return entry;
  entries_.erase(entry);
  return entries_.end();
}

const Health* ProbeSchedule::finished(const ProbeTarget& target, Sample sample, TimePoint now) {
  const auto entry = end_probe(target);
  if (entry == entries_.end()) return nullptr;
  Health& health = entry->second.health;
  health.add(std::move(sample), config_.rules);
  queue(entry, std::max(now, entry->second.started + delay(target, health)));
  return &health;
}

void ProbeSchedule::not_probed(const ProbeTarget& target, TimePoint now) {
  const auto entry = end_probe(target);
  if (entry != entries_.end()) queue(entry, now + config_.interval / 2);
}

Duration ProbeSchedule::delay(const ProbeTarget& target, const Health& health) const {
  const Duration usual = health.in_doubt() ? config_.interval / 2 : config_.interval;
  const auto step =
      static_cast<std::int64_t>(scattered(target, health.samples()) % (2 * jitter_steps + 1)) -
      jitter_steps;
  return usual + usual / jitter_divisor * step / jitter_steps;
}

const Health* ProbeSchedule::health(const ProbeTarget& target) const {
  const auto entry = entries_.find(target);
  return entry == entries_.end() || !entry->second.is_wanted ? nullptr : &entry->second.health;
}

}  // namespace saspd::gwm
