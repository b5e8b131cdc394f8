#include "controller/gwm/program.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "controller/base/version.hpp"
#include "controller/cli/config_file.hpp"
#include "controller/cli/privileges.hpp"
#include "controller/gwm/control.hpp"
#include "controller/gwm/describe.hpp"
#include "controller/metrics/process.hpp"
#include "controller/net/spawn.hpp"
#include "controller/sasp/codec.hpp"

namespace saspd::gwm {

using namespace sasp;
using boost::system::error_code;

namespace {

// A file that was replaced is read when two looks find the same (FileWatch), within a second; one
// that is written in place when it stays the same for three.
constexpr auto files_poll = std::chrono::milliseconds{500};
constexpr unsigned looks_in_place = 6;
// All groups are weighed for it, so a big farm is looked at less often.
constexpr auto alarms_poll = std::chrono::seconds{1};
constexpr int alarms_rest = 50;  // times as long as a look takes
constexpr std::size_t members_in_a_line = 4;
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

// A file that is gone is read, too: then that is said.
bool should_read(FileWatch& watch, const std::string& path) {
  if (path.empty()) return false;
  return watch.should_read(stamps_of({path})) || watch.is_gone();
}

std::size_t members_in(const AdviceTable& table) {
  std::size_t sum = 0;
  for (const auto& [group, members] : table)
    sum += members.size();
  return sum;
}

// "web tcp:192.0.2.1:80, web tcp:192.0.2.2:80 and 3 more"
std::string listed(const std::vector<WeightsBook::Name>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), members_in_a_line); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", names[i].text());
  if (names.size() > members_in_a_line)
    text += fmt::format(" and {} more", names.size() - members_in_a_line);
  return text;
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

WorkloadManagerConfig manager_config(const Options& options) {
  return {options.registry, options.weigher, options.probes};
}

}  // namespace

Program::Program(const Options& options, cli::Log& log)
    : options_(options),
      log_(log),
      manager_(manager_config(options)),
      weights_watch_(looks_in_place),
      book_(options.weights_memory),
      authority_(options.foreign_members),
      authority_watch_(looks_in_place),
      watchdog_(io_, notifier_),
      status_line_(io_, notifier_, [this] { return status_line(); }),
      tls_(credentials()),
      server_(io_, server_config(options, tls_.get()), *this),
      signals_(io_),
      files_timer_(io_),
      work_timer_(io_),
      members_timer_(io_),
      alarms_timer_(io_),
      prober_(io_, options.probing,
              [this](const ProbeTarget& target, const Health& health) { probed(target, health); }) {
}

ExitCode Program::run() {
  std::signal(SIGPIPE, SIG_IGN);
  use_all_descriptors();
  wait_for_signal();
  if (const ExitCode code = start(); code != ExitCode::ok || options_.check) return code;
  notifier_.ready();
  watchdog_.start();
  status_line_.start();
  if (const auto ran = net::run(io_); !ran) {
    log_.error("{}", ran.error().detail);
    return ExitCode::internal;
  }
  log_.info("stopped");
  return ExitCode::ok;
}

// Root opens the sockets; whoever we are then reads the keys, and everything anew later.
ExitCode Program::start() {
  if (const ExitCode code = read_files(); code != ExitCode::ok) return code;
  say_what_stays_unknown();
  if (!options_.check) {
    for (const auto step : {&Program::open_control, &Program::listen}) {
      if (const ExitCode code = (this->*step)(); code != ExitCode::ok) return code;
    }
  }
  if (const ExitCode code = drop_privileges(); code != ExitCode::ok) return code;
  if (tls_) {
    if (const auto loaded = tls_->load(); !loaded) {
      log_.error("{}", loaded.error().detail);
      return ExitCode::configuration;
    }
  }
  if (options_.check) return ExitCode::ok;
  if (options_.weights.empty() && options_.probes.empty()) {
    log_.info("neither --weights nor --probe: nothing is known about any member");
  }
  if (tls_) {
    tls_->when_replaced([this] { server_.check_certificates_again(); });
    tls_->watch();
  }
  poll_files();
  if (!options_.probes.empty()) watch_members();
  watch_alarms();
  open_metrics();
  return ExitCode::ok;
}

