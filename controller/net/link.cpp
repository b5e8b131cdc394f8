// SPDX-License-Identifier: Apache-2.0

#include "controller/net/link.hpp"

#include <unistd.h>

#include <optional>
#include <random>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "controller/net/resolver.hpp"
#include "controller/net/spawn.hpp"
#include "controller/net/stream.hpp"
#include "controller/net/tcp.hpp"

namespace saspd::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

std::optional<asio::ip::tcp::endpoint> as_address(const LinkSettings& settings) {
  error_code ec;
  const auto address = asio::ip::make_address(settings.host, ec);
  if (ec) return std::nullopt;
  return asio::ip::tcp::endpoint(address, settings.port);
}

bool is_connected(const asio::ip::tcp::socket& socket) {
  error_code ec;
  (void)socket.remote_endpoint(ec);
  return !ec;
}

}  // namespace

std::uint64_t random_seed() {
  return std::random_device{}() ^ static_cast<std::uint64_t>(::getpid());
}

// The connection itself.
class Link::Wire {
 public:
  Wire(asio::io_context& io, LinkSettings settings, LinkOwner& owner);
  void start();
  void stop();
  bool has_stopped() const { return has_stopped_; }
  void perform(sasp::LinkStep step);
  void check_certificate_again();
  void retry();

 private:
  using Tcp = asio::ip::tcp;
  using Timer = asio::basic_waitable_timer<Clock>;

  asio::awaitable<void> run();
  asio::awaitable<void> pause(Duration delay);
  asio::awaitable<std::vector<Tcp::endpoint>> resolve();
  asio::awaitable<bool> connect();
  asio::awaitable<std::string> open(const Tcp::endpoint& endpoint);
  asio::awaitable<void> serve();
  asio::awaitable<bool> was_thrown_out();
  void read_failed(const error_code& code);
  bool is_tls_by_mistake(sasp::ByteView first_bytes) const;
  void write_more();
  void arm_timer();
  void write_failed(const error_code& code);
  void drop(std::string why);

  asio::io_context& io_;
  LinkSettings settings_;
  std::optional<Tcp::endpoint> address_;  // nothing: the host is a name
  LinkOwner& owner_;

  Resolver resolver_;
  std::shared_ptr<Stream> stream_;  // a write that is under way keeps it too
  Timer session_timer_;
  Timer retry_timer_;
  Tcp::endpoint peer_;                    // of the last connection
  std::vector<Tcp::endpoint> last_good_;  // of the last name lookup that gave any
  sasp::Bytes reading_ = sasp::Bytes(std::size_t{64} << 10);
  sasp::Bytes outgoing_;
  sasp::Bytes writing_;
  bool stopped_ = false;
  bool has_stopped_ = false;
  bool connected_ = false;        // the owner talks over stream_
  std::uint64_t connection_ = 0;  // so that a late completion of an old connection is ignored

  // State of the present connection or attempt.
  bool established_ = false;
  bool closed_by_peer_ = false;
  bool tls_failed_ = false;
  bool pauses_ = false;   // until the next attempt
  bool hurried_ = false;  // without a pause
  std::string why_;       // it ended
};

Link::Link(asio::io_context& io, LinkSettings settings, LinkOwner& owner)
    : wire_(std::make_unique<Wire>(io, std::move(settings), owner)) {}

Link::~Link() = default;

void Link::start() {
  wire_->start();
}

void Link::stop() {
  wire_->stop();
}

bool Link::has_stopped() const {
  return wire_->has_stopped();
}

void Link::perform(sasp::LinkStep step) {
  wire_->perform(std::move(step));
}

void Link::retry() {
  wire_->retry();
}

void Link::check_certificate_again() {
  wire_->check_certificate_again();
}

Link::Wire::Wire(asio::io_context& io, LinkSettings settings, LinkOwner& owner)
    : io_(io),
      settings_(std::move(settings)),
      address_(as_address(settings_)),
      owner_(owner),
      resolver_(io),
      session_timer_(io),
      retry_timer_(io) {}

void Link::Wire::start() {
  spawn(io_, run());
}

