#include "controller/gwm/program.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "controller/cli/config_file.hpp"
#include "controller/gwm/describe.hpp"

namespace saspd::gwm {

using namespace sasp;
using boost::system::error_code;

namespace {

// A changed file is read when two looks find the same (FileWatch): within a second.
constexpr auto weights_poll = std::chrono::milliseconds{500};

std::optional<FileStamp> stamp_of(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  return FileStamp{found.st_dev, found.st_ino, found.st_size,
                   found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec};
}

// Every connection needs a descriptor; the usual limit of 1024 is there for select(2).
void use_all_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t members_in(const AdviceTable& table) {
  std::size_t sum = 0;
  for (const auto& [group, members] : table)
    sum += members.size();
  return sum;
}

net::GwmServerConfig server_config(const Options& options) {
  net::GwmServerConfig config;
  config.session.interval = options.registry.interval;
  return config;
}

}  // namespace

Program::Program(const Options& options, cli::Log& log)
    : options_(options),
      log_(log),
      registry_(options.registry, weigher_),
      server_(io_, server_config(options), *this),
      signals_(io_),
      weights_timer_(io_),
      expiry_timer_(io_) {}

ExitCode Program::run() {
  std::signal(SIGPIPE, SIG_IGN);
  use_all_descriptors();
  wait_for_signal();
  if (const ExitCode code = start(); code != ExitCode::ok || options_.check) return code;
  io_.run();
  log_.info("stopped");
  return ExitCode::ok;
}

ExitCode Program::start() {
  if (!options_.weights.empty()) {
    if (const auto read = read_weights(); !read) {
      log_.error("{}", read.error().detail);
      const bool bad_content = read.error().code == std::errc::invalid_argument;
      return bad_content ? ExitCode::data : ExitCode::no_input;
    }
  }
  if (options_.check) return ExitCode::ok;
  for (const Endpoint& endpoint : options_.listen) {
    const auto bound = server_.listen(endpoint);
    if (!bound) {
      log_.error("{}", bound.error().detail);
      const bool forbidden = bound.error().code == std::errc::permission_denied;
      return forbidden ? ExitCode::no_permission : ExitCode::io;
    }
    log_.info("sasp-gwm {} listens on {}", SASPD_VERSION, bound->text());
  }
  if (options_.weights.empty()) {
    log_.info("no --weights: nothing is known about any member");
  } else {
    poll_weights();
  }
  return ExitCode::ok;
}

// ---- The weights file ---------------------------------------------------------------------------

Result<void> Program::read_weights() {
  // The stamp is taken first: a change after it makes the next look see another one.
  const auto stamp = stamp_of(options_.weights);
  const auto text = cli::read_text_file(options_.weights);
  if (!text) return fail(text.error());
  watch_.was_read(stamp);
  auto table = parse_weights(*text);
  if (!table) return fail(at(options_.weights, table.error()));
  log_.info("{}: {} members in {} groups", options_.weights, members_in(*table), table->size());
  weigher_.use(std::move(*table));
  return {};
}

// What cannot be read is tried again at every look, and told once.
void Program::read_weights_again() {
  const auto read = read_weights();
  const std::string error = read ? std::string() : read.error().detail;
  if (std::exchange(weights_error_, error) == error || read) return;
  log_.warning("{}; the old weights stay", error);
}

void Program::poll_weights() {
  weights_timer_.expires_after(weights_poll);
  weights_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    if (watch_.should_read(stamp_of(options_.weights))) read_weights_again();
    poll_weights();
  });
}

// ---- Connections --------------------------------------------------------------------------------

void Program::connected(ConnectionId id, const Endpoint& endpoint) {
  peers_[id].endpoint = endpoint;
  log_.debug("{}: connected", endpoint.text());
}

Message Program::handle(ConnectionId id, const GwmRequest& request) {
  Peer& peer = peers_[id];
  Outcome outcome = registry_.handle({id, peer.endpoint.address}, request.message);
  if (outcome.replaced) close_replaced(*outcome.replaced, peer, *outcome.attached);
  if (outcome.attached) tell_attached(peer, *outcome.attached);
  if (outcome.changed) info(fmt::format("{}: {}", peer.endpoint.text(), describe(request.message)));
  if (const auto* state = std::get_if<SetLbStateRequest>(&request.message)) {
    tell_missing_features(peer, state->flags);
  }
  tell_refusal(peer, std::move(outcome.refusal));
  tell_tolerances(peer, request.tolerances);
  return std::move(outcome.reply);
}

