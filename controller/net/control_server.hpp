// SPDX-License-Identifier: Apache-2.0
// The control socket of a running program.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include "controller/base/error.hpp"
#include "controller/net/control_peer.hpp"
#include "controller/report/control_protocol.hpp"

namespace saspd::net {

// What a client costs at most: one of max_clients places for `patience` of not asking and
// `patience` of not reading, a request of max_request bytes, and an answer of max_answer bytes.
struct ControlLimits {
  std::size_t max_request = std::size_t{64} << 10;
  std::size_t max_answer = std::size_t{16} << 20;
  std::size_t max_clients = 64;
  std::chrono::milliseconds patience{10'000};
  std::chrono::milliseconds look{1'000};  // how often the socket file is looked for
};

// A Unix stream socket of mode 0660: a user who may open it may read. A request is answered with
// what the owner returns, what is none with an error. Requests of one client are answered one after
// the other.
class ControlServer {
 public:
  // Called from the io_context, never after destruction.
  struct Callbacks {
    std::function<boost::json::object(const boost::json::object& request, const ControlPeer& peer)>
        answer;
    // `answer` threw. The client is answered with exit code 70 and closed; what is thrown here
    // comes out of io_context::run() instead.
    std::function<void(const boost::json::object& request, const std::exception_ptr& failure)>
        on_exception = [](const auto&, const auto& failure) { std::rethrow_exception(failure); };
    // After open(): it listens again, or why it cannot, once per reason.
    std::function<void(const Result<void>&)> on_listen = [](const auto&) {};
    // A client waits to be accepted, because no descriptor is left for it; ten times a second.
    std::function<void(const std::error_code&)> on_wait = [](const auto&) {};
  };

  // A group of the name `admins` is looked up once, here.
  ControlServer(boost::asio::io_context& io, std::string path, Callbacks callbacks,
                ControlLimits limits = {}, std::string_view admins = report::admin_group);
  // A socket file without a listener is replaced. Errors name the path; address_in_use if another
  // program listens there. Once called, it is tried again whenever the socket file is not there, or
  // is not ours.
  Result<void> open();
  bool is_open() const;
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  // Closes all connections, and removes the socket file if it is still ours.
  ~ControlServer();

 private:
  class Shared;

  std::shared_ptr<Shared> shared_;
};

}  // namespace saspd::net
