#include "controller/saspd/daemon.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <limits>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "controller/base/member_name.hpp"
#include "controller/base/version.hpp"
#include "controller/net/spawn.hpp"

namespace saspd {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

// Beyond this the single changes of one pass are for debugging; the journal gets their number.
constexpr std::size_t max_changes_logged = 20;

Reconciler::Settings reconciler_settings(const Options& options) {
  Reconciler::Settings settings;
  settings.groups = options.groups;
  settings.policy = options.policy;
  settings.gwms = options.gwms.size();
  settings.dry_run = options.dry_run;
  settings.adopt = options.adopt;
  settings.trust = options.trust;
  settings.own_table = options.backend == Backend::xdp;
  // A message is one new table per service of the XDP program, however many destinations it has.
  if (settings.own_table) settings.chunk = std::numeric_limits<std::size_t>::max();
  // Nothing is written that would take its time: the plan is shown whole.
  if (options.dry_run) settings.chunk = std::numeric_limits<std::size_t>::max();
  return settings;
}

json::object not_listed(const Error& error) {
  return net::control_error(ExitCode::io,
                            fmt::format("the kernel's table cannot be listed: {}", error.detail));
}

json::object unknown_command(std::string_view name) {
  const auto refuse = [](std::string text) {
    return net::control_error(ExitCode::usage, std::move(text));
  };
  if (name == "lbs") return refuse("lbs is for sasp-gwm, this is saspd");
  if (name == "drain") {
    return refuse(
        fmt::format("{} is not built yet in saspd of this version ({}); for sasp-gwm: saspctl --of "
                    "sasp-gwm {} MEMBER",
                    name, program_version, name));
  }
  return refuse(fmt::format("unknown command '{}'; this is saspd", name));
}

}  // namespace

Daemon::Daemon(const Options& options, lb::Dataplane& plane, cli::Needs needs, cli::Log& log)
    : options_(options),
      log_(log),
      plane_(plane),
      needs_(std::move(needs)),
      reconciler_(plane, reconciler_settings(options)),
      news_(options.gwms.size()),
      watchdog_(io_, notifier_),
      status_line_(io_, notifier_, [this] { return status_line(); }),
      signals_(io_),
      reconcile_timer_(io_) {
  if (!options.xdp.attach_request.empty() && options.backend == Backend::xdp && !options.dry_run)
    attach_request_.emplace(options.xdp.attach_request);
}

ExitCode Daemon::run() {
  std::signal(SIGPIPE, SIG_IGN);
  wait_for_signal();
  if (const ExitCode code = start(); code != ExitCode::ok) {
    control_.reset();  // and its file; the caller ends without destructors
    return code;
  }
  log_.info("saspd {} as '{}', {} group(s){}", program_version, options_.lb_uid,
            options_.groups.size(), options_.dry_run ? ", dry run: nothing is written" : "");
  open_metrics();
  start_links();
  look_for_problems();
  work();  // the first list tells the GWM which members there are
  reconcile_later();
  wait_for_plane();
  notifier_.ready();
  watchdog_.start();
  status_line_.start();
  const auto ran = net::run(io_);
  control_.reset();
  metrics_.reset();
  if (!ran) {
    log_.error("{}; the weights stay as they are", ran.error().detail);
    return ExitCode::internal;
  }
  log_.info("stopped; the weights stay as they are");
  return ExitCode::ok;
}

// Root makes the socket; whoever we are then reads the keys, now and later.
ExitCode Daemon::start() {
  const auto refuse = [this](const Error& error, ExitCode code) {
    log_.error("{}", error.detail);
    return code;
  };
  if (const auto opened = open_control(); !opened) {
    const auto& code = opened.error().code;
    return refuse(opened.error(), code == std::errc::address_in_use      ? ExitCode::try_again
                                  : code == std::errc::permission_denied ? ExitCode::no_permission
                                                                         : ExitCode::io);
  }
  if (const auto dropped = drop_privileges(); !dropped) {
    return refuse(dropped.error(), ExitCode::no_permission);
  }
  if (const auto loaded = load_certificates(); !loaded) {
    return refuse(loaded.error(), ExitCode::configuration);
  }
  open_ledger();
  // What is read there is lost to others: in a dry run it is left to the saspd that writes.
  if (!options_.keepalived_fifo.empty() && !options_.dry_run) {
    keepalived_.emplace(options_.keepalived_fifo);
  }
  return ExitCode::ok;
}

