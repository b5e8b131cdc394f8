// SPDX-License-Identifier: Apache-2.0
// What a program reports to its service manager: the protocol of sd_notify(3), one datagram at a
// time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>

#include "controller/base/clock.hpp"

namespace saspd::net {

class Notifier {
 public:
  // Uses NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; without them, nothing is sent.
  static Notifier from_environment();

  // `socket` is a path, or a name after "@"; empty: nothing is sent.
  explicit Notifier(std::string socket, std::optional<Duration> watchdog = {})
      : socket_(std::move(socket)), watchdog_(watchdog) {}

  // The state of the service. The service manager acts on it, so a full queue is waited for, up to
  // a second. A reload lasts from reloading() to ready().
  void ready() const { tell("READY=1", a_moment); }
  void reloading() const;
  void stopping() const { tell("STOPPING=1", a_moment); }
  // Also reports how long it may take.
  void stopping(std::chrono::microseconds time) const;
  // For messages that repeat: dropped if there is no room.
  void alive() const { tell("WATCHDOG=1", no_time); }
  // "STATUS=…", one line of text for systemctl status. Returns false if there is no room.
  bool status(std::string_view text) const;

  bool is_heard() const { return !socket_.empty(); }
  // Within this time the service manager expects the next WATCHDOG=1; empty if it expects none.
  std::optional<Duration> watchdog() const { return watchdog_; }

 private:
  static constexpr std::chrono::seconds no_time{0};
  static constexpr std::chrono::seconds a_moment{1};

  bool tell(std::string_view lines, std::chrono::seconds patience) const;

  std::string socket_;
  std::optional<Duration> watchdog_;
};

// Sends WATCHDOG=1 twice per period as long as the io_context runs, so that a hanging event loop is
// noticed.
class Watchdog {
 public:
  Watchdog(boost::asio::io_context& io, const Notifier& notifier);  // both outlive it
  void start();

 private:
  const Notifier& notifier_;
  boost::asio::basic_waitable_timer<Clock> timer_;
};

// Keeps the line of systemctl status up to date: asks for the text every `period`, if there is a
// service manager, and sends it when it has changed, until there is room for it. It should contain
// nothing that changes by itself, like an age.
class StatusLine {
 public:
  static constexpr Duration period = std::chrono::seconds{2};

  StatusLine(boost::asio::io_context& io, const Notifier& notifier,  // both outlive it
             std::function<std::string()> text);
  void start(Duration every = period);
  void stop() { timer_.cancel(); }

 private:
  const Notifier& notifier_;
  std::function<std::string()> text_;
  std::string told_;
  boost::asio::basic_waitable_timer<Clock> timer_;
};

}  // namespace saspd::net
