// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_gwm/program.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "controller/base/version.hpp"
#include "controller/cli/config_file.hpp"
#include "controller/gwm/control.hpp"

namespace saspd::programs {

using namespace gwm;

namespace {

// A file that was replaced is read when two looks find the same (FileWatch), within a second; one
// that is written in place when it stays the same for three.
constexpr auto files_poll = std::chrono::milliseconds{500};
constexpr unsigned looks_in_place = 6;
// All groups are weighed for it if something has changed, so a big farm is looked at less often.
constexpr auto alarms_poll = std::chrono::seconds{1};
constexpr int alarms_rest = 50;  // times as long as a look takes
constexpr std::size_t groups_in_a_line = 4;
constexpr auto members_poll = std::chrono::milliseconds{200};

// Every connection needs a descriptor; the usual limit of 1024 is there for select(2).
void use_all_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Why a target is what it is now.
std::string words(const Health& health, ProbeSpec::Kind kind) {
  const bool agent = kind == ProbeSpec::Kind::agent;
  const std::string detail = health.last() ? health.last()->detail : std::string();
  switch (health.state()) {
    case Health::State::unknown: return "not known yet";
    case Health::State::down:
      return fmt::format("{}: {}", agent ? "does not answer" : "down", detail);
    case Health::State::up: break;
  }
  return agent ? fmt::format("says {}", detail) : fmt::format("up: {}", detail);
}

net::GwmServerConfig server_config(const Options& options, const net::TlsCredentials* tls) {
  net::GwmServerConfig config;
  config.session.interval = options.registry.interval;
  config.session.max_message = options.server.max_message;
  config.max_connections = options.server.max_connections;
  config.max_requests_per_second = options.server.max_requests_per_second;
  config.max_new_per_second = options.server.max_new_per_second;
  config.allowed = options.allowed;
  config.tls = tls;
  return config;
}

}  // namespace

SaspGwm::SaspGwm(host::Host& host, Options& options, ReadOptions read_again, cli::Log& log)
    : Configured(host, options, std::move(read_again)),
      log_(log),
      limited_log_(log),
      manager_({options.registry, options.weigher, options.probes}),
      connections_(host.io(), server_config(options, host.tls()),
                   Authority(options.foreign_members), options.registry.retention, manager_,
                   limited_log_, [this] { work(); }),
      prober_(host.io(), options.probing,
              [this](const ProbeTarget& target, const Health& health) { probed(target, health); }),
      weights_(options.weights, options.weights_memory, looks_in_place, log,
               [this](const AdviceTable& table) {
                 manager_.use(table, Clock::now());
                 work();
               }),
      drains_(options.drains, looks_in_place, log,
              [this](std::set<MemberName> drains) {
                manager_.use_drains(std::move(drains), Clock::now());
                work();
              }),
      authority_(
          {options.authority}, looks_in_place,
          {.read = [this] { return read_authority(); },
           .failed =
               [this](const std::string& why) { log_.warning("{}; the old rights stay", why); }}),
      state_(host.io(), options.state, manager_, log),
      files_timer_(host.io()),
      work_timer_(host.io()),
      members_timer_(host.io()),
      alarms_timer_(host.io()) {}

// ---- The start ----------------------------------------------------------------------------------

host::Refused SaspGwm::read_files() {
  recall();
  auto done = weights_.read();
  if (done) done = drains_.read();
  if (done) done = authority_.read();
  if (!done) {
    const bool bad_content = done.error().code == std::errc::invalid_argument;
    return host::Refusal{bad_content ? ExitCode::data : ExitCode::no_input, done.error().detail};
  }
  say_what_stays_unknown();
  return std::nullopt;
}

// Before anybody can ask.
void SaspGwm::recall() {
  if (options().verb == cli::Verb::check) return state_.look();
  const TimePoint now = Clock::now();
  auto state = state_.load();
  if (state) {
    manager_.recall(std::move(*state), Authority(options().foreign_members), now, unix_time());
    std::map<ProbeTarget, Health> known;
    for (const auto& [target, one] : manager_.weigher().remembered(now))
      known.emplace(target, health_of(one.reading, now));
    const Extent& all = manager_.total();
    log_.info(
        "{}: {} load balancers, {} groups, {} members, {} drained, {} probed; what returns "
        "confirms it",
        options().state, manager_.load_balancers().size(), all.groups, all.members,
        manager_.weigher().drains().of_operator().size(), known.size());
    prober_.recall(std::move(known));
  } else if (options().start_grace.count() > 0) {
    manager_.wait_until(now + options().start_grace);
    log_.info(
        "{}: for {} s, members of groups with members that registered themselves count as "
        "not known, and load balancers keep their weights (--start-grace)",
        options().state.empty() ? "no --state of an earlier life"
                                : fmt::format("{} has no earlier state", options().state),
        options().start_grace.count());
  }
}

host::Refused SaspGwm::listen() {
  use_all_descriptors();
  for (const Endpoint& endpoint : options().listen) {
    const auto bound = connections_.listen(endpoint);
    if (!bound) {
      const bool forbidden = bound.error().code == std::errc::permission_denied;
      return host::Refusal{forbidden ? ExitCode::no_permission : ExitCode::io,
                           bound.error().detail};
    }
    log_.info("sasp-gwm {} listens on {}{}", program_version, bound->text(),
              host_.tls() != nullptr ? " with TLS" : "");
  }
  return std::nullopt;
}

cli::Needs SaspGwm::needs() const {
  cli::Needs needs;
  for (const auto* file : {&options().weights, &options().drains, &options().authority}) {
    if (!file->empty()) needs.reads.push_back(*file);
  }
  if (!state_.made_folder().empty()) needs.gives.push_back(state_.made_folder());
  if (!options().state.empty()) needs.writes.push_back(state_.lock_path());
  return needs;
}

host::Refused SaspGwm::start() {
  if (options().weights.empty() && options().probes.empty()) {
    log_.info("neither --weights nor --probe: nothing is known about any member");
  }
  if (!options().weights.empty() || !options().drains.empty() || !options().authority.empty())
    poll_files();
  if (!options().probes.empty()) watch_members();
  watch_alarms();
  return std::nullopt;
}

// What can be known of partly_known before anybody has registered anything.
void SaspGwm::say_what_stays_unknown() const {
  if (weights_.book() == nullptr) return;
  std::string names;
  std::size_t count = 0;
  for (const auto& [group, members] : weights_.book()->table()) {
    if (!options().probes.of(group).empty()) continue;
    ++count;
    if (count <= groups_in_a_line) names += fmt::format("{}{}", count == 1 ? "" : ", ", group);
  }
  if (count == 0) return;
  log_.info(
      "{}: no probe covers {} of its groups ({}{}): load balancers stop sending to members of "
      "these groups that it does not name; --probe tcp makes such members known",
      options().weights, count, names, count > groups_in_a_line ? ", ..." : "");
}

// ---- The operator -------------------------------------------------------------------------------

boost::json::object SaspGwm::answer(const boost::json::object& request,
                                    const net::ControlPeer& peer) {
  look_at_alarms();
  Surroundings around = surroundings();
  around.requester = fmt::format("uid {} (pid {})", peer.uid, peer.pid);
  auto [answer, done] = carry_out(request, peer.may_write, manager_, around, Clock::now());
  if (!done.empty()) log_.info("{}, by {}", done, around.requester);
  // Later: what the work throws is no fault of the question.
  net::post(host_.io(), [this] { work(); });
  return std::move(answer);
}

metrics::Families SaspGwm::metrics(TimePoint now) {
  look_at_alarms();
  return metric_families(manager_, surroundings(), connections_.counters(), prober_.counts(),
                         options().metrics_members, now);
}

std::string SaspGwm::status_line() const {
  const Extent& all = manager_.total();
  std::string line =
      fmt::format("{} of {} load balancers connected, {} groups, {} members", manager_.connected(),
                  manager_.load_balancers().size(), all.groups, all.members);
  return weights_.error().empty() ? line : fmt::format("{}; {}", line, weights_.error());
}

Surroundings SaspGwm::surroundings() {
  Surroundings around;
  around.health = [this](const ProbeTarget& target) { return prober_.health(target); };
  around.peer = [this](ConnectionId id) { return connections_.peer(id); };
  around.listen = options().listen;
  around.interval = std::chrono::seconds{options().registry.interval};
  around.connections = connections_.size();
  around.weights_file = options().weights;
  around.weights_error = weights_.error();
  around.authority_file = options().authority;
  around.authority_error = authority_.error();
  around.drains_file = options().drains;
  around.drains_error = drains_.error();
  around.state_file = options().state;
  around.state_error = state_.error();
  around.keep = [this] { return state_.keep(); };
  around.unix_time = unix_time();
  around.tls_error = host_.tls_error();
  around.config_error = host_.reload_error();
  around.unauthorized = connections_.unauthorized();
  around.alarms = alarms_;
  around.book = weights_.book();
  return around;
}

// Where to listen is the one thing that can fail only when it is done.
void SaspGwm::prepare(const Options& next, cli::Errors& errors) {
  for (const Endpoint& endpoint : next.listen) {
    const auto& now = options().listen;
    if (std::find(now.begin(), now.end(), endpoint) != now.end()) continue;
    const auto bound = connections_.listen(endpoint);
    if (bound)
      opened_.push_back(endpoint);
    else
      errors.push_back(bound.error().detail);
  }
}

void SaspGwm::give_up() {
  for (const Endpoint& endpoint : std::exchange(opened_, {}))
    connections_.stop_listening(endpoint);
}

void SaspGwm::take_over(const Options& before) {
  opened_.clear();
  for (const Endpoint& endpoint : before.listen) {
    const auto& now = options().listen;
    if (std::find(now.begin(), now.end(), endpoint) == now.end())
      connections_.stop_listening(endpoint);
  }
  connections_.reconfigure(server_config(options(), host_.tls()), options().registry.retention);
  prober_.reconfigure(options().probing);
  manager_.reconfigure({options().registry, options().weigher, options().probes}, Clock::now());
  if (!options().probes.empty() && !watches_members_) watch_members();
  work();
}

void SaspGwm::read_files_again(cli::Errors& errors) {
  weights_.read_now();
  drains_.read_now();
  authority_.read_now();
  for (const auto* error : {&weights_.error(), &drains_.error(), &authority_.error()}) {
    if (!error->empty()) errors.push_back(*error);
  }
}

void SaspGwm::stop() {
  state_.keep();
  connections_.close_all();
  host_.end();
}

// ---- Files --------------------------------------------------------------------------------------

Result<void> SaspGwm::read_authority() {
  const auto text = cli::read_regular_file(options().authority);
  if (!text) return fail(text.error());
  auto authority = Authority::parse(*text);
  if (!authority) return fail(at(options().authority, authority.error()));
  log_.info("{}: {} lines", options().authority, authority->size());
  connections_.judge_again(std::move(*authority));
  return {};
}

void SaspGwm::poll_files() {
  files_timer_.call_after(files_poll, [this] {
    weights_.look();
    drains_.look();
    authority_.look();
    poll_files();
  });
}

// ---- Time ---------------------------------------------------------------------------------------

// What is due is done, and what will be is waited for. To be called whenever something has
// happened.
void SaspGwm::work() {
  const TimePoint now = Clock::now();
  for (const std::string& lb_uid : manager_.forget_expired(now)) {
    limited_log_.info(fmt::format("LB '{}' forgotten: no connection for {} s", lb_uid,
                                  options().registry.retention.count()));
  }
  const auto ready = [this](ConnectionId id) { return connections_.can_push(id); };
  for (Push& push : manager_.due(now, ready))
    connections_.send(std::move(push));
  wait_until(manager_.deadline());
  state_.changed();
}

// Most events leave it as it was, and the timer with it.
void SaspGwm::wait_until(std::optional<TimePoint> next) {
  if (next == awaited_) return;
  awaited_ = next;
  if (!next) return work_timer_.cancel();
  work_timer_.call_at(*next, [this] {
    awaited_.reset();
    work();
  });
}

// Members come and go in crowds: what is probed follows soon, not with each of them.
void SaspGwm::watch_members() {
  watches_members_ = true;
  members_timer_.call_after(members_poll, [this] {
    if (std::exchange(probed_generation_, manager_.generation()) != manager_.generation()) {
      const auto targets = manager_.probe_targets();
      manager_.keep_only(targets);
      prober_.set_targets(targets);
    }
    watch_members();
  });
}

void SaspGwm::probed(const ProbeTarget& target, const Health& health) {
  if (health.changed_by_last()) {
    limited_log_.info(fmt::format("{}: {}", target.text(), words(health, target.spec.kind)));
  }
  manager_.learn(target, reading_of(health), Clock::now());
  work();
}

// One line when an alarm begins, and one when it ends.
void SaspGwm::look_at_alarms() {
  auto now = alarm_watch_.look(manager_, weights_.book(), Clock::now());
  for (const auto& suspicion : connections_.duplicates().suspected(Clock::now()))
    now.push_back({alarm::duplicate_uid, true, suspicion.lb_uid, {}, {}, text(suspicion)});
  const auto before = std::exchange(alarms_, std::move(now));
  for (const Alarm& alarm : alarms_only_in(alarms_, before)) {
    const auto text = fmt::format("alarm {}: {}", alarm.name, alarm.detail);
    alarm.urgent ? limited_log_.error(text) : limited_log_.warning(text);
  }
  for (const Alarm& alarm : alarms_only_in(before, alarms_))
    limited_log_.info(fmt::format("alarm {} ended; it was: {}", alarm.name, alarm.detail));
}

void SaspGwm::watch_alarms() {
  const TimePoint began = Clock::now();
  look_at_alarms();
  const Duration rest = (Clock::now() - began) * alarms_rest;
  alarms_timer_.call_after(std::max<Duration>(alarms_poll, rest), [this] { watch_alarms(); });
}

}  // namespace saspd::programs
