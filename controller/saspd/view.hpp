// SPDX-License-Identifier: Apache-2.0
// What is known and decided of each group, service and member, for status and why. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/saspd/alarms.hpp"
#include "controller/saspd/freshness.hpp"
#include "controller/saspd/knowledge.hpp"

namespace saspd::director {

// Weights that the kernel took since the start, by the rule that decided them.
using WeightChanges = std::map<Reason, std::uint64_t>;

struct MemberView {
  Endpoint endpoint;
  std::uint8_t protocol = 0;
  std::string label;
  lb::ServiceKey service;
  std::optional<Advice> advice;
  std::optional<std::size_t> quiesced_by;  // see Group
  std::uint32_t effective_weight = 0;
  std::optional<std::uint32_t> kernel_weight;  // nothing: not in the kernel
  Reason reason = Reason::unbound;
  std::uint32_t target = 0;    // see Decision
  std::uint32_t unscaled = 0;  // likewise
  std::optional<Pending> pending{};
  bool nobody_known = false;                  // see ServiceDecision
  Zero zero;                                  // whose its weight 0 is
  std::optional<lb::DestinationState> state;  // where the data plane reports it; not filled in here
};

struct ServiceView {
  lb::ServiceKey key;
  bool present = false;
  bool managed = false;
  std::string scheduler;
  std::optional<Reason> held;  // why advice is held back, if it is
  WeightChanges weight_changes;
};

struct GroupView {
  std::string name;
  std::optional<std::size_t> gwm;  // whose advice counts; nothing: none has advised yet
  std::vector<ServiceView> services;
  std::vector<MemberView> members;
  std::vector<Alarm> alarms;
  DriftCount drift{};
  std::optional<Freshness> freshness{};  // of its advice; nothing: no service of it was decided
  std::vector<std::size_t> gwms{};       // all whose advice counts: see GwmChoice
};

std::vector<GroupView> view(const Knowledge& known, const Decisions& decisions,
                            const std::map<lb::ServiceKey, WeightChanges>& weight_changes,
                            const AlarmsByGroup& alarms);

}  // namespace saspd::director
