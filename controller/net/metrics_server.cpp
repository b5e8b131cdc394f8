// SPDX-License-Identifier: Apache-2.0

#include "controller/net/metrics_server.hpp"

#include <array>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/write.hpp>

#include "controller/base/text.hpp"
#include "controller/metrics/http_request.hpp"
#include "controller/net/listener.hpp"
#include "controller/net/tcp.hpp"

namespace saspd::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using boost::system::error_code;
using metrics::HttpVerdict;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

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
      : io_(io), where_(where), callbacks_(std::move(callbacks)), limits_(limits), retry_(io) {}

  void start();
  void close();

 private:
  using Stream = beast::tcp_stream;

  // Static, with shared pointers by value: the frame of a coroutine owns what it uses.
  static asio::awaitable<void> serve(std::shared_ptr<Shared> self, Clients<Stream>::Place stream);
  static asio::awaitable<bool> exchange(Shared& self, Stream& stream, std::string& input);
  Result<Endpoint> listen();
  void admit(Tcp::socket socket);
  Text body(HttpVerdict& verdict);
  Text text();

  asio::io_context& io_;
  const Endpoint where_;
  const Callbacks callbacks_;
  const MetricsLimits limits_;
  std::optional<Listener<Tcp>> listener_;
  asio::steady_timer retry_;
  Clients<Stream> clients_;
  std::string not_listening_;  // the reason, as last reported
  Text text_;                  // as last made
  std::chrono::steady_clock::time_point made_;
  bool closed_ = false;
};

MetricsServer::MetricsServer(asio::io_context& io, const Endpoint& where, Callbacks callbacks,
                             MetricsLimits limits)
    : shared_(std::make_shared<Shared>(io, where, std::move(callbacks), limits)) {
  asio::post(io, [shared = shared_] { shared->start(); });
}

MetricsServer::~MetricsServer() {
  shared_->close();
}

void MetricsServer::Shared::close() {
  closed_ = true;
  listener_.reset();
  retry_.cancel();
  for (const auto& client : clients_)
    client->close();
}

// From now on, or as soon as the address can be had.
void MetricsServer::Shared::start() {
  if (closed_) return;
  const auto listening = listen();
  const std::string reason = listening ? std::string() : listening.error().detail;
  const bool told = !listening && reason == not_listening_;
  not_listening_ = reason;
  if (!told) callbacks_.on_listen(listening);
  if (listening) return;
  retry_.expires_after(limits_.retry);
  retry_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->start();
  });
}

Result<Endpoint> MetricsServer::Shared::listen() {
  auto acceptor = listen_at(io_, where_);
  if (!acceptor) return fail(acceptor.error());
  error_code ec;
  const auto at = to_endpoint(acceptor->local_endpoint(ec));
  listener_.emplace(io_, std::move(*acceptor), spare::metrics,
                    Listener<Tcp>::Callbacks{
                        [this](Tcp::socket socket, const auto&) { admit(std::move(socket)); },
                        [this](const error_code& code) { callbacks_.on_wait(code); }});
  return at;
}

void MetricsServer::Shared::admit(Tcp::socket socket) {
  // One client more than there is room for is closed without a word: it is not waited for.
  if (clients_.size() >= limits_.max_clients) return;
  spawn(io_,
        serve(shared_from_this(), clients_.enter(std::make_shared<Stream>(std::move(socket)))));
}

asio::awaitable<void> MetricsServer::Shared::serve(std::shared_ptr<Shared> self,
                                                   Clients<Stream>::Place stream) {
  std::string input;
  while (co_await exchange(*self, *stream.client(), input)) {
  }
}

// One request and its answer. False: it was the last.
asio::awaitable<bool> MetricsServer::Shared::exchange(Shared& self, beast::tcp_stream& stream,
                                                      std::string& input) {
  stream.expires_after(self.limits_.patience);
  const auto [read_ec, size] = co_await asio::async_read_until(
      stream, asio::dynamic_buffer(input, self.limits_.max_header), "\r\n\r\n", as_result);
  const bool too_long = read_ec == asio::error::not_found;
  if (self.closed_ || (read_ec && !too_long)) co_return false;
  auto verdict = too_long ? HttpVerdict{http::status::request_header_fields_too_large}
                          : metrics::judge_request(std::string_view(input).substr(0, size));
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

// The word, and a line for each problem.
std::string health_text(const report::Health& health) {
  std::string text = health.state.text() + "\n";
  for (const auto& problem : health.problems)
    text += printable(fmt::format("{}: {}", problem.health.text(), problem.text)) + "\n";
  return text;
}

// A text that cannot be made is the fault of the server, and the last answer to this client.
Text MetricsServer::Shared::body(HttpVerdict& verdict) {
  using report::HealthState;
  std::exception_ptr failure;
  if (verdict.page == HttpVerdict::Page::metrics || verdict.page == HttpVerdict::Page::health) {
    try {
      if (verdict.page == HttpVerdict::Page::metrics) return text();
      if (const auto health = callbacks_.health()) {
        const bool fails = health->state == HealthState::failed ||
                           (verdict.strict && health->state != HealthState::ok);
        if (fails) verdict.status = http::status::service_unavailable;
        return std::make_shared<std::string>(health_text(*health));
      }
      verdict.status = http::status::not_found;
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      callbacks_.on_exception(failure);
      verdict.status = http::status::internal_server_error;
    }
    verdict.page = HttpVerdict::Page::reason;
    verdict.keep_alive = verdict.keep_alive && !failure;
  }
  return std::make_shared<std::string>(
      verdict.page == HttpVerdict::Page::root
          ? "The metrics are at /metrics.\n"
          : fmt::format("{}\n", std::string_view(obsolete_reason(verdict.status))));
}

Text MetricsServer::Shared::text() {
  if (!text_ || std::chrono::steady_clock::now() - made_ >= limits_.freshness) {
    text_ = std::make_shared<std::string>(callbacks_.text());
    made_ = std::chrono::steady_clock::now();  // to make it may take long
  }
  return text_;
}

}  // namespace saspd::net
