// SPDX-License-Identifier: Apache-2.0
// The answers of saspd, a struct each. A field's name is its key, and scripts rely on it: fields
// may be added, none is renamed. An answer begins with a schema version, and names its program.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/lb/observer.hpp"
#include "controller/report/events.hpp"
#include "controller/report/fields.hpp"
#include "controller/report/reload.hpp"
#include "controller/report/words.hpp"

namespace saspd::report {

// --- parts

struct Gwm {
  std::string endpoint;
  Word<LinkState> state;
  std::int64_t state_since_s = 0;
  std::optional<std::int64_t> last_message_age_s;  // null: it has not said anything
  std::int64_t interval_s = 0;
  std::optional<std::string> last_error;
  std::uint64_t protocol_errors = 0;
  Dictionary<std::uint64_t> tolerances;  // how often, by name
  bool duplicate_uid = false;            // another load balancer seems to have our LB UID
};
BOOST_DESCRIBE_STRUCT(Gwm, (),
                      (endpoint, state, state_since_s, last_message_age_s, interval_s, last_error,
                       protocol_errors, tolerances, duplicate_uid))

struct Advice {
  std::uint16_t weight = 0;
  Flags flags;
  std::uint8_t state = 0;  // opaque, from the member
  std::int64_t age_s = 0;
};
BOOST_DESCRIBE_STRUCT(Advice, (), (weight, flags, state, age_s))

// Whose a weight of 0 is.
struct Zero {
  Word<ZeroAuthor> author;
  Word<Doubt> doubt;
  bool keepalived = false;  // it says that it holds the server down
};
BOOST_DESCRIBE_STRUCT(Zero, (), (author, doubt, keepalived))

// A weight on its way: what keeps it, the weight that it shall have, and when it can be there.
struct Pending {
  Word<PaceRule> rule;
  std::uint32_t weight = 0;
  std::int64_t in_s = 0;
};
BOOST_DESCRIBE_STRUCT(Pending, (), (rule, weight, in_s))

struct Member {
  std::string address;
  std::uint16_t port = 0;
  std::optional<std::string> protocol;  // null: a system member (RFC 4678 5.1)
  std::string label;
  std::string service;
  std::optional<Advice> advice;  // null before the first
  std::uint32_t effective_weight = 0;
  std::optional<std::uint32_t> kernel_weight;  // null: not in the kernel
  Word<Reason> reason;
  Maybe<Pending> pending;
  // The GWM whose quiesce stands though the one that is followed does not say so; null: no such.
  std::optional<std::string> quiesced_by;
  std::optional<Zero> zero;            // null: its weight is not 0
  Merged<lb::DestinationState> state;  // of the XDP data plane
};
BOOST_DESCRIBE_STRUCT(Member, (),
                      (address, port, protocol, label, service, advice, effective_weight,
                       kernel_weight, reason, pending, quiesced_by, zero, state))

struct Alarm {
  std::string name;
  bool urgent = false;
  std::optional<std::string> service;  // null: of the whole group
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(Alarm, (), (name, urgent, service, detail))

struct Problem {
  std::string name;
  std::string subject;
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(Problem, (), (name, subject, detail))

struct Service {
  std::string spec;
  bool present = false;  // in the kernel
  bool managed = false;
  std::optional<std::string> scheduler;  // null: not present
};
BOOST_DESCRIBE_STRUCT(Service, (), (spec, present, managed, scheduler))

// A write of another program to what saspd steers.
struct Drift {
  std::string service;
  std::optional<std::string> address;  // null: of the service itself
  std::optional<std::uint16_t> port;
  std::optional<std::uint32_t> old_weight;  // null: of another attribute
  std::optional<std::uint32_t> weight;
  std::string what;     // in words: "weight 40 -> 7"
  std::string follows;  // likewise
  std::int64_t age_s = 0;
};
BOOST_DESCRIBE_STRUCT(Drift, (), (service, address, port, old_weight, weight, what, follows, age_s))

struct GroupSummary {
  std::string name;
  std::optional<std::string> gwm;   // whose advice counts; null: no GWM has advised yet
  std::vector<std::string> gwms;    // with --gwm-merge mean, min or max: all whose advice counts
  bool bound = false;               // a service of it is in the kernel
  std::optional<std::string> held;  // why advice is held back, if it is
  // How old its advice is; null: none of its services has members in the kernel.
  std::optional<Word<AdviceState>> advice_state;
  std::optional<std::int64_t> advice_age_s;  // null: none since the start
  std::optional<std::string> advice_lack;    // why no more comes; null: it is expected in time
  std::optional<std::int64_t> stale_in_s;    // null: it is, or no GWM was heard yet
  std::optional<Word<OnStale>> on_stale;     // what then follows; null as advice_state
  std::uint64_t drift_total = 0;             // writes of other programs since the start
  std::optional<Drift> last_drift;           // null: there was none
  std::vector<Alarm> alarms;
  std::vector<Service> services;
};
BOOST_DESCRIBE_STRUCT(GroupSummary, (),
                      (name, gwm, gwms, bound, held, advice_state, advice_age_s, advice_lack,
                       stale_in_s, on_stale, drift_total, last_drift, alarms, services))

struct Group : GroupSummary {
  std::vector<Member> members;
};
BOOST_DESCRIBE_STRUCT(Group, (GroupSummary), (members))

struct MemberCount {
  std::uint64_t all = 0;
};
BOOST_DESCRIBE_STRUCT(MemberCount, (), (all))

struct CountedGroup : GroupSummary {
  MemberCount member_counts;
};
BOOST_DESCRIBE_STRUCT(CountedGroup, (GroupSummary), (member_counts))

struct GroupMembers {
  std::string name;
  std::vector<Member> members;
};
BOOST_DESCRIBE_STRUCT(GroupMembers, (), (name, members))

struct ExplainedMember : Member {
  std::string group;
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(ExplainedMember, (Member), (group, detail))

// A write to the kernel. What does not apply to its action is null.
struct Change {
  std::string action;
  std::string service;
  std::optional<std::string> address;
  std::optional<std::uint16_t> port;
  std::optional<std::uint32_t> old_weight;
  std::optional<std::uint32_t> weight;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Change, (), (action, service, address, port, old_weight, weight, text))

// --- answers

struct Answer {
  std::int64_t schema_version = report::schema_version;
  std::string program{"saspd"};
};
BOOST_DESCRIBE_STRUCT(Answer, (), (schema_version, program))

struct Status : Answer {
  std::string version;
  std::string lb_uid;
  std::string backend;
  Maybe<Dictionary<std::uint64_t>> packets;  // by what became of them; XDP
  // Switches of the kernel that decide what becomes of connections; null: it cannot be read. IPVS.
  Maybe<Dictionary<std::optional<std::uint32_t>>> kernel_settings;
  bool dry_run = false;
  std::optional<std::string> kernel_error;  // null where all is well, as all that follow
  std::vector<Problem> problems;            // of the data plane
  std::uint64_t attach_requests = 0;
  std::optional<std::string> attach_request;
  std::optional<std::string> ledger_error;
  std::optional<std::string> keepalived_error;
  std::optional<std::string> tls_error;
  std::optional<std::string> config_error;  // why the last reload was refused
  Health health;
  std::vector<Override> overrides;  // of the operator, in force
  std::vector<Gwm> gwm;
  std::vector<Group> groups;
};
BOOST_DESCRIBE_STRUCT(Status, (Answer),
                      (version, lb_uid, backend, health, overrides, packets, kernel_settings,
                       dry_run, kernel_error, problems, attach_requests, attach_request,
                       ledger_error, keepalived_error, tls_error, config_error, gwm, groups))

struct Gwms : Answer {
  std::vector<Gwm> gwm;
};
BOOST_DESCRIBE_STRUCT(Gwms, (Answer), (gwm))

struct Groups : Answer {
  std::vector<CountedGroup> groups;
};
BOOST_DESCRIBE_STRUCT(Groups, (Answer), (groups))

struct Members : Answer {
  std::vector<GroupMembers> groups;
};
BOOST_DESCRIBE_STRUCT(Members, (Answer), (groups))

// A text per thing that may change: two answers compared show what has happened.
struct Watch : Answer {
  Dictionary<std::string> items;
};
BOOST_DESCRIBE_STRUCT(Watch, (Answer), (items))

// What "saspctl watch --json" makes of two of them.
struct WatchEvent {
  std::string time;
  std::string name;
  std::optional<std::string> was;  // null: it is new
  std::optional<std::string> is;   // null: it is gone
};
BOOST_DESCRIBE_STRUCT(WatchEvent, (), (time, name, was, is))

// The member in each group and service that has it.
struct Why {
  std::int64_t schema_version = report::schema_version;
  std::vector<ExplainedMember> members;
  std::string program{"saspd"};
};
BOOST_DESCRIBE_STRUCT(Why, (), (schema_version, members, program))

// Rules for ipvsadm -R.
struct Export {
  std::int64_t schema_version = report::schema_version;
  std::vector<std::string> rules;
  std::string program{"saspd"};
};
BOOST_DESCRIBE_STRUCT(Export, (), (schema_version, rules, program))

struct Plan {
  std::int64_t schema_version = report::schema_version;
  std::vector<Change> plan;
  std::string program{"saspd"};
};
BOOST_DESCRIBE_STRUCT(Plan, (), (schema_version, plan, program))

struct Reconcile {
  std::int64_t schema_version = report::schema_version;
  bool dry_run = false;
  std::vector<Change> written;
  std::vector<Change> plan;  // in a dry run: what would be written
  std::vector<std::string> failures;
  std::uint64_t remaining = 0;  // writes that are left to be done
  std::string program{"saspd"};
};
BOOST_DESCRIBE_STRUCT(Reconcile, (),
                      (schema_version, dry_run, written, plan, failures, remaining, program))

// For a packet to a service.
struct FlowPath {
  std::string forward;  // l2, ipip
  std::uint32_t slot = 0;
  bool known_flow = false;                 // led by what is remembered of its flow
  std::optional<std::string> destination;  // null: no destination has a weight
  std::string next_hop;
};
BOOST_DESCRIBE_STRUCT(FlowPath, (), (forward, slot, known_flow, destination, next_hop))

struct Trace {
  std::int64_t schema_version = report::schema_version;
  bool is_service = false;
  Merged<FlowPath> path;
  std::string verdict;  // "drop: ...", "pass: ..." or "sent: ..."
  std::string program{"saspd"};
};
BOOST_DESCRIBE_STRUCT(Trace, (), (schema_version, is_service, path, verdict, program))

struct Undrain : Answer {
  std::string done{"undrain"};
  std::string member;
  std::uint64_t services = 0;
};
BOOST_DESCRIBE_STRUCT(Undrain, (Answer), (done, member, services))

// drain, set-weight and hold; undrain and release of what they did.
struct Overridden : Answer {
  std::string done;
  std::vector<Override> overrides;  // that are in force now, or were lifted
  bool kept = false;                // over a restart
};
BOOST_DESCRIBE_STRUCT(Overridden, (Answer), (done, overrides, kept))

// One for each command, so that the list below has each once.
struct Drained : Overridden {};
BOOST_DESCRIBE_STRUCT(Drained, (Overridden), ())
struct WeightSet : Overridden {};
BOOST_DESCRIBE_STRUCT(WeightSet, (Overridden), ())
struct Held : Overridden {};
BOOST_DESCRIBE_STRUCT(Held, (Overridden), ())
struct Released : Overridden {};
BOOST_DESCRIBE_STRUCT(Released, (Overridden), ())

struct GwmRetry : Answer {
  std::string done{"gwm retry"};
  std::string gwm;  // its endpoint
};
BOOST_DESCRIBE_STRUCT(GwmRetry, (Answer), (done, gwm))

}  // namespace saspd::report

// X(command, answer) for each that saspd answers and saspctl shows.
#define SASPD_ANSWERS(X)   \
  X(status, Status)        \
  X(gwm, Gwms)             \
  X(groups, Groups)        \
  X(members, Members)      \
  X(why, Why)              \
  X(plan, Plan)            \
  X(reconcile, Reconcile)  \
  X(export_rules, Export)  \
  X(trace, Trace)          \
  X(undrain, Undrain)      \
  X(drain, Drained)        \
  X(set_weight, WeightSet) \
  X(hold, Held)            \
  X(release, Released)     \
  X(gwm_retry, GwmRetry)   \
  X(reload, Reload)        \
  X(history, History)
