// The control socket of a running program: one JSON object per line asks, one per line answers.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include "controller/base/error.hpp"
#include "controller/base/exit_codes.hpp"

namespace saspd::net {

// What a client costs at most: one of max_clients places for `patience` of not asking and
// `patience` of not reading, a request of max_request bytes, and an answer of max_answer bytes.
struct ControlLimits {
  std::size_t max_request = std::size_t{64} << 10;
  std::size_t max_answer = std::size_t{16} << 20;
  std::size_t max_clients = 64;
  std::chrono::milliseconds patience{10'000};
};

// {"error": text, "exit_code": N}: what a client program prints, and the code it ends with.
boost::json::object control_error(ExitCode code, std::string_view text);

// A Unix stream socket of mode 0660. A request is answered with what `handler` returns; what is no
// request (no JSON object, nested deeper than 8) with an error. Requests of one client are answered
// one after the other.
class ControlServer {
 public:
  using Handler = std::function<boost::json::object(const boost::json::object& request)>;

  // A socket file on which nobody listens is replaced. Errors name the path; address_in_use if
  // another program listens there. `handler` is called from `io`, never after destruction.
  static Result<std::unique_ptr<ControlServer>> open(boost::asio::io_context& io, std::string path,
                                                     Handler handler, ControlLimits limits = {});
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  // Closes all connections, and removes the socket file if it is still ours.
  ~ControlServer();

 private:
  class Shared;
  explicit ControlServer(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;
};

}  // namespace saspd::net
