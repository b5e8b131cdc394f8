// SPDX-License-Identifier: Apache-2.0
// A session, and how the link stands over which it speaks: all of a connection to a GWM but the
// socket, whose owner says here what becomes of it (net::LinkOwner). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/sasp/link_standing.hpp"
#include "controller/sasp/session.hpp"

namespace saspd::sasp {

// Session: LbSession or MemberSession.
template <class Session>
class LinkedSession {
 public:
  using Event = typename Session::Event;

  struct Step {
    std::vector<Event> events;  // with Established, by when state() has followed
    LinkStep link;              // for the socket
  };

  // `retry_min` and `seed`: see Backoff.
  LinkedSession(Session session, Duration retry_min, std::uint64_t seed, TimePoint now)
      : session_(std::move(session)), standing_(retry_min, seed, now) {}

  // As in net::LinkOwner.
  void connecting(TimePoint now) { standing_.connecting(now); }
  Step connected(TimePoint now) {
    connected_ = true;
    standing_.connected();
    return take(session_.connected(now), now);
  }
  Step received(ByteView bytes, TimePoint now) {
    auto step = session_.handle_bytes(bytes, now);
    if (!step.close) standing_.heard(now);  // else it was no message
    return take(std::move(step), now);
  }
  Step timed_out(TimePoint now) { return take(session_.handle_timeout(now), now); }
  std::optional<TimePoint> deadline() const { return session_.deadline(); }
  bool lost(const std::string& why, TimePoint now) {
    connected_ = false;
    if constexpr (Session::exclusive) standing_.lost(why, now);
    return Session::exclusive;
  }
  LinkStanding::Retry ended(const LinkEnd& end, TimePoint now) {
    connected_ = false;
    return standing_.ended(end, now);
  }

  // Tells the session something: `tell(session)` returns its step. Nothing is to be done if there
  // is no connection: the next one comes round to it.
  template <class Tell>
  std::optional<Step> tell(Tell&& tell, TimePoint now) {
    auto step = tell(session_);
    if (!connected_) return std::nullopt;
    return take(std::move(step), now);
  }

  const Session& session() const { return session_; }
  Session& session() { return session_; }
  LinkState state() const { return standing_.state(); }
  LinkView view(TimePoint now) const { return standing_.view(now); }

 private:
  Step take(typename Session::Step step, TimePoint now) {
    Step taken{std::move(step.events), {false, std::move(step.send), std::move(step.close)}};
    for (const Event& event : taken.events) {
      if (!std::holds_alternative<Established>(event)) continue;
      taken.link.established = true;
      standing_.established(now);
    }
    if (taken.link.close) connected_ = false;
    return taken;
  }

  Session session_;
  LinkStanding standing_;
  bool connected_ = false;
};

}  // namespace saspd::sasp
