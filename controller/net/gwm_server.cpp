// SPDX-License-Identifier: Apache-2.0

#include "controller/net/gwm_server.hpp"

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controller/net/listener.hpp"
#include "controller/net/stream.hpp"
#include "controller/net/tcp.hpp"

namespace saspd::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr auto never = TimePoint::max();
using Tcp = asio::ip::tcp;
using Waiting = asio::basic_waitable_timer<Clock>;
constexpr std::size_t read_size = 16384;
Error system_failure(std::string_view what, const error_code& code) {
  return fail(std::error_code(code), fmt::format("{}: {}", what, code.message()));
}

// A bucket of requests: a second's worth at once, then one by one.
class Pace {
 public:
  explicit Pace(unsigned per_second)
      : cost_(per_second == 0 ? Duration{} : Duration{std::chrono::seconds{1}} / per_second) {}

  // Takes one request; how long to wait before the next.
  Duration take(TimePoint now) {
    paid_until_ = std::max(paid_until_, now - std::chrono::seconds{1}) + cost_;
    return std::max(Duration{}, paid_until_ - now);
  }

 private:
  Duration cost_;
  TimePoint paid_until_;
};

// A socket and its session. Whatever ends it, close() gets the reason.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ConnectionId id, Stream stream, const Endpoint& peer, const GwmServerConfig& config)
      : id_(id),
        peer_(peer),
        config_(config),
        session_(config.session),
        pace_(config.max_requests_per_second),
        stream_(std::move(stream)),
        serve_until_(Clock::now() + config.first_request_deadline),
        read_watchdog_(stream_.get_executor()),
        write_watchdog_(stream_.get_executor()),
        pause_(stream_.get_executor()),
        written_(stream_.get_executor(), never) {}

  ConnectionId id() const { return id_; }
  const Endpoint& peer() const { return peer_; }
  // Bytes of a message that is not complete, and of how many the server knows.
  std::size_t unfinished() const { return session_.unfinished(); }
  std::size_t accounted = 0;
  // Why it was closed; nothing while it is open.
  const std::optional<Error>& closed() const { return closed_; }
  bool is_tls() const { return stream_.is_tls(); }
  std::optional<PeerIdentity> identity() const { return stream_.peer(); }

  // Ends in time with a peer that may be served, or closes.
  asio::awaitable<void> handshake() {
    read_deadline_ = Clock::now() + config_.handshake_deadline;
    watch(read_watchdog_, read_deadline_, "no TLS handshake in time");
    const auto ec = co_await stream_.handshake();
    read_deadline_.reset();
    read_watchdog_.cancel();
    if (ec) close(fail(std::errc::protocol_error, fmt::format("TLS: {}", stream_.explain(ec))));
  }

  void check_certificate_again(TlsContext& tls) {
    const auto good = stream_.check_peer_again(tls);
    if (!good) close(fail(std::errc::permission_denied, "TLS: " + good.error().detail));
  }

  // Reads what is there, one byte at least, into the session, or closes. A message that has begun
  // must be complete in time, and who was never served must be in time, too.
  asio::awaitable<void> read() {
    const bool wants_service = !was_served && serve_until_ < session_.deadline().value_or(never);
    read_deadline_ = wants_service ? serve_until_ : session_.deadline();
    const char* const what = wants_service ? "no acceptable request in time"
                                           : "the rest of a message did not arrive in time";
    // The timer is not heard while there always is something to read.
    if (wants_service && serve_until_ <= Clock::now()) close(fail(std::errc::timed_out, what));
    if (closed_) co_return;
    watch(read_watchdog_, read_deadline_, what);
    const auto [ec, n] = co_await stream_.async_read_some(asio::buffer(buffer_), as_result);
    read_deadline_.reset();
    read_watchdog_.cancel();
    if (ec) close(failure("reading", ec));
    const auto bytes = std::span(buffer_).first(n);
    if (!std::exchange(has_spoken_, true) && !is_tls() && looks_like_tls(bytes)) {
      close(fail(std::errc::protocol_error,
                 "the peer speaks TLS but we do not: give --tls-cert and --tls-key here, or no "
                 "--tls option there"));
    }
    session_.handle_bytes(bytes);
  }

  // The next message of what was read; nothing when more has to be read or the stream is broken,
  // which closes.
  std::optional<sasp::GwmEvent> next() {
    auto event = session_.next(Clock::now());
    if (event) return std::move(*event);
    close(event.error());
    return {};
  }

  // Returns when the peer may ask again.
  asio::awaitable<void> pace() {
    const auto wait = pace_.take(Clock::now());
    if (wait == Duration{}) co_return;
    pause_.expires_after(wait);
    co_await pause_.async_wait(as_result);
  }

  // Writes are done in the order in which they were reserved.
  std::uint64_t reserve_write() { return reserved_++; }
  bool writes() const { return written_count_ != reserved_; }

  // Writes all or closes, when it is this write's turn. A peer that takes no byte for a while does
  // not read.
  asio::awaitable<void> write(std::uint64_t turn, sasp::Bytes bytes) {
    while (written_count_ != turn && !closed_)
      co_await written_.async_wait(as_result);
    auto rest = asio::buffer(bytes);
    while (rest.size() > 0 && !closed_) {
      write_deadline_ = Clock::now() + config_.write_deadline;
      watch(write_watchdog_, write_deadline_, "the peer does not read what is sent to it");
      const auto [ec, n] = co_await stream_.async_write_some(rest, as_result);
      write_deadline_.reset();
      if (ec) close(failure("writing", ec));
      rest += n;
    }
    write_watchdog_.cancel();
    ++written_count_;
    written_.cancel();
  }

  // The first reason counts.
  void close(Error why) {
    if (closed_) return;
    closed_ = std::move(why);
    stream_.close();
    read_watchdog_.cancel();
    write_watchdog_.cancel();
    pause_.cancel();
    written_.cancel();
  }

  bool push_was_refused = false;
  bool was_served = false;  // a request was accepted

 private:
  Error failure(std::string_view what, const error_code& code) const {
    if (stream_.is_tls_failure(code)) {
      return fail(std::errc::protocol_error, fmt::format("TLS: {}", stream_.explain(code)));
    }
    if (Stream::is_end(code)) return fail(std::error_code(code), "closed by the peer");
    return system_failure(what, code);
  }

  // Closes when `deadline` (a member of this) is met before it is taken back.
  void watch(Waiting& timer, const std::optional<TimePoint>& deadline, const char* what) {
    if (!deadline) return;
    timer.expires_at(*deadline);
    timer.async_wait([self = shared_from_this(), &deadline, what](error_code) {
      // A wait may end just when its limit was met and another one set.
      if (!deadline || Clock::now() < *deadline) return;
      self->close(fail(std::errc::timed_out, what));
    });
  }

  ConnectionId id_;
  Endpoint peer_;
  const GwmServerConfig& config_;
  sasp::GwmSession session_;
  Pace pace_;
  Stream stream_;
  bool has_spoken_ = false;
  TimePoint serve_until_;
  Waiting read_watchdog_;
  Waiting write_watchdog_;
  std::optional<TimePoint> read_deadline_;
  std::optional<TimePoint> write_deadline_;
  Waiting pause_;
  Waiting written_;  // never expires; cancelled when a write has ended
  std::uint64_t reserved_ = 0;
  std::uint64_t written_count_ = 0;
  std::optional<Error> closed_;
  std::array<std::uint8_t, read_size> buffer_{};
};

}  // namespace