ExitCode Program::read_files() {
  for (const auto read : {&Program::read_weights, &Program::read_authority}) {
    if (const auto done = (this->*read)(); !done) {
      log_.error("{}", done.error().detail);
      const bool bad_content = done.error().code == std::errc::invalid_argument;
      return bad_content ? ExitCode::data : ExitCode::no_input;
    }
  }
  return ExitCode::ok;
}

ExitCode Program::listen() {
  for (const Endpoint& endpoint : options_.listen) {
    const auto bound = server_.listen(endpoint);
    if (!bound) {
      log_.error("{}", bound.error().detail);
      const bool forbidden = bound.error().code == std::errc::permission_denied;
      return forbidden ? ExitCode::no_permission : ExitCode::io;
    }
    log_.info("sasp-gwm {} listens on {}{}", program_version, bound->text(),
              tls_ ? " with TLS" : "");
  }
  return ExitCode::ok;
}

ExitCode Program::drop_privileges() {
  cli::Needs needs{.user = "sasp-gwm", .keep = {}, .reads = options_.tls.files()};
  for (const auto* file : {&options_.weights, &options_.authority}) {
    if (!file->empty()) needs.reads.push_back(*file);
  }
  if (control_) needs.gives.push_back(control_path());
  const auto dropped = cli::drop_privileges(needs);
  if (!dropped) {
    log_.error("{}", dropped.error().detail);
    return ExitCode::no_permission;
  }
  if (!dropped->empty()) log_.warning("{}", *dropped);
  return ExitCode::ok;
}

// ---- The operator -------------------------------------------------------------------------------

std::string Program::control_path() const {
  return options_.control.empty() ? std::string(default_control) : options_.control;
}

ExitCode Program::open_control() {
  const bool wanted = !options_.control.empty();
  net::ControlServer::Callbacks callbacks;
  callbacks.answer = [this](const boost::json::object& request, const net::ControlPeer& peer) {
    auto done = answer(request, peer);
    done["program"] = "sasp-gwm";
    return done;
  };
  callbacks.on_exception = [this](const boost::json::object& request,
                                  const std::exception_ptr& failure) {
    if (!net::only_reads(request)) std::rethrow_exception(failure);
    log_.error("control socket: internal error: {}", net::reason(failure));
  };
  auto control = net::ControlServer::open(io_, control_path(), std::move(callbacks));
  if (control) {
    control_ = std::move(*control);
    return ExitCode::ok;
  }
  if (!wanted) {
    log_.warning("{}; saspctl cannot ask, see --control", control.error().detail);
    return ExitCode::ok;
  }
  log_.error("{}", control.error().detail);
  const auto& code = control.error().code;
  return code == std::errc::address_in_use      ? ExitCode::try_again
         : code == std::errc::permission_denied ? ExitCode::no_permission
                                                : ExitCode::io;
}

void Program::open_metrics() {
  if (!options_.metrics) return;
  const Endpoint& at = *options_.metrics;
  if (!at.address.is_loopback()) {
    log_.warning("--metrics {}: whoever reaches it can read the names and weights of all servers",
                 at.text());
  }
  net::MetricsServer::Callbacks callbacks;
  callbacks.text = [this] { return metrics_text(); };
  callbacks.on_listen = [this](const Result<Endpoint>& listening) {
    if (listening) return log_.info("metrics at http://{}/metrics", listening->text());
    log_.warning("no metrics: {}; tried again, see --metrics", listening.error().detail);
  };
  callbacks.on_exception = [this](const std::exception_ptr& failure) {
    log_.error("metrics: internal error: {}", net::reason(failure));
  };
  metrics_.emplace(io_, at, std::move(callbacks));
}

boost::json::object Program::answer(const boost::json::object& request,
                                    const net::ControlPeer& peer) {
  look_at_alarms();
  auto [answer, done] = carry_out(request, peer.may_write, manager_, surroundings(), Clock::now());
  if (!done.empty()) log_.info("{}, by uid {} (pid {})", done, peer.uid, peer.pid);
  // Later: what the work throws is no fault of the question.
  boost::asio::post(io_, [this] { work(); });
  return std::move(answer);
}

