// SPDX-License-Identifier: Apache-2.0
// Looks up the name of one host without holding anybody up: not the loop, and not the lookups of
// other hosts, which Asio's resolver makes one after the other, in one thread. A name server that
// does not answer takes the C library ten seconds and more to give up on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace saspd::net {

class Resolver {
 public:
  struct Answer {
    boost::system::error_code error;
    std::vector<boost::asio::ip::tcp::endpoint> endpoints;
  };
  // May take as long as it likes; is called in a thread of its own.
  using LookUp = std::function<Answer(const std::string& host, std::uint16_t port)>;
  // As the system does it (getaddrinfo).
  static Answer ask_system(const std::string& host, std::uint16_t port);

  // `io` must outlive it.
  explicit Resolver(boost::asio::io_context& io, LookUp look_up = ask_system);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Does not wait for a lookup that is under way.
  ~Resolver();

  // One at a time.
  boost::asio::awaitable<Answer> resolve(std::string host, std::uint16_t port);

 private:
  struct Shared;
  struct Wait;

  boost::asio::io_context& io_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace saspd::net