Result<void> Daemon::drop_privileges() {
  const auto dropped = cli::drop_privileges(needs_);
  if (!dropped) return fail(dropped.error());
  if (!dropped->empty()) log_.warning("{}", *dropped);
  return {};
}

Result<void> Daemon::open_control() {
  net::ControlServer::Callbacks callbacks;
  callbacks.answer = [this](const json::object& request, const net::ControlPeer& peer) {
    auto done = answer(request, peer);
    done["program"] = "saspd";
    return done;
  };
  callbacks.on_exception = [this](const json::object& request, const std::exception_ptr& failure) {
    if (!net::only_reads(request)) std::rethrow_exception(failure);
    log_.error("control socket: internal error: {}", net::reason(failure));
  };
  auto control = net::ControlServer::open(io_, options_.control, std::move(callbacks));
  if (!control) return fail(control.error());
  control_ = std::move(*control);
  return {};
}

// The XDP program's table has no other author. In a dry run the ledger is read, and never written.
void Daemon::open_ledger() {
  if (options_.backend != Backend::ipvs || options_.ledger.empty()) return;
  ledger_.emplace(options_.ledger, ledger_place("ipvs"));
  std::vector<std::string> warnings;
  Ledger known = ledger_->load(warnings);
  for (const auto& warning : warnings)
    log_.warning("{}; zeros that are found now are unclear", warning);
  reconciler_.remember(std::move(known), *ledger_);
}

// Before each decision, so that it knows what keepalived has said by then.
void Daemon::hear_keepalived() {
  if (!keepalived_) return;
  for (const auto& news : keepalived_->read()) {
    log_.debug("keepalived says that {} is {}", news.server.text(), news.up ? "up" : "down");
    reconciler_.keepalived_says(news);
  }
  if (keepalived_->error() != keepalived_error_) {
    keepalived_error_ = keepalived_->error();
    if (keepalived_error_.empty()) {
      log_.info("--keepalived-fifo {}: it can be read again", options_.keepalived_fifo);
    } else {
      log_.error("--keepalived-fifo {}; a zero of keepalived over one of ours would not be seen",
                 keepalived_error_);
    }
  }
  if (keepalived_->generation() != keepalived_waited_for_) wait_for_keepalived();
}

void Daemon::wait_for_keepalived() {
  keepalived_waited_for_ = keepalived_->generation();
  keepalived_events_.reset();
  if (keepalived_->descriptor() < 0) return;
  keepalived_events_.emplace(io_, ::dup(keepalived_->descriptor()));
  keepalived_events_->async_wait(asio::posix::stream_descriptor::wait_read,
                                 [this](boost::system::error_code ec) {
                                   if (ec) return;
                                   work();
                                   wait_for_keepalived();
                                 });
}