class GwmServer::Server {
 public:
  Server(asio::io_context& io, GwmServerConfig config, GwmServerOwner& owner)
      : io_(io), config_(std::move(config)), owner_(owner), admission_(config_) {}

  Result<Endpoint> listen(const Endpoint& endpoint);
  bool push(ConnectionId id, sasp::Bytes bytes);
  bool can_push(ConnectionId id);
  void check_certificates_again();
  void close(ConnectionId id, Error why);
  void reconfigure(GwmServerConfig config);
  void stop_listening(const Endpoint& bound) { listeners_.erase(bound); }
  void stop();

 private:
  void add(Tcp::socket socket, const Endpoint& peer);
  asio::awaitable<void> serve(std::shared_ptr<Connection> connection);
  asio::awaitable<bool> welcome(Connection& connection);
  void forget(const Connection& connection);
  asio::awaitable<void> answer_all(Connection& connection);
  asio::awaitable<void> write(std::shared_ptr<Connection> connection, std::uint64_t turn,
                              sasp::Bytes bytes);
  void account(Connection& connection);
  // What to write; empty when nothing is.
  Result<sasp::Bytes> answer(Connection& connection, const sasp::GwmEvent& event);

  asio::io_context& io_;
  GwmServerConfig config_;
  GwmServerOwner& owner_;
  Admission admission_;
  std::map<Endpoint, Listener<Tcp>> listeners_;
  std::map<ConnectionId, std::shared_ptr<Connection>> connections_;
  ConnectionId last_id_ = 0;
};

