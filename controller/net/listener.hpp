// SPDX-License-Identifier: Apache-2.0
// The one accept loop of all servers, and the places that clients occupy.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controller/net/descriptors.hpp"
#include "controller/net/spawn.hpp"

namespace saspd::net {

// Takes connections from its construction to its destruction.
template <class Protocol>
class Listener {
 public:
  using Acceptor = typename Protocol::acceptor;
  using Socket = typename Protocol::socket;
  using Peer = typename Protocol::endpoint;
  using error_code = boost::system::error_code;
  // Called from `io`, never after destruction.
  struct Callbacks {
    std::function<void(Socket, const Peer&)> admit;
    // No connection could be accepted, because no descriptor or no memory is left, or only
    // descriptors that are kept for others. Tried again soon; the client waits.
    std::function<void(const error_code&)> failed = [](const error_code&) {};
  };

  // `spare`: of descriptors, see descriptors.hpp.
  Listener(boost::asio::io_context& io, Acceptor acceptor, unsigned spare, Callbacks callbacks)
      : state_(std::make_shared<State>(std::move(acceptor), spare, std::move(callbacks))) {
    spawn(io, accept(state_));
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() {
    error_code ignored;
    state_->acceptor.close(ignored);
    state_->pause.cancel();
  }

 private:
  struct State {
    State(Acceptor listening, unsigned left_free, Callbacks of_owner)
        : acceptor(std::move(listening)),
          pause(acceptor.get_executor()),
          spare(left_free),
          callbacks(std::move(of_owner)) {}
    Acceptor acceptor;  // closed once the owner is gone
    boost::asio::steady_timer pause;
    const unsigned spare;
    Callbacks callbacks;
  };

  // It may be resumed once more after the owner is gone.
  static boost::asio::awaitable<void> accept(std::shared_ptr<State> state) {
    constexpr auto as_result = boost::asio::as_tuple(boost::asio::use_awaitable);
    while (state->acceptor.is_open()) {
      auto [failed] = co_await state->acceptor.async_wait(Acceptor::wait_read, as_result);
      if (!state->acceptor.is_open()) co_return;
      if (!failed && !leaves_descriptors(state->spare)) failed = boost::asio::error::no_descriptors;
      if (!failed) {
        Peer peer;
        auto [ec, socket] = co_await state->acceptor.async_accept(peer, as_result);
        if (!state->acceptor.is_open()) co_return;
        if (!ec) {
          admit(*state, std::move(socket), peer);
          continue;
        }
        failed = ec;
      }
      // The connection stays in the queue, so the same error would come back at once.
      state->callbacks.failed(failed);
      state->pause.expires_after(std::chrono::milliseconds(100));
      co_await state->pause.async_wait(as_result);
    }
  }

  // What it throws comes out of io.run() and does not end the loop.
  static void admit(State& state, Socket socket, const Peer& peer) {
    std::exception_ptr failure;
    try {
      return state.callbacks.admit(std::move(socket), peer);
    } catch (...) {
      failure = std::current_exception();
    }
    boost::asio::post(state.acceptor.get_executor(),
                      [failure] { std::rethrow_exception(failure); });
  }

  std::shared_ptr<State> state_;
};

// The clients of a server. Each counts as long as its Place exists, and is closed with it, whatever
// ends that, even an exception.
template <class Client>
class Clients {
 public:
  using Pointer = std::shared_ptr<Client>;

  class Place {
   public:
    Place(Place&&) noexcept = default;
    Place(const Place&) = delete;
    Place& operator=(Place&&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
      if (!all_) return;
      client_->close();
      all_->erase(client_);
    }
    const Pointer& client() const { return client_; }
    Client* operator->() const { return client_.get(); }

   private:
    friend class Clients;
    Place(std::shared_ptr<std::set<Pointer>> all, Pointer client)
        : all_(std::move(all)), client_(std::move(client)) {
      all_->insert(client_);
    }
    std::shared_ptr<std::set<Pointer>> all_;  // a place may outlive the server
    Pointer client_;
  };

  Place enter(Pointer client) { return Place(all_, std::move(client)); }
  std::size_t size() const { return all_->size(); }
  auto begin() const { return all_->begin(); }
  auto end() const { return all_->end(); }

 private:
  std::shared_ptr<std::set<Pointer>> all_ = std::make_shared<std::set<Pointer>>();
};

}  // namespace saspd::net
