// SPDX-License-Identifier: Apache-2.0

#include "controller/events/journal.hpp"

#include <algorithm>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "controller/events/history.hpp"

namespace saspd::events {
namespace {

using report::unless_empty;

cli::Level level_of(const report::Word<EventLevel>& level) {
  switch (level.known().value_or(EventLevel::info)) {
    case EventLevel::error: return cli::Level::error;
    case EventLevel::warning: return cli::Level::warning;
    case EventLevel::info: return cli::Level::info;
    case EventLevel::debug: return cli::Level::debug;
  }
  return cli::Level::info;
}

report::Event event_of(const StateKey& key, EventPhase phase) {
  report::Event event;
  event.kind = key.kind;
  event.phase = phase;
  event.name = unless_empty(key.name);
  event.group = unless_empty(key.group);
  event.service = unless_empty(key.service);
  event.member = unless_empty(key.member);
  event.gwm = unless_empty(key.gwm);
  return event;
}

// Nothing: it is of a kind that this program does not know.
std::optional<StateKey> key_of(const report::Event& event) {
  const auto kind = event.kind.known();
  if (!kind) return std::nullopt;
  return StateKey{*kind,
                  event.name.value_or(""),
                  event.group.value_or(""),
                  event.service.value_or(""),
                  event.member.value_or(""),
                  event.gwm.value_or("")};
}

// One that was noted without a text is a change of a weight.
report::Event worded(report::Event event) {
  if (event.text.empty()) {
    event.text =
        fmt::format("{} {} weight {} -> {}", event.service.value_or("-"),
                    event.member.value_or("-"), event.was.value_or("-"), event.is.value_or("-"));
  }
  return event;
}

const std::string& log_text(const State& state) {
  return state.log.empty() ? state.text : state.log;
}

std::int64_t seconds_between(WallTime from, WallTime to) {
  return std::chrono::floor<std::chrono::seconds>(to - from).count();
}

}  // namespace

void Journal::remember(std::deque<report::Event> events) {
  events_ = std::move(events);
  while (events_.size() > capacity_)
    events_.pop_front();
  for (const auto& event : events_) {
    last_number_ = std::max(last_number_, event.number);
    const auto key = key_of(event);
    if (!key) continue;
    if (event.phase == EventPhase::begin) of_before_[*key] = event;
    if (event.phase == EventPhase::end) of_before_.erase(*key);
  }
  taken_ = last_number_;
}

void Journal::set_time(TimePoint now, WallTime wall) {
  now_ = now;
  wall_ = wall;
  if (health_since_.empty()) {
    health_since_ = time();
    health_began_ = wall_;
  }
  settle();
}

void Journal::set_time(TimePoint now) {
  set_time(now, wall_ + std::chrono::duration_cast<WallTime::duration>(now - now_));
}

std::string Journal::time() const {
  return time_text(wall_);
}

std::uint64_t Journal::note(report::Event event, bool logged) {
  if (const auto kind = event.kind.known()) ++counts_[*kind];
  append(std::move(event), logged);
  return last_number_;
}

void Journal::append(report::Event event, bool logged) {
  event.number = ++last_number_;
  event.time = time();
  const cli::Level level = level_of(event.level);
  const bool asked = event.kind == EventKind::command && level == cli::Level::info;
  if (logged && log_.shows(level)) {
    asked ? log_.asked(event.text) : log_.at(level, event.text);
  }
  events_.push_back(std::move(event));
  if (events_.size() > capacity_) events_.pop_front();
}

std::uint64_t Journal::begin(State state) {
  const auto found = open_.find(state.key);
  if (found != open_.end()) {
    Open& open = found->second;
    const bool worse = state.health != open.state.health || state.level != open.state.level;
    count_health(open.state.health, -1);
    count_health(state.health, 1);
    if (worse) {
      auto event = event_of(state.key, EventPhase::change);
      event.level = state.level;
      event.was = report::name(open.state.health);
      event.is = report::name(state.health);
      event.cause = open.number;
      event.text = log_text(state);
      append(std::move(event), state.logged);
    }
    open.state = std::move(state);
    const auto number = open.number;
    look_at_health();
    return number;
  }
  auto event = event_of(state.key, EventPhase::begin);
  event.level = state.level;
  event.cause = state.cause;
  event.origin = state.origin;
  event.reason = state.reason;
  event.text = log_text(state);
  Open open{state, 0, time(), wall_};
  const auto before = of_before_.find(state.key);
  if (before != of_before_.end()) {
    // It goes on since before the restart; the log of this life has a line of it all the same.
    open.number = before->second.number;
    open.since = before->second.time;
    open.began = parse_time(open.since).value_or(wall_);
    of_before_.erase(before);
    event.phase = EventPhase::change;
    event.cause = open.number;
    append(std::move(event), state.logged);
  } else {
    open.number = note(std::move(event), state.logged);
  }
  count_health(state.health, 1);
  const auto number = open.number;
  open_.emplace(std::move(state.key), std::move(open));
  look_at_health();
  return number;
}

void Journal::end(const StateKey& key, const Ending& ending) {
  const auto found = open_.find(key);
  if (found == open_.end()) return;
  auto event = event_of(key, EventPhase::end);
  event.level = ending.level;
  event.cause = found->second.number;
  event.origin = ending.origin;
  event.text = ending.text.empty() ? "ended: " + found->second.state.text : ending.text;
  count_health(found->second.state.health, -1);
  open_.erase(found);
  append(std::move(event), ending.logged);
  look_at_health();
}

std::optional<std::uint64_t> Journal::number_of(const StateKey& key) const {
  const auto found = open_.find(key);
  return found != open_.end() ? std::optional(found->second.number) : std::nullopt;
}

std::vector<StateKey> Journal::open(EventKind kind, const std::string& group) const {
  std::vector<StateKey> keys;
  for (auto each = open_.lower_bound(StateKey{kind}); each != open_.end(); ++each) {
    if (each->first.kind != kind) break;
    if (group.empty() || each->first.group == group) keys.push_back(each->first);
  }
  return keys;
}

// What an earlier life saw begin, and this one did not see, ended while nobody looked.
void Journal::settle() {
  if (!settled_at_) settled_at_ = now_ + settling;
  if (of_before_.empty() || now_ < *settled_at_) return;
  for (auto& [key, begun] : std::exchange(of_before_, {})) {
    auto event = event_of(key, EventPhase::end);
    event.level = EventLevel::debug;
    event.cause = begun.number;
    event.text = "ended while the program was restarted: " + begun.text;
    append(std::move(event), true);
  }
}

// --- health

void Journal::count_health(HealthState health, int by) {
  of_health_[health] += static_cast<std::size_t>(by);
}

void Journal::look_at_health() {
  const HealthState now = of_health_[HealthState::failed] > 0     ? HealthState::failed
                          : of_health_[HealthState::degraded] > 0 ? HealthState::degraded
                                                                  : HealthState::ok;
  if (now == health_) return;
  report::Event event;
  event.kind = EventKind::health;
  event.level = EventLevel::debug;  // what changed it has a line of its own
  event.was = report::name(health_);
  event.is = report::name(now);
  event.cause = last_number_;
  event.text = fmt::format("health {} -> {}", *event.was, *event.is);
  note(std::move(event));
  health_ = now;
  health_since_ = time();
  health_began_ = wall_;
}

report::Health Journal::health() const {
  report::Health health;
  health.state = health_;
  health.since = health_since_;
  health.since_s = seconds_between(health_began_, wall_);
  for (const auto& [key, open] : open_) {
    if (open.state.health == HealthState::ok) continue;
    health.problems.push_back({open.number, key.kind, open.state.health, open.since,
                               seconds_between(open.began, wall_), unless_empty(key.name),
                               unless_empty(key.group), unless_empty(key.service),
                               unless_empty(key.member), unless_empty(key.gwm), open.state.text,
                               open.state.reason, unless_empty(open.state.help)});
  }
  std::stable_sort(health.problems.begin(), health.problems.end(),
                   [](const auto& a, const auto& b) {
                     const auto rank = [](const auto& problem) {
                       return problem.health == HealthState::failed ? 0 : 1;
                     };
                     return std::pair(rank(a), a.event) < std::pair(rank(b), b.event);
                   });
  return health;
}

// --- views

report::History Journal::history(const Filter& filter) const {
  report::History history;
  history.last = last_number_;
  if (!events_.empty() && events_.front().number > 1) history.lost = events_.front().time;
  for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
    if (event->number <= filter.after) break;
    if (!fits(*event, filter)) continue;
    if (history.events.size() == filter.limit) {
      ++history.left_out;
      continue;
    }
    history.events.push_back(worded(*event));
  }
  std::reverse(history.events.begin(), history.events.end());
  return history;
}

std::vector<report::Event> Journal::take_new() {
  std::vector<report::Event> fresh;
  for (auto event = events_.rbegin(); event != events_.rend() && event->number > taken_; ++event)
    fresh.push_back(*event);
  std::reverse(fresh.begin(), fresh.end());
  taken_ = last_number_;
  return fresh;
}

}  // namespace saspd::events
