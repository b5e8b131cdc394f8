// SPDX-License-Identifier: Apache-2.0
// Work that would hold up the loop, in a thread of its own: one piece at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include <boost/asio/io_context.hpp>

namespace saspd::net {

class Aside {
 public:
  // `io` must outlive it.
  explicit Aside(boost::asio::io_context& io);
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  // Waits for what is under way; what was to follow it does not.
  ~Aside();

  bool is_busy() const { return thread_.joinable(); }
  // While it is not busy: `work` shares nothing with the loop, and `then` is called there after it. If
  // there is no thread to be had, both are done before it returns.
  void start(std::function<void()> work, std::function<void()> then);
  // Waits for what is under way, if anything is, and lets follow what was to follow.
  void finish();

 private:
  boost::asio::io_context& io_;
  std::shared_ptr<std::uint64_t> number_;  // of the piece; is gone with us
  std::function<void()> then_;
  std::thread thread_;
};

}  // namespace saspd::net