Result<Endpoint> GwmServer::Server::listen(const Endpoint& endpoint) {
  auto acceptor = listen_at(io_, endpoint);
  if (!acceptor) return fail(acceptor.error());
  error_code ec;
  const Endpoint bound = to_endpoint(acceptor->local_endpoint(ec));
  listeners_.try_emplace(bound, io_, std::move(*acceptor), spare::peers,
                         Listener<Tcp>::Callbacks{
                             [this](Tcp::socket socket, const Tcp::endpoint& peer) {
                               add(std::move(socket), to_endpoint(peer));
                             },
                             [this](const error_code& code) {
                               owner_.not_accepted(system_failure("accepting a connection", code));
                             }});
  return bound;
}

void GwmServer::Server::add(Tcp::socket socket, const Endpoint& peer) {
  if (const auto why = admission_.refusal(peer, Clock::now())) return owner_.not_accepted(*why);
  notice_dead_peers(socket);
  const ConnectionId id = ++last_id_;
  auto stream = config_.tls != nullptr
                    ? Stream::tls_server(std::move(socket), config_.tls->current())
                    : Stream(std::move(socket));
  auto connection = std::make_shared<Connection>(id, std::move(stream), peer, config_);
  connections_.emplace(id, connection);
  admission_.enter(peer, connection->is_tls());
  spawn(io_, serve(std::move(connection)));
}

// Until then the owner knows nothing of the connection.
asio::awaitable<bool> GwmServer::Server::welcome(Connection& connection) {
  if (connection.is_tls()) {
    co_await connection.handshake();
    admission_.shook_hands(connection.peer());
    // It went by the files of its beginning; the peer may have been revoked since.
    connection.check_certificate_again(*config_.tls->current());
  }
  if (!connection.closed()) {
    owner_.connected(connection.id(), connection.peer(), connection.identity());
    co_return true;
  }
  if (connection.closed()->code != std::errc::operation_canceled)
    owner_.not_accepted(at(connection.peer().text(), *connection.closed()));
  co_return false;
}

asio::awaitable<void> GwmServer::Server::serve(std::shared_ptr<Connection> connection) {
  bool welcomed = false;
  try {
    welcomed = co_await welcome(*connection);
    while (!connection->closed()) {
      co_await connection->read();
      co_await answer_all(*connection);
      account(*connection);
    }
  } catch (...) {
    forget(*connection);
    throw;
  }
  forget(*connection);
  if (welcomed) owner_.disconnected(connection->id(), *connection->closed());
}

void GwmServer::Server::forget(const Connection& connection) {
  admission_.leave(connection.peer(), connection.accounted);
  connections_.erase(connection.id());
}

