// SPDX-License-Identifier: Apache-2.0
// What is known about the members, and the weights that follow from it (RFC 4678 5.3). Pure.
//
// Three kinds of advisors judge a member: the weights file, probes (their readings), and people who
// drain (Drains). Together they determine:
//   contact    off if the file says down, a tcp or http probe fails, or an agent says down
//   quiesce    on if the file, an agent (drain, maint) or a drain says so
//   confident  on if an advisor knows the member, and none that was asked is still silent: a probe
//              that does not have its two samples yet, or an agent that does not answer, turns it
//              off (but not if contact is off, because that is known)
//   weight     the file's as it is; else the member's share: the agent's percentage, the full share
//              without an agent, less while the member starts slowly. If the file gives no weight
//              in the group, the best available member gets max_weight, and the others in
//              proportion; if it does, all weights of the group are on its scale: a full share is
//              its largest one, so that no member gets less for being named
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/member_name.hpp"
#include "controller/gwm/drains.hpp"
#include "controller/gwm/health.hpp"
#include "controller/gwm/probe_spec.hpp"
#include "controller/gwm/registry.hpp"
#include "controller/sasp/messages.hpp"

namespace saspd::gwm {

// What the GWM knows about one member of one group. The default is no knowledge: the confident flag
// is off, and contact stays on, because turning it off says "avoid this member", which we cannot
// know; if all members are like this, an LB falls back on its own means (RFC 4678 5.3).
struct Advice {
  bool contact = true;
  bool confident = false;
  bool quiesce = false;  // by the administrator of the GWM
  std::uint16_t weight = 0;
  bool operator==(const Advice&) const = default;
};

// By group name (of every load balancer that has such a group) and member.
using AdviceTable = std::map<std::string, std::map<sasp::MemberKey, Advice>, std::less<>>;

// The current outcome of a probe.
struct Reading {
  enum class State : std::uint8_t { unknown, passing, failing };
  State state =
      State::unknown;  // unknown until there are two samples; for an agent: whether it answers
  // An agent's last report.
  bool up = true;
  bool drain = false;  // drain or maint
  unsigned percent = 100;
  bool operator==(const Reading&) const = default;
};
Reading reading_of(const Health& health);
// The health of a target that an earlier life read so.
Health health_of(const Reading& reading, TimePoint now);

// What is known of a target, for the next life.
struct Remembered {
  Reading reading;  // not unknown
  double percent = 100;
  std::optional<Duration> back_for;  // after it was failing or down
  bool operator==(const Remembered&) const = default;
};

struct WeigherConfig {
  std::uint16_t max_weight = 64;       // of the best member of a group, as the z/OS LBA has it
  std::chrono::seconds slow_start{0};  // until a member that was down has its full share again
  // If no member of a group has been known for longer than this, and some still wait for their two
  // samples, all of them wait: after a restart, the first known member must not get all the work,
  // which the members that are not confident would lose (RFC 4678 5.3).
  Duration settle{};
  unsigned agent_max = 100;  // percent: a larger report of an agent counts as this
  // The largest percentage of its group's weights that a member gets because of its agent, but
  // never less than twice an equal part. 100: no limit.
  unsigned max_share = 100;
  unsigned damping = 0;  // percent of the old value that remains at each new percentage of an agent
};

struct Judgement {
  Advice advice;              // its weight applies only if the file gives it
  bool weight_fixed = false;  // the file gives the weight
  double share =
      0;  // otherwise: relative to the other members of its group, from 0 on; usually up to 1
  double slow_start = 1;         // the part of it that the member gets while it starts slowly
  bool drained = false;          // by the operator; also in advice.quiesce
  bool drained_by_file = false;  // by the drains file; likewise
  bool warms_up = false;         // a probe does not have its two samples yet
  std::optional<TimePoint>
      known_since;  // by its last probe; empty without probes, or before the first
};

// Why no member of a group is sent as confident, although some are known.
enum class Wait : std::uint8_t {
  no,
  samples,  // the known ones wait for those that do not have their two samples yet
  members,  // after the start: for members that may have been registered before it (wait_until)
};

// Flags and weights of a group's members as they are sent, in the order of the group.
struct Weighing {
  Wait wait = Wait::no;
  std::vector<sasp::WeightEntry> entries;
  // As long as the weigher's generation and the group stay, so do they, whatever time passes.
  bool steady = false;
};

class Weigher {
 public:
  explicit Weigher(WeigherConfig config = {}, ProbePlan plan = {})
      : config_(config), plan_(std::move(plan)) {}

