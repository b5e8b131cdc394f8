// SPDX-License-Identifier: Apache-2.0
// The sockets of a GWM: accepts connections, cuts what arrives into requests, writes the replies
// and what the GWM sends by itself. What a request means is the owner's business.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "controller/base/peer_identity.hpp"
#include "controller/net/admission.hpp"
#include "controller/net/loop.hpp"
#include "controller/sasp/gwm_session.hpp"

namespace saspd::net {

class TlsCredentials;

using ConnectionId = std::uint64_t;  // never used again

struct GwmAnswer {
  sasp::Message reply;
  bool accepted = true;  // what was asked is done
};

// The owner of a GwmServer, called from the io_context. It may call GwmServer::close() in any of
// these.
class GwmServerOwner {
 public:
  GwmServerOwner() = default;
  GwmServerOwner(const GwmServerOwner&) = delete;
  GwmServerOwner& operator=(const GwmServerOwner&) = delete;

  // With TLS after the handshake; `identity` is what a verified certificate says, if there is one.
  virtual void connected(ConnectionId id, const Endpoint& peer,
                         const std::optional<PeerIdentity>& identity) = 0;
  // The reply is written before the peer's next request is looked at.
  virtual GwmAnswer handle(ConnectionId id, const sasp::GwmRequest& request) = 0;
  // A message that was refused with 0x10, or skipped.
  virtual void not_understood(ConnectionId id, const Error& why) = 0;
  // The last call for this connection.
  virtual void disconnected(ConnectionId id, const Error& why) = 0;
  // A connection could not be accepted, there are too many, or TLS failed.
  virtual void not_accepted(const Error& why) = 0;
  // push() would take bytes again, after it had refused some for this connection.
  virtual void writable(ConnectionId id) = 0;

 protected:
  ~GwmServerOwner() = default;
};

struct GwmServerConfig : AdmissionLimits {
  sasp::GwmSessionConfig session;
  // A peer that asks more often is read more slowly: its requests wait in the kernel's buffers, and
  // then on its own side. 0: no limit.
  unsigned max_requests_per_second = 1000;
  const TlsCredentials* tls = nullptr;  // nothing: in the clear. Outlives the server
  Duration handshake_deadline = std::chrono::seconds{5};
  // A peer of which no request was accepted for so long since it came is closed: it would hold one
  // of the places. Who was served once may be silent for ever.
  Duration first_request_deadline = std::chrono::seconds{60};
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

  // Other limits from now on, mostly for connections that come; `tls` stays.
  void reconfigure(GwmServerConfig config);
  // Starts to accept. Returns the bound address, which has a real port if `endpoint` has port 0.
  Result<Endpoint> listen(const Endpoint& endpoint);

  // Stops to accept there. Open connections stay.
  void stop_listening(const Endpoint& bound);

  // Writes to a peer that did not ask. False, and nothing is written, while an earlier write to it
  // is under way, so that a slow peer holds one message at most; then writable() is called later.
  // False also for a connection that is gone.
  bool push(ConnectionId id, sasp::Bytes bytes);
  // Would push() write now? If not, writable() is called later.
  bool can_push(ConnectionId id);

  // Under other TLS files, those of config.tls: who would not be let in any more is closed.
  void check_certificates_again();

  // Ends a connection; `why` comes back by disconnected(). Nothing if it is gone already.
  void close(ConnectionId id, Error why);

  // Ends everything, so that the io_context runs out of work.
  void stop();

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace saspd::net
