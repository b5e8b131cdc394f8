// The running saspd: one thread, one event loop. Sockets, timers and files; what there is to be
// done with them the Controller decides.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

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
#include "controller/saspd/control.hpp"
#include "controller/saspd/controller.hpp"
#include "controller/saspd/ledger_file.hpp"
#include "controller/saspd/metrics.hpp"
#include "controller/saspd/options.hpp"

namespace saspd {

class Daemon {
 public:
  // `plane` and `log` must outlive the daemon. What is not among `needs` is given up at start.
  Daemon(const Options& options, lb::Dataplane& plane, cli::Needs needs, cli::Log& log);
  ~Daemon();

  // Returns after SIGTERM or SIGINT; the kernel's table stays as it is.
  ExitCode run();

 private:
  class Gwm;

  ExitCode start();
  Result<void> open_control();
  void open_ledger();
  Result<void> drop_privileges();
  void open_metrics();
  std::string metrics_text();
  Result<void> load_certificates();
  void start_links();
  void wait_for_signal();
  void reload();
  void stop();
  void reconcile_later();
  void wait_for_plane();
  void hear_keepalived();
  void wait_for_keepalived();
  Work work();
  void work_soon();
  void ask_to_attach();
  void settle();
  Surroundings surroundings();
  boost::json::object answer(const boost::json::object& request, const net::ControlPeer& peer);

  const Options& options_;
  cli::Log& log_;
  lb::Dataplane& plane_;
  const cli::Needs needs_;
  Controller controller_;

  boost::asio::io_context io_{1};
  net::Notifier notifier_ = net::Notifier::from_environment();
  net::Watchdog watchdog_;
  net::StatusLine status_line_;
  boost::asio::signal_set signals_;
  boost::asio::basic_waitable_timer<Clock> reconcile_timer_;
  std::optional<boost::asio::posix::stream_descriptor> plane_events_;
  std::unique_ptr<net::TlsCredentials> tls_;  // nothing: in the clear
  std::vector<std::unique_ptr<Gwm>> gwms_;
  std::unique_ptr<net::ControlServer> control_;
  std::optional<net::MetricsServer> metrics_;
  MetricCounters counters_;
  std::optional<LedgerFile> ledger_;  // nothing: none is kept
  std::optional<KeepalivedFifo> keepalived_;
  std::optional<boost::asio::posix::stream_descriptor> keepalived_events_;
  unsigned keepalived_waited_for_ = 0;  // its generation
  std::optional<AttachRequest> attach_request_;
  bool work_posted_ = false;
};

}  // namespace saspd
