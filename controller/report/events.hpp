// SPDX-License-Identifier: Apache-2.0
// What happened, and what is not well now: events, health and history, as both daemons report them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include "controller/report/fields.hpp"
#include "controller/report/words.hpp"

namespace saspd::report {

enum class HealthState : std::uint8_t {
  ok,
  degraded,  // it works, with less redundancy or not as it was asked to
  failed,    // connections fail, or nothing is steered any more
};
BOOST_DESCRIBE_ENUM(HealthState, ok, degraded, failed)

// What an event is about. Those with a state begin and end; the others happen once.
enum class EventKind : std::uint8_t {
  started,         // the program
  stopped,         // likewise
  health,          // its word has changed
  gwm_lost,        // state: a GWM is not connected
  no_gwm,          // state: none is
  duplicate_uid,   // state: another load balancer has our LB UID
  gwm_followed,    // the advice of other GWMs counts for a group
  weight,          // we wrote a weight
  entry,           // we added, removed or changed a service or destination
  foreign_weight,  // another program wrote to what we steer
  foreign_zero,    // state: another program holds a server at 0
  unclear_zero,    // state: it may be so
  alarm,           // state: see the list of alarms
  service,         // a service appeared in the kernel
  unbound,         // state: a group has no service in the kernel
  unreachable,     // state: next hops of servers with a weight do not answer
  few_servers,     // state: fewer than half of the servers of a group have a weight
  ageing,          // state: fresh advice is overdue
  next_hop,        // a next hop was found or lost
  kernel,          // state: it cannot be read or written
  problem,         // state: of the data plane
  attach,          // state: the XDP program has to be attached again
  ledger,          // state: it is not kept on disk
  keepalived,      // state: its FIFO cannot be read
  config,          // state: the last reload was refused
  certificate,     // state: the TLS files could not be read again
  override_,       // state: the operator set a weight
  hold,            // state: the operator lets nothing be written
  command,         // the operator asked for something
};
BOOST_DESCRIBE_ENUM(EventKind, started, stopped, health, gwm_lost, no_gwm, duplicate_uid,
                    gwm_followed, weight, entry, foreign_weight, foreign_zero, unclear_zero, alarm,
                    service, unbound, unreachable, few_servers, ageing, next_hop, kernel, problem,
                    attach, ledger, keepalived, config, certificate, override_, hold, command)

enum class EventPhase : std::uint8_t { once, begin, change, end };
BOOST_DESCRIBE_ENUM(EventPhase, once, begin, change, end)

enum class EventLevel : std::uint8_t { error, warning, info, debug };
BOOST_DESCRIBE_ENUM(EventLevel, error, warning, info, debug)

std::string_view name(HealthState state);
std::string_view name(EventKind kind);
std::string_view name(EventPhase phase);
std::string_view name(EventLevel level);

// What does not apply is null.
struct Event {
  std::uint64_t number = 0;  // counts from 1, also over restarts
  std::string time;          // "2026-01-02T03:04:05.678Z"
  Word<EventKind> kind;
  Word<EventPhase> phase = EventPhase::once;
  Word<EventLevel> level = EventLevel::info;
  std::optional<std::string> name;  // of an alarm or problem
  std::optional<std::string> group;
  std::optional<std::string> service;
  std::optional<std::string> member;  // "10.0.0.1:80"
  std::optional<std::string> gwm;
  std::optional<std::string> was;
  std::optional<std::string> is;
  std::optional<std::string> reason;   // the rule that decided
  std::optional<std::string> origin;   // who did it, if not the program itself
  std::optional<std::uint64_t> cause;  // the number of the event that it follows from
  std::string text;                    // in the ring, empty for one of many changes of weights
  bool operator==(const Event&) const = default;
};
BOOST_DESCRIBE_STRUCT(Event, (),
                      (number, time, kind, phase, level, name, group, service, member, gwm, was, is,
                       reason, origin, cause, text))

// A state that has begun and not ended.
struct OpenState {
  std::uint64_t event = 0;  // the number of the event with which it began
  Word<EventKind> kind;
  Word<HealthState> health;  // what it makes of the health
  std::string since;         // as Event::time
  std::int64_t since_s = 0;  // its age
  std::optional<std::string> name;
  std::optional<std::string> group;
  std::optional<std::string> service;
  std::optional<std::string> member;
  std::optional<std::string> gwm;
  std::string text;
  std::optional<std::string> cause;  // what led to it
  std::optional<std::string> help;   // the command that helps
};
BOOST_DESCRIBE_STRUCT(OpenState, (),
                      (event, kind, health, since, since_s, name, group, service, member, gwm, text,
                       cause, help))

// What the operator decided in place of the advice.
struct Override {
  std::string group;                    // empty: a hold of all groups
  std::optional<std::string> member;    // null: a hold of the group
  std::optional<std::uint32_t> weight;  // likewise; 0: drained
  std::string since;                    // as Event::time
  std::optional<std::string> until;     // null: until it is lifted
  std::string by;
  std::optional<std::string> reason;  // in the operator's words
};
BOOST_DESCRIBE_STRUCT(Override, (), (group, member, weight, since, until, by, reason))

struct Health {
  Word<HealthState> state = HealthState::ok;  // the worst of its problems
  std::string since;                          // as Event::time
  std::int64_t since_s = 0;
  std::vector<OpenState> problems;  // the worst first, then the oldest
};
BOOST_DESCRIBE_STRUCT(Health, (), (state, since, since_s, problems))

// In every answer that was not refused.
struct WithHealth {
  Maybe<Health> health;
};
BOOST_DESCRIBE_STRUCT(WithHealth, (), (health))

struct History {
  std::int64_t schema_version = report::schema_version;
  std::string program;
  std::vector<Event> events;        // the oldest first
  std::uint64_t last = 0;           // the number of the newest event there is
  std::uint64_t left_out = 0;       // older ones that would fit the question, beyond its limit
  std::optional<std::string> lost;  // since when events are kept, if older ones were dropped
};
BOOST_DESCRIBE_STRUCT(History, (), (schema_version, program, events, last, left_out, lost))

}  // namespace saspd::report
