// sasp-gwm at work: connects the workload manager with its sockets, probes and weights file, and
// logs what happens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "controller/base/file_watch.hpp"
#include "controller/gwm/alarms.hpp"
#include "controller/gwm/duplicates.hpp"
#include "controller/gwm/log_limit.hpp"
#include "controller/gwm/metrics.hpp"
#include "controller/gwm/options.hpp"
#include "controller/gwm/prober.hpp"
#include "controller/gwm/weights_book.hpp"
#include "controller/gwm/weights_file.hpp"
#include "controller/gwm/workload_manager.hpp"
#include "controller/net/control_server.hpp"
#include "controller/net/gwm_server.hpp"
#include "controller/net/metrics_server.hpp"
#include "controller/net/notify.hpp"

namespace saspd::gwm {

class Program final : private net::GwmServerOwner {
 public:
  // Both outlive the program.
  Program(const Options& options, cli::Log& log);

  // Runs until SIGTERM or SIGINT, or until it cannot start.
  ExitCode run();

 private:
  using Timer = boost::asio::basic_waitable_timer<Clock>;

  // A connection: who it is, what it may do, and what the log has said of it.
  struct Peer {
    Endpoint endpoint;
    Rights rights;
    std::string last_refusal;  // the same one again is no news
    sasp::ToleranceCounts tolerances;
  };

  void connected(ConnectionId id, const Endpoint& endpoint,
                 const std::optional<PeerIdentity>& identity) override;
  net::GwmAnswer handle(ConnectionId id, const sasp::GwmRequest& request) override;
  void not_understood(ConnectionId id, const Error& why) override;
  void disconnected(ConnectionId id, const Error& why) override;
  void not_accepted(const Error& why) override;
  void writable(ConnectionId id) override;

  ExitCode start();
  ExitCode read_files();
  std::string control_path() const;
  ExitCode open_control();
  ExitCode listen();
  ExitCode drop_privileges();
  void open_metrics();
  Result<void> read_weights();
  void say_what_stays_unknown() const;
  void read_weights_again();
  void take(const WeightsBook::News& news);
  void say_what_is_held() const;
  void look_at_alarms();
  void watch_alarms();
  Result<void> read_authority();
  void read_authority_again();
  void poll_files();
  void wait_for_signal();
  void work();
  void watch_members();
  void probed(const ProbeTarget& target, const Health& health);
  void send(const Push& push);
  std::unique_ptr<net::TlsCredentials> credentials();
  void reload();
  void stop();

  // What saspctl and Prometheus are told.
  boost::json::object answer(const boost::json::object& request, const net::ControlPeer& peer);
  std::string metrics_text();
  std::string status_line() const;
  Surroundings surroundings() const;

  void tell_attached(const Peer& peer, const std::string& lb_uid);
  void close_replaced(ConnectionId replaced, const Peer& by, const std::string& lb_uid);
  void tell_refusal(Peer& peer, std::string refusal, bool unauthorized = false);
  void tell_tolerances(Peer& peer, const sasp::ToleranceCounts& of_message);
  bool may_go_on(const Rights& rights, const std::string& lb_uid) const;
  void judge_again();
  void info(const std::string& text);
  void error(const std::string& text);
  void warn(const std::string& text);
  void warn(const std::string& text, LogLimit& limit);

  const Options& options_;
  cli::Log& log_;
  WorkloadManager manager_;
  FileWatch weights_watch_;
  WeightsBook book_;
  std::string weights_error_;  // told already
  Authority authority_;
  FileWatch authority_watch_;
  std::string authority_error_;  // told already
  std::unordered_map<ConnectionId, Peer> peers_;
  LogLimit info_limit_;
  LogLimit warning_limit_;
  LogLimit error_limit_;
  LogLimit rejected_limit_;
  bool stopping_ = false;
  std::uint32_t last_push_id_ = 0;

  boost::asio::io_context io_{1};
  net::Notifier notifier_ = net::Notifier::from_environment();
  net::Watchdog watchdog_;
  net::StatusLine status_line_;
  std::unique_ptr<net::TlsCredentials> tls_;  // nothing: in the clear
  net::GwmServer server_;
  boost::asio::signal_set signals_;
  Timer files_timer_;
  Timer work_timer_;
  Timer members_timer_;
  Timer alarms_timer_;
  Prober prober_;
  std::uint64_t probed_generation_ = 0;
  std::unique_ptr<net::ControlServer> control_;
  std::optional<net::MetricsServer> metrics_;
  MetricCounters counters_;
  Unauthorized unauthorized_;
  Duplicates duplicates_;
  std::vector<Alarm> alarms_;  // as the log has them
};

}  // namespace saspd::gwm
