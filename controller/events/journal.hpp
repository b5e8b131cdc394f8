// SPDX-License-Identifier: Apache-2.0
// What happened to a program and what it steers, and which states last: the one owner of both. Log
// lines, history, health and counters are views of it. Pure; time is passed in.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/cli/log_lines.hpp"
#include "controller/report/events.hpp"

namespace saspd::events {

using report::EventKind;
using report::EventLevel;
using report::EventPhase;
using report::HealthState;
using WallTime = std::chrono::system_clock::time_point;

// A state is told from others by these.
struct StateKey {
  EventKind kind = EventKind::alarm;
  std::string name{};
  std::string group{};
  std::string service{};
  std::string member{};
  std::string gwm{};
  auto operator<=>(const StateKey&) const = default;
};

// A state that lasts.
struct State {
  StateKey key;
  EventLevel level = EventLevel::warning;  // of the event with which it begins
  HealthState health = HealthState::ok;    // what it makes of the health
  std::string text{};                      // as it is shown
  std::string help{};                      // a command, or empty
  std::string log{};                       // the line when it begins; empty: the text
  bool logged = true;                      // if not, it begins without a line in the log
  std::optional<std::uint64_t> cause{};
  std::optional<std::string> origin{};
  std::optional<std::string> reason{};
};

// The line when a state ends; nothing: none.
struct Ending {
  EventLevel level = EventLevel::info;
  std::string text{};
  bool logged = true;
  std::optional<std::string> origin{};
};

// For which part of the history somebody asks; what is empty matches all.
struct Filter {
  std::string group{};
  std::string member{};     // "10.0.0.1:80"
  std::string since{};      // as Event::time
  std::uint64_t after = 0;  // only events of greater numbers
  std::size_t limit = 100;  // the newest of them
};

class Journal {
 public:
  static constexpr std::size_t default_capacity = 10'000;
  // How long after a start states of before may go on. Then those that did not are ended.
  static constexpr Duration settling = std::chrono::minutes{1};

  // `log` must outlive it.
  explicit Journal(cli::LogLines& log, std::size_t capacity = default_capacity)
      : log_(log), capacity_(capacity) {}

  // To be called first: what an earlier life of the program has kept, oldest first.
  void remember(std::deque<report::Event> events);
  // What is noted from now on happens now. The wall clock may be set in between.
  void set_time(TimePoint now, WallTime wall);
  // The same, by the wall clock of the last set_time().
  void set_time(TimePoint now);

  // Something happened. Number, time and phase are filled in here. Returns the number.
  std::uint64_t note(report::Event event, bool logged = true);
  // `state` lasts: it begins, unless it does so already; what it says is brought up to date.
  // Returns the number of the event with which it began.
  std::uint64_t begin(State state);
  // It does not last any more, if it did.
  void end(const StateKey& key, const Ending& ending);
  void end(const StateKey& key) { end(key, {}); }
  bool is_open(const StateKey& key) const { return open_.contains(key); }
  // The number of the event with which it began.
  std::optional<std::uint64_t> number_of(const StateKey& key) const;
  // The keys of all open states of a kind, of one group if it is named.
  std::vector<StateKey> open(EventKind kind, const std::string& group = {}) const;

  report::Health health() const;
  report::History history(const Filter& filter) const;
  const std::deque<report::Event>& events() const { return events_; }
  // How often each kind has happened since the start; states count when they begin.
  const std::map<EventKind, std::uint64_t>& counts() const { return counts_; }
  // Those since the last call, as far as the ring still has them.
  std::vector<report::Event> take_new();
  WallTime wall() const { return wall_; }  // as of the last set_time()
  std::uint64_t last_number() const { return last_number_; }

 private:
  struct Open {
    State state;
    std::uint64_t number = 0;
    std::string since;
    WallTime began;
  };
  std::string time() const;
  void append(report::Event event, bool logged);
  void settle();
  void look_at_health();
  void count_health(HealthState health, int by);

  cli::LogLines& log_;
  const std::size_t capacity_;
  std::deque<report::Event> events_;
  std::uint64_t last_number_ = 0;
  std::uint64_t taken_ = 0;
  std::map<EventKind, std::uint64_t> counts_;
  std::map<StateKey, Open> open_;
  // Begun by an earlier life of the program, and not yet seen in this one.
  std::map<StateKey, report::Event> of_before_;
  std::optional<TimePoint> settled_at_;
  std::map<HealthState, std::size_t> of_health_;  // how many open states
  HealthState health_ = HealthState::ok;
  std::string health_since_;
  WallTime health_began_;
  TimePoint now_;
  WallTime wall_;
};

}  // namespace saspd::events