void Program::not_understood(ConnectionId id, const Error& why) {
  tell_refusal(peers_[id], why.detail);
}

void Program::disconnected(ConnectionId id, const Error& why) {
  const std::string peer = peers_[id].endpoint.text();
  if (const std::string* lb_uid = registry_.attached_to(id)) {
    info(fmt::format("lb '{}' disconnected from {}: {}; kept for {} s", *lb_uid, peer, why.detail,
                     options_.registry.retention.count()));
  } else if (why.code.category() == category() || why.code == std::errc::timed_out) {
    warn(fmt::format("{}: {}; connection closed", peer, why.detail));
  } else {
    log_.debug("{}: {}", peer, why.detail);
  }
  peers_.erase(id);
  registry_.disconnected(id, Clock::now());
  wait_for_expiry();
}

void Program::not_accepted(const Error& why) {
  warn(why.detail);
}

// sasp-interop row 36.
void Program::close_replaced(ConnectionId replaced, const Peer& by, const std::string& lb_uid) {
  const std::string old = peers_[replaced].endpoint.text();
  warn(
      fmt::format("lb '{}': the connection from {} replaces that from {}, which is closed; if both "
                  "live, two load balancers have the same lb uid (replacement {})",
                  lb_uid, by.endpoint.text(), old,
                  registry_.load_balancers().find(lb_uid)->second.replacements));
  server_.close(replaced, fail(std::errc::connection_aborted,
                               fmt::format("replaced by {}", by.endpoint.text())));
}

void Program::tell_attached(const Peer& peer, const std::string& lb_uid) {
  info(fmt::format("lb '{}' connected from {}, {} groups are registered", lb_uid,
                   peer.endpoint.text(),
                   registry_.load_balancers().find(lb_uid)->second.groups.size()));
}

// The same refusal again is no news.
void Program::tell_refusal(Peer& peer, std::string refusal) {
  if (refusal == peer.last_refusal) return;
  peer.last_refusal = std::move(refusal);
  if (peer.last_refusal.empty()) return;
  warn(fmt::format("{}: request refused, {}", peer.endpoint.text(), peer.last_refusal));
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

void Program::tell_missing_features(Peer& peer, std::uint8_t lb_flags) {
  if ((lb_flags & (lb_flag::push | lb_flag::no_change)) == 0) return;
  if (std::exchange(peer.told_about_push, true)) return;
  warn(fmt::format(
      "{}: asks for {}, which is not built yet in this version ({}): it gets all "
      "weights, and only when it asks for them",
      peer.endpoint.text(), (lb_flags & lb_flag::push) != 0 ? "push" : "changed weights only",
      SASPD_VERSION));
}

void Program::info(const std::string& text) {
  if (!info_limit_.allows(Clock::now())) return;
  if (const auto n = info_limit_.take_suppressed()) log_.info("{} lines were suppressed", n);
  log_.info("{}", text);
}

void Program::warn(const std::string& text) {
  if (!warning_limit_.allows(Clock::now())) return;
  if (const auto n = warning_limit_.take_suppressed()) log_.warning("{} lines were suppressed", n);
  log_.warning("{}", text);
}

// ---- Time and signals ---------------------------------------------------------------------------

void Program::wait_for_expiry() {
  const auto next = registry_.next_expiry();
  if (!next || stopping_) return;
  expiry_timer_.expires_at(*next);
  expiry_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    for (const std::string& lb_uid : registry_.forget_expired(Clock::now())) {
      info(fmt::format("lb '{}' forgotten: no connection for {} s", lb_uid,
                       options_.registry.retention.count()));
    }
    wait_for_expiry();
  });
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

void Program::reload() {
  if (options_.weights.empty()) return;
  weights_error_.clear();  // who asks gets an answer
  read_weights_again();
}

// Without work the io_context ends.
void Program::stop() {
  stopping_ = true;
  server_.stop();
  weights_timer_.cancel();
  expiry_timer_.cancel();
}

}  // namespace saspd::gwm
