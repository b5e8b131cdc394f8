// The commands of sasp-member that do one thing at every GWM and exit.
#pragma once

#include <boost/asio/signal_set.hpp>

#include "controller/member/gwms.hpp"

namespace saspd::member {

class OneShot {
 public:
  // Options and log outlive it.
  OneShot(const Options& options, cli::Log& log);

  // Prints a line for each GWM.
  ExitCode run();

 private:
  // Only deregister with --drain goes through the first two.
  enum class Phase { quiescing, draining, acting };

  static sasp::MemberGoal first_goal(const Options& options);
  bool is_settled(const Gwms::Standing& gwm) const;
  void changed();
  void settle();
  void drain();
  void act();
  std::chrono::seconds patience() const;
  void expire_after(std::chrono::seconds patience, void (OneShot::*then)());
  void wait_for_signal();
  ExitCode report(const Gwms::Standing& gwm) const;
  ExitCode report_all() const;

  const Options& options_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  boost::asio::basic_waitable_timer<Clock> timer_;
  Phase phase_;
  Gwms gwms_;
};

}  // namespace saspd::member