  // Other rules and probes from now on. What was read of targets that stay is kept.
  void reconfigure(WeigherConfig config, ProbePlan plan);
  void use(AdviceTable table);

  // True if this changes the member's flags, which must be sent at once.
  bool learn(const ProbeTarget& target, const Reading& reading, TimePoint now);
  // Forgets the readings of all other targets.
  void keep_only(const std::set<ProbeTarget>& targets);

  // What is known of all targets; and the same in the next life, where it counts as known from the
  // start on: members that the last one did not know in time make their groups wait for them
  // (settle).
  std::map<ProbeTarget, Remembered> remembered(TimePoint now) const;
  void recall(const std::map<ProbeTarget, Remembered>& known, TimePoint now);

  // Until then, no member of a group with members that registered themselves counts as confident:
  // after a start that knows nothing of an earlier life, those that were registered come back one
  // by one, and load balancers would stop sending to those that are still missing (RFC 4678 5.3).
  void wait_until(TimePoint time);
  void end_wait();
  std::optional<TimePoint> waits_until() const { return waits_until_; }

  // False if nothing changed.
  bool drain(const MemberName& member, const Drain& drain = {});
  bool undrain(const MemberName& member);
  bool use_drains(std::set<MemberName> file);
  const Drains& drains() const { return drains_; }

  // What the weights file says about a member; nullptr if nothing.
  const Advice* of_file(std::string_view group, const sasp::MemberKey& member) const;

  // The targets that are probed for a member.
  std::vector<ProbeTarget> targets_of(std::string_view group, const sasp::MemberKey& member) const;

  Judgement judge(std::string_view group, const sasp::MemberKey& member, TimePoint now) const;

  // The largest weight that the file gives to a member of the group, which is then the weight of a
  // full share; 0 if it gives none.
  std::uint16_t file_scale(std::string_view name, const Group& group) const;
  unsigned agent_max() const { return config_.agent_max; }
  // What the weights file says about members, registered or not.
  const AdviceTable& table() const { return table_; }
  const ProbePlan& plan() const { return plan_; }

  Weighing weighing(std::string_view name, const Group& group, TimePoint now) const;
  std::vector<sasp::WeightEntry> weigh(std::string_view name, const Group& group,
                                       TimePoint now) const {
    return weighing(name, group, now).entries;
  }
  // Changes whenever something is known that may change a weight. Never 0.
  std::uint64_t generation() const { return generation_; }

 private:
  struct Target {
    Reading reading;
    double percent = 100;                // damped
    std::optional<TimePoint> came_back;  // after it was failing or down
    std::optional<TimePoint> known_since;
  };

  void take(const ProbeTarget& target, Judgement& judgement, bool& silent, TimePoint now) const;
  Wait wait_of(const Group& group, const std::vector<Judgement>& judgements, TimePoint now) const;
  bool settles(const std::vector<Judgement>& judgements, TimePoint now) const;
  double slow_start(const Target& target, TimePoint now) const;
  void cap_shares(std::vector<Judgement>& judgements,
                  const std::vector<sasp::WeightEntry>& entries) const;
  void normalise(const std::vector<Judgement>& judgements, std::uint16_t scale,
                 std::vector<sasp::WeightEntry>& entries) const;

  WeigherConfig config_;
  ProbePlan plan_;
  AdviceTable table_;
  std::map<ProbeTarget, Target> targets_;
  Drains drains_;
  std::optional<TimePoint> waits_until_;
  std::uint64_t generation_ = 1;
};

// Flags and weight as they are sent: a member that is quiesced, from whatever origin, or without
// contact gets weight 0 (RFC 4678 5.3, sasp-interop rows 6 and 43).
sasp::WeightEntry weight_entry(const Member& member, const Advice& advice);

// A group in which no member has a weight would get no work: its available members (contact on, not
// quiesced) then get a weight of 1 each (sasp-interop row 44).
void spread_if_all_zero(std::vector<sasp::WeightEntry>& group);

}  // namespace saspd::gwm
