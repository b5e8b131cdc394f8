// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_member/agent.hpp"

#include <utility>

#include <fmt/format.h>

#include "controller/base/version.hpp"
#include "controller/member/load.hpp"

namespace saspd::programs {

using namespace member;
namespace {

constexpr auto load_period = std::chrono::seconds{5};
// For the answers to the deregistration; with it the end comes within the two seconds of --drain.
constexpr auto time_to_answer = std::chrono::milliseconds{1500};

}  // namespace

Agent::Agent(host::Host& host, const Options& options, cli::Log& log)
    : Program(host),
      options_(options),
      log_(log),
      load_timer_(host.io()),
      end_timer_(host.io()),
      goal_{.presence = sasp::Presence::registered, .state = options.state.value_or(0)},
      gwms_(
          host, options, goal_, [this] { changed(); }, log, true) {}

host::Refused Agent::start() {
  log_.info("sasp-member {} for {}", program_version, options_.subject());
  if (!options_.state) report_load();
  gwms_.start();
  return std::nullopt;
}

// A second signal ends the drain, and a third one everything.
void Agent::stop() {
  switch (phase_) {
    case Phase::serving: return drain();
    case Phase::draining: return leave();
    case Phase::leaving: return host_.end();
  }
}

// New connections end where a load balancer has heard of the quiesce; the others have --drain to
// end.
void Agent::drain() {
  load_timer_.cancel();
  // A server that no load balancer knows by us has no connections to wait for.
  if (options_.drain == std::chrono::seconds{0} || !ever_registered_) return leave();
  phase_ = Phase::draining;
  goal_.presence = sasp::Presence::untouched;
  goal_.quiesced = true;
  log_.info("quiescing; waiting {} s for connections to end", options_.drain.count());
  end_timer_.call_after(options_.drain, [this] { leave(); });
  gwms_.want(goal_);
  host_.status_changed();
}

// RFC 4678 7.2.1: no reason is given, since a server that stops, or fails, was not deconfigured.
void Agent::leave() {
  phase_ = Phase::leaving;
  goal_.presence = sasp::Presence::absent;
  log_.info("deregisters");
  end_timer_.call_after(time_to_answer, [this] {
    log_.warning("exiting without the answer of every GWM");
    host_.end();
  });
  gwms_.want(goal_);
  changed();
}

void Agent::changed() {
  if (phase_ == Phase::serving) ever_registered_ = ever_registered_ || gwms_.reached() > 0;
  if (is_ready()) host_.ready();
  host_.status_changed();
  if (phase_ != Phase::leaving) return;
  for (const auto& gwm : gwms_.all()) {
    if (!gwm.reached && !gwm.refused && !gwm.lost) return;
  }
  host_.end();
}

// RFC 4678 5.4
void Agent::report_load() {
  const auto load = load_now();
  if (load && is_news(goal_.state, *load)) {
    goal_.state = *load;
    log_.debug("load {}", *load);
    gwms_.want(goal_);
  }
  load_timer_.call_after(load_period, [this] { report_load(); });
}

metrics::Families Agent::metrics(TimePoint /*now*/) {
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

}  // namespace saspd::programs
