// sasp-member run: keeps the members registered until a signal ends it.
#pragma once

#include <boost/asio/signal_set.hpp>

#include "controller/member/gwms.hpp"
#include "controller/net/notify.hpp"

namespace saspd::member {

class Agent {
 public:
  // Options and log outlive the agent.
  Agent(const Options& options, cli::Log& log);

  // Returns after SIGTERM or SIGINT, at most two seconds later than --drain requires.
  ExitCode run();

 private:
  enum class Phase { serving, draining, leaving };

  void wait_for_signal();
  void signalled(int signal);
  void drain();
  void leave();
  void changed();
  void report_load();
  void tell_manager();

  const Options& options_;
  cli::Log& log_;
  boost::asio::io_context io_{1};
  net::Notifier notifier_ = net::Notifier::from_environment();
  net::Watchdog watchdog_;
  boost::asio::signal_set signals_;
  boost::asio::basic_waitable_timer<Clock> load_timer_;
  boost::asio::basic_waitable_timer<Clock> end_timer_;

  Phase phase_ = Phase::serving;
  sasp::MemberGoal goal_;
  Gwms gwms_;
  bool ever_registered_ = false;
  bool ready_ = false;
  std::string status_;  // as reported to the service manager
};

}  // namespace saspd::member
