// SPDX-License-Identifier: Apache-2.0
// The event loop as programs use it: to wait for a time or a descriptor takes nothing of Asio,
// whose headers are slow to compile.
#pragma once

#include <functional>
#include <memory>

#include "controller/base/clock.hpp"

namespace boost::asio {
class io_context;
}

namespace saspd::net {

// Calls `what` from the loop, soon and once.
void post(boost::asio::io_context& io, std::function<void()> what);

// One time to wait for. Setting another one, cancel() and destruction take the call back.
class Timer {
 public:
  explicit Timer(boost::asio::io_context& io);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  void call_at(TimePoint when, std::function<void()> what);
  void call_after(Duration wait, std::function<void()> what);
  void cancel();
  // When the last call was due.
  TimePoint expiry() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

// Calls `what` whenever `fd` can be read, until it is destroyed, which `what` may do. The
// descriptor is borrowed, and may be closed meanwhile.
class ReadWatch {
 public:
  ReadWatch(boost::asio::io_context& io, int fd, std::function<void()> what);
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;
  ~ReadWatch();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace saspd::net