std::string Program::metrics_text() {
  look_at_alarms();
  const auto now = Clock::now();
  auto families = metric_families(manager_, surroundings(), counters_, prober_.counts(),
                                  options_.metrics_members, now);
  if (tls_) {
    const auto tls = metrics::tls_families("sasp_gwm_tls_certificate_expiry_timestamp_seconds",
                                           "sasp_gwm_tls_files_ok", net::tls_ends(*tls_->current()),
                                           tls_->error().empty());
    families.insert(families.end(), tls.begin(), tls.end());
  }
  auto process = metrics::process_families(now, std::chrono::system_clock::now());
  families.insert(families.end(), process.begin(), process.end());
  return metrics::text(families);
}

std::string Program::status_line() const {
  Extent extent;
  std::size_t connected = 0;
  for (const auto& [uid, lb] : manager_.load_balancers()) {
    extent += lb.extent;
    if (lb.connection) ++connected;
  }
  std::string line =
      fmt::format("{} of {} load balancers connected, {} groups, {} members", connected,
                  manager_.load_balancers().size(), extent.groups, extent.members);
  return weights_error_.empty() ? line : fmt::format("{}; {}", line, weights_error_);
}

Surroundings Program::surroundings() const {
  Surroundings around;
  around.health = [this](const ProbeTarget& target) { return prober_.health(target); };
  around.peer = [this](ConnectionId id) -> std::optional<Endpoint> {
    const auto peer = peers_.find(id);
    if (peer == peers_.end()) return std::nullopt;
    return peer->second.endpoint;
  };
  around.listen = options_.listen;
  around.interval = std::chrono::seconds{options_.registry.interval};
  around.connections = peers_.size();
  around.weights_file = options_.weights;
  around.weights_error = weights_error_;
  around.authority_file = options_.authority;
  around.authority_error = authority_error_;
  if (tls_) around.tls_error = tls_->error();
  around.unauthorized = unauthorized_;
  around.alarms = alarms_;
  if (!options_.weights.empty()) around.book = &book_;
  return around;
}

// ---- Files --------------------------------------------------------------------------------------

Result<void> Program::read_weights() {
  if (options_.weights.empty()) return {};
  const auto stamps = stamps_of({options_.weights});
  const auto text = cli::read_regular_file(options_.weights);
  weights_watch_.was_read(text ? stamps : std::nullopt);
  if (!text) return fail(text.error());
  auto table = parse_weights(*text);
  if (!table) return fail(at(options_.weights, table.error()));
  for (const auto& doubt : doubts_about(*table))
    log_.warning("{}: {}", options_.weights, doubt);
  const std::size_t members = members_in(*table);
  const std::size_t groups = table->size();
  const auto news = book_.read(std::move(*table), Clock::now());
  if (book_.held()) {
    say_what_is_held();
  } else {
    log_.info("{}: {} members in {} groups", options_.weights, members, groups);
  }
  take(news);
  return {};
}

void Program::say_what_is_held() const {
  const auto& held = *book_.held();
  log_.warning(
      "{}: {} of its {} members are missing, is it whole? The old weights stay for {} s, or until "
      "SIGHUP says that it is meant (systemctl reload sasp-gwm)",
      options_.weights, held.missing, held.before,
      std::chrono::ceil<std::chrono::seconds>(held.until - Clock::now()).count());
}

// What can be known of partly_known before anybody has registered anything.
void Program::say_what_stays_unknown() const {
  std::string names;
  std::size_t count = 0;
  for (const auto& [group, members] : book_.table()) {
    if (!options_.probes.of(group).empty()) continue;
    ++count;
    if (count <= members_in_a_line) names += fmt::format("{}{}", count == 1 ? "" : ", ", group);
  }
  if (count == 0) return;
  log_.info(
      "{}: nothing probes {} of its groups ({}{}): load balancers stop sending to a member of them "
      "that it does not name; --probe tcp makes such a member known",
      options_.weights, count, names, count > members_in_a_line ? ", ..." : "");
}

