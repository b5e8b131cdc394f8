// What is known of the members, and what that means as weights (RFC 4678 5.3). Pure.
//
// Three kinds of advisors speak of a member: the weights file, probes (their readings), and the
// operator who drains. Together they make its judgement:
//   contact    off if the file says so, a tcp or http probe fails, or an agent says down
//   quiesce    on if the file, an agent (drain, maint) or the operator says so
//   confident  on if somebody knows something and nobody who was asked is still silent: a probe
//   that
//              has not had its two samples, or an agent that does not answer, turns it off (but not
//              where contact is off: that is known)
//   weight     that of the file as it stands; else the member's share: the agent's percentage, all
//   of
//              it without an agent, less while the member starts slowly. Where the file gives no
//              weight in the group, the best available member gets max_weight, the others in
//              proportion; where it does, all weights of the group are on its scale: a whole share
//              is its largest one, so that nobody gets less for being named
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
#include "controller/gwm/health.hpp"
#include "controller/gwm/probe_spec.hpp"
#include "controller/gwm/registry.hpp"
#include "controller/sasp/messages.hpp"

namespace saspd::gwm {

// What the GWM knows of one member of one group. The default is no knowledge: the confident flag is
// off, and contact stays on, because a contact flag that is off says "avoid it" and we cannot know
// that; with all members like this an LB goes by its own means (RFC 4678 5.3).
struct Advice {
  bool contact = true;
  bool confident = false;
  bool quiesce = false;  // by the administrator of the GWM
  std::uint16_t weight = 0;
  bool operator==(const Advice&) const = default;
};

// By group name (of every load balancer that has such a group) and member.
using AdviceTable = std::map<std::string, std::map<sasp::MemberKey, Advice>, std::less<>>;

// What a probe says of its target now.
struct Reading {
  enum class State : std::uint8_t { unknown, passing, failing };
  State state =
      State::unknown;  // unknown until two samples were taken; of an agent: does it answer
  // What an agent said last.
  bool up = true;
  bool drain = false;  // drain or maint
  unsigned percent = 100;
  bool operator==(const Reading&) const = default;
};
Reading reading_of(const Health& health);

// Whether an operator means this member of this group, whatever its protocol.
bool names(const MemberName& name, std::string_view group, const sasp::MemberKey& member);

struct WeigherConfig {
  std::uint16_t max_weight = 64;       // of the best member of a group, as the z/OS LBA has it
  std::chrono::seconds slow_start{0};  // until a member that was down has its whole share again
  // When nobody of a group is known for longer than this, and some are still in their two samples,
  // all of them wait: after a restart the first that is known must not get all the work, which the
  // members that are not confident would lose (RFC 4678 5.3).
  Duration settle{};
  unsigned agent_max = 100;  // percent: what an agent says beyond counts as this
  // Percent of the weights of its group that one member gets at most by its agent, but never less
  // than twice an equal part. 100: no limit.
  unsigned max_share = 100;
  unsigned damping = 0;  // percent of the old value that stays with each reading of an
                         // agent's percentage
};

struct Judgement {
  Advice advice;              // the weight only if it is the file's
  bool weight_fixed = false;  // the file gives the weight
  double share = 0;           // else: relative to the other members of its group, 0 to 1 and more
  double slow_start = 1;      // how much of that it gets while it starts slowly
  bool drained = false;       // by the operator; advice.quiesce says it too
  bool warms_up = false;      // a probe has not had its two samples
  std::optional<TimePoint> known_since;  // by its last probe; nothing: without probes, or not yet
};

class Weigher {
 public:
  explicit Weigher(WeigherConfig config = {}, ProbePlan plan = {})
      : config_(config), plan_(std::move(plan)) {}

  void use(AdviceTable table) { table_ = std::move(table); }

  // True if the member's flags change by it, which is to be told at once.
  bool learn(const ProbeTarget& target, const Reading& reading, TimePoint now);
  // Forgets the readings of all others.
  void keep_only(const std::set<ProbeTarget>& targets);

  // By the operator. False: it was so before.
  bool drain(const MemberName& member) { return drained_.insert(member).second; }
  bool undrain(const MemberName& member) { return drained_.erase(member) > 0; }
  const std::set<MemberName>& drained() const { return drained_; }

  // What the weights file says of a member; nullptr: nothing.
  const Advice* of_file(std::string_view group, const sasp::MemberKey& member) const;

  // What is probed of a member.
  std::vector<ProbeTarget> targets_of(std::string_view group, const sasp::MemberKey& member) const;

  Judgement judge(std::string_view group, const sasp::MemberKey& member, TimePoint now) const;

  // The largest weight that the file gives to a member of the group, which a whole share then
  // stands for; 0: it gives none.
  std::uint16_t file_scale(std::string_view name, const Group& group) const;
  unsigned agent_max() const { return config_.agent_max; }
  // What the weights file says, of members that are registered and of others.
  const AdviceTable& table() const { return table_; }
  const ProbePlan& plan() const { return plan_; }

  // Flags and weights of a group's members as they are sent, in the order of the group.
  std::vector<sasp::WeightEntry> weigh(std::string_view name, const Group& group,
                                       TimePoint now) const;

 private:
  struct Target {
    Reading reading;
    double percent = 100;                // damped
    std::optional<TimePoint> came_back;  // from failing or down
    std::optional<TimePoint> known_since;
  };

  void take(const ProbeTarget& target, Judgement& judgement, bool& silent, TimePoint now) const;
  bool settles(const std::vector<Judgement>& judgements, TimePoint now) const;
  double slow_start(const Target& target, TimePoint now) const;
  bool is_drained(std::string_view group, const sasp::MemberKey& member) const;
  void cap_shares(std::vector<Judgement>& judgements,
                  const std::vector<sasp::WeightEntry>& entries) const;
  void normalise(const std::vector<Judgement>& judgements, std::uint16_t scale,
                 std::vector<sasp::WeightEntry>& entries) const;

  WeigherConfig config_;
  ProbePlan plan_;
  AdviceTable table_;
  std::map<ProbeTarget, Target> targets_;
  std::set<MemberName> drained_;
};

// Flags and weight as they are sent: whoever quiesced the member, and a member without contact,
// gets weight 0 (RFC 4678 5.3, sasp-interop rows 6 and 43).
sasp::WeightEntry weight_entry(const Member& member, const Advice& advice);

// A group in which no member has a weight would get no work: its available members (contact on, not
// quiesced) then weigh 1 each (sasp-interop row 44).
void spread_if_all_zero(std::vector<sasp::WeightEntry>& group);

}  // namespace saspd::gwm
