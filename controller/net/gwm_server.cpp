#include "controller/net/gwm_server.hpp"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controller/net/tcp.hpp"

namespace saspd::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr auto accept_pause = std::chrono::milliseconds{100};
constexpr std::size_t read_size = 16384;

Error system_failure(std::string_view what, const error_code& code) {
  return fail(std::error_code(code), fmt::format("{}: {}", what, code.message()));
}

}  // namespace

struct GwmServer::Listener {
  Tcp::acceptor acceptor;
  Timer pause;
};

// A socket and its session. Whatever ends it, close() is told why.
class GwmServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ConnectionId id, Tcp::socket socket, const GwmServerConfig& config)
      : id_(id),
        config_(config),
        session_(config.session),
        socket_(std::move(socket)),
        watchdog_(socket_.get_executor()) {}

  ConnectionId id() const { return id_; }
  // Why it was closed; nothing while it is open.
  const std::optional<Error>& closed() const { return closed_; }

  // Reads what is there, one byte at least, into the session, or closes. A message that has begun
  // must be complete in time.
  asio::awaitable<void> read() {
    limit(session_.deadline(), "the rest of a message did not come in time");
    const auto [ec, n] = co_await socket_.async_read_some(asio::buffer(buffer_), as_result);
    limit({}, {});
    if (ec == asio::error::eof) close(fail(std::error_code(ec), "closed by the peer"));
    if (ec) close(system_failure("reading", ec));
    session_.handle_bytes(std::span(buffer_).first(n));
  }

  // The next message of what was read; nothing when more has to be read or the stream is broken,
  // which closes.
  std::optional<sasp::GwmEvent> next() {
    auto event = session_.next(Clock::now());
    if (event) return std::move(*event);
    close(event.error());
    return {};
  }

  // Writes all or closes. A peer that takes no byte for a while does not read.
  asio::awaitable<void> write(sasp::Bytes bytes) {
    auto rest = asio::buffer(bytes);
    while (rest.size() > 0 && !closed_) {
      limit(Clock::now() + config_.write_deadline, "the peer does not read its replies");
      const auto [ec, n] = co_await socket_.async_write_some(rest, as_result);
      limit({}, {});
      if (ec) close(system_failure("writing", ec));
      rest += n;
    }
  }

  // The first reason counts.
  void close(Error why) {
    if (closed_) return;
    closed_ = std::move(why);
    error_code ignored;
    socket_.close(ignored);
    watchdog_.cancel();
  }

 private:
  void limit(std::optional<TimePoint> deadline, const char* what) {
    deadline_ = deadline;
    if (!deadline) {
      watchdog_.cancel();
      return;
    }
    watchdog_.expires_at(*deadline);
    watchdog_.async_wait([self = shared_from_this(), what](error_code) {
      // A wait may end just when its limit was met and another one set.
      if (!self->deadline_ || Clock::now() < *self->deadline_) return;
      self->close(fail(std::errc::timed_out, what));
    });
  }

  ConnectionId id_;
  const GwmServerConfig& config_;
  sasp::GwmSession session_;
  Tcp::socket socket_;
  Timer watchdog_;
  std::optional<TimePoint> deadline_;
  std::optional<Error> closed_;
  std::array<std::uint8_t, read_size> buffer_{};
};

GwmServer::GwmServer(asio::io_context& io, GwmServerConfig config, GwmServerOwner& owner)
    : io_(io), config_(config), owner_(owner) {}

GwmServer::~GwmServer() = default;

Result<Endpoint> GwmServer::listen(const Endpoint& endpoint) {
  const auto at = from_endpoint(endpoint);
  auto listener = std::make_shared<Listener>(Tcp::acceptor(io_), Timer(io_));
  Tcp::acceptor& acceptor = listener->acceptor;
  error_code ec;
  acceptor.open(at.protocol(), ec);
  if (!ec) acceptor.set_option(Tcp::acceptor::reuse_address(true), ec);
  // One socket per family, whatever the system's default is.
  if (!ec && at.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), ec);
  if (!ec) acceptor.bind(at, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return fail(system_failure(fmt::format("cannot listen on {}", endpoint.text()), ec));
  const Endpoint bound = to_endpoint(acceptor.local_endpoint(ec));
  listeners_.push_back(listener);
  asio::co_spawn(io_, accept(std::move(listener)), asio::detached);
  return bound;
}

asio::awaitable<void> GwmServer::accept(std::shared_ptr<Listener> listener) {
  while (listener->acceptor.is_open()) {
    Tcp::endpoint peer;
    auto [ec, socket] = co_await listener->acceptor.async_accept(peer, as_result);
    if (!listener->acceptor.is_open()) co_return;
    if (!ec) {
      add(std::move(socket), peer);
      continue;
    }
    // Out of file descriptors, or memory: the same error would come back at once.
    owner_.not_accepted(system_failure("accepting a connection", ec));
    listener->pause.expires_after(accept_pause);
    co_await listener->pause.async_wait(as_result);
  }
}

void GwmServer::add(Tcp::socket socket, const Tcp::endpoint& peer) {
  if (connections_.size() >= config_.max_connections) {
    owner_.not_accepted(fail(std::errc::too_many_files_open,
                             fmt::format("{} connections are open, closing a new one from {}",
                                         connections_.size(), to_endpoint(peer).text())));
    return;
  }
  notice_dead_peers(socket);
  const ConnectionId id = ++last_id_;
  auto connection = std::make_shared<Connection>(id, std::move(socket), config_);
  connections_.emplace(id, connection);
  owner_.connected(id, to_endpoint(peer));
  asio::co_spawn(io_, serve(std::move(connection)), asio::detached);
}

asio::awaitable<void> GwmServer::serve(std::shared_ptr<Connection> connection) {
  while (!connection->closed()) {
    co_await connection->read();
    co_await answer_all(*connection);
  }
  connections_.erase(connection->id());
  owner_.disconnected(connection->id(), *connection->closed());
}

// Each reply is out before the next request is looked at, so that at most one is in memory.
asio::awaitable<void> GwmServer::answer_all(Connection& connection) {
  while (!connection.closed()) {
    const auto event = connection.next();
    if (!event) co_return;
    auto reply = answer(connection.id(), *event);
    if (!reply) connection.close(reply.error());
    if (reply) co_await connection.write(std::move(*reply));
  }
}

Result<sasp::Bytes> GwmServer::answer(ConnectionId id, const sasp::GwmEvent& event) {
  if (const auto* request = std::get_if<sasp::GwmRequest>(&event)) {
    return sasp::encode({request->message_id, owner_.handle(id, *request)});
  }
  if (const auto* refusal = std::get_if<sasp::GwmRefusal>(&event)) {
    owner_.not_understood(id, refusal->why);
    return refusal->answer;
  }
  owner_.not_understood(id, std::get<sasp::GwmSkipped>(event).why);
  return sasp::Bytes{};
}

void GwmServer::close(ConnectionId id, Error why) {
  const auto connection = connections_.find(id);
  if (connection != connections_.end()) connection->second->close(std::move(why));
}

void GwmServer::stop() {
  for (const auto& listener : listeners_) {
    error_code ignored;
    listener->acceptor.close(ignored);
    listener->pause.cancel();
  }
  for (const auto& [id, connection] : connections_) {
    connection->close(fail(std::errc::operation_canceled, "shutting down"));
  }
}

}  // namespace saspd::net
