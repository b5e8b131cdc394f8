// The running saspd: one thread, one event loop, and the straight line from a GWM to the kernel.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>

#include "controller/cli/log.hpp"
#include "controller/cli/privileges.hpp"
#include "controller/lb/dataplane.hpp"
#include "controller/net/control_server.hpp"
#include "controller/net/link.hpp"
#include "controller/net/metrics_server.hpp"
#include "controller/net/notify.hpp"
#include "controller/saspd/attach_request.hpp"
#include "controller/saspd/gwm_news.hpp"
#include "controller/saspd/ledger_file.hpp"
#include "controller/saspd/metrics.hpp"
#include "controller/saspd/options.hpp"
#include "controller/saspd/reconciler.hpp"
#include "controller/saspd/status.hpp"

namespace saspd {

class Daemon {
 public:
  // `plane` and `log` must outlive the daemon. What is not among `needs` is given up at start.
  Daemon(const Options& options, lb::Dataplane& plane, cli::Needs needs, cli::Log& log);

  // Returns after SIGTERM or SIGINT; the kernel's table stays as it is.
  ExitCode run();

 private:
  using Link = net::Link<sasp::LbSession>;

  ExitCode start();
  Result<void> open_control();
  void open_ledger();
  Result<void> drop_privileges();
  void open_metrics();
  std::string metrics_text() const;
  Result<void> load_certificates();
  void start_links();
  sasp::LbSessionConfig session_config() const;
  void wait_for_signal();
  void reload();
  void stop();
  void reconcile_later();
  void wait_for_plane();
  void take_up(const Result<lb::Dataplane::Events>& events);
  void hear_keepalived();
  void wait_for_keepalived();
  void work_soon();
  Work work();
  void report(const Work& work);
  void report(std::size_t gwm, const std::optional<GwmNews::Line>& line);
  void report_alarms();
  void report_zeros();
  void report_ledger();
  void look_for_problems();
  void ask_to_attach();
  void report(const AlarmChange& change);
  void report_planned(const lb::Plan& plan);
  void kernel_state(std::string error);
  Status status() const;
  std::string status_line() const;

  // The answers to saspctl.
  boost::json::object answer(const boost::json::object& request, const net::ControlPeer& peer);
  boost::json::object members(const boost::json::object& request) const;
  boost::json::object why(const boost::json::object& request) const;
  boost::json::object export_rules();
  boost::json::object plan() const;
  boost::json::object reconcile(const net::ControlPeer& peer);
  boost::json::object undrain(const boost::json::object& request, const net::ControlPeer& peer);
  boost::json::object trace(const boost::json::object& request);

  const Options& options_;
  cli::Log& log_;
  lb::Dataplane& plane_;
  const cli::Needs needs_;
  Reconciler reconciler_;
  std::vector<GwmNews> news_;  // by GWM

  boost::asio::io_context io_{1};
  net::Notifier notifier_ = net::Notifier::from_environment();
  net::Watchdog watchdog_;
  net::StatusLine status_line_;
  boost::asio::signal_set signals_;
  boost::asio::basic_waitable_timer<Clock> reconcile_timer_;
  std::optional<boost::asio::posix::stream_descriptor> plane_events_;
  std::unique_ptr<net::TlsCredentials> tls_;  // nothing: in the clear
  std::vector<std::unique_ptr<Link>> links_;
  std::unique_ptr<net::ControlServer> control_;
  std::optional<net::MetricsServer> metrics_;
  MetricCounters counters_;
  std::optional<LedgerFile> ledger_;  // nothing: none is kept
  std::optional<KeepalivedFifo> keepalived_;
  std::optional<boost::asio::posix::stream_descriptor> keepalived_events_;
  unsigned keepalived_waited_for_ = 0;  // its generation

  std::optional<std::chrono::system_clock::time_point> last_change_;  // that the kernel took
  bool work_posted_ = false;
  std::string kernel_error_;           // as last reported; empty: all well
  std::vector<lb::Problem> problems_;  // of the data plane, as reported last
  std::optional<AttachRequest> attach_request_;
  lb::Plan planned_;              // with --dry-run: what was reported last
  AlarmsByGroup alarms_;          // as reported last
  HeldZeros held_zeros_;          // likewise
  std::string ledger_error_;      // likewise
  std::string keepalived_error_;  // likewise
};

}  // namespace saspd
