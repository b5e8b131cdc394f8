// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_member/one_shot.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "controller/member/explain.hpp"
#include "controller/member/load.hpp"

namespace saspd::programs {

using namespace member;

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

// The one that needs action first. What exit codes 75 and 69 report may pass by itself.
ExitCode worse(ExitCode a, ExitCode b) {
  for (const ExitCode code : {ExitCode::configuration, ExitCode::no_permission,
                              ExitCode::unavailable, ExitCode::try_again}) {
    if (a == code || b == code) return code;
  }
  return ExitCode::ok;
}

}  // namespace

OneShot::OneShot(host::Host& host, const Options& options, cli::Log& log)
    : Program(host),
      options_(options),
      timer_(host.io()),
      phase_(drains(options) ? Phase::quiescing : Phase::acting),
      gwms_(
          host, options, first_goal(options), [this] { changed(); }, log, false) {}

sasp::MemberGoal OneShot::first_goal(const Options& options) {
  sasp::MemberGoal goal;
  goal.state = options.state ? *options.state : load_now().value_or(0);
  if (options.command == Command::register_once) goal.presence = sasp::Presence::registered;
  if (options.command == Command::deregister) {
    goal.presence = drains(options) ? sasp::Presence::untouched : sasp::Presence::absent;
    // RFC 4678 7.2.1: an operator takes the member out.
    goal.reason = sasp::deregistration_reason::learned_and_purposeful;
  }
  goal.quiesced = options.command == Command::quiesce || drains(options);
  return goal;
}

host::Refused OneShot::start() {
  gwms_.start();
  expire_after(patience(), &OneShot::settle);
  return std::nullopt;
}

// A signal ends the drain, or else all.
void OneShot::stop() {
  if (phase_ == Phase::acting) return host_.end();
  act();
}

// Nothing that this GWM may still do is worth waiting for.
bool OneShot::is_settled(const Gwms::Standing& gwm) const {
  if (gwm.reached) return true;
  const bool tries_again = options_.wait > seconds{0} && phase_ == Phase::acting;
  if (!tries_again) return gwm.lost || gwm.refused;
  return gwm.refused &&
         explain(gwm.refused->asked, gwm.refused->code, {}, {}).code == ExitCode::configuration;
}

void OneShot::changed() {
  if (phase_ == Phase::draining) return;
  const auto& all = gwms_.all();
  if (std::all_of(all.begin(), all.end(), [this](const auto& gwm) { return is_settled(gwm); })) {
    settle();
  }
}

// Where no GWM knows of the quiesce, there is nothing to wait for.
void OneShot::settle() {
  if (phase_ == Phase::acting) return host_.end();
  if (gwms_.reached() > 0) return drain();
  act();
}

void OneShot::drain() {
  phase_ = Phase::draining;
  expire_after(options_.drain, &OneShot::act);
}

void OneShot::act() {
  phase_ = Phase::acting;
  auto goal = first_goal(options_);
  goal.presence = sasp::Presence::absent;
  expire_after(patience(), &OneShot::settle);
  gwms_.want(goal);
  changed();
}

seconds OneShot::patience() const {
  return options_.wait > seconds{0} ? options_.wait : options_.timeout;
}

void OneShot::expire_after(seconds patience, void (OneShot::*then)()) {
  timer_.call_after(patience, [this, then] { (this->*then)(); });
}

ExitCode OneShot::report(const Gwms::Standing& gwm) const {
  Explanation why{ExitCode::ok, {}};
  if (gwm.refused) {
    why = explain(gwm.refused->asked, gwm.refused->code, options_.lb_uid, options_.group);
  } else if (gwm.lost) {
    why = {ExitCode::unavailable, gwm.error};
  } else if (!gwm.reached) {
    why = {ExitCode::try_again, "no answer in time"};
  }
  if (why.code == ExitCode::ok) {
    fmt::print("{}: {} {}\n", gwm.name, options_.subject(), deed(options_));
  } else {
    fmt::print(stderr, "sasp-member: {}: {} not {}: {}\n", gwm.name, options_.subject(),
               deed(options_), why.text);
  }
  return why.code;
}

ExitCode OneShot::outcome() {
  ExitCode code = ExitCode::ok;
  for (const auto& gwm : gwms_.all())
    code = worse(code, report(gwm));
  return code;
}

}  // namespace saspd::programs
