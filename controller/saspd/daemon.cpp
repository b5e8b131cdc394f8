#include "controller/saspd/daemon.hpp"

#include <unistd.h>

#include <csignal>
#include <utility>

#include <boost/asio/post.hpp>

#include "controller/base/version.hpp"
#include "controller/net/spawn.hpp"
#include "controller/saspd/controller_settings.hpp"

namespace saspd {

namespace asio = boost::asio;
namespace json = boost::json;

// The link to one GWM, and the controller at its end.
class Daemon::Gwm final : private net::LinkOwner {
 public:
  Gwm(Daemon& daemon, std::size_t number, net::LinkSettings settings)
      : daemon_(daemon), number_(number), link_(daemon.io_, std::move(settings), *this) {}

  void start() { link_.start(); }
  void perform(sasp::LinkStep step) { link_.perform(std::move(step)); }
  void check_certificate_again() { link_.check_certificate_again(); }

 private:
  void connecting(TimePoint now) override { controller().connecting(number_, now); }
  sasp::LinkStep connected(TimePoint now) override {
    return settled(controller().connected(number_, now));
  }
  sasp::LinkStep received(sasp::ByteView bytes, TimePoint now) override {
    return settled(controller().received(number_, bytes, now));
  }
  sasp::LinkStep timed_out(TimePoint now) override {
    return settled(controller().timed_out(number_, now));
  }
  std::optional<TimePoint> deadline() const override {
    return daemon_.controller_.deadline(number_);
  }
  bool lost(const std::string& why, TimePoint now) override {
    controller().lost(number_, why, now);
    daemon_.settle();
    return true;
  }
  Duration ended(const sasp::LinkEnd& end, TimePoint now) override {
    return settled(controller().ended(number_, end, now));
  }

  Controller& controller() { return daemon_.controller_; }
  template <class T>
  T settled(T result) {
    daemon_.settle();
    return result;
  }

  Daemon& daemon_;
  const std::size_t number_;
  net::Link link_;
};

Daemon::Daemon(const Options& options, lb::Dataplane& plane, cli::Needs needs, cli::Log& log)
    : options_(options),
      log_(log),
      plane_(plane),
      needs_(std::move(needs)),
      controller_(plane, controller_settings(options, net::random_seed()), Clock::now()),
      watchdog_(io_, notifier_),
      status_line_(io_, notifier_, [this] { return controller_.status_line(); }),
      signals_(io_),
      reconcile_timer_(io_) {
  if (!options.xdp.attach_request.empty() && options.backend == Backend::xdp && !options.dry_run)
    attach_request_.emplace(options.xdp.attach_request);
}

Daemon::~Daemon() = default;

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
  controller_.look_for_problems();
  ask_to_attach();
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
    return answer(request, peer);
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
  Ledger known = options_.dry_run ? ledger_->look(warnings) : ledger_->load(warnings);
  controller_.remember(std::move(known), *ledger_, warnings);
  settle();
}

// Before each decision, so that it knows what keepalived has said by then.
void Daemon::hear_keepalived() {
  if (!keepalived_) return;
  const auto news = keepalived_->read();
  controller_.keepalived_says(news, keepalived_->error());
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

std::string Daemon::metrics_text() {
  const auto now = Clock::now();
  const auto wall = std::chrono::system_clock::now();
  auto families = metric_families(full_status(controller_, surroundings(), now), counters_,
                                  options_.metrics_members, now, wall);
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
    for (const auto& gwm : gwms_)
      gwm->check_certificate_again();
  });
  if (auto loaded = tls_->load(); !loaded) return loaded;
  tls_->watch();
  return {};
}

void Daemon::start_links() {
  for (const auto& peer : options_.gwms) {
    net::LinkSettings settings;
    settings.host = peer.host;
    settings.port = peer.port;
    settings.tls = tls_.get();
    gwms_.push_back(std::make_unique<Gwm>(*this, gwms_.size(), std::move(settings)));
    gwms_.back()->start();
  }
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
    controller_.look_again();
    ask_to_attach();
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
                              controller_.take_up_events();
                              ask_to_attach();
                              wait_for_plane();
                            });
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
  Work done = controller_.work(start, std::chrono::system_clock::now());
  if (!options_.dry_run) counters_.count(done, Clock::now() - start);
  settle();
  return done;
}

// What the controller wants done. Called after it was told or asked anything.
void Daemon::settle() {
  auto output = controller_.output();
  for (const auto& line : output.log)
    write(line, log_);
  for (auto& [gwm, step] : output.links)
    gwms_.at(gwm)->perform(std::move(step));
  if (output.work) work_soon();
}

void Daemon::ask_to_attach() {
  settle();  // the problems are logged first
  if (!attach_request_) return;
  const auto news = attach_request_->look(controller_.problems(), Clock::now());
  if (!news) return;
  if (news->warning) return log_.warning("{}", news->text);
  log_.info("{}", news->text);
}

Surroundings Daemon::surroundings() {
  Surroundings around;
  if (tls_) around.tls_error = tls_->error();
  if (attach_request_) {
    around.attach_request = attach_request_->text();
    around.attach_requests = attach_request_->asked();
  }
  around.work = [this] {
    ask_to_attach();
    return work();
  };
  return around;
}

json::object Daemon::answer(const json::object& request, const net::ControlPeer& peer) {
  const Asker asker{peer.may_write, fmt::format("uid {} (pid {})", peer.uid, peer.pid)};
  auto answer = carry_out(request, asker, controller_, surroundings(), Clock::now());
  settle();
  answer["program"] = "saspd";
  return answer;
}

}  // namespace saspd