void Program::take(const WeightsBook::News& news) {
  if (!news.vanished.empty()) {
    log_.warning("{} no longer names {}: the last advice stays for {} s", options_.weights,
                 listed(news.vanished), options_.weights_memory.count());
  }
  if (!news.forgotten.empty()) {
    log_.warning("{} has not named {} for {} s: what it said of them is forgotten",
                 options_.weights, listed(news.forgotten), options_.weights_memory.count());
  }
  if (!news.changed) return;
  manager_.use(book_.table(), Clock::now());
  work();
}

// What cannot be read is tried again at every look, and told once.
void Program::read_weights_again() {
  const auto read = read_weights();
  const std::string error = read ? std::string() : read.error().detail;
  if (std::exchange(weights_error_, error) == error || read) return;
  log_.warning("{}; the old weights stay", error);
}

Result<void> Program::read_authority() {
  if (options_.authority.empty()) return {};
  const auto stamps = stamps_of({options_.authority});
  const auto text = cli::read_regular_file(options_.authority);
  authority_watch_.was_read(text ? stamps : std::nullopt);
  if (!text) return fail(text.error());
  auto authority = Authority::parse(*text);
  if (!authority) return fail(at(options_.authority, authority.error()));
  authority_ = std::move(*authority);
  log_.info("{}: {} lines", options_.authority, authority_.size());
  judge_again();
  return {};
}

void Program::read_authority_again() {
  const auto read = read_authority();
  const std::string error = read ? std::string() : read.error().detail;
  if (std::exchange(authority_error_, error) == error || read) return;
  log_.warning("{}; who may speak for whom stays as it was", error);
}

void Program::poll_files() {
  if (options_.weights.empty() && options_.authority.empty()) return;
  files_timer_.expires_after(files_poll);
  files_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    if (should_read(weights_watch_, options_.weights)) read_weights_again();
    if (should_read(authority_watch_, options_.authority)) read_authority_again();
    take(book_.expire(Clock::now()));
    poll_files();
  });
}

// ---- Connections --------------------------------------------------------------------------------

void Program::connected(ConnectionId id, const Endpoint& endpoint,
                        const std::optional<PeerIdentity>& identity) {
  Peer& peer = peers_[id];
  peer.endpoint = endpoint;
  peer.rights = authority_.rights_of(endpoint.address, identity);
  log_.debug("{}: connected{}", endpoint.text(), identity ? ", " + identity->text() : "");
}

bool Program::may_go_on(const Rights& rights, const std::string& lb_uid) const {
  const auto& lb = manager_.load_balancers().find(lb_uid)->second;
  return rights.may_be(lb_uid) && group_left_out(rights, lb_uid, lb) == nullptr;
}

// There is another authority. Who speaks for a load balancer without right to it is told nothing
// more.
void Program::judge_again() {
  manager_.judge_again(authority_);
  for (auto& [id, peer] : peers_) {
    peer.rights = authority_.rights_of(peer.rights);
    const std::string* lb_uid = manager_.attached_to(id);
    if (lb_uid == nullptr || may_go_on(peer.rights, *lb_uid)) continue;
    server_.close(id, fail(std::errc::permission_denied,
                           fmt::format("{} may not speak as it any more", peer.rights.peer)));
  }
}

net::GwmAnswer Program::handle(ConnectionId id, const GwmRequest& request) {
  Peer& peer = peers_[id];
  Outcome outcome = manager_.handle({id, peer.rights}, request.message, Clock::now());
  if (outcome.replaced) close_replaced(*outcome.replaced, peer, *outcome.attached);
  if (outcome.attached) tell_attached(peer, *outcome.attached);
  if (outcome.changed) info(fmt::format("{}: {}", peer.endpoint.text(), describe(request.message)));
  const bool accepted = outcome.refusal.empty();
  tell_refusal(peer, std::move(outcome.refusal), outcome.unauthorized);
  tell_tolerances(peer, request.tolerances);
  counters_.count(request.message, outcome.reply);
  work();
  return {std::move(outcome.reply), accepted};
}

void Program::not_understood(ConnectionId id, const Error& why) {
  ++counters_.not_understood;
  tell_refusal(peers_[id], why.detail);
}