void Daemon::open_metrics() {
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

std::string Daemon::metrics_text() const {
  const auto now = Clock::now();
  const auto wall = std::chrono::system_clock::now();
  auto families = metric_families(status(), counters_, options_.metrics_members, now, wall);
  if (tls_) {
    const auto tls = metrics::tls_families("saspd_tls_certificate_expiry_timestamp_seconds",
                                           "saspd_tls_files_ok", net::tls_ends(*tls_->current()),
                                           tls_->error().empty());
    families.insert(families.end(), tls.begin(), tls.end());
  }
  auto process = metrics::process_families(now, wall);
  families.insert(families.end(), process.begin(), process.end());
  return metrics::text(families);
}

Result<void> Daemon::load_certificates() {
  if (!options_.tls.used()) return {};
  tls_ = std::make_unique<net::TlsCredentials>(io_, options_.tls, TlsRole::client,
                                               net::TlsCredentials::to(log_));
  tls_->when_replaced([this] {
    for (const auto& link : links_)
      link->check_certificate_again();
  });
  if (auto loaded = tls_->load(); !loaded) return loaded;
  tls_->watch();
  return {};
}

void Daemon::start_links() {
  for (std::size_t gwm = 0; gwm < options_.gwms.size(); ++gwm) {
    const auto& peer = options_.gwms[gwm];
    net::LinkSettings settings;
    settings.host = peer.host;
    settings.port = peer.port;
    settings.retry_min = options_.retry_min;
    settings.seed = net::random_seed();
    settings.tls = tls_.get();
    Link::Callbacks callbacks;
    callbacks.on_event = [this, gwm](const sasp::LbEvent& event) {
      const auto* weights = std::get_if<sasp::WeightsReceived>(&event);
      if (weights == nullptr) return;
      report(gwm, news_[gwm].weights_received());
      const std::size_t ignored = reconciler_.update(gwm, *weights, Clock::now());
      if (ignored > 0) log_.debug("{} weights for members that are not here", ignored);
      work_soon();
    };
    callbacks.on_notice = [this, gwm](const sasp::Notice& notice) {
      report(gwm, news_[gwm].notice(notice, Clock::now()));
    };
    callbacks.on_down = [this, gwm](std::string_view text) {
      report(gwm, news_[gwm].down(text, Clock::now()));
    };
    callbacks.on_state = [this, gwm, name = peer.text()](net::LinkState state) {
      if (state == net::LinkState::established) {
        log_.info("gwm {}: established", name);
        news_[gwm].established();
      }
      if (state == net::LinkState::down_duplicate) {
        log_.warning(
            "gwm {}: another load balancer seems to use the LB UID '{}': this GWM ends our "
            "connection again and again and is still there itself; each director needs an --lb-uid "
            "of its own",
            name, options_.lb_uid);
      }
      reconciler_.set_connected(gwm, state == net::LinkState::established);
      work_soon();
    };
    links_.push_back(std::make_unique<Link>(io_, settings, sasp::LbSession(session_config()),
                                            std::move(callbacks)));
    links_.back()->start();
  }
}

sasp::LbSessionConfig Daemon::session_config() const {
  sasp::LbSessionConfig config;
  config.lb_uid = options_.lb_uid;
  config.interval = options_.interval;
  config.push = options_.push;
  config.trust = options_.trust;
  config.no_change = options_.no_change;
  return config;
}

void Daemon::wait_for_signal() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    signals_.add(signal);
  signals_.async_wait([this](boost::system::error_code ec, int signal) {
    if (ec) return;
    if (signal != SIGHUP) return stop();
    reload();
    wait_for_signal();
  });
}

void Daemon::reload() {
  notifier_.reloading();
  if (tls_) tls_->reload();
  log_.warning(
      "SIGHUP: the configuration is not read again in this version; restart saspd to apply a new "
      "one (weights and connections stay)");
  notifier_.ready();
}

void Daemon::stop() {
  notifier_.stopping();
  io_.stop();
}

void Daemon::reconcile_later() {
  reconcile_timer_.expires_after(options_.reconcile_interval);
  reconcile_timer_.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    counters_.loop_lag = Clock::now() - reconcile_timer_.expiry();
    reconciler_.look_again();
    look_for_problems();
    work();
    reconcile_later();
  });
}

void Daemon::wait_for_plane() {
  if (plane_.event_descriptor() < 0) return;
  if (!plane_events_) plane_events_.emplace(io_, ::dup(plane_.event_descriptor()));
  plane_events_->async_wait(asio::posix::stream_descriptor::wait_read,
                            [this](boost::system::error_code ec) {
                              if (ec) return;
                              take_up(plane_.handle_events());
                              wait_for_plane();
                            });
}

void Daemon::take_up(const Result<lb::Dataplane::Events>& events) {
  look_for_problems();
  if (!events) return kernel_state(events.error().detail);
  for (const auto& notice : events->notices)
    log_.info("{}", notice);
  if (!events->replaced) return;
  reconciler_.look_again();
  work();
}

void Daemon::report(std::size_t gwm, const std::optional<GwmNews::Line>& line) {
  if (!line) return;
  const std::string name = options_.gwms[gwm].text();
  if (line->warning) return log_.warning("gwm {}: {}", name, line->text);
  log_.info("gwm {}: {}", name, line->text);
}

