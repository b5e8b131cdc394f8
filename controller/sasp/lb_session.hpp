// SPDX-License-Identifier: Apache-2.0
// The load balancer's side of one SASP connection. No socket and no clock: bytes and time come in,
// bytes and events come out.
//
// The next request follows from what is wanted and what is known of the GWM's registry; the table
// of how that knowledge changes is at the head of lb_session.cpp:
//
//   connected        Set LB State, then Get Weights for all groups               (RFC 4678 9.1)
//   members missing  Registration, one request per group and slice
//   a surplus        DeRegistration, only of members that an LB registered
//   then             Get Weights again: these weights are handed out
//   states           Set Member State, for what shall be quiesced and what no longer
//   pull             and again every interval
//   push             Send Weights are handed out; after silence Get Weights is sent as a probe
//   No-Change        Set LB State turns it on now, after the first full answer. When a message was
//                    lost or members changed, it is turned off again, everything is asked for, and
//                    it is turned on (row 32)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controller/sasp/member_states.hpp"
#include "controller/sasp/registry_difference.hpp"
#include "controller/sasp/request_channel.hpp"
#include "controller/sasp/session.hpp"
#include "controller/sasp/wanted_registry.hpp"

namespace saspd::sasp {

struct LbSessionConfig {
  std::string lb_uid;                            // 1..64 bytes
  std::optional<std::chrono::seconds> interval;  // polling interval; nothing: the GWM's advice
  std::chrono::seconds default_interval{60};     // when the GWM advises none (row 8)
  std::chrono::seconds min_interval{1};          // the GWM's advice is clamped to this range
  std::chrono::seconds max_interval{3600};
  Duration reply_deadline = std::chrono::seconds{10};
  Duration message_deadline = std::chrono::seconds{10};  // first to last byte of a message
  Duration refused_retry =
      std::chrono::seconds{300};  // before a refused registration is tried again
  std::size_t max_message = default_max_message;
  std::size_t members_per_registration = 1000;
  bool push = false;       // RFC 4678 7.6.1: the GWM sends weights by itself
  bool trust = false;      // members may register, deregister and set their state by themselves
  bool no_change = false;  // only what changed is sent
  // Push has no heartbeat (row 39): after this many intervals of silence a Get Weights asks.
  unsigned silent_intervals = 2;
  // With trust and No-Change: after this many answers with changes only, everything is asked for,
  // since only its absence shows that a member is gone (row 32).
  unsigned delta_rounds = 10;
  // Replies to Get Weights cannot be split (row 20). When all groups together may come to more
  // bytes than this, each request names only some of them.
  std::size_t max_reply = default_max_message / 2;
  std::uint8_t version = sasp::version;  // the highest we speak (RFC 4678 4.4)
};

// Weights to act upon. Only groups of this LB are in it.
struct WeightsReceived {
  std::vector<GroupOfWeightEntries> groups;
  std::uint32_t message_id = 0;
  // The answer to a Get Weights without No-Change: a member that is missing from its group is gone
  // (row 32). A push may be split by the GWM (row 20) and is never taken as full.
  bool full = false;
  // The quiesces in it that we have asked for ourselves: they are no advice.
  MemberStates::Echoes echoes{};
};
// When the GWM spoke of weights, if only to say that none has changed.
struct Heard {
  std::optional<TimePoint> last;
  std::optional<TimePoint> full;        // what that picture lacked is gone
  std::chrono::seconds next_within{0};  // it is asked again then, at the latest
};
// After Established weights flow.
using LbEvent = std::variant<WeightsReceived, Established, Notice>;
using LbStep = SessionStep<LbEvent>;

class LbSession {
 public:
  using Event = LbEvent;
  using Step = LbStep;
  // A GWM keeps one connection for an LB UID (RFC 4678 9.1).
  static constexpr bool exclusive = true;

  explicit LbSession(LbSessionConfig config);

  // A new connection is up: everything the last one knew is dropped (RFC 4678 9.1).
  LbStep connected(TimePoint now);
  LbStep handle_bytes(ByteView bytes, TimePoint now);
  // Call it at deadline(), or later.
  LbStep handle_timeout(TimePoint now);
  // May be called at any time, and must be called after each change of `wanted`, which is never
  // null: the next exchange, which starts now, registers a difference. The cost is constant while
  // the generation is the same.
  LbStep want(std::shared_ptr<const WantedRegistry> wanted, TimePoint now);
  // The same, with a registry that the session keeps itself.
  LbStep want(WantedGroups groups, TimePoint now);

  // Changes how it speaks with the GWM, on this connection too: new flags are sent at once. The
  // LB UID and the limits stay.
  LbStep reconfigure(LbSessionConfig config, TimePoint now);

  // When handle_timeout() is due; nothing while disconnected.
  std::optional<TimePoint> deadline() const;

  std::chrono::seconds interval() const { return interval_; }
  // Over all connections.
  Heard heard() const { return {heard_, heard_all_, time_to_next_question()}; }
  const MemberStates& states() const { return states_; }
  // Since construction, over all connections.
  const ToleranceCounts& tolerances() const { return channel_.tolerances(); }
  std::uint64_t protocol_errors() const { return channel_.protocol_errors(); }

