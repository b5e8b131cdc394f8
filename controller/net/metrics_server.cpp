#include "controller/net/metrics_server.hpp"

#include <array>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/write.hpp>

#include "controller/net/http_request.hpp"
#include "controller/net/tcp.hpp"

namespace saspd::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr auto accept_pause = std::chrono::milliseconds(100);

using Text = std::shared_ptr<const std::string>;
using Response = http::response<http::span_body<const char>>;

Response response_to(const HttpVerdict& verdict, const std::string& body) {
  Response response(verdict.status, verdict.version);
  response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
  response.set("X-Content-Type-Options", "nosniff");
  if (verdict.status == http::status::method_not_allowed)
    response.set(http::field::allow, "GET, HEAD");
  response.body() = {body.data(), body.size()};
  response.content_length(body.size());
  response.keep_alive(verdict.keep_alive);
  return response;
}

// A connection that is closed with something unread in it is reset, and with that the answer may be
// lost on its way. So the rest is read, for a moment and to some extent.
asio::awaitable<void> let_go(beast::tcp_stream& stream) {
  error_code ec;
  stream.socket().shutdown(Tcp::socket::shutdown_send, ec);
  stream.expires_after(std::chrono::seconds(1));
  std::array<char, 8192> rest{};
  for (int i = 0; i < 32 && !ec; ++i) {
    std::tie(ec, std::ignore) = co_await stream.async_read_some(asio::buffer(rest), as_result);
  }
}

}  // namespace

// The server itself. Its coroutines hold on to it: they may be resumed once more, with an error,
// after the owner has closed it.
class MetricsServer::Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(asio::io_context& io, const Endpoint& where, Callbacks callbacks, MetricsLimits limits)
      : io_(io),
        where_(where),
        callbacks_(std::move(callbacks)),
        limits_(limits),
        acceptor_(io),
        pause_(io) {}

  void start() { asio::co_spawn(io_, run(shared_from_this()), asio::detached); }
  void close();

 private:
  using StreamPtr = std::shared_ptr<beast::tcp_stream>;

  // Static, with shared pointers by value: the frame of a coroutine owns what it uses.
  static asio::awaitable<void> run(std::shared_ptr<Shared> self);
  static asio::awaitable<void> serve(std::shared_ptr<Shared> self, StreamPtr stream);
  static asio::awaitable<bool> exchange(Shared& self, beast::tcp_stream& stream,
                                        std::string& input);
  Result<Endpoint> listen();
  bool try_to_listen();
  void admit(Tcp::socket socket);
  Text body(const HttpVerdict& verdict);
  const Text& text();

  asio::io_context& io_;
  const Endpoint where_;
  const Callbacks callbacks_;
  const MetricsLimits limits_;
  Tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::set<StreamPtr> clients_;
  std::string not_listening_;  // the reason, as last told
  Text text_;                  // as last made
  std::chrono::steady_clock::time_point made_;
  bool closed_ = false;
};

MetricsServer::MetricsServer(asio::io_context& io, const Endpoint& where, Callbacks callbacks,
                             MetricsLimits limits)
    : shared_(std::make_shared<Shared>(io, where, std::move(callbacks), limits)) {
  shared_->start();
}

MetricsServer::~MetricsServer() {
  shared_->close();
}

void MetricsServer::Shared::close() {
  closed_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (const auto& client : clients_)
    client->close();
}

asio::awaitable<void> MetricsServer::Shared::run(std::shared_ptr<Shared> self) {
  while (!self->closed_ && !self->try_to_listen()) {
    self->pause_.expires_after(self->limits_.retry);
    co_await self->pause_.async_wait(as_result);
  }
  while (!self->closed_) {
    auto [ec, socket] = co_await self->acceptor_.async_accept(as_result);
    if (self->closed_) co_return;
    if (!ec) {
      self->admit(std::move(socket));
      continue;
    }
    // Out of file descriptors or memory: the connection stays in the queue, so trying again at once
    // would spin.
    self->pause_.expires_after(accept_pause);
    co_await self->pause_.async_wait(as_result);
  }
}

bool MetricsServer::Shared::try_to_listen() {
  const auto listening = listen();
  const std::string reason = listening ? std::string() : listening.error().detail;
  const bool told = !listening && reason == not_listening_;
  not_listening_ = reason;
  if (!told) callbacks_.on_listen(listening);
  return listening.has_value();
}

Result<Endpoint> MetricsServer::Shared::listen() {
  auto acceptor = listen_at(io_, where_);
  if (!acceptor) return fail(acceptor.error());
  acceptor_ = std::move(*acceptor);
  error_code ec;
  return to_endpoint(acceptor_.local_endpoint(ec));
}

void MetricsServer::Shared::admit(Tcp::socket socket) {
  // One client more than there is room for is closed without a word: it is not waited for.
  if (clients_.size() >= limits_.max_clients) return;
  const auto client =
      *clients_.insert(std::make_shared<beast::tcp_stream>(std::move(socket))).first;
  asio::co_spawn(io_, serve(shared_from_this(), client), asio::detached);
}

asio::awaitable<void> MetricsServer::Shared::serve(std::shared_ptr<Shared> self, StreamPtr stream) {
  std::string input;
  while (co_await exchange(*self, *stream, input)) {
  }
  stream->close();
  self->clients_.erase(stream);
}

// One request and its answer. False: it was the last.
asio::awaitable<bool> MetricsServer::Shared::exchange(Shared& self, beast::tcp_stream& stream,
                                                      std::string& input) {
  stream.expires_after(self.limits_.patience);
  const auto [read_ec, size] = co_await asio::async_read_until(
      stream, asio::dynamic_buffer(input, self.limits_.max_header), "\r\n\r\n", as_result);
  const bool too_long = read_ec == asio::error::not_found;
  if (self.closed_ || (read_ec && !too_long)) co_return false;
  const auto verdict = too_long ? HttpVerdict{http::status::request_header_fields_too_large}
                                : judge_request(std::string_view(input).substr(0, size));
  input.erase(0, size);

  const Text body = self.body(verdict);
  Response response = response_to(verdict, *body);
  http::response_serializer<Response::body_type> serializer(response);
  stream.expires_after(self.limits_.patience);
  error_code ec;
  if (verdict.head_only) {
    std::tie(ec, std::ignore) = co_await http::async_write_header(stream, serializer, as_result);
  } else {
    std::tie(ec, std::ignore) = co_await http::async_write(stream, serializer, as_result);
  }
  if (ec || self.closed_) co_return false;
  if (!verdict.keep_alive) co_await let_go(stream);
  co_return verdict.keep_alive;
}

Text MetricsServer::Shared::body(const HttpVerdict& verdict) {
  using enum HttpVerdict::Page;
  if (verdict.page == metrics) return text();
  return std::make_shared<std::string>(
      verdict.page == root
          ? "The metrics are at /metrics.\n"
          : fmt::format("{}\n", std::string_view(obsolete_reason(verdict.status))));
}

const Text& MetricsServer::Shared::text() {
  if (!text_ || std::chrono::steady_clock::now() - made_ >= limits_.freshness) {
    text_ = std::make_shared<std::string>(callbacks_.text());
    made_ = std::chrono::steady_clock::now();  // to make it may take long
  }
  return text_;
}

}  // namespace saspd::net