// One chunk at a time, with the sockets served in between.
void Daemon::work_soon() {
  if (std::exchange(work_posted_, true)) return;
  asio::post(io_, [this] {
    work_posted_ = false;
    work();
  });
}

Work Daemon::work() {
  const auto start = Clock::now();
  hear_keepalived();
  Work done = reconciler_.work(start);
  if (!options_.dry_run) counters_.count(done, Clock::now() - start);
  if (!options_.dry_run && !done.applied.empty()) last_change_ = std::chrono::system_clock::now();
  report(done);
  report_zeros();
  report_alarms();
  report_ledger();
  const auto wanted = reconciler_.wanted();
  for (const auto& link : links_)
    link->tell([&wanted](auto& session, TimePoint now) { return session.want(wanted, now); });
  if (done.more) work_soon();
  return done;
}

void Daemon::report(const Work& work) {
  if (work.list_error) return kernel_state(work.list_error->detail);
  for (std::size_t i = 0; i < std::min(work.appeared.size(), max_changes_logged); ++i)
    log_.info("{} is in the kernel now", lb::text(work.appeared[i]));
  if (work.appeared.size() > max_changes_logged)
    log_.info("{} services are in the kernel now", work.appeared.size());
  if (options_.dry_run) return report_planned(work.applied);
  for (const auto& change : work.applied) {
    if (change.action == lb::Action::repair_service) {
      log_.warning("{}", change.text());
    } else if (work.applied.size() <= max_changes_logged) {
      log_.info("{}", change.text());
    } else {
      log_.debug("{}", change.text());
    }
  }
  if (work.applied.size() > max_changes_logged)
    log_.info("{} changes written", work.applied.size());
  for (const auto& overtaken : work.overtaken)
    log_.info("{}", overtaken.detail);
  if (work.failures.empty()) return kernel_state({});
  kernel_state(fmt::format("{} of {} changes not written, first: {}", work.failures.size(),
                           work.failures.size() + work.applied.size(),
                           work.failures.front().detail));
}

// The plan stays the same until the advice or the kernel changes; it is reported once.
void Daemon::report_planned(const lb::Plan& plan) {
  kernel_state({});
  if (plan.empty() || plan == planned_) return;
  planned_ = plan;
  for (const auto& change : plan)
    log_.info("would write: {}", change.text());
}

// When it begins, when it gets urgent or less so, and when it ends.
void Daemon::report_alarms() {
  auto alarms = reconciler_.alarms();
  const auto changes = changes_between(alarms_, alarms);
  for (std::size_t i = 0; i < std::min(changes.size(), max_changes_logged); ++i)
    report(changes[i]);
  if (changes.size() > max_changes_logged) {
    log_.warning("{} more alarms begin or end: saspctl status",
                 changes.size() - max_changes_logged);
  }
  alarms_ = std::move(alarms);
}

// A line when one begins, and one when it ends.
void Daemon::look_for_problems() {
  auto problems = plane_.problems();
  const auto has = [](const auto& some, const lb::Problem& problem) {
    return std::any_of(some.begin(), some.end(), [&problem](const auto& other) {
      return other.name == problem.name && other.subject == problem.subject;
    });
  };
  for (const auto& problem : problems) {
    if (!has(problems_, problem)) log_.error("{}: {}", problem.name, problem.detail);
  }
  for (const auto& problem : problems_) {
    if (!has(problems, problem))
      log_.info("{}{}{} has ended", problem.name, problem.subject.empty() ? "" : " of ",
                problem.subject);
  }
  problems_ = std::move(problems);
  ask_to_attach();
}

void Daemon::ask_to_attach() {
  if (!attach_request_) return;
  const auto news = attach_request_->look(problems_, Clock::now());
  if (!news) return;
  if (news->warning) return log_.warning("{}", news->text);
  log_.info("{}", news->text);
}

void Daemon::report_zeros() {
  const HeldZeros& now = reconciler_.held_zeros();
  if (now == held_zeros_) return;
  for (const auto& news : zero_news(held_zeros_, now, reconciler_.actual())) {
    if (news.begins) {
      log_.warning("{}", news.text);
    } else {
      log_.info("{}", news.text);
    }
  }
  held_zeros_ = now;
}

