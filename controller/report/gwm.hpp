// SPDX-License-Identifier: Apache-2.0
// The answers of sasp-gwm, as those of saspd in saspd.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/report/fields.hpp"
#include "controller/report/reload.hpp"
#include "controller/report/words.hpp"

namespace saspd::report::gwm {

// --- parts

// Each member is counted by the first that is true of it.
struct MemberCounts {
  std::uint64_t all = 0;
  std::uint64_t available = 0;
  std::uint64_t quiesced = 0;
  std::uint64_t no_contact = 0;
  std::uint64_t not_confident = 0;
};
BOOST_DESCRIBE_STRUCT(MemberCounts, (), (all, available, quiesced, no_contact, not_confident))

struct LoadBalancer {
  std::string uid;
  bool connected = false;
  std::optional<std::string> endpoint;         // null: not connected
  std::optional<std::int64_t> forgotten_in_s;  // null: connected; RFC 4678 9.1
  std::string mode;                            // push, pull
  bool trust = false;
  bool no_change = false;
  std::uint8_t health = 0;
  std::uint64_t groups = 0;
  std::uint64_t members = 0;
  std::uint64_t replacements = 0;
  Maybe<std::int64_t> restored_s;  // from the state file so long ago, and not connected since
};
BOOST_DESCRIBE_STRUCT(LoadBalancer, (),
                      (uid, connected, endpoint, forgotten_in_s, mode, trust, no_change, health,
                       groups, members, replacements, restored_s))

struct Alarm {
  std::string name;
  bool urgent = false;
  std::string detail;
  Maybe<std::string> lb_uid;
  Maybe<std::string> group;
};
BOOST_DESCRIBE_STRUCT(Alarm, (), (name, urgent, detail, lb_uid, group))

struct Member {
  std::string address;
  std::uint16_t port = 0;
  std::optional<std::string> protocol;  // null: a system member (RFC 4678 5.1)
  std::string label;
  std::uint16_t weight = 0;
  Flags flags;
  std::uint8_t state = 0;  // opaque, from the member
  // From the state file so long ago, and who registered it has not returned since.
  Maybe<std::int64_t> restored_s;
};
BOOST_DESCRIBE_STRUCT(Member, (),
                      (address, port, protocol, label, weight, flags, state, restored_s))

// A member that can get no work.
struct Unavailable {
  std::string lb_uid;
  std::string group;
  std::string member;
  std::string label;
  std::string detail;
};
BOOST_DESCRIBE_STRUCT(Unavailable, (), (lb_uid, group, member, label, detail))

// Named by the weights file, but not registered.
struct Unregistered {
  std::string group;
  std::optional<std::string> member;   // null: the whole group
  std::optional<std::string> nearest;  // what was perhaps meant
};
BOOST_DESCRIBE_STRUCT(Unregistered, (), (group, member, nearest))

struct Sample {
  bool ok = false;
  std::string detail;
  std::int64_t age_s = 0;
  std::int64_t duration_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Sample, (), (ok, detail, age_s, duration_ms))

struct Agent {
  unsigned percent = 0;
  std::string health;
  std::string admin;
};
BOOST_DESCRIBE_STRUCT(Agent, (), (percent, health, admin))

struct Probed {
  std::int64_t state_since_s = 0;
  std::uint64_t samples = 0;
  std::uint64_t failures = 0;
  std::uint64_t run = 0;  // samples in a row that were as the last one
  Sample last;
  Maybe<Agent> agent;
};
BOOST_DESCRIBE_STRUCT(Probed, (), (state_since_s, samples, failures, run, last, agent))

struct Probe {
  std::string probe;
  std::string endpoint;
  Word<ProbeState> state;
  Merged<Probed> probed;  // none before the first sample
};
BOOST_DESCRIBE_STRUCT(Probe, (), (probe, endpoint, state, probed))

struct FileLine {
  std::string says;  // quiesce, down, unknown, weight
  Maybe<std::uint16_t> weight;
  Maybe<std::int64_t> remembered_s;  // the line is gone, and counts for so long
};
BOOST_DESCRIBE_STRUCT(FileLine, (), (says, weight, remembered_s))

// What was last sent to the load balancer on its connection.
struct Told {
  std::uint16_t weight = 0;
  bool contact = false;
  bool quiesce = false;
  bool confident = false;
};
BOOST_DESCRIBE_STRUCT(Told, (), (weight, contact, quiesce, confident))

struct ExplainedMember : Member {
  std::string lb_uid;
  std::string group;
  std::string detail;
  std::vector<std::string> quiesced_by;
  std::optional<FileLine> weights_file;
  std::vector<Probe> probes;
  std::optional<Told> told;
};
BOOST_DESCRIBE_STRUCT(ExplainedMember, (Member),
                      (lb_uid, group, detail, quiesced_by, weights_file, probes, told))

// By the operator, or by the drains file.
struct DrainedName {
  std::string member;
  std::string origin;     // operator, file
  Maybe<std::string> by;  // the operator: "uid 0 (pid 4711)"
  Maybe<std::int64_t> since_s;
};
BOOST_DESCRIBE_STRUCT(DrainedName, (), (member, origin, by, since_s))

// What came from the state file at the start, and how much of it nobody has spoken for since.
struct Restored {
  std::int64_t since_s = 0;
  std::uint64_t lbs_unconfirmed = 0;
  std::uint64_t members_unconfirmed = 0;
};
BOOST_DESCRIBE_STRUCT(Restored, (), (since_s, lbs_unconfirmed, members_unconfirmed))

struct CountedGroup {
  std::string name;
  std::string lb_uid;
  MemberCounts member_counts;
};
BOOST_DESCRIBE_STRUCT(CountedGroup, (), (name, lb_uid, member_counts))

struct GroupMembers {
  std::string name;
  std::string lb_uid;
  std::vector<Member> members;
};
BOOST_DESCRIBE_STRUCT(GroupMembers, (), (name, lb_uid, members))

// --- answers

struct Answer {
  std::int64_t schema_version = report::schema_version;
  std::string program{"sasp-gwm"};
};
BOOST_DESCRIBE_STRUCT(Answer, (), (schema_version, program))

struct Status : Answer {
  std::string version;
  std::vector<std::string> listen;
  std::int64_t interval_s = 0;
  std::uint64_t connections = 0;
  std::optional<std::string> weights_file;
  std::optional<std::string> weights_error;  // null where all is well, as all errors
  std::optional<std::string> authority_file;
  std::optional<std::string> authority_error;
  std::optional<std::string> tls_error;
  std::optional<std::string> config_error;  // why the last reload was refused
  std::optional<std::string> drains_file;
  std::optional<std::string> drains_error;
  std::optional<std::string> state_file;  // null: nothing outlives a restart
  std::optional<std::string> state_error;
  Maybe<Restored> restored;
  // So long, no member of a group with self-registered members counts as confident: others may
  // still return.
  Maybe<std::int64_t> waits_s;
  std::vector<Alarm> alarms;
  std::uint64_t groups = 0;
  MemberCounts member_counts;
  std::vector<Unavailable> unavailable;
  std::uint64_t unavailable_left_out = 0;  // how many more there are
  std::vector<Unregistered> unregistered;
  std::vector<std::string> drained;  // by the operator
  std::vector<DrainedName> drains;
  std::vector<LoadBalancer> lbs;
};
BOOST_DESCRIBE_STRUCT(Status, (Answer),
                      (version, listen, interval_s, connections, weights_file, weights_error,
                       authority_file, authority_error, tls_error, config_error, drains_file,
                       drains_error, state_file, state_error, restored, waits_s, alarms, groups,
                       member_counts, unavailable, unavailable_left_out, unregistered, drained,
                       drains, lbs))

struct Lbs : Answer {
  std::vector<LoadBalancer> lbs;
};
BOOST_DESCRIBE_STRUCT(Lbs, (Answer), (lbs))

struct Groups : Answer {
  std::vector<CountedGroup> groups;
};
BOOST_DESCRIBE_STRUCT(Groups, (Answer), (groups))

struct Members : Answer {
  std::vector<GroupMembers> groups;
  std::uint64_t left_out = 0;  // members: too many for one answer
};
BOOST_DESCRIBE_STRUCT(Members, (Answer), (groups, left_out))

// The member in each group that has it.
struct Why : Answer {
  std::vector<ExplainedMember> members;
};
BOOST_DESCRIBE_STRUCT(Why, (Answer), (members))

// As report::Watch.
struct Watch : Answer {
  Dictionary<std::string> items;
};
BOOST_DESCRIBE_STRUCT(Watch, (Answer), (items))

// `members`: how many have that name. `note`: what else drains it.
struct Drain : Answer {
  std::string done{"drain"};
  std::string member;
  std::uint64_t members = 0;
  bool kept = false;  // on disk, so that it outlives a restart
  Maybe<std::string> note;
};
BOOST_DESCRIBE_STRUCT(Drain, (Answer), (done, member, members, kept, note))

struct Undrain : Answer {
  std::string done{"undrain"};
  std::string member;
  std::uint64_t members = 0;
  Maybe<std::string> note;
};
BOOST_DESCRIBE_STRUCT(Undrain, (Answer), (done, member, members, note))

struct Reload : report::Reload {};
BOOST_DESCRIBE_STRUCT(Reload, (report::Reload), ())

}  // namespace saspd::report::gwm

// X(command, answer) for each that sasp-gwm answers and saspctl shows.
#define SASP_GWM_ANSWERS(X) \
  X(status, gwm::Status)    \
  X(lbs, gwm::Lbs)          \
  X(groups, gwm::Groups)    \
  X(members, gwm::Members)  \
  X(why, gwm::Why)          \
  X(drain, gwm::Drain)      \
  X(undrain, gwm::Undrain)  \
  X(reload, gwm::Reload)
