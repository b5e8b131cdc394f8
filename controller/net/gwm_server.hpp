// The sockets of a GWM: accepts connections, cuts what arrives into requests, writes the replies.
// What a request means is the owner's business.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "controller/sasp/gwm_session.hpp"

namespace saspd::net {

using ConnectionId = std::uint64_t;  // never used again

// The owner of a GwmServer, called from the io_context. It may call GwmServer::close() in any of
// these.
class GwmServerOwner {
 public:
  GwmServerOwner() = default;
  GwmServerOwner(const GwmServerOwner&) = delete;
  GwmServerOwner& operator=(const GwmServerOwner&) = delete;

  virtual void connected(ConnectionId id, const Endpoint& peer) = 0;
  // Returns the reply, which is written before the peer's next request is looked at.
  virtual sasp::Message handle(ConnectionId id, const sasp::GwmRequest& request) = 0;
  // A message that was refused with 0x10, or skipped.
  virtual void not_understood(ConnectionId id, const Error& why) = 0;
  // The last call for this connection.
  virtual void disconnected(ConnectionId id, const Error& why) = 0;
  // A connection could not be accepted, or there are too many.
  virtual void not_accepted(const Error& why) = 0;

 protected:
  ~GwmServerOwner() = default;
};

struct GwmServerConfig {
  sasp::GwmSessionConfig session;
  std::size_t max_connections = 4096;
  // A peer that takes no byte of a reply for so long is closed.
  Duration write_deadline = std::chrono::seconds{10};
};

class GwmServer {
 public:
  // The owner outlives the server, the server outlives the run of the io_context.
  GwmServer(boost::asio::io_context& io, GwmServerConfig config, GwmServerOwner& owner);
  GwmServer(const GwmServer&) = delete;
  GwmServer& operator=(const GwmServer&) = delete;
  ~GwmServer();

  // Starts to accept. Returns the bound address, which has a real port if `endpoint` has port 0.
  Result<Endpoint> listen(const Endpoint& endpoint);

  // Ends a connection; `why` comes back by disconnected(). Nothing if it is gone already.
  void close(ConnectionId id, Error why);

  // Ends everything, so that the io_context runs out of work.
  void stop();

 private:
  using Tcp = boost::asio::ip::tcp;
  using Timer = boost::asio::basic_waitable_timer<Clock>;
  struct Listener;
  class Connection;

  boost::asio::awaitable<void> accept(std::shared_ptr<Listener> listener);
  boost::asio::awaitable<void> serve(std::shared_ptr<Connection> connection);
  boost::asio::awaitable<void> answer_all(Connection& connection);
  // What to write; empty when nothing is.
  Result<sasp::Bytes> answer(ConnectionId id, const sasp::GwmEvent& event);
  void add(Tcp::socket socket, const Tcp::endpoint& peer);

  boost::asio::io_context& io_;
  GwmServerConfig config_;
  GwmServerOwner& owner_;
  std::list<std::shared_ptr<Listener>> listeners_;
  std::map<ConnectionId, std::shared_ptr<Connection>> connections_;
  ConnectionId last_id_ = 0;
};

}  // namespace saspd::net