// Each reply is out before the next request is looked at, so that at most one is in memory.
asio::awaitable<void> GwmServer::Server::answer_all(Connection& connection) {
  while (!connection.closed()) {
    const auto event = connection.next();
    if (!event) co_return;
    auto reply = answer(connection, *event);
    if (!reply) connection.close(reply.error());
    if (!reply) continue;
    co_await write(connection.shared_from_this(), connection.reserve_write(), std::move(*reply));
    co_await connection.pace();
  }
}

asio::awaitable<void> GwmServer::Server::write(std::shared_ptr<Connection> connection,
                                               std::uint64_t turn, sasp::Bytes bytes) {
  co_await connection->write(turn, std::move(bytes));
  if (connection->closed() || connection->writes()) co_return;
  if (std::exchange(connection->push_was_refused, false)) owner_.writable(connection->id());
}

void GwmServer::Server::account(Connection& connection) {
  const auto before = std::exchange(connection.accounted, connection.unfinished());
  const auto held = admission_.hold(before, connection.accounted);
  if (!held) connection.close(held.error());
}

bool GwmServer::Server::can_push(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->closed()) return false;
  found->second->push_was_refused = found->second->writes();
  return !found->second->writes();
}

bool GwmServer::Server::push(ConnectionId id, sasp::Bytes bytes) {
  if (!can_push(id)) return false;
  const auto& connection = connections_.find(id)->second;
  spawn(io_, write(connection, connection->reserve_write(), std::move(bytes)));
  return true;
}

Result<sasp::Bytes> GwmServer::Server::answer(Connection& connection, const sasp::GwmEvent& event) {
  if (const auto* request = std::get_if<sasp::GwmRequest>(&event)) {
    auto [reply, accepted] = owner_.handle(connection.id(), *request);
    connection.was_served = connection.was_served || accepted;
    return sasp::encode({request->message_id, std::move(reply)});
  }
  if (const auto* refusal = std::get_if<sasp::GwmRefusal>(&event)) {
    owner_.not_understood(connection.id(), refusal->why);
    return refusal->answer;
  }
  owner_.not_understood(connection.id(), std::get<sasp::GwmSkipped>(event).why);
  return sasp::Bytes{};
}

void GwmServer::Server::check_certificates_again() {
  for (const auto& [id, connection] : connections_)
    connection->check_certificate_again(*config_.tls->current());
}

void GwmServer::Server::close(ConnectionId id, Error why) {
  const auto connection = connections_.find(id);
  if (connection != connections_.end()) connection->second->close(std::move(why));
}

void GwmServer::Server::reconfigure(GwmServerConfig config) {
  config.tls = config_.tls;
  config_ = std::move(config);
  admission_.set_limits(config_);
}

void GwmServer::Server::stop() {
  listeners_.clear();
  for (const auto& [id, connection] : connections_) {
    connection->close(fail(std::errc::operation_canceled, "shutting down"));
  }
}

GwmServer::GwmServer(asio::io_context& io, GwmServerConfig config, GwmServerOwner& owner)
    : server_(std::make_unique<Server>(io, std::move(config), owner)) {}

GwmServer::~GwmServer() = default;

Result<Endpoint> GwmServer::listen(const Endpoint& endpoint) {
  return server_->listen(endpoint);
}

void GwmServer::reconfigure(GwmServerConfig config) {
  server_->reconfigure(std::move(config));
}

void GwmServer::stop_listening(const Endpoint& bound) {
  server_->stop_listening(bound);
}

bool GwmServer::push(ConnectionId id, sasp::Bytes bytes) {
  return server_->push(id, std::move(bytes));
}

bool GwmServer::can_push(ConnectionId id) {
  return server_->can_push(id);
}

void GwmServer::check_certificates_again() {
  server_->check_certificates_again();
}

void GwmServer::close(ConnectionId id, Error why) {
  server_->close(id, std::move(why));
}

void GwmServer::stop() {
  server_->stop();
}

}  // namespace saspd::net
