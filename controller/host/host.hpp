// SPDX-License-Identifier: Apache-2.0
// What every program is on the outside: a process with one event loop, which hears signals, speaks
// to its service manager, answers saspctl and Prometheus, and ends in one way.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <boost/json/object.hpp>

#include "controller/base/clock.hpp"
#include "controller/cli/common_options.hpp"
#include "controller/cli/privileges.hpp"
#include "controller/metrics/families.hpp"
#include "controller/net/control_peer.hpp"
#include "controller/report/events.hpp"
#include "controller/report/reload.hpp"

namespace boost::asio {
class io_context;
}
namespace saspd::net {
class TlsCredentials;
}

namespace saspd::host {

using cli::Refusal;
using cli::Refused;

// Where a program differs from the others.
struct About {
  std::string_view name;  // of the program, of its user, and of who answers
  TlsRole tls_role = TlsRole::client;
  // False: a command that does one thing and ends. It reports nothing to a service manager, and no
  // log that it began and ended; signals but SIGTERM and SIGINT end it as they end any command.
  bool is_service = true;
  std::string_view last_words{};  // in the log, behind why it ended: "; the weights stay"
};

class Host;

// A program as its host sees it. Everything is called from one thread; an exception ends the
// program with 70, but for one in an answer that changes nothing.
class Program {
 public:
  explicit Program(Host& host) : host_(host) {}
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  virtual ~Program() = default;

  // The start, in this order. A refusal ends the program, which then leaves nothing behind.
  virtual Refused read_files() { return {}; }  // before privileges are given up; with --check too
  virtual Refused listen() { return {}; }      // likewise, but for --check
  // What stays needed after that, beside certificates and the control socket.
  virtual cli::Needs needs() const { return {}; }
  virtual Refused start() = 0;  // the certificates are loaded
  // Is that all that its service manager waits for? If not, Host::ready() follows.
  virtual bool is_ready() const { return true; }

  virtual boost::json::object answer(const boost::json::object& request,
                                     const net::ControlPeer& peer);
  virtual metrics::Families metrics(TimePoint now);
  // How it is, for /healthz; nothing: it does not know.
  virtual std::optional<report::Health> health() { return std::nullopt; }
  // For systemctl status. Nothing that changes by itself, like an age.
  virtual std::string status_line() const { return {}; }
  virtual void certificates_replaced() {}

  // A reload (see Configured), in this order. The options that the same command line gives now;
  // nullptr: something is wrong with them.
  virtual const cli::CommonOptions* read_options(cli::Errors& errors) = 0;
  virtual void prepare_options(cli::Errors& errors) = 0;
  // The files that are looked at anyway. A bad one leaves what it said before.
  virtual void read_files_again(cli::Errors& /*errors*/) {}
  // The end of it: nothing was wrong with anything, or something was.
  virtual void use_options() = 0;
  virtual void drop_options() = 0;

  // SIGTERM, SIGINT or SIGQUIT, each time; Host::end() follows, within farewell().
  virtual void stop();
  virtual std::chrono::seconds farewell() const { return std::chrono::seconds{0}; }
  // After the loop, if nothing went wrong.
  virtual ExitCode outcome() { return ExitCode::ok; }

 protected:
  Host& host_;
};

class Host {
 public:
  // Options and log outlive it. The options may be replaced while it runs, by use_options().
  Host(const cli::CommonOptions& options, cli::Log& log, About about);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  // Does what CommonOptions::verb says, and returns what to end with. What it has opened is closed
  // then, the socket's file removed; end the process without destructors (cli::end).
  ExitCode run(Program& program);
  // --check: the certificates, read by whom the program would be. run() does it for a program that
  // can be made without a kernel.
  ExitCode check(cli::Needs needs);

  boost::asio::io_context& io();
  const net::TlsCredentials* tls() const;  // nothing: in the clear
  const std::string& tls_error() const;  // why the files could not be read again; empty: they could
  // Why the last reload was refused; empty: it was not.
  const std::string& reload_error() const { return reload_error_; }

  void ready();           // once: Program::is_ready() has become true
  void status_changed();  // not to be waited for, as far as the service manager is concerned
  void end();             // run() returns

 private:
  struct Parts;
  Refused start();
  Refused open_control();
  Refused give_up_privileges(cli::Needs needs);
  Refused load_certificates();
  void open_metrics();
  std::string metrics_text();
  void client_waits(std::string_view socket, const std::error_code& why);
  void wait_for_signal();
  void signalled(int signal);
  ExitCode refuse(const Refusal& refusal);

  boost::json::object answer(const boost::json::object& request, const net::ControlPeer& peer);
  void hung_up();
  report::Reload reload(std::string_view asked_by, bool dry_run);
  std::vector<cli::Change> check_reload(const cli::CommonOptions& next, cli::Errors& errors) const;
  void read_files_again(cli::Errors& errors);
  void use_options(const cli::CommonOptions& next);
  void tell(const std::vector<cli::Change>& changes, const cli::Errors& errors);

  const cli::CommonOptions& options_;
  cli::Log& log_;
  const About about_;
  Program* program_ = nullptr;  // from run() on
  bool ready_ = false;
  bool stopping_ = false;
  std::uint64_t accepts_delayed_ = 0;
  TimePoint waiting_is_news_;  // from then on
  std::string reload_error_;
  std::chrono::system_clock::time_point reloaded_ = std::chrono::system_clock::now();
  std::unique_ptr<Parts> parts_;
};

}  // namespace saspd::host
