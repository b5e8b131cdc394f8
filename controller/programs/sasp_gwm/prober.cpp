// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_gwm/prober.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/write.hpp>

#include "controller/base/ascii.hpp"
#include "controller/base/host_address.hpp"
#include "controller/base/text.hpp"
#include "controller/base/version.hpp"
#include "controller/gwm/http_answer.hpp"
#include "controller/net/descriptors.hpp"
#include "controller/net/spawn.hpp"
#include "controller/net/tcp.hpp"

namespace saspd::programs {

using namespace gwm;
namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

using Tcp = asio::ip::tcp;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr unsigned http_11 = 11;

// What a probe has found out.
struct Outcome {
  enum class Kind { ok, failed, local_error };
  Kind kind = Kind::failed;
  std::string detail;
  std::optional<AgentReport> report;
};

Outcome succeeded(std::string detail) {
  return {Outcome::Kind::ok, std::move(detail), {}};
}
Outcome failed(std::string detail) {
  return {Outcome::Kind::failed, std::move(detail), {}};
}

// "Connection refused" is meant to begin a sentence; ours continues one.
std::string words(const error_code& code) {
  std::string text = code.message();
  if (!text.empty()) text[0] = ascii::to_lower(text[0]);
  return text;
}

// What connect(2) says when we lack something: memory, or a local port or address.
bool is_our_own(const error_code& code) {
  return code == std::errc::not_enough_memory || code == std::errc::no_buffer_space ||
         code == std::errc::address_not_available ||
         code == std::errc::resource_unavailable_try_again;
}

}  // namespace

// One probe: one connection, and a time limit for all of it.
class Prober::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(asio::io_context& io, ProbeTarget target, const ProbeConfig& config)
      : target_(std::move(target)),
        timeout_(config.timeout),
        agent_send_(config.agent_send),
        socket_(io),
        watchdog_(io) {}

  const ProbeTarget& target() const { return target_; }

  // Runs, and reports to the prober.
  static asio::awaitable<void> probe(Prober& prober, std::shared_ptr<Attempt> attempt);

  asio::awaitable<Outcome> run() {
    limit();
    Outcome outcome = co_await connect();
    if (outcome.kind == Outcome::Kind::ok) {
      switch (target_.spec.kind) {
        case ProbeSpec::Kind::tcp: break;
        case ProbeSpec::Kind::http: outcome = co_await ask_http(); break;
        case ProbeSpec::Kind::agent: outcome = co_await ask_agent(); break;
      }
    }
    cancel();
    // A success that came together with the end of the time is one all the same.
    if (is_late_ && outcome.kind != Outcome::Kind::ok) {
      co_return failed(fmt::format("no {} within {} ms", is_connected_ ? "answer" : "connection",
                                   std::chrono::ceil<std::chrono::milliseconds>(timeout_).count()));
    }
    co_return outcome;
  }

  void cancel() {
    error_code ignored;
    socket_.close(ignored);
    watchdog_.cancel();
  }

 private:
  void limit() {
    watchdog_.expires_after(timeout_);
    watchdog_.async_wait([self = shared_from_this()](error_code cancelled) {
      if (cancelled) return;
      self->is_late_ = true;
      self->cancel();
    });
  }

  asio::awaitable<Outcome> connect() {
    // connect(2) takes 0.0.0.0 for this host, which is not who registered.
    const IpAddress& address = target_.endpoint.address;
    if (const auto kind = kind_of_no_host(address); !kind.empty())
      co_return failed(fmt::format("{} is {}", address.text(), kind));
    const Tcp::endpoint server = net::from_endpoint(target_.endpoint);
    error_code failure;
    if (net::leaves_descriptors(net::spare::probes)) {
      socket_.open(server.protocol(), failure);
    } else {
      failure = asio::error::no_descriptors;
    }
    if (failure) co_return Outcome{Outcome::Kind::local_error, words(failure), {}};
    const auto [ec] = co_await socket_.async_connect(server, as_result);
    if (is_our_own(ec)) co_return Outcome{Outcome::Kind::local_error, words(ec), {}};
    if (ec) co_return failed(words(ec));
    // At a local address, the kernel may choose the port that we connect to as our own, and TCP
    // then connects the socket with itself (RFC 9293 3.5, simultaneous open), although no program
    // listens there.
    if (socket_.local_endpoint(failure) == server) co_return failed("connection refused");
    is_connected_ = true;
    co_return succeeded("connected");
  }

  asio::awaitable<Outcome> ask_http() {
    http::request<http::empty_body> request(http::verb::get, target_.spec.path, http_11);
    request.set(http::field::host, target_.endpoint.text());
    request.set(http::field::user_agent, fmt::format("sasp-gwm/{}", program_version));
    request.set(http::field::connection, "close");
    const auto [write_failure, written] = co_await http::async_write(socket_, request, as_result);
    if (write_failure) co_return failed(words(write_failure));

    HttpAnswer answer;
    std::array<char, 4096> buffer{};
    for (bool whole = false; !whole;) {
      const auto [ec, n] = co_await socket_.async_read_some(asio::buffer(buffer), as_result);
      if (ec == asio::error::eof) break;
      if (ec) co_return failed(words(ec));
      whole = answer.take({buffer.data(), n});
    }
    const auto status = answer.result();
    if (!status) co_return failed(status.error().detail);
    std::string detail = fmt::format("HTTP status {}", *status);
    co_return *status >= 200 && *status < 400 ? succeeded(std::move(detail))
                                              : failed(std::move(detail));
  }

  asio::awaitable<Outcome> ask_agent() {
    if (!agent_send_.empty()) {
      const std::string line = agent_send_ + "\n";
      const auto [ec, n] = co_await asio::async_write(socket_, asio::buffer(line), as_result);
      if (ec) co_return failed(words(ec));
    }
    std::array<char, max_agent_answer> buffer{};
    std::size_t size = 0;
    const auto answer = [&] { return std::string_view(buffer.data(), size); };
    while (size < buffer.size() && !has_agent_line(answer())) {
      const auto [ec, n] = co_await socket_.async_read_some(
          asio::buffer(buffer.data() + size, buffer.size() - size), as_result);
      size += n;
      if (ec == asio::error::eof && size == 0) co_return failed("closed without an answer");
      if (ec == asio::error::eof) break;
      if (ec) co_return failed(words(ec));
    }
    auto report = parse_agent_answer(answer());
    if (!report) co_return failed(report.error().detail);
    const std::string_view line = answer().substr(0, answer().find_first_of("\r\n"));
    co_return Outcome{Outcome::Kind::ok, printable(line), std::move(*report)};
  }

  ProbeTarget target_;
  Duration timeout_;
  std::string agent_send_;
  Tcp::socket socket_;
  asio::basic_waitable_timer<Clock> watchdog_;
  bool is_connected_ = false;
  bool is_late_ = false;
};

