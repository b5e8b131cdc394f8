// Keeps one session connected to its GWM: resolve, connect, read, write, wait, again, over TCP or
// TLS. All decisions about messages are the session's; this is the socket, the timers and the
// back-off.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "controller/net/stream.hpp"
#include "controller/sasp/backoff.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/sasp/member_session.hpp"

namespace saspd::net {

enum class LinkState : std::uint8_t {
  trying,          // no connection yet, waiting for the next attempt
  connecting,      // TCP, TLS and the opening exchange
  established,     // the opening exchange is over
  down_trying,     // was established, waiting for the next attempt
  down_duplicate,  // the same, and another load balancer seems to have our LB UID (Backoff)
  tls_error,       // waiting for the next attempt, and the last one failed by TLS
};
std::string_view name(LinkState state);

// For LinkSettings::seed.
std::uint64_t random_seed();

struct LinkSettings {
  std::string host;  // a name is resolved again for every attempt
  std::uint16_t port = sasp::default_port;
  Duration retry_min = std::chrono::seconds{20};
  const TlsCredentials* tls = nullptr;                  // nothing: in the clear. Outlives the link
  Duration connect_deadline = std::chrono::seconds{5};  // TCP and TLS
  std::uint64_t seed = 0;                               // of the jitter; must differ between hosts
};

struct LinkView {
  std::string endpoint;  // "HOST:PORT" as configured
  LinkState state = LinkState::trying;
  TimePoint state_since;
  std::optional<TimePoint> last_message;
  std::string last_error;  // of the last attempt or connection; empty: none yet
  // Another load balancer seems to have our LB UID, also while it is our turn to be connected.
  bool duplicate_suspected = false;
};

// Session is one of those that link.cpp names at its end.
template <class Session>
class Link {
 public:
  using Event = typename Session::Event;
  using Step = typename Session::Step;

  // Called from the io_context.
  struct Callbacks {
    std::function<void(const Event&)> on_event;  // all but Established and Notice
    std::function<void(const sasp::Notice&)> on_notice;
    // A connection, or an attempt at one, ended: why, and when the next one follows.
    std::function<void(std::string_view)> on_down;
    std::function<void(LinkState)> on_state;  // on every change
  };

  // The link must outlive the run of the io_context.
  Link(boost::asio::io_context& io, LinkSettings settings, Session session, Callbacks callbacks);

  void start();

  // Tells the session something, at any time but in a callback: `tell(session, now)` returns a
  // Step, which is performed if there is a connection. Otherwise the next connection comes round to
  // it.
  template <class Tell>
  void tell(Tell&& tell) {
    Step step = tell(session_, Clock::now());
    if (connected_) perform(std::move(step));
  }

  // Under other TLS files: a connection to a GWM that would not be believed any more is dropped.
  void check_certificate_again();

  const Session& session() const { return session_; }
  LinkView view() const;

 private:
  using Tcp = boost::asio::ip::tcp;
  using Timer = boost::asio::basic_waitable_timer<Clock>;

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<std::vector<Tcp::endpoint>> resolve();
  boost::asio::awaitable<bool> connect();
  boost::asio::awaitable<std::string> open(const Tcp::endpoint& endpoint);
  boost::asio::awaitable<void> serve();
  boost::asio::awaitable<bool> was_thrown_out();
  void read_failed(const boost::system::error_code& code);
  bool is_tls_by_mistake(sasp::ByteView first_bytes) const;
  void perform(Step step);
  void handle(const Event& event);
  void write_more();
  void arm_timer();
  void write_failed(const boost::system::error_code& code);
  void drop(std::string why);
  void set_state(LinkState state);

  boost::asio::io_context& io_;
  LinkSettings settings_;
  Session session_;
  sasp::Backoff backoff_;
  Callbacks callbacks_;

  std::shared_ptr<Stream> stream_;  // a write that is under way keeps it too
  Timer session_timer_;
  Timer retry_timer_;
  Tcp::endpoint peer_;                    // of the last connection
  std::vector<Tcp::endpoint> last_good_;  // of the last name lookup that gave any
  sasp::Bytes reading_ = sasp::Bytes(std::size_t{64} << 10);
  sasp::Bytes outgoing_;
  sasp::Bytes writing_;
  bool connected_ = false;        // the session talks over stream_
  std::uint64_t connection_ = 0;  // so that a late completion of an old connection is ignored

  LinkState state_ = LinkState::trying;
  TimePoint state_since_;
  std::optional<TimePoint> established_since_;
  bool ever_established_ = false;
  bool closed_by_peer_ = false;
  bool tls_failed_ = false;
  std::optional<TimePoint> last_message_;
  std::string last_error_;
};

}  // namespace saspd::net