asio::awaitable<void> Link::Wire::run() {
  while (!stopped_) {
    established_ = closed_by_peer_ = tls_failed_ = hurried_ = false;
    owner_.connecting(Clock::now());
    if (co_await connect() && !stopped_) co_await serve();
    if (stopped_) break;
    const bool thrown_out = co_await was_thrown_out();
    if (stopped_) break;
    const Duration delay = owner_.ended({why_, tls_failed_, thrown_out}, Clock::now());
    co_await pause(delay);
  }
  has_stopped_ = true;
}

asio::awaitable<void> Link::Wire::pause(Duration delay) {
  if (hurried_) co_return;
  pauses_ = true;
  retry_timer_.expires_after(delay);
  co_await retry_timer_.async_wait(as_result);
  pauses_ = false;
}

void Link::Wire::retry() {
  hurried_ = true;
  if (pauses_) retry_timer_.cancel();
}

// RFC 4678 1.1: the GWM is known by its DNS name. It may move, so it is asked for each time; when
// DNS is silent the last good answer is better than nothing. An address needs no resolver.
asio::awaitable<std::vector<asio::ip::tcp::endpoint>> Link::Wire::resolve() {
  if (address_) co_return std::vector{*address_};
  auto [error, endpoints] = co_await resolver_.resolve(settings_.host, settings_.port);
  if (!error && !endpoints.empty()) last_good_ = std::move(endpoints);
  if (last_good_.empty()) {
    why_ = fmt::format("cannot resolve '{}': {}", settings_.host, error.message());
  }
  co_return last_good_;
}

asio::awaitable<bool> Link::Wire::connect() {
  const auto endpoints = co_await resolve();
  for (const auto& endpoint : endpoints) {
    if (stopped_) break;
    stream_ = std::make_shared<Stream>(Tcp::socket(io_));
    const bool tls_has_failed = tls_failed_;
    // The timer closes the stream of this attempt, which ends the wait for it with an error.
    session_timer_.expires_after(settings_.connect_deadline);
    bool late = false;
    session_timer_.async_wait([this, &late](error_code ec) {
      if (ec) return;
      late = true;
      stream_->close();
    });
    std::string error = co_await open(endpoint);
    session_timer_.cancel();
    // Lets the cancelled wait run while `late` is still alive.
    co_await asio::post(io_, asio::use_awaitable);
    if (late) {
      error = fmt::format(
          "no {} {} within {} s", stream_->is_tls() ? "TLS handshake with" : "connection to",
          to_endpoint(endpoint).text(),
          std::chrono::ceil<std::chrono::seconds>(settings_.connect_deadline).count());
    }
    if (error.empty()) {
      tls_failed_ = false;
      peer_ = endpoint;
      co_return true;
    }
    stream_->close();
    // What TLS said about one address is more useful than an address without a listener.
    if (!tls_has_failed) why_ = std::move(error);
  }
  co_return false;
}

// Why it failed; empty if it did not. With TLS the socket moves into another stream.
asio::awaitable<std::string> Link::Wire::open(const Tcp::endpoint& endpoint) {
  const auto [ec] = co_await stream_->socket().async_connect(endpoint, as_result);
  if (ec) {
    co_return fmt::format("cannot connect to {}: {}", to_endpoint(endpoint).text(), ec.message());
  }
  if (settings_.tls == nullptr) co_return "";
  stream_ = std::make_shared<Stream>(
      Stream::tls_client(std::move(stream_->socket()), settings_.tls->current(), settings_.host));
  const auto failure = co_await stream_->handshake();
  tls_failed_ = tls_failed_ || stream_->is_tls_failure(failure);
  co_return failure
      ? fmt::format("TLS with {}: {}", to_endpoint(endpoint).text(), stream_->explain(failure))
      : "";
}

asio::awaitable<void> Link::Wire::serve() {
  notice_dead_peers(stream_->socket());
  ++connection_;
  outgoing_.clear();
  writing_.clear();
  why_.clear();
  connected_ = true;
  check_certificate_again();  // the handshake went by the files of its beginning
  if (!connected_) co_return;
  perform(owner_.connected(Clock::now()));
  for (bool first = true; connected_; first = false) {
    const auto [ec, size] = co_await stream_->async_read_some(asio::buffer(reading_), as_result);
    if (!connected_) break;  // dropped meanwhile, and why_ says why
    if (ec) {
      read_failed(ec);
      break;
    }
    const auto bytes = sasp::ByteView(reading_).first(size);
    if (first && is_tls_by_mistake(bytes)) {
      drop("the GWM speaks TLS, but we do not: give --tls-ca");
      break;
    }
    perform(owner_.received(bytes, Clock::now()));
  }
}