 private:
  // What is known of the GWM's registry; what is asked next follows from it.
  enum class Picture : std::uint8_t {
    disconnected,
    unknown,     // nothing reliable: a full answer is needed
    learned,     // a full answer has come, and is compared with what is wanted
    amended,     // some of the difference was registered or deregistered
    unverified,  // all of it was: another full answer shows the result
    complete,    // the weights were handed out; No-Change can be turned on
    current,     // nothing is asked before the next poll
    aged,        // the poll is due
  };
  enum class Happening : std::uint8_t {
    full_answer,      // to a Get Weights without No-Change
    changes_only,     // with it
    weights_refused,  // a Get Weights, but not the first of a connection
    state_answered,   // a Set LB State was accepted
    state_refused,    // a Set LB State, but not the first of a connection
    change_answered,  // a Registration or DeRegistration, with any code
    nothing_to_ask,   // next_request() has no request for this picture
    doubted,          // what is wanted changed, or a message was lost that is not repeated
    due,              // the next poll
  };
  struct Transition {
    Picture from;
    Happening what;
    Picture to;
  };
  static const Transition transitions[];
  static Picture next_picture(Picture from, Happening what);

  // Get Weights for all groups: one request, or several (row 20).
  struct Round {
    std::optional<std::string> reached;  // the groups up to this one were answered
    std::optional<std::string>
        alone_until;                 // a group up to this one is unknown: each is asked alone
    std::vector<std::string> asked;  // in flight; empty: all groups
    std::vector<GroupOfWeightEntries> answers;
    std::uint32_t message_id = 0;  // of the last answer
  };

  using Channel = RequestChannel;
  void handle(Channel::Answer&& answer, TimePoint now, LbStep& step);
  void handle(Channel::Pushed&& pushed, TimePoint now, LbStep& step);
  void handle(Channel::ComeDown&& come_down, TimePoint now, LbStep& step);
  void handle(Channel::Dropped&& dropped, TimePoint now, LbStep& step);
  void state_answered(ReturnCode code, TimePoint now, LbStep& step);
  void registration_answered(ReturnCode code, TimePoint now, LbStep& step);
  void deregistration_answered(ReturnCode code, TimePoint now, LbStep& step);
  void member_state_answered(ReturnCode code, TimePoint now, LbStep& step);
  void weights_answered(GetWeightsReply&& reply, std::uint32_t id, TimePoint now, LbStep& step);
  void take_interval(const GetWeightsReply& reply);
  // No group has an empty name: in a DeRegistration that would mean all groups (RFC 4678 7.2.1).
  bool is_ours(const GroupData& group) const {
    return group.lb_uid == config_.lb_uid && !group.name.empty();
  }

  void on(Happening what, TimePoint now, LbStep& step);
  void learn();
  void hand_out(bool full, TimePoint now, LbStep& step);
  void pump(TimePoint now, LbStep& step);
  std::optional<Message> next_request(TimePoint now);
  std::uint8_t wanted_state() const;  // without No-Change, which comes and goes
  bool state_is_another() const;      // than the GWM has accepted
  Message set_lb_state(bool no_change);
  Message get_weights();
  std::vector<std::string> next_groups() const;
  std::optional<Message> next_change(TimePoint now);
  std::optional<Message> next_state(TimePoint now);
  TimePoint next_question(TimePoint now) const;
  std::chrono::seconds time_to_next_question() const;
  bool only_changes_come() const { return state_ && (*state_ & lb_flag::no_change) != 0; }
  bool is_in_doubt() const { return lost_ || compared_ != wanted_->generation(); }
  static void notice(LbStep& step, std::string text, Notice::Kind kind = Notice::Kind::fault) {
    step.events.emplace_back(Notice{std::move(text), kind});
  }
  void close(LbStep& step, Error error);

  LbSessionConfig config_;

  // Over all connections.
  RequestChannel channel_;
  std::chrono::seconds interval_;
  std::optional<TimePoint> heard_;
  std::optional<TimePoint> heard_all_;
  std::shared_ptr<const WantedRegistry> wanted_;
  std::shared_ptr<WantedRegistry> own_;  // of want(WantedGroups)
  std::uint64_t told_ = 0;               // the generation of the last want()
  std::uint64_t told_states_ = 0;        // likewise
  MemberStates states_;

  // State of this connection.
  Picture picture_ = Picture::disconnected;
  bool established_ = false;
  std::uint8_t asked_state_ = 0;       // the flags of the last Set LB State
  std::optional<std::uint8_t> state_;  // the flags that the GWM accepted last
  Round round_;
  std::optional<RegistryDifference> difference_;  // while learned or amended
  std::string changed_group_;                     // by the Registration in flight
  std::map<std::string, TimePoint> refused_;      // groups, and when to try them again
  std::optional<std::uint64_t> compared_;         // the generation that was compared last
  bool lost_ = false;                             // a change was, since the last full answer
  unsigned delta_rounds_ = 0;                     // since the last full answer
  TimePoint next_poll_;                           // while current
};

}  // namespace saspd::sasp