Prober::Prober(asio::io_context& io, ProbeConfig config, OnResult on_result)
    : io_(io), config_(config), on_result_(std::move(on_result)), schedule_(config), next_(io) {}

Prober::~Prober() = default;

void Prober::reconfigure(ProbeConfig config) {
  config_ = config;
  schedule_.reconfigure(std::move(config), Clock::now());
  start_due();
}

void Prober::set_targets(const std::set<ProbeTarget>& targets) {
  schedule_.set_targets(targets, Clock::now());
  start_due();
}

void Prober::start_due() {
  if (stopped_) return;
  for (ProbeTarget& target : schedule_.take_due(Clock::now())) {
    auto attempt = std::make_shared<Attempt>(io_, std::move(target), config_);
    attempts_.insert(attempt);
    net::spawn(io_, Attempt::probe(*this, std::move(attempt)));
  }
  const auto due = schedule_.next_due();
  // A probe that ends comes here again; most leave the next time as it was, and the timer with it.
  if (!due || due == awaited_) return;
  awaited_ = due;
  next_.call_at(*due, [this] {
    awaited_.reset();
    start_due();
  });
}

asio::awaitable<void> Prober::Attempt::probe(Prober& prober, std::shared_ptr<Attempt> attempt) {
  if (prober.stopped_) co_return;  // before this ran for the first time
  const TimePoint started = Clock::now();
  Outcome outcome = co_await attempt->run();
  prober.attempts_.erase(attempt);
  if (prober.stopped_) co_return;

  const TimePoint now = Clock::now();
  if (outcome.kind == Outcome::Kind::local_error) {
    ++prober.counts_.local_errors;
    prober.last_local_error_ = std::move(outcome.detail);
    prober.schedule_.not_probed(attempt->target(), now);
  } else {
    const bool ok = outcome.kind == Outcome::Kind::ok;
    ++prober.counts_.probes;
    if (!ok) ++prober.counts_.failures;
    const Health* health = prober.schedule_.finished(
        attempt->target(),
        {ok, std::move(outcome.detail), now, now - started, std::move(outcome.report)}, now);
    if (health != nullptr) prober.on_result_(attempt->target(), *health);
  }
  prober.start_due();
}

void Prober::stop() {
  stopped_ = true;
  next_.cancel();
  for (const auto& attempt : attempts_)
    attempt->cancel();
}

}  // namespace saspd::programs