// A GWM that replaced our connection by another one listens on; one that crashed, is restarted or
// hides behind a proxy is not there, or goes within a moment. Nothing is sent on this connection.
asio::awaitable<bool> Link::Wire::was_thrown_out() {
  constexpr Duration moment = std::chrono::seconds{2};
  if (!closed_by_peer_ || !established_ || !owner_.lost(why_, Clock::now())) co_return false;
  Tcp::socket look(io_);
  bool stayed = false;
  retry_timer_.expires_after(moment);
  retry_timer_.async_wait([&](error_code ec) {
    if (ec) return;
    stayed = is_connected(look);
    look.close();
  });
  const auto [refused] = co_await look.async_connect(peer_, as_result);
  char byte = 0;
  if (!refused) co_await look.async_read_some(asio::buffer(&byte, 1), as_result);
  retry_timer_.cancel();
  // Lets the cancelled wait run while what it refers to is still alive.
  co_await asio::post(io_, asio::use_awaitable);
  co_return stayed;
}

bool Link::Wire::is_tls_by_mistake(sasp::ByteView first_bytes) const {
  return !stream_->is_tls() && looks_like_tls(first_bytes);
}

// A refusal of our certificate by TLS 1.3 comes here: the handshake was over for us before the GWM
// had seen it.
void Link::Wire::read_failed(const error_code& code) {
  tls_failed_ = stream_->is_tls_failure(code);
  closed_by_peer_ = Stream::is_end(code) || code == asio::error::connection_reset;
  if (tls_failed_) return drop(fmt::format("TLS: {}", stream_->explain(code)));
  if (!Stream::is_end(code)) return drop(fmt::format("connection lost: {}", code.message()));
  drop(stream_->is_tls() || established_
           ? "the GWM closed the connection"
           : "the GWM closed the connection before it answered; does it require TLS?");
}

// In the order of LinkStep.
void Link::Wire::perform(sasp::LinkStep step) {
  if (!connected_) return;
  established_ = established_ || step.established;
  if (step.close) return drop(step.close->detail);
  outgoing_.insert(outgoing_.end(), step.send.begin(), step.send.end());
  write_more();
  arm_timer();
}

void Link::Wire::write_more() {
  if (!writing_.empty() || outgoing_.empty()) return;
  writing_ = std::exchange(outgoing_, {});
  asio::async_write(*stream_, asio::buffer(writing_),
                    [this, stream = stream_](error_code ec, std::size_t) {
                      if (stream != stream_ || !connected_) return;
                      writing_.clear();
                      if (ec) return write_failed(ec);
                      write_more();
                    });
}

// With TLS the last word of the GWM may still have to be read: why it ended the connection.
void Link::Wire::write_failed(const error_code& code) {
  if (!stream_->is_tls()) drop(fmt::format("connection lost: {}", code.message()));
}

void Link::Wire::arm_timer() {
  const auto deadline = owner_.deadline();
  if (!deadline) return;
  session_timer_.expires_at(*deadline);
  session_timer_.async_wait([this, connection = connection_](error_code ec) {
    if (ec || connection != connection_ || !connected_) return;
    perform(owner_.timed_out(Clock::now()));
  });
}

void Link::Wire::check_certificate_again() {
  if (!connected_ || settings_.tls == nullptr) return;
  const auto good = stream_->check_peer_again(*settings_.tls->current());
  if (good) return;
  tls_failed_ = true;
  drop("TLS: " + good.error().detail);
}

void Link::Wire::stop() {
  stopped_ = true;
  if (connected_) drop("not wanted any more");
  if (stream_) stream_->close();
  session_timer_.cancel();
  retry_timer_.cancel();
}

void Link::Wire::drop(std::string why) {
  why_ = std::move(why);
  connected_ = false;
  session_timer_.cancel();
  stream_->close();
}

}  // namespace saspd::net
