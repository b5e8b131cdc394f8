// Keeps one connection to a GWM: resolve, connect, read, write, wait, again, over TCP or TLS. What
// is said over it, and when it is tried again, its owner decides; this is the socket and the
// timers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "controller/net/stream.hpp"
#include "controller/sasp/link_standing.hpp"
#include "controller/sasp/session.hpp"

namespace saspd::net {

using sasp::LinkState;

// For Backoff; differs between hosts and processes.
std::uint64_t random_seed();

struct LinkSettings {
  std::string host;  // a name is resolved again for every attempt
  std::uint16_t port = sasp::default_port;
  const TlsCredentials* tls = nullptr;                  // nothing: in the clear. Outlives the link
  Duration connect_deadline = std::chrono::seconds{5};  // TCP and TLS
};

// Called from the io_context, in this order for each attempt: connecting; then, if there is a
// connection, connected, and received and timed_out as often as it takes; then ended.
class LinkOwner {
 public:
  LinkOwner() = default;
  LinkOwner(const LinkOwner&) = delete;
  LinkOwner& operator=(const LinkOwner&) = delete;
  virtual ~LinkOwner() = default;

  virtual void connecting(TimePoint now) = 0;
  virtual sasp::LinkStep connected(TimePoint now) = 0;
  virtual sasp::LinkStep received(sasp::ByteView bytes, TimePoint now) = 0;
  // It is deadline(), or later.
  virtual sasp::LinkStep timed_out(TimePoint now) = 0;
  virtual std::optional<TimePoint> deadline() const = 0;
  // The other side closed an established connection. Returns whether it matters if the GWM is still
  // there; then that is looked at before ended().
  virtual bool lost(const std::string& why, TimePoint now) = 0;
  // Returns how long to wait before the next attempt.
  virtual Duration ended(const sasp::LinkEnd& end, TimePoint now) = 0;
};

class Link {
 public:
  // The link must outlive the run of the io_context, and `owner` the link.
  Link(boost::asio::io_context& io, LinkSettings settings, LinkOwner& owner);

  void start();

  // What the owner has to say without being asked, at any time but in one of its functions. If
  // there is no connection nothing is done: the next one comes round to it.
  void perform(sasp::LinkStep step);

  // Under other TLS files: a connection to a GWM that would not be believed any more is dropped.
  void check_certificate_again();

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
  void write_more();
  void arm_timer();
  void write_failed(const boost::system::error_code& code);
  void drop(std::string why);

  boost::asio::io_context& io_;
  LinkSettings settings_;
  LinkOwner& owner_;

  std::shared_ptr<Stream> stream_;  // a write that is under way keeps it too
  Timer session_timer_;
  Timer retry_timer_;
  Tcp::endpoint peer_;                    // of the last connection
  std::vector<Tcp::endpoint> last_good_;  // of the last name lookup that gave any
  sasp::Bytes reading_ = sasp::Bytes(std::size_t{64} << 10);
  sasp::Bytes outgoing_;
  sasp::Bytes writing_;
  bool connected_ = false;        // the owner talks over stream_
  std::uint64_t connection_ = 0;  // so that a late completion of an old connection is ignored

  // Of the present connection, or attempt.
  bool established_ = false;
  bool closed_by_peer_ = false;
  bool tls_failed_ = false;
  std::string why_;  // it ended
};

}  // namespace saspd::net
