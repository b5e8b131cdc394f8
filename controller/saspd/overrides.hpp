// SPDX-License-Identifier: Apache-2.0
// What the operator decided in place of the advice, for a time: weights of members, and groups of
// which nothing is written. A value. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/report/events.hpp"

namespace saspd::director {

using WallTime = std::chrono::system_clock::time_point;

// Until when, who, and why.
struct Act {
  std::optional<TimePoint> until{};      // nothing: until it is lifted
  std::optional<WallTime> until_wall{};  // the same, as it is kept and shown
  WallTime since{};
  std::string by{};      // "uid 0 (pid 1)"
  std::string reason{};  // in the operator's words; may be empty
  bool operator==(const Act&) const = default;
};

struct Override {
  std::uint32_t weight = 0;  // as it goes to the kernel; 0: no new connections
  Act act{};
  bool operator==(const Override&) const = default;
};

class Overrides {
 public:
  using Member = std::pair<std::string, Endpoint>;  // of a group
  static constexpr std::size_t most = 1'000;        // of each kind

  void set(const Member& member, Override override) { members_[member] = std::move(override); }
  void hold(const std::string& group, Act act) { holds_[group] = std::move(act); }
  // Both return whether there was one.
  bool lift(const Member& member) { return members_.erase(member) > 0; }
  bool release(const std::string& group) { return holds_.erase(group) > 0; }

  const Override* find(const std::string& group, const Endpoint& endpoint) const;
  // A group is held by itself, or with all others by the name "".
  bool is_held(const std::string& group) const;

  const std::map<Member, Override>& members() const { return members_; }
  const std::map<std::string, Act>& holds() const { return holds_; }
  std::vector<report::Override> shown() const;
  bool empty() const { return members_.empty() && holds_.empty(); }

  std::optional<TimePoint> next_end() const;
  // Those whose time is up, which are in force no longer.
  struct Ended {
    std::map<Member, Override> members;
    std::map<std::string, Act> holds;
  };
  Ended take_ended(TimePoint now);

  // What is kept for the next life of the program, and back. `now` and `wall` are the same moment.
  // What ended meanwhile is not in it any more. Errors: illegal_byte_sequence, not_supported.
  std::string text() const;
  static Result<Overrides> parse(std::string_view text, TimePoint now, WallTime wall);

  bool operator==(const Overrides&) const = default;

 private:
  std::map<Member, Override> members_;
  std::map<std::string, Act> holds_;
};

// As answers show it.
report::Override shown(const Overrides::Member& member, const Override& override);
report::Override shown(const std::string& group, const Act& hold);

}  // namespace saspd::director
