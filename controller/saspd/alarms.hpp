// SPDX-License-Identifier: Apache-2.0
// What an operator must know or change about a group. Pure.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/observer.hpp"
#include "controller/lb/service.hpp"
#include "controller/saspd/advice_watch.hpp"
#include "controller/saspd/drift.hpp"
#include "controller/saspd/loss_watch.hpp"
#include "controller/saspd/restless_watch.hpp"
#include "controller/saspd/settings.hpp"
#include "controller/saspd/zeros.hpp"

namespace saspd::director {

// `urgent`: connections are lost or refused, or advice is not followed: not healthy.
struct Alarm {
  // foreign_weight, held_all_zero, held_panic, many_members, many_servers, mixed_kinds, no_advice, no_fallback,
  // no_room, no_server, partly_known, persistent_drain, port_reuse, restless, sudden_loss, udp_stays,
  // unclear_zero, vanished
  std::string_view name;
  bool urgent = false;
  std::string service;  // empty: the whole group
  std::string detail;
  auto operator<=>(const Alarm&) const = default;
};

struct AlarmInput {
  const GroupSettings& group;
  const lb::Table& actual;  // the kernel's
  const HeldZeros& zeros;   // of all groups
  const std::map<lb::ServiceKey, ServiceDecision>& decisions;
  const std::map<lb::ServiceKey, LossWatch>& losses;
  const std::map<lb::ServiceKey, RestlessWatch>& moves;
  const std::map<lb::ServiceKey, AdviceWatch>& advice;
  const std::map<lb::ServiceKey, TimePoint>&
      vanished;                            // services that have disappeared, and since when
  const std::set<IpAddress>& unreachable;  // see lb::Dataplane
  const lb::KernelSettings& kernel;
  std::size_t left_out = 0;  // members that registered themselves and are left out
  OnStale on_stale = OnStale::hold;
  DriftPolicy drift = DriftPolicy::overwrite;
};
std::vector<Alarm> find_alarms(const AlarmInput& input);

using AlarmsByGroup = std::map<std::string, std::vector<Alarm>>;

// What has happened to an alarm since the last check. One whose text alone differs has not changed.
struct AlarmChange {
  enum class What : std::uint8_t { begun, more_urgent, less_urgent, ended };
  What what = What::begun;
  std::string group;
  Alarm alarm;  // the alarm as it is; as it was, if it ended
};
std::vector<AlarmChange> changes_between(const AlarmsByGroup& before, const AlarmsByGroup& now);

}  // namespace saspd::director
