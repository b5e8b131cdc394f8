// SPDX-License-Identifier: Apache-2.0
// When each of many is due, in order of time. A value.
//
// Each key has one entry at most, which moves when its time does: no entry is stale, and what is due
// stands at the head, whatever waits behind it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"

namespace saspd {

template <class Key>
class Deadlines {
 public:
  Deadlines() = default;
  Deadlines(const Deadlines& other) : times_(other.times_) {
    for (const auto& [key, at] : times_)
      queue_.insert({at, &key});
  }
  Deadlines(Deadlines&&) = default;  // the keys stay where they are
  Deadlines& operator=(Deadlines other) {
    times_.swap(other.times_);
    queue_.swap(other.queue_);
    return *this;
  }

  // Replaces the time that the key had.
  void set(const Key& key, TimePoint at) {
    const auto [time, is_new] = times_.try_emplace(key, at);
    if (!is_new) {
      if (time->second == at) return;
      queue_.erase({time->second, &time->first});
      time->second = at;
    }
    queue_.insert({at, &time->first});
  }
  // Nothing if it has none.
  void clear(const Key& key) {
    const auto time = times_.find(key);
    if (time == times_.end()) return;
    queue_.erase({time->second, &time->first});
    times_.erase(time);
  }

  std::optional<TimePoint> of(const Key& key) const {
    const auto time = times_.find(key);
    if (time == times_.end()) return std::nullopt;
    return time->second;
  }
  std::optional<TimePoint> next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first;
  }
  // The keys that are due, in their own order; they stay due.
  std::vector<Key> due(TimePoint now) const {
    std::set<Key> due;
    for (auto entry = queue_.begin(); entry != queue_.end() && entry->first <= now; ++entry)
      due.insert(*entry->second);
    return {due.begin(), due.end()};
  }

 private:
  std::map<Key, TimePoint> times_;
  std::set<std::pair<TimePoint, const Key*>> queue_;  // points into times_
};

}  // namespace saspd
