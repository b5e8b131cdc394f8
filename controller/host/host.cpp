// SPDX-License-Identifier: Apache-2.0

#include "controller/host/host.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "controller/host/parts.hpp"
#include "controller/metrics/process.hpp"
#include "controller/net/spawn.hpp"
#include "controller/report/control_protocol.hpp"

namespace saspd::host {

namespace json = boost::json;
using std::chrono::seconds;

namespace {

// From the end of a program's own farewell to that of the process.
constexpr seconds to_close{5};

Refusal refused(const Error& error, ExitCode code) {
  return {code, error.detail};
}

ExitCode code_of_control(const std::error_code& code) {
  if (code == std::errc::address_in_use) return ExitCode::try_again;
  if (code == std::errc::permission_denied) return ExitCode::no_permission;
  return ExitCode::io;
}

// "sasp_gwm" of sasp-gwm
std::string metrics_prefix(std::string_view name) {
  std::string prefix(name);
  std::replace(prefix.begin(), prefix.end(), '-', '_');
  return prefix;
}

}  // namespace

json::object Program::answer(const json::object& /*request*/, const net::ControlPeer& /*peer*/) {
  return report::control_error(ExitCode::usage, "nothing is answered here");
}

metrics::Families Program::metrics(TimePoint /*now*/) {
  return {};
}

void Program::stop() {
  host_.end();
}

Host::Host(const cli::CommonOptions& options, cli::Log& log, About about)
    : options_(options), log_(log), about_(about), parts_(std::make_unique<Parts>(about)) {
  if (!options.tls.used()) return;
  parts_->tls.emplace(parts_->io, options.tls, about.tls_role, net::TlsCredentials::to(log));
}

Host::~Host() = default;

boost::asio::io_context& Host::io() {
  return parts_->io;
}

const net::TlsCredentials* Host::tls() const {
  return parts_->tls ? &*parts_->tls : nullptr;
}

const std::string& Host::tls_error() const {
  static const std::string none;
  return parts_->tls ? parts_->tls->error() : none;
}

// ---- A life -------------------------------------------------------------------------------------

ExitCode Host::run(Program& program) {
  program_ = &program;
  if (options_.verb == cli::Verb::check) {
    if (const auto why = program.read_files()) return refuse(*why);
    return check(program.needs());
  }
  std::signal(SIGPIPE, SIG_IGN);
  wait_for_signal();
  Refused why = start();
  if (!why) {
    const auto ran = net::run(parts_->io);
    if (!ran) {
      why = {ExitCode::internal, fmt::format("{}{}", ran.error().detail, about_.last_words)};
    }
  }
  parts_->control.reset();  // and its file
  parts_->metrics.reset();
  if (why) return refuse(*why);
  if (about_.is_service) log_.info("stopped{}", about_.last_words);
  return program.outcome();
}

// Root opens the sockets; the user we then are reads the keys, now and later.
Refused Host::start() {
  if (auto why = program_->read_files()) return why;
  if (auto why = open_control()) return why;
  if (auto why = program_->listen()) return why;
  if (auto why = give_up_privileges(program_->needs())) return why;
  if (auto why = load_certificates()) return why;
  if (auto why = program_->start()) return why;
  open_metrics();
  if (program_->is_ready()) ready();
  parts_->watchdog.start();
  status_changed();
  return std::nullopt;
}

ExitCode Host::check(cli::Needs needs) {
  // Only files are read here.
  if (options_.tls.used() || !needs.reads.empty()) {
    if (const auto why = give_up_privileges(std::move(needs))) return refuse(*why);
  }
  const auto warnings = net::check_tls_files(options_.tls, about_.tls_role);
  if (!warnings) return refuse(refused(warnings.error(), ExitCode::configuration));
  for (const auto& warning : *warnings)
    log_.warning("{}", warning);
  std::puts(fmt::format("{}: the configuration is good", about_.name).c_str());
  return ExitCode::ok;
}

ExitCode Host::refuse(const Refusal& refusal) {
  if (about_.is_service) {
    log_.error("{}", refusal.text);
  } else {
    fmt::print(stderr, "{}: {}\n", about_.name, refusal.text);
  }
  return refusal.code;
}

Refused Host::give_up_privileges(cli::Needs needs) {
  needs.user = about_.name;
  for (auto& file : options_.tls.files())
    needs.reads.push_back(std::move(file));
  if (parts_->control && parts_->control->is_open()) needs.gives.push_back(options_.control);
  const auto done = cli::drop_privileges(needs);
  if (!done) return refused(done.error(), ExitCode::no_permission);
  // What ends at once does not tell that it is still root.
  if (!done->empty() && about_.is_service) log_.warning("{}", *done);
  return std::nullopt;
}

Refused Host::load_certificates() {
  auto& tls = parts_->tls;
  if (!tls) return std::nullopt;
  tls->when_replaced([this] { program_->certificates_replaced(); });
  if (const auto loaded = tls->load(); !loaded)
    return refused(loaded.error(), ExitCode::configuration);
  tls->watch();
  return std::nullopt;
}

void Host::end() {
  parts_->io.stop();
}

// ---- The operator -------------------------------------------------------------------------------

Refused Host::open_control() {
  if (options_.control.empty()) return std::nullopt;
  net::ControlServer::Callbacks callbacks;
  callbacks.answer = [this](const json::object& request, const net::ControlPeer& peer) {
    auto answer = this->answer(request, peer);
    answer["program"] = about_.name;
    return answer;
  };
  callbacks.on_exception = [this](const json::object& request, const std::exception_ptr& failure) {
    if (!report::only_reads(request)) std::rethrow_exception(failure);
    log_.error("control socket: internal error: {}", net::reason(failure));
  };
  const auto no_control = [this](const Error& error) {
    log_.warning("{}; saspctl cannot connect, see --control", error.detail);
  };
  callbacks.on_listen = [this, no_control](const Result<void>& listening) {
    if (!listening) return no_control(listening.error());
    log_.warning("the control socket {} was not there; it is now", options_.control);
  };
  callbacks.on_wait = [this](const std::error_code& why) { client_waits("control socket", why); };
  parts_->control.emplace(parts_->io, options_.control, std::move(callbacks));
  const auto opened = parts_->control->open();
  if (opened) return std::nullopt;
  if (options_.control_is_wanted)
    return refused(opened.error(), code_of_control(opened.error().code));
  no_control(opened.error());
  return std::nullopt;
}

void Host::open_metrics() {
  if (!options_.metrics) return;
  const Endpoint& at = *options_.metrics;
  if (!at.address.is_loopback()) {
    log_.warning(
        "--metrics {}: every client that can reach it can read the names and weights of all "
        "servers",
        at.text());
  }
  net::MetricsServer::Callbacks callbacks;
  callbacks.text = [this] { return metrics_text(); };
  callbacks.health = [this] { return program_->health(); };
  callbacks.on_listen = [this](const Result<Endpoint>& listening) {
    if (listening) return log_.info("metrics at http://{}/metrics", listening->text());
    log_.warning("no metrics: {}; trying again, see --metrics", listening.error().detail);
  };
  callbacks.on_exception = [this](const std::exception_ptr& failure) {
    log_.error("metrics: internal error: {}", net::reason(failure));
  };
  callbacks.on_wait = [this](const std::error_code& why) { client_waits("metrics", why); };
  parts_->metrics.emplace(parts_->io, at, std::move(callbacks));
}

void Host::client_waits(std::string_view socket, const std::error_code& why) {
  ++accepts_delayed_;
  const auto now = Clock::now();
  if (now < waiting_is_news_) return;
  waiting_is_news_ = now + std::chrono::minutes{1};
  log_.warning(
      "{}: {}: new clients wait, because the last descriptors are kept for the work of {}; raise "
      "its limit (LimitNOFILE= of the unit)",
      socket, why.message(), about_.name);
}

std::string Host::metrics_text() {
  const auto now = Clock::now();
  auto families = program_->metrics(now);
  const auto add = [&families](const metrics::Families& more) {
    families.insert(families.end(), more.begin(), more.end());
  };
  const auto prefix = metrics_prefix(about_.name);
  if (parts_->tls) {
    add(metrics::tls_families(fmt::format("{}_tls_certificate_expiry_timestamp_seconds", prefix),
                              fmt::format("{}_tls_files_ok", prefix),
                              net::tls_ends(*parts_->tls->current()), tls_error().empty()));
  }
  add(metrics::reload_families(
      fmt::format("{}_config_last_reload_successful", prefix),
      fmt::format("{}_config_last_reload_success_timestamp_seconds", prefix), reload_error_.empty(),
      reloaded_));
  auto delayed = metrics::counter(
      fmt::format("{}_accepts_delayed_total", prefix),
      "Times that a client of the control socket or of the metrics had to wait for a descriptor.");
  metrics::add(delayed, static_cast<double>(accepts_delayed_));
  add({std::move(delayed)});
  add(metrics::process_families(now, std::chrono::system_clock::now()));
  return metrics::text(families);
}

// ---- The service manager and signals ------------------------------------------------------------

void Host::ready() {
  if (!std::exchange(ready_, true)) parts_->notifier.ready();
}

void Host::status_changed() {
  auto& line = parts_->status_line;
  if (!line) line.emplace(parts_->io, parts_->notifier, [this] { return program_->status_line(); });
  line->start();
}

void Host::wait_for_signal() {
  auto& signals = parts_->signals;
  for (const int signal : {SIGTERM, SIGINT})
    signals.add(signal);
  if (about_.is_service) {
    for (const int signal : {SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2})
      signals.add(signal);
  }
  signals.async_wait([this](boost::system::error_code ec, int signal) {
    if (ec) return;
    signalled(signal);
    wait_for_signal();
  });
}

void Host::signalled(int signal) {
  switch (signal) {
    case SIGHUP: return hung_up();
    case SIGUSR1:
    case SIGUSR2:
      // By default they would end the program without a word.
      return log_.warning("SIGUSR{} has no meaning for {}", signal == SIGUSR1 ? 1 : 2, about_.name);
    default: break;
  }
  if (!std::exchange(stopping_, true)) parts_->notifier.stopping(program_->farewell() + to_close);
  program_->stop();
}

}  // namespace saspd::host
