// SPDX-License-Identifier: Apache-2.0
// A member's side of one SASP connection: it brings the GWM's registry to the state that its owner
// wants. No socket and no clock: bytes and time come in, bytes and events come out.
//
//   Presence::registered   Registration, then Set Member State       (RFC 4678 7.1, 7.5)
//            then          Set Member State again every heartbeat: its answer shows a GWM that has
//                          forgotten the member, its absence a dead one
//   Presence::absent       DeRegistration                            (RFC 4678 7.2)
//   Presence::untouched    Set Member State alone
//
// Each refused request is tried again on the same connection after the delay of its kind, except
// after 0x10: a GWM that does not understand is not ready, and the connection is closed (RFC 4678
// 9.2).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/sasp/request_channel.hpp"
#include "controller/sasp/session.hpp"

namespace saspd::sasp {

struct MemberSessionConfig {
  std::string lb_uid;  // of the load balancer that the members are for: 1..64 bytes
  std::string group;
  std::vector<MemberData> members;  // at least one
  Duration heartbeat = std::chrono::seconds{30};
  // How long until a refused request is sent again:
  Duration retry = std::chrono::seconds{20};           // for what may pass with time (RFC 4678 9.2)
  Duration trust_retry = std::chrono::seconds{60};     // for 0x11: an operator must allow it
  Duration refused_retry = std::chrono::seconds{300};  // for a wrong configuration
  Duration reply_deadline = std::chrono::seconds{10};
  Duration message_deadline = std::chrono::seconds{10};  // first to last byte of a message
  std::size_t max_message = std::size_t{64} << 10;       // a member gets replies of 18 bytes only
  std::uint8_t version = sasp::version;                  // the highest we speak (RFC 4678 4.4)
};

enum class Presence : std::uint8_t { untouched, registered, absent };

// What the GWM is to know of the members.
struct MemberGoal {
  Presence presence = Presence::untouched;
  std::uint8_t state = 0;  // opaque to the GWM (RFC 4678 5.4)
  bool quiesced = false;
  std::uint8_t reason = deregistration_reason::none;  // with Presence::absent (RFC 4678 7.2.1)
  bool operator==(const MemberGoal&) const = default;

  // Or equal: such a goal is no reason to repeat a refused request.
  bool differs_in_state_only(const MemberGoal& other) const {
    return presence == other.presence && quiesced == other.quiesced && reason == other.reason;
  }
};

// The GWM has acknowledged all of the goal.
struct GoalReached {};
// The GWM refuses a request; reported once, until it refuses something else or the goal is reached.
struct Refused {
  Type asked{};
  ReturnCode code{};
  std::optional<Duration> retry;  // empty: the connection is closed
};
// Established is the first GoalReached of a connection.
using MemberEvent = std::variant<GoalReached, Refused, Established, Notice>;
using MemberStep = SessionStep<MemberEvent>;

class MemberSession {
 public:
  using Event = MemberEvent;
  using Step = MemberStep;
  // Members of one LB UID may have as many connections as they like.
  static constexpr bool exclusive = false;

  MemberSession(MemberSessionConfig config, MemberGoal goal);

  // A new connection is up: what the GWM knows must be determined again.
  MemberStep connected(TimePoint now);
  MemberStep handle_bytes(ByteView bytes, TimePoint now);
  // Call it at deadline(), or later.
  MemberStep handle_timeout(TimePoint now);
  // May be called at any time.
  MemberStep want(MemberGoal goal, TimePoint now);

  // From the next one on.
  void set_heartbeat(Duration heartbeat) { config_.heartbeat = heartbeat; }

  // When handle_timeout() is due; empty while disconnected, or when nothing is left to do.
  std::optional<TimePoint> deadline() const;

  // Since construction, over all connections.
  const ToleranceCounts& tolerances() const { return channel_.tolerances(); }
  std::uint64_t protocol_errors() const { return channel_.protocol_errors(); }

 private:
  struct State {
    std::uint8_t state = 0;
    bool quiesced = false;
    bool operator==(const State&) const = default;
  };
  using Channel = RequestChannel;

  void handle(const Channel::Answer& answer, TimePoint now, MemberStep& step);
  void handle(const Channel::Pushed&, TimePoint, MemberStep&) {}  // not of this channel
  void handle(const Channel::ComeDown& come_down, TimePoint now, MemberStep& step);
  void handle(const Channel::Dropped& dropped, TimePoint now, MemberStep& step);
  void registration_answered(ReturnCode code, TimePoint now, MemberStep& step);
  void deregistration_answered(ReturnCode code, TimePoint now, MemberStep& step);
  void state_answered(ReturnCode code, TimePoint now, MemberStep& step);
  void refuse(Type asked, ReturnCode code, TimePoint now, MemberStep& step);
  Duration delay_after(ReturnCode code) const;

  std::optional<Message> next_request() const;
  Message registration() const;
  Message deregistration() const;
  Message set_member_state() const;
  void pump(TimePoint now, MemberStep& step);
  void reach(MemberStep& step);
  static void notice(MemberStep& step, std::string text) {
    step.events.emplace_back(Notice{std::move(text)});
  }
  void close(MemberStep& step, Error error);

  MemberSessionConfig config_;
  MemberGoal goal_;
  RequestChannel channel_;

  // State of this connection.
  bool connected_ = false;
  bool established_ = false;
  bool reached_ = false;
  MemberGoal asked_;  // what the request in flight is for
  Presence presence_ =
      Presence::untouched;      // what the GWM has acknowledged; untouched: nothing yet
  std::optional<State> state_;  // that the GWM has acknowledged
  bool confirmed_ = false;      // a state was acknowledged since the registration
  std::optional<std::pair<Type, ReturnCode>> refused_;  // last reported
  std::optional<TimePoint> retry_at_;                   // nothing is sent before this time
  std::optional<TimePoint> heartbeat_at_;
};

}  // namespace saspd::sasp
