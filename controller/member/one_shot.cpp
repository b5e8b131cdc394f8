// SPDX-License-Identifier: Apache-2.0

#include "controller/member/one_shot.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controller/member/explain.hpp"

namespace saspd::member {

using std::chrono::seconds;

namespace {

std::string deed(const Options& options) {
  switch (options.command) {
    case Command::register_once: return "registered";
    case Command::deregister: return "deregistered";
    case Command::quiesce: return "quiesced";
    case Command::resume: return "resumed";
    default: return fmt::format("state {}", options.state.value_or(0));
  }
}

bool drains(const Options& options) {
  return options.command == Command::deregister && options.drain > seconds{0};
}

sasp::MemberGoal first_goal(const Options& options, std::uint8_t load) {
  sasp::MemberGoal goal;
  goal.state = options.state.value_or(load);
  if (options.command == Command::register_once) goal.presence = sasp::Presence::registered;
  if (options.command == Command::deregister) {
    goal.presence = drains(options) ? sasp::Presence::untouched : sasp::Presence::absent;
    // RFC 4678 7.2.1: an operator takes the member out.
    goal.reason = sasp::deregistration_reason::learned_and_purposeful;
  }
  goal.quiesced = options.command == Command::quiesce || drains(options);
  return goal;
}

// The one that needs action first. What exit codes 75 and 69 report may pass by itself.
ExitCode worse(ExitCode a, ExitCode b) {
  for (const ExitCode code : {ExitCode::configuration, ExitCode::no_permission,
                              ExitCode::unavailable, ExitCode::try_again}) {
    if (a == code || b == code) return code;
  }
  return ExitCode::ok;
}

}  // namespace

OneShot::OneShot(const Options& options, std::uint8_t load, std::uint64_t seed, TimePoint now)
    : Machine(options, first_goal(options, load), seed, false, now),
      phase_(drains(options) ? Phase::quiescing : Phase::acting),
      goal_(first_goal(options, load)) {}

void OneShot::start(TimePoint now) {
  expire_at(now + patience());
}

void OneShot::stop(TimePoint now) {
  if (phase_ == Phase::acting) return end();
  act(now);
}

void OneShot::expire(TimePoint now) {
  if (phase_ == Phase::draining) return act(now);
  settle(now);
}

void OneShot::work(TimePoint now) {
  if (phase_ == Phase::draining) return;
  const auto& all = gwms_.all();
  if (std::all_of(all.begin(), all.end(), [this](const auto& gwm) { return is_settled(gwm); }))
    settle(now);
}

// Nothing that this GWM may still do is worth waiting for.
bool OneShot::is_settled(const Gwms::Standing& gwm) const {
  if (gwm.reached) return true;
  const bool tries_again = options_.wait > seconds{0} && phase_ == Phase::acting;
  if (!tries_again) return gwm.lost || gwm.refused;
  return gwm.refused &&
         explain(gwm.refused->asked, gwm.refused->code, {}, {}).code == ExitCode::configuration;
}

// Where no GWM knows of the quiesce, there is nothing to wait for.
void OneShot::settle(TimePoint now) {
  if (phase_ == Phase::acting) return end();
  if (gwms_.reached() > 0) return drain(now);
  act(now);
}

void OneShot::drain(TimePoint now) {
  phase_ = Phase::draining;
  expire_at(now + options_.drain);
}

// The end of a quiesce: its server leaves.
void OneShot::act(TimePoint now) {
  phase_ = Phase::acting;
  goal_.presence = sasp::Presence::absent;
  expire_at(now + patience());
  gwms_.want(goal_, now);
  work(now);
}

seconds OneShot::patience() const {
  return options_.wait > seconds{0} ? options_.wait : options_.timeout;
}

Machine::Outcome::Line OneShot::report(const Gwms::Standing& gwm) const {
  Explanation why{ExitCode::ok, {}};
  if (gwm.refused) {
    why = explain(gwm.refused->asked, gwm.refused->code, options_.lb_uid, options_.group);
  } else if (gwm.lost) {
    why = {ExitCode::unavailable, gwm.error};
  } else if (!gwm.reached) {
    why = {ExitCode::try_again, "no answer in time"};
  }
  if (why.code == ExitCode::ok)
    return {why.code, fmt::format("{}: {} {}", gwm.name, options_.subject(), deed(options_))};
  return {why.code, fmt::format("sasp-member: {}: {} not {}: {}", gwm.name, options_.subject(),
                                deed(options_), why.text)};
}

Machine::Outcome OneShot::outcome() const {
  Outcome outcome;
  for (const auto& gwm : gwms_.all()) {
    outcome.lines.push_back(report(gwm));
    outcome.code = worse(outcome.code, outcome.lines.back().code);
  }
  return outcome;
}

}  // namespace saspd::member