void Program::disconnected(ConnectionId id, const Error& why) {
  const std::string peer = peers_[id].endpoint.text();
  if (const std::string* lb_uid = manager_.attached_to(id)) {
    info(fmt::format("lb '{}' disconnected from {}: {}; kept for {} s", *lb_uid, peer, why.detail,
                     options_.registry.retention.count()));
  } else if (why.code.category() == category() || why.code == std::errc::timed_out ||
             why.code == std::errc::protocol_error) {
    warn(fmt::format("{}: {}; connection closed", peer, why.detail));
  } else {
    log_.debug("{}: {}", peer, why.detail);
  }
  peers_.erase(id);
  manager_.disconnected(id, Clock::now());
  work();
}

// Anybody can cause these lines; they leave room for those of peers that are known.
void Program::not_accepted(const Error& why) {
  ++counters_.rejected;
  warn(why.detail, rejected_limit_);
}

void Program::writable(ConnectionId id) {
  manager_.writable(id, Clock::now());
  work();
}

// sasp-interop row 36.
void Program::close_replaced(ConnectionId replaced, const Peer& by, const std::string& lb_uid) {
  const Endpoint old = peers_[replaced].endpoint;
  const auto now = Clock::now();
  duplicates_.replaced(lb_uid, old, by.endpoint, now);
  warn(
      fmt::format("lb '{}': the connection from {} replaces that from {}, which is closed "
                  "(replacement {})",
                  lb_uid, by.endpoint.text(), old.text(),
                  manager_.load_balancers().find(lb_uid)->second.replacements));
  server_.close(replaced, fail(std::errc::connection_aborted,
                               fmt::format("replaced by {}", by.endpoint.text())));
}

void Program::tell_attached(const Peer& peer, const std::string& lb_uid) {
  info(fmt::format("lb '{}' connected from {}, {} groups are registered", lb_uid,
                   peer.endpoint.text(),
                   manager_.load_balancers().find(lb_uid)->second.groups.size()));
}

// The same refusal again is no news.
void Program::tell_refusal(Peer& peer, std::string refusal, bool unauthorized) {
  if (unauthorized) unauthorized_.count(peer.endpoint, refusal, Clock::now());
  if (refusal == peer.last_refusal) return;
  peer.last_refusal = std::move(refusal);
  if (peer.last_refusal.empty()) return;
  warn(fmt::format("{}{}: request refused, {}", unauthorized ? "unauthorized: " : "",
                   peer.endpoint.text(), peer.last_refusal));
}

// Once per peer and kind (sasp-interop row 1).
void Program::tell_tolerances(Peer& peer, const ToleranceCounts& of_message) {
  if (!of_message.any()) return;
  for (std::size_t i = 0; i < tolerance_count; ++i) {
    const auto tolerance = static_cast<Tolerance>(i);
    if (of_message[tolerance] == 0 || peer.tolerances[tolerance] != 0) continue;
    info(fmt::format("{}: tolerated {} (told once)", peer.endpoint.text(), name(tolerance)));
  }
  peer.tolerances.add(of_message);
}

void Program::info(const std::string& text) {
  if (!info_limit_.allows(Clock::now())) return;
  if (const auto n = info_limit_.take_suppressed()) log_.info("{} lines were suppressed", n);
  log_.info("{}", text);
}

void Program::error(const std::string& text) {
  if (!error_limit_.allows(Clock::now())) return;
  if (const auto n = error_limit_.take_suppressed()) log_.error("{} lines were suppressed", n);
  log_.error("{}", text);
}

void Program::warn(const std::string& text) {
  warn(text, warning_limit_);
}

void Program::warn(const std::string& text, LogLimit& limit) {
  if (!limit.allows(Clock::now())) return;
  if (const auto n = limit.take_suppressed()) log_.warning("{} lines were suppressed", n);
  log_.warning("{}", text);
}

// ---- Time and signals ---------------------------------------------------------------------------

