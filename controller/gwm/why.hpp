// SPDX-License-Identifier: Apache-2.0
// How a member came to its weight: all that was said about it, and the rule that decided. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/gwm/status.hpp"

namespace saspd::gwm {

// All that was said about a member of a group.
struct Case {
  const std::string& group;
  const Member& member;
  sasp::WeightEntry entry;
  Judgement judgement;
  const Advice* of_file = nullptr;           // nullptr: the weights file does not name it
  std::optional<std::int64_t> remembered_s;  // it does no longer, and its last word stays so long
  std::uint16_t file_scale = 0;              // Weigher::file_scale() of the group
  unsigned agent_max = 0;
  std::vector<std::pair<ProbeTarget, const Health*>> probes;
  Wait wait = Wait::no;                  // of its group
  std::int64_t wait_s = 0;               // until the end of Wait::members
  std::optional<std::int64_t> restored;  // so long ago, and not confirmed since
};
struct NamedGroup {
  const std::string& name;
  const Group& group;
  Wait wait;
};
Case case_of(const WorkloadManager& manager, const Surroundings& around, const NamedGroup& of,
             const Member& member, sasp::WeightEntry entry, TimePoint now);

// For how long what an earlier life knew has waited to be confirmed.
std::int64_t restored_s(const WorkloadManager& manager, TimePoint now);

// The rule that decided, highest precedence first (sasp-interop rows 6, 43 and 44).
std::string explain(const Case& of);

report::gwm::Member member_answer(const sasp::WeightEntry& entry);
report::gwm::ExplainedMember explained(const std::string& uid, const Case& of, TimePoint now);

}  // namespace saspd::gwm
