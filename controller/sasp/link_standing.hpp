// SPDX-License-Identifier: Apache-2.0
// How the connection to one GWM stands, and when the next one is tried. Pure: the socket is
// elsewhere, and its owner says here what became of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/clock.hpp"
#include "controller/sasp/backoff.hpp"
#include "controller/sasp/link_state.hpp"

namespace saspd::sasp {

// How a connection, or the attempt at one, ended.
struct LinkEnd {
  std::string why;
  bool by_tls = false;
  bool thrown_out = false;  // it was established, and closed by a GWM that went on listening
};

struct LinkView {
  LinkState state = LinkState::trying;
  TimePoint state_since;
  std::optional<TimePoint> last_message;
  std::string last_error;  // of the last attempt or connection; empty: none yet
  // Another load balancer seems to have our LB UID, also while it is our turn to be connected.
  bool duplicate_suspected = false;
};

class LinkStanding {
 public:
  // `retry_min` and `seed`: see Backoff.
  LinkStanding(Duration retry_min, std::uint64_t seed, TimePoint now)
      : backoff_(retry_min, seed), state_since_(now) {}

  void connecting(TimePoint now);
  void connected() { last_error_.clear(); }
  void established(TimePoint now);
  void heard(TimePoint now) { last_message_ = now; }
  // The GWM closed an established connection. ended() follows, when it is known whether the GWM is
  // still there.
  void lost(std::string why, TimePoint now);

  struct Retry {
    Duration delay{};
    std::string text;  // why it ended, and when the next attempt follows
  };
  Retry ended(const LinkEnd& end, TimePoint now);

  LinkState state() const { return state_; }
  LinkView view(TimePoint now) const;

 private:
  void set_state(LinkState state, TimePoint now);

  Backoff backoff_;
  LinkState state_ = LinkState::trying;
  TimePoint state_since_;
  // State of the present connection or attempt.
  std::optional<TimePoint> established_since_;
  std::optional<TimePoint> lost_at_;
  // Over all connections.
  bool ever_established_ = false;
  std::optional<TimePoint> last_message_;
  std::string last_error_;
};

}  // namespace saspd::sasp