// What is due is done, and what will be is waited for. To be called whenever something has
// happened.
void Program::work() {
  if (stopping_) return;
  const TimePoint now = Clock::now();
  for (const std::string& lb_uid : manager_.forget_expired(now)) {
    info(fmt::format("lb '{}' forgotten: no connection for {} s", lb_uid,
                     options_.registry.retention.count()));
  }
  for (const Push& push : manager_.due(now, [&](ConnectionId id) { return server_.can_push(id); }))
    send(push);
  const auto next = manager_.deadline();
  if (!next) return;
  work_timer_.expires_at(*next);
  work_timer_.async_wait([this](error_code ec) {
    if (!ec) work();
  });
}

// Members come and go in crowds: what is probed follows soon, not with each of them.
void Program::watch_members() {
  members_timer_.expires_after(members_poll);
  members_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    if (std::exchange(probed_generation_, manager_.generation()) != manager_.generation()) {
      const auto targets = manager_.probe_targets();
      manager_.keep_only(targets);
      prober_.set_targets(targets);
    }
    watch_members();
  });
}

// One line when an alarm begins, and one when it ends.
void Program::look_at_alarms() {
  const bool has_book = !options_.weights.empty();
  auto now = alarms_of(manager_, has_book ? &book_ : nullptr, Clock::now());
  for (const auto& suspicion : duplicates_.suspected(Clock::now()))
    now.push_back({alarm::duplicate_uid, true, suspicion.lb_uid, {}, {}, text(suspicion)});
  const auto before = std::exchange(alarms_, std::move(now));
  for (const Alarm& alarm : alarms_only_in(alarms_, before)) {
    const auto text = fmt::format("alarm {}: {}", alarm.name, alarm.detail);
    alarm.urgent ? error(text) : warn(text);
  }
  for (const Alarm& alarm : alarms_only_in(before, alarms_))
    info(fmt::format("alarm {} ended; it was: {}", alarm.name, alarm.detail));
}

void Program::watch_alarms() {
  const TimePoint began = Clock::now();
  look_at_alarms();
  const Duration rest = (Clock::now() - began) * alarms_rest;
  alarms_timer_.expires_after(std::max<Duration>(alarms_poll, rest));
  alarms_timer_.async_wait([this](error_code ec) {
    if (!ec) watch_alarms();
  });
}

void Program::probed(const ProbeTarget& target, const Health& health) {
  if (health.changed_by_last()) {
    info(fmt::format("{}: {}", target.text(), words(health, target.spec.kind)));
  }
  manager_.learn(target, reading_of(health), Clock::now());
  work();
}

// All messages are one write, so that the connection takes them whole or not at all.
void Program::send(const Push& push) {
  Bytes bytes;
  for (const SendWeights& message : push.messages) {
    // sasp-interop row 11: a running number, which answers nothing.
    const auto encoded = encode({++last_push_id_, message});
    if (!encoded) return warn(fmt::format("push: {}", encoded.error().detail));
    bytes.insert(bytes.end(), encoded->begin(), encoded->end());
  }
  if (server_.push(push.connection, std::move(bytes))) counters_.pushed += push.messages.size();
}

void Program::wait_for_signal() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    signals_.add(signal);
  }
  signals_.async_wait([this](error_code ec, int signal) {
    if (ec) return;
    if (signal != SIGHUP) return stop();
    reload();
    wait_for_signal();
  });
}

std::unique_ptr<net::TlsCredentials> Program::credentials() {
  if (!options_.tls.used()) return nullptr;
  return std::make_unique<net::TlsCredentials>(io_, options_.tls, TlsRole::server,
                                               net::TlsCredentials::to(log_));
}

void Program::reload() {
  notifier_.reloading();
  if (tls_) tls_->reload();
  weights_error_.clear();  // who asks gets an answer
  read_weights_again();
  if (weights_error_.empty()) take(book_.believe_held(Clock::now()));
  authority_error_.clear();
  read_authority_again();
  notifier_.ready();
}

// Without work the io_context ends.
void Program::stop() {
  notifier_.stopping();
  stopping_ = true;
  watchdog_.stop();
  status_line_.stop();
  control_.reset();
  metrics_.reset();
  server_.stop();
  if (tls_) tls_->stop();
  files_timer_.cancel();
  work_timer_.cancel();
  members_timer_.cancel();
  alarms_timer_.cancel();
  prober_.stop();
}

}  // namespace saspd::gwm
