// SPDX-License-Identifier: Apache-2.0
// A link with the session that speaks over it and the back-off, for who has no more to decide about
// a connection than that.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <variant>

#include "controller/net/link.hpp"

namespace saspd::net {

// Session: sasp::LbSession or sasp::MemberSession.
template <class Session>
class SessionLink final : private LinkOwner {
 public:
  using Event = typename Session::Event;
  using Step = typename Session::Step;

  // Called from the io_context.
  struct Callbacks {
    std::function<void(const Event&)> on_event;  // all but Established and Notice
    std::function<void(const sasp::Notice&)> on_notice;
    // A connection, or an attempt at one, ended: why, and when the next one follows.
    std::function<void(const std::string&)> on_down;
    std::function<void(LinkState)> on_state;  // on every change
  };

  // `retry_min`: see Backoff. The link must outlive the run of the io_context.
  SessionLink(boost::asio::io_context& io, LinkSettings settings, Duration retry_min,
              Session session, Callbacks callbacks)
      : session_(std::move(session)),
        standing_(retry_min, random_seed(), Clock::now()),
        callbacks_(std::move(callbacks)),
        link_(io, std::move(settings), *this) {}

  void start() { link_.start(); }
  void check_certificate_again() { link_.check_certificate_again(); }

  // Tells the session something, at any time but in a callback: `tell(session, now)` returns a
  // Step. If there is no connection the next one comes round to it.
  template <class Tell>
  void tell(Tell&& tell) {
    const auto now = Clock::now();
    Step step = tell(session_, now);
    if (connected_) link_.perform(take(std::move(step), now));
  }

  sasp::LinkView view() const { return standing_.view(Clock::now()); }

 private:
  void connecting(TimePoint now) override {
    moves([&] { standing_.connecting(now); });
  }
  sasp::LinkStep connected(TimePoint now) override {
    connected_ = true;
    standing_.connected();
    return take(session_.connected(now), now);
  }
  sasp::LinkStep received(sasp::ByteView bytes, TimePoint now) override {
    auto step = session_.handle_bytes(bytes, now);
    if (!step.close) standing_.heard(now);  // else it was no message
    return take(std::move(step), now);
  }
  sasp::LinkStep timed_out(TimePoint now) override {
    return take(session_.handle_timeout(now), now);
  }
  std::optional<TimePoint> deadline() const override { return session_.deadline(); }
  bool lost(const std::string& why, TimePoint now) override {
    connected_ = false;
    if constexpr (Session::exclusive) moves([&] { standing_.lost(why, now); });
    return Session::exclusive;
  }
  Duration ended(const sasp::LinkEnd& end, TimePoint now) override {
    connected_ = false;
    sasp::LinkStanding::Retry retry;
    moves([&] { retry = standing_.ended(end, now); });
    callbacks_.on_down(retry.text);
    return retry.delay;
  }

  template <class Move>
  void moves(Move&& move) {
    const auto before = standing_.state();
    move();
    if (standing_.state() != before) callbacks_.on_state(standing_.state());
  }
  sasp::LinkStep take(Step step, TimePoint now) {
    sasp::LinkStep rest{false, std::move(step.send), std::move(step.close)};
    for (const Event& event : step.events) {
      if (const auto* notice = std::get_if<sasp::Notice>(&event)) {
        callbacks_.on_notice(*notice);
      } else if (!std::holds_alternative<sasp::Established>(event)) {
        callbacks_.on_event(event);
      } else {
        rest.established = true;
        moves([&] { standing_.established(now); });
      }
    }
    if (rest.close) connected_ = false;
    return rest;
  }

  Session session_;
  sasp::LinkStanding standing_;
  Callbacks callbacks_;
  bool connected_ = false;
  Link link_;
};

}  // namespace saspd::net
