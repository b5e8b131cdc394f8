// SPDX-License-Identifier: Apache-2.0
// The metrics of a running program over HTTP, as Prometheus asks for them: GET /metrics, read only.
// And its health, for whoever only wants a status: GET /healthz is 200, or 503 if it has failed, or
// with ?degraded=fail if it is not ok; the text names the state and its problems.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <boost/asio/io_context.hpp>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"
#include "controller/report/events.hpp"

namespace saspd::net {

// What a client costs at most: one of max_clients places for `patience` of not asking and
// `patience` of not reading. However many ask, a text is made once per `freshness`, and held once.
struct MetricsLimits {
  std::size_t max_header = std::size_t{8} << 10;  // of a request
  std::size_t max_clients = 64;
  std::chrono::milliseconds patience{10'000};
  std::chrono::milliseconds freshness{1'000};
  std::chrono::milliseconds retry{10'000};  // between two attempts to listen
};

// Metrics help to run a program, so the lack of them never stops it: an address that cannot be had
// is tried again.
class MetricsServer {
 public:
  // Called from the io_context, never after destruction.
  struct Callbacks {
    std::function<std::string()> text;  // the metrics now, in the text format 0.0.4
    // How the program is, for /healthz; empty: it does not know.
    std::function<std::optional<report::Health>()> health = [] {
      return std::optional<report::Health>();
    };
    // Where it listens (with a real port if the one wanted is 0), or why it does not; the same
    // reason once.
    std::function<void(const Result<Endpoint>&)> on_listen;
    // `text` threw. The client is answered with 500 and closed; what is thrown here comes out of
    // io_context::run() instead.
    std::function<void(const std::exception_ptr&)> on_exception = std::rethrow_exception;
    // A client waits to be accepted, because no descriptor is left for it; ten times a second.
    std::function<void(const std::error_code&)> on_wait = [](const auto&) {};
  };

  MetricsServer(boost::asio::io_context& io, const Endpoint& where, Callbacks callbacks,
                MetricsLimits limits = {});
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  // Closes all connections.
  ~MetricsServer();

 private:
  class Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace saspd::net