void Daemon::report_ledger() {
  if (!ledger_ || options_.dry_run || ledger_->error() == ledger_error_) return;
  ledger_error_ = ledger_->error();
  if (ledger_error_.empty()) return log_.info("the ledger {} is written again", options_.ledger);
  log_.error(
      "the ledger is known in memory alone, so that after a restart weights of 0 would be "
      "unclear: {}",
      ledger_error_);
}

void Daemon::report(const AlarmChange& change) {
  const Alarm& alarm = change.alarm;
  const std::string& of = alarm.service.empty() ? change.group : alarm.service;
  switch (change.what) {
    case AlarmChange::What::begun:
    case AlarmChange::What::more_urgent:
      if (alarm.urgent) return log_.error("alarm: {} {}: {}", of, alarm.name, alarm.detail);
      return log_.warning("{} {}: {}", of, alarm.name, alarm.detail);
    case AlarmChange::What::less_urgent:
      return log_.warning("{} {}: not urgent any more", of, alarm.name);
    case AlarmChange::What::ended:
      if (alarm.urgent) return log_.warning("alarm ended: {} {}", of, alarm.name);
      return log_.info("{} {} ended", of, alarm.name);
  }
}

// One line when it changes, not one per pass.
void Daemon::kernel_state(std::string error) {
  if (error == kernel_error_) return;
  if (error.empty()) {
    log_.info("the kernel answers again");
  } else {
    log_.error("{}; tried again every {} s", error, options_.reconcile_interval.count());
  }
  kernel_error_ = std::move(error);
}

Status Daemon::status() const {
  Status status;
  status.lb_uid = options_.lb_uid;
  status.dry_run = options_.dry_run;
  status.backend = options_.backend == Backend::xdp ? "xdp" : "ipvs";
  status.kernel_error = kernel_error_;
  if (ledger_ && !options_.dry_run) status.ledger_error = ledger_->error();
  if (keepalived_) status.keepalived_error = keepalived_->error();
  status.problems = problems_;
  if (attach_request_) {
    status.attach_request = attach_request_->text();
    status.attach_requests = attach_request_->asked();
  }
  if (tls_) status.tls_error = tls_->error();
  status.packets = plane_.packet_counters();
  status.groups = reconciler_.view();
  status.kernel_settings = reconciler_.kernel_settings();
  for (const auto& link : links_) {
    const auto view = link->view();
    const auto& session = link->session();
    status.gwms.push_back({view.endpoint, std::string(net::name(view.state)), view.state_since,
                           view.last_message, session.interval(), view.last_error,
                           session.protocol_errors(), session.tolerances(),
                           view.duplicate_suspected});
  }
  return status;
}

// The time of the last change is a time of day, because its age would need a line per second.
std::string Daemon::status_line() const {
  const auto up = std::count_if(links_.begin(), links_.end(), [](const auto& link) {
    return link->view().state == net::LinkState::established;
  });
  const auto [groups, members] = reconciler_.extent();
  std::string line =
      fmt::format("{} of {} GWMs up, {} groups, {} members, ", up, links_.size(), groups, members);
  if (options_.dry_run) {
    line += "dry run";
  } else if (last_change_) {
    line += fmt::format("last change {:%FT%TZ}",
                        std::chrono::floor<std::chrono::seconds>(*last_change_));
  } else {
    line += "no change yet";
  }
  for (const auto& problem : problems_)
    line += "; " + problem.detail;
  return kernel_error_.empty() ? line : fmt::format("{}; {}", line, kernel_error_);
}

// --- answers to saspctl

json::object Daemon::answer(const json::object& request, const net::ControlPeer& peer) {
  const auto* command = request.if_contains("command");
  const auto* name = command != nullptr ? command->if_string() : nullptr;
  if (name == nullptr) return net::control_error(ExitCode::usage, "no command");
  if (*name == "status") return status_json(status(), Clock::now());
  if (*name == "gwm") return gwms_json(status(), Clock::now());
  if (*name == "groups") return groups_json(status(), Clock::now());
  if (*name == "members") return members(request);
  if (*name == "watch") return watch_json(status());
  if (*name == "why") return why(request);
  if (*name == "export") return export_rules();
  if (*name == "plan") return plan();
  if (*name == "trace") return trace(request);
  if (*name == "reconcile") return reconcile(peer);
  if (*name == "undrain") return undrain(request, peer);
  return unknown_command(*name);
}

