// SPDX-License-Identifier: Apache-2.0

#include "controller/net/resolver.hpp"

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controller/net/signals_blocked.hpp"

namespace saspd::net {

namespace asio = boost::asio;
using boost::system::error_code;

// What a lookup's thread keeps, which may outlive the resolver and the loop.
struct Resolver::Shared {
  std::mutex mutex;
  asio::io_context* io;  // nothing: the resolver is gone. Under the mutex
  const LookUp look_up;
};

// The loop's alone.
struct Resolver::Wait {
  explicit Wait(asio::io_context& io) : over(io, asio::steady_timer::time_point::max()) {}
  asio::steady_timer over;  // is cancelled when the answer is there
  Answer answer{asio::error::operation_aborted, {}};
};

Resolver::Answer Resolver::ask_system(const std::string& host, std::uint16_t port) {
  Answer answer;
  asio::io_context own;
  asio::ip::tcp::resolver resolver(own);
  const auto results = resolver.resolve(host, std::to_string(port),
                                        asio::ip::tcp::resolver::numeric_service, answer.error);
  if (!answer.error) answer.endpoints.assign(results.begin(), results.end());
  return answer;
}

Resolver::Resolver(asio::io_context& io, LookUp look_up)
    : io_(io), shared_(new Shared{{}, &io, std::move(look_up)}) {}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->io = nullptr;
}

asio::awaitable<Resolver::Answer> Resolver::resolve(std::string host, std::uint16_t port) {
  const auto wait = std::make_shared<Wait>(io_);
  auto look_up = [shared = shared_, waiting = std::weak_ptr(wait), host = std::move(host), port] {
    Answer answer = shared->look_up(host, port);
    const std::lock_guard lock(shared->mutex);
    if (shared->io == nullptr) return;
    asio::post(*shared->io, [waiting, answer = std::move(answer)] {
      const auto waits = waiting.lock();
      if (!waits) return;
      waits->answer = answer;
      waits->over.cancel();
    });
  };
  try {
    const SignalsBlocked blocked;
    std::thread(std::move(look_up)).detach();
  } catch (const std::system_error& no_thread) {
    co_return Answer{no_thread.code(), {}};
  }
  co_await wait->over.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return std::move(wait->answer);
}

}  // namespace saspd::net
