// SPDX-License-Identifier: Apache-2.0
// Keeps one connection to a GWM: resolve, connect, read, write, wait, again, over TCP or TLS. Its
// owner decides what is sent over it and when it is tried again; this is the socket and the timers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/net/loop.hpp"
#include "controller/sasp/link_standing.hpp"
#include "controller/sasp/session.hpp"

namespace saspd::net {

using sasp::LinkState;

class TlsCredentials;

// For Backoff; differs between hosts and processes.
std::uint64_t random_seed();

struct LinkSettings {
  std::string host;  // a name is resolved again for every attempt
  std::uint16_t port = sasp::default_port;
  const TlsCredentials* tls = nullptr;                  // nothing: in the clear. Outlives the link
  Duration connect_deadline = std::chrono::seconds{5};  // TCP and TLS
};

// Called from the io_context, in this order for each attempt: connecting; then, if there is a
// connection, connected, and received and timed_out as often as it takes; then ended.
class LinkOwner {
 public:
  LinkOwner() = default;
  LinkOwner(const LinkOwner&) = delete;
  LinkOwner& operator=(const LinkOwner&) = delete;
  virtual ~LinkOwner() = default;

  virtual void connecting(TimePoint now) = 0;
  virtual sasp::LinkStep connected(TimePoint now) = 0;
  virtual sasp::LinkStep received(sasp::ByteView bytes, TimePoint now) = 0;
  // It is deadline(), or later.
  virtual sasp::LinkStep timed_out(TimePoint now) = 0;
  virtual std::optional<TimePoint> deadline() const = 0;
  // The other side closed an established connection. Returns whether it matters if the GWM is still
  // there; then that is looked at before ended().
  virtual bool lost(const std::string& why, TimePoint now) = 0;
  // Returns how long to wait before the next attempt.
  virtual Duration ended(const sasp::LinkEnd& end, TimePoint now) = 0;
};

class Link {
 public:
  // The link must outlive the run of the io_context, and `owner` the link.
  Link(boost::asio::io_context& io, LinkSettings settings, LinkOwner& owner);
  ~Link();

  void start();
  // For good, and the owner is not called any more. The link may be destroyed a while after
  // has_stopped().
  void stop();
  bool has_stopped() const;

  // What the owner has to say without being asked, at any time but in one of its functions. If
  // there is no connection nothing is done: the next one comes round to it.
  void perform(sasp::LinkStep step);

  // The next attempt follows at once; if none is waited for yet, then when it would be.
  void retry();

  // Under other TLS files: a connection to a GWM that would not be believed any more is dropped.
  void check_certificate_again();

 private:
  class Wire;
  std::unique_ptr<Wire> wire_;
};

}  // namespace saspd::net
