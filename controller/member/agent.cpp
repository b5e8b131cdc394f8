#include "controller/member/agent.hpp"

#include <csignal>

#include <fmt/format.h>

#include "controller/base/version.hpp"
#include "controller/member/load.hpp"
#include "controller/net/spawn.hpp"

namespace saspd::member {

using boost::system::error_code;
using std::chrono::seconds;

namespace {

constexpr auto load_period = seconds{5};
// For the answers to the deregistration; with it the end comes within the two seconds of --drain.
constexpr auto farewell = std::chrono::milliseconds{1500};

}  // namespace

Agent::Agent(const Options& options, cli::Log& log)
    : options_(options),
      log_(log),
      watchdog_(io_, notifier_),
      signals_(io_),
      load_timer_(io_),
      end_timer_(io_),
      goal_{.presence = sasp::Presence::registered, .state = options.state.value_or(0)},
      gwms_(
          io_, options, goal_, [this] { changed(); }, log, true) {}

ExitCode Agent::run() {
  std::signal(SIGPIPE, SIG_IGN);
  wait_for_signal();
  log_.info("sasp-member {} for {}", program_version, options_.subject());
  watchdog_.start();
  if (!options_.state) report_load();
  if (const auto started = gwms_.start(); !started) {
    log_.error("{}", started.error().detail);
    return ExitCode::configuration;
  }
  tell_manager();
  if (const auto ran = net::run(io_); !ran) {
    log_.error("{}", ran.error().detail);
    return ExitCode::internal;
  }
  log_.info("stopped");
  return ExitCode::ok;
}

void Agent::wait_for_signal() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    signals_.add(signal);
  signals_.async_wait([this](error_code ec, int signal) {
    if (ec) return;
    signalled(signal);
    wait_for_signal();
  });
}

void Agent::signalled(int signal) {
  if (signal == SIGHUP) {
    notifier_.reloading();
    gwms_.reload_certificates();
    log_.warning("SIGHUP: flags are not read again; restart sasp-member for a new configuration");
    if (ready_) notifier_.ready();
    return;
  }
  switch (phase_) {
    case Phase::serving: return drain();
    case Phase::draining: return leave();
    case Phase::leaving: return io_.stop();
  }
}

// New connections end where a load balancer has heard of the quiesce; the others have --drain to
// end.
void Agent::drain() {
  load_timer_.cancel();
  notifier_.stopping(options_.drain + seconds{5});
  // A server that no load balancer knows by us has no connections to wait for.
  if (options_.drain == seconds{0} || !ever_registered_) return leave();
  phase_ = Phase::draining;
  goal_.presence = sasp::Presence::untouched;
  goal_.quiesced = true;
  log_.info("quiesces; waits {} s for connections to end", options_.drain.count());
  end_timer_.expires_after(options_.drain);
  end_timer_.async_wait([this](error_code ec) {
    if (!ec) leave();
  });
  gwms_.want(goal_);
  tell_manager();
}

// RFC 4678 7.2.1: no reason is given, since a server that stops, or fails, was not deconfigured.
void Agent::leave() {
  phase_ = Phase::leaving;
  goal_.presence = sasp::Presence::absent;
  log_.info("deregisters");
  end_timer_.expires_after(farewell);
  end_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    log_.warning("ends without the answer of every gwm");
    io_.stop();
  });
  gwms_.want(goal_);
  tell_manager();
  changed();
}

void Agent::changed() {
  if (phase_ == Phase::serving) ever_registered_ = ever_registered_ || gwms_.reached() > 0;
  tell_manager();
  if (phase_ != Phase::leaving) return;
  for (const auto& gwm : gwms_.all()) {
    if (!gwm.reached && !gwm.refused && !gwm.lost) return;
  }
  io_.stop();
}

// RFC 4678 5.4
void Agent::report_load() {
  const auto load = load_now();
  if (load && is_news(goal_.state, *load)) {
    goal_.state = *load;
    log_.debug("load {}", *load);
    gwms_.want(goal_);
  }
  load_timer_.expires_after(load_period);
  load_timer_.async_wait([this](error_code ec) {
    if (!ec) report_load();
  });
}

void Agent::tell_manager() {
  if (!ready_ && (ever_registered_ || !options_.ready_when_registered)) {
    ready_ = true;
    notifier_.ready();
  }
  const std::string_view word = phase_ == Phase::serving    ? "registered with"
                                : phase_ == Phase::draining ? "draining, quiesced at"
                                                            : "deregistered from";
  std::string status = fmt::format("{}: {} {} of {} gwm(s)", options_.subject(), word,
                                   gwms_.reached(), gwms_.all().size());
  if (status == status_) return;
  status_ = std::move(status);
  notifier_.status(status_);
}

}  // namespace saspd::member