json::object Daemon::members(const json::object& request) const {
  const auto* group = request.if_contains("group");
  const auto* name = group != nullptr ? group->if_string() : nullptr;
  auto members = members_json(
      status(), name != nullptr ? std::optional<std::string>(*name) : std::nullopt, Clock::now());
  if (members) return std::move(*members);
  return net::control_error(ExitCode::data, members.error().detail);
}

json::object Daemon::why(const json::object& request) const {
  const auto* member = request.if_contains("member");
  if (member == nullptr || !member->is_string()) {
    return net::control_error(ExitCode::usage, "why needs a member");
  }
  auto why = why_json(status(), std::string_view(member->get_string()), Clock::now());
  if (why) return *why;
  return net::control_error(
      why.error().code == std::errc::invalid_argument ? ExitCode::usage : ExitCode::data,
      why.error().detail);
}

json::object Daemon::export_rules() {
  if (options_.backend != Backend::ipvs) {
    return net::control_error(ExitCode::usage,
                              "export prints rules of IPVS, and this saspd has --backend xdp");
  }
  const auto table = plane_.list_all();
  return table ? export_json(*table) : not_listed(table.error());
}

// By a copy: what it sees of the kernel is nothing to act on before the next pass.
json::object Daemon::plan() const {
  const auto plan = Reconciler(reconciler_).preview(Clock::now());
  return plan ? plan_json(*plan) : not_listed(plan.error());
}

// The operator says that a weight of 0 is the advice's to change, whoever wrote it.
json::object Daemon::undrain(const json::object& request, const net::ControlPeer& peer) {
  if (!peer.may_write) return net::control_forbidden("undrain");
  const auto* member = request.if_contains("member");
  if (member == nullptr || !member->is_string()) {
    return net::control_error(ExitCode::usage, "undrain needs a member");
  }
  const auto name = MemberName::parse(std::string_view(member->get_string()));
  if (!name) return net::control_error(ExitCode::usage, name.error().detail);
  const std::size_t services = reconciler_.give_back(name->group, name->endpoint);
  if (services == 0) {
    return net::control_error(
        ExitCode::data,
        fmt::format("'{}' has no weight 0 of somebody else: nothing to undrain", name->text()));
  }
  log_.info(
      "undrain {}: its weight 0 is given back to the advice in {} service(s), asked by uid {} "
      "(pid {})",
      name->text(), services, peer.uid, peer.pid);
  work_soon();
  return undrain_json(name->text(), services);
}

json::object Daemon::trace(const json::object& request) {
  const auto text = [&request](std::string_view key) -> std::string_view {
    const auto* value = request.if_contains(key);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : "";
  };
  const auto source = Endpoint::parse(text("source"));
  const auto service = lb::parse_service(text("destination"));
  const auto* at = service ? std::get_if<lb::VirtualEndpoint>(&*service) : nullptr;
  if (!source || at == nullptr) {
    return net::control_error(ExitCode::usage,
                              "trace needs the client's ADDR:PORT and the service, tcp:ADDR:PORT");
  }
  const auto trace = plane_.trace(at->protocol, *source, at->endpoint);
  return trace ? trace_json(*trace) : net::control_error(ExitCode::usage, trace.error().detail);
}

// What the periodic pass does, now: the listing and the first chunk of writes.
json::object Daemon::reconcile(const net::ControlPeer& peer) {
  if (!peer.may_write) return net::control_forbidden("reconcile");
  log_.info("reconcile, asked by uid {} (pid {})", peer.uid, peer.pid);
  look_for_problems();
  const auto plan = reconciler_.preview(Clock::now());
  if (!plan) {
    kernel_state(plan.error().detail);
    return not_listed(plan.error());
  }
  Work done = work();
  done.failures.insert(done.failures.end(), done.no_room.begin(), done.no_room.end());
  return reconcile_json(
      done, options_.dry_run,
      plan->size() - done.applied.size() - done.failures.size() - done.overtaken.size());
}

}  // namespace saspd
