// SPDX-License-Identifier: Apache-2.0

#include "controller/member/agent.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "controller/base/version.hpp"
#include "controller/member/load.hpp"

namespace saspd::member {
namespace {

// For the answers to the deregistration; with it the end comes within the two seconds of --drain.
constexpr auto time_to_answer = std::chrono::milliseconds{1500};

sasp::MemberGoal goal_of(const Options& options) {
  return {.presence = sasp::Presence::registered, .state = options.state.value_or(0)};
}

}  // namespace

Agent::Agent(const Options& options, std::uint64_t seed, TimePoint now)
    : Machine(options, goal_of(options), seed, true, now), goal_(goal_of(options)) {}

void Agent::start(TimePoint /*now*/) {
  log_.info("sasp-member {} for {}", program_version, options_.subject());
}

// The state that is reported, if it is not the load, which is looked at soon.
void Agent::options_changed(TimePoint now) {
  if (phase_ != Phase::serving || !options_.state) return;
  goal_.state = *options_.state;
  gwms_.want(goal_, now);
}

void Agent::stop(TimePoint now) {
  switch (phase_) {
    case Phase::serving: return drain(now);
    case Phase::draining: return leave(now);
    case Phase::leaving: return end();
  }
}

// New connections end where a load balancer has heard of the quiesce; the others have --drain to
// end.
void Agent::drain(TimePoint now) {
  // A server that no load balancer knows by us has no connections to wait for.
  if (options_.drain == std::chrono::seconds{0} || !ever_registered_) return leave(now);
  phase_ = Phase::draining;
  goal_.presence = sasp::Presence::untouched;
  goal_.quiesced = true;
  log_.info("quiescing; waiting {} s for connections to end", options_.drain.count());
  expire_at(now + options_.drain);
  gwms_.want(goal_, now);
}

// RFC 4678 7.2.1: no reason is given, since a server that stops, or fails, was not deconfigured.
void Agent::leave(TimePoint now) {
  phase_ = Phase::leaving;
  goal_.presence = sasp::Presence::absent;
  log_.info("deregisters");
  expire_at(now + time_to_answer);
  gwms_.want(goal_, now);
  work(now);
}

void Agent::expire(TimePoint now) {
  if (phase_ == Phase::draining) return leave(now);
  log_.warning("exiting without the answer of every GWM");
  end();
}

void Agent::work(TimePoint /*now*/) {
  if (phase_ == Phase::serving) ever_registered_ = ever_registered_ || gwms_.reached() > 0;
  if (phase_ != Phase::leaving) return;
  const auto& all = gwms_.all();
  const auto is_settled = [](const auto& gwm) { return gwm.reached || gwm.refused || gwm.lost; };
  if (std::all_of(all.begin(), all.end(), is_settled)) end();
}

// RFC 4678 5.4
void Agent::load(std::uint8_t load, TimePoint now) {
  if (!wants_load() || !is_news(goal_.state, load)) return;
  goal_.state = load;
  log_.debug("load {}", load);
  gwms_.want(goal_, now);
}

metrics::Families Agent::metrics() const {
  auto reached = metrics::gauge("sasp_member_gwm_acknowledged",
                                "1 if this GWM has acknowledged what the members are to be");
  for (const auto& gwm : gwms_.all())
    metrics::add(reached, gwm.reached ? 1 : 0, {{"gwm", gwm.name}});
  auto state =
      metrics::gauge("sasp_member_state", "The state byte that is reported to GWMs, 0 to 255");
  metrics::add(state, goal_.state);
  return {std::move(reached), std::move(state)};
}

std::string Agent::status_line() const {
  const std::string_view word = phase_ == Phase::serving    ? "registered with"
                                : phase_ == Phase::draining ? "draining, quiesced at"
                                                            : "deregistered from";
  return fmt::format("{}: {} {} of {} GWM(s)", options_.subject(), word, gwms_.reached(),
                     gwms_.all().size());
}

}  // namespace saspd::member
