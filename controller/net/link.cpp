#include "controller/net/link.hpp"

#include <unistd.h>

#include <exception>
#include <random>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "controller/net/tcp.hpp"

namespace saspd::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

}  // namespace

std::uint64_t random_seed() {
  return std::random_device{}() ^ static_cast<std::uint64_t>(::getpid());
}

std::string_view name(LinkState state) {
  switch (state) {
    case LinkState::trying: return "trying";
    case LinkState::connecting: return "connecting";
    case LinkState::established: return "established";
    case LinkState::down_trying: return "down_trying";
    case LinkState::down_duplicate: return "down_duplicate";
  }
  return "unknown";
}

template <class Session>
Link<Session>::Link(asio::io_context& io, LinkSettings settings, Session session,
                    Callbacks callbacks)
    : io_(io),
      settings_(std::move(settings)),
      session_(std::move(session)),
      backoff_(settings_.retry_min, settings_.seed),
      callbacks_(std::move(callbacks)),
      socket_(io),
      session_timer_(io),
      retry_timer_(io),
      state_since_(Clock::now()) {}

template <class Session>
void Link<Session>::start() {
  // An exception can only be a bug or the end of memory; without its link the program is of no use.
  asio::co_spawn(io_, run(), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

template <class Session>
asio::awaitable<void> Link<Session>::run() {
  for (;;) {
    set_state(LinkState::connecting);
    established_since_.reset();
    closed_by_peer_ = false;
    if (co_await connect()) co_await serve();
    const auto lived = established_since_ ? Clock::now() - *established_since_ : Duration{};
    const auto retry = backoff_.next({lived, closed_by_peer_ && Session::exclusive});
    set_state(retry.duplicate_suspected ? LinkState::down_duplicate
              : ever_established_       ? LinkState::down_trying
                                        : LinkState::trying);
    if (retry.duplicate_suspected) {
      last_error_ += fmt::format(
          ", {} times in a row soon after it was established: "
          "another load balancer seems to use the same lb uid",
          sasp::Backoff::duplicate_after);
    }
    callbacks_.on_notice(fmt::format("{}; next attempt in {} s", last_error_,
                                     std::chrono::ceil<std::chrono::seconds>(retry.delay).count()));
    retry_timer_.expires_after(retry.delay);
    const auto [ec] = co_await retry_timer_.async_wait(as_result);
    if (ec) co_return;  // the io_context ends
  }
}

// RFC 4678 1.1: the GWM is known by its DNS name. It may move, so it is asked for each time; when
// DNS is silent the last good answer is better than nothing.
template <class Session>
asio::awaitable<std::vector<asio::ip::tcp::endpoint>> Link<Session>::resolve() {
  Tcp::resolver resolver(io_);
  const auto [ec, results] = co_await resolver.async_resolve(
      settings_.host, std::to_string(settings_.port), Tcp::resolver::numeric_service, as_result);
  if (!ec && !results.empty()) last_good_.assign(results.begin(), results.end());
  if (last_good_.empty()) {
    last_error_ = fmt::format("cannot resolve '{}': {}", settings_.host, ec.message());
  }
  co_return last_good_;
}

template <class Session>
asio::awaitable<bool> Link<Session>::connect() {
  const auto endpoints = co_await resolve();
  for (const auto& endpoint : endpoints) {
    socket_ = Tcp::socket(io_);
    // The timer closes the socket of this attempt, which ends the wait for it with an error.
    session_timer_.expires_after(settings_.connect_deadline);
    bool late = false;
    session_timer_.async_wait([this, &late](error_code ec) {
      if (ec) return;
      late = true;
      socket_.close(ec);
    });
    const auto [ec] = co_await socket_.async_connect(endpoint, as_result);
    session_timer_.cancel();
    // Lets the cancelled wait run while `late` is still alive.
    co_await asio::post(io_, asio::use_awaitable);
    if (!ec && !late) co_return true;
    const std::string where = to_endpoint(endpoint).text();
    last_error_ =
        late ? fmt::format(
                   "no connection to {} within {} s", where,
                   std::chrono::ceil<std::chrono::seconds>(settings_.connect_deadline).count())
             : fmt::format("cannot connect to {}: {}", where, ec.message());
  }
  co_return false;
}

template <class Session>
asio::awaitable<void> Link<Session>::serve() {
  notice_dead_peers(socket_);
  ++connection_;
  outgoing_.clear();
  writing_.clear();
  last_error_.clear();
  connected_ = true;
  perform(session_.connected(Clock::now()));
  while (connected_) {
    const auto [ec, size] = co_await socket_.async_read_some(asio::buffer(reading_), as_result);
    if (!connected_) break;  // dropped meanwhile, and last_error_ says why
    if (ec) {
      closed_by_peer_ = ec == asio::error::eof || ec == asio::error::connection_reset;
      drop(ec == asio::error::eof ? "the gwm closed the connection"
                                  : fmt::format("connection lost: {}", ec.message()));
      break;
    }
    const auto now = Clock::now();
    auto step = session_.handle_bytes(sasp::ByteView(reading_).first(size), now);
    if (!step.close) last_message_ = now;  // else it was none
    perform(std::move(step));
  }
}

// Does what the session says, in the order of SessionStep.
template <class Session>
void Link<Session>::perform(Step step) {
  for (const Event& event : step.events)
    handle(event);
  if (step.close) return drop(step.close->detail);
  outgoing_.insert(outgoing_.end(), step.send.begin(), step.send.end());
  write_more();
  arm_timer();
}

template <class Session>
void Link<Session>::handle(const Event& event) {
  if (const auto* notice = std::get_if<sasp::Notice>(&event))
    return callbacks_.on_notice(notice->text);
  if (!std::holds_alternative<sasp::Established>(event)) return callbacks_.on_event(event);
  ever_established_ = true;
  established_since_ = Clock::now();
  set_state(LinkState::established);
}

template <class Session>
void Link<Session>::write_more() {
  if (!writing_.empty() || outgoing_.empty()) return;
  writing_ = std::exchange(outgoing_, {});
  asio::async_write(socket_, asio::buffer(writing_),
                    [this, connection = connection_](error_code ec, std::size_t) {
                      if (connection != connection_ || !connected_) return;
                      writing_.clear();
                      if (ec) return drop(fmt::format("connection lost: {}", ec.message()));
                      write_more();
                    });
}

template <class Session>
void Link<Session>::arm_timer() {
  const auto deadline = session_.deadline();
  if (!deadline) return;
  session_timer_.expires_at(*deadline);
  session_timer_.async_wait([this, connection = connection_](error_code ec) {
    if (ec || connection != connection_ || !connected_) return;
    perform(session_.handle_timeout(Clock::now()));
  });
}

template <class Session>
void Link<Session>::drop(std::string why) {
  last_error_ = std::move(why);
  connected_ = false;
  session_timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

template <class Session>
void Link<Session>::set_state(LinkState state) {
  if (state_ == state) return;
  state_ = state;
  state_since_ = Clock::now();
  callbacks_.on_state(state);
}

template <class Session>
LinkView Link<Session>::view() const {
  return {
      fmt::format(fmt::runtime(settings_.host.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}"),
                  settings_.host, settings_.port),
      state_, state_since_, last_message_, last_error_};
}

template class Link<sasp::LbSession>;
template class Link<sasp::MemberSession>;

}  // namespace saspd::net
