// SPDX-License-Identifier: Apache-2.0
// What sasp-gwm answers to saspctl. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/member_name.hpp"
#include "controller/gwm/alarms.hpp"
#include "controller/gwm/workload_manager.hpp"
#include "controller/report/gwm.hpp"

namespace saspd::gwm {

// Requests of peers that had no right to them: an alarm.
struct Unauthorized {
  std::uint64_t requests = 0;
  std::string last;  // who, and what was refused
  TimePoint last_at;

  void count(const Endpoint& peer, const std::string& refusal, TimePoint now);
};

// What stands around the workload manager, for one answer. Everything is borrowed.
struct Surroundings {
  std::function<const Health*(const ProbeTarget&)> health;  // nullptr: it is not probed
  std::function<std::optional<Endpoint>(ConnectionId)> peer;
  std::vector<Endpoint> listen;
  std::chrono::seconds interval{0};
  std::size_t connections = 0;
  std::string weights_file;    // empty: none
  std::string weights_error;   // why the file could not be read last; empty: it could
  std::string authority_file;  // likewise
  std::string authority_error;
  std::string config_error;  // why the last reload was refused; empty: it was not
  std::string tls_error;     // why the TLS files could not be read again; empty: they could
  Unauthorized unauthorized{};
  std::vector<Alarm> alarms{};        // without that of `unauthorized`
  const WeightsBook* book = nullptr;  // nullptr: no weights file
  std::string drains_file{};          // as weights_file
  std::string drains_error{};
  std::string state_file{};  // empty: none is kept
  std::string state_error{};
  std::function<bool()> keep{};  // writes the state now; true: it is on disk. Empty: none is kept
  std::string requester{};       // "uid 0 (pid 4711)"
  std::int64_t unix_time = 0;    // seconds
};

// The name of an alarm, and how many there are of it, for each name there is.
std::vector<std::pair<std::string_view, std::size_t>> alarm_counts(const Surroundings& around,
                                                                   TimePoint now);

// A farm may be larger than one answer should be.
inline constexpr std::size_t max_members_shown = 20'000;

// How many members are there, each counted by the first that is true of it.
struct MemberCounts {
  std::size_t quiesced = 0;
  std::size_t no_contact = 0;
  std::size_t not_confident = 0;
  std::size_t available = 0;

  void add(const sasp::WeightEntry& entry);
  std::size_t all() const { return quiesced + no_contact + not_confident + available; }
};

report::gwm::Status status_answer(const WorkloadManager& manager, const Surroundings& around,
                                  TimePoint now);
report::gwm::Lbs lbs_answer(const WorkloadManager& manager, const Surroundings& around,
                            TimePoint now);
report::gwm::Groups groups_answer(const WorkloadManager& manager, TimePoint now);

// For one group, or for all. An error if there is no such group.
Result<report::gwm::Members> members_answer(const WorkloadManager& manager,
                                            const std::optional<std::string>& wanted,
                                            TimePoint now);

// How each of the members that `wanted` means came to its weight. An error if there is none.
Result<report::gwm::Why> why_answer(const WorkloadManager& manager, const Surroundings& around,
                                    const MemberName& wanted, TimePoint now);

// One text per load balancer and member: two answers compared show what has happened.
report::gwm::Watch watch_answer(const WorkloadManager& manager, TimePoint now);

}  // namespace saspd::gwm
