// The load balancer's side of one SASP connection. No socket and no clock: bytes and time come in,
// bytes and events come out.
//
//   connected            Set LB State, then Get Weights for all groups        (RFC 4678 9.1)
//   the GWM lacks ours   Registration, one request per group and slice
//   it has a surplus     DeRegistration, only of members that an LB registered
//   then                 Get Weights again: these weights are handed out
//   pull                 and again every interval
//   push                 Send Weights are handed out; Get Weights is sent as a probe when none came
//   for long no-change            Set LB State turns it on only now. Whenever a message was lost or
//   members changed, it
//                        is turned off again, everything is asked for, and it is turned on (row 32)
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "controller/sasp/request_channel.hpp"
#include "controller/sasp/session.hpp"

namespace saspd::sasp {

// What this load balancer wants registered: group name, members, their labels.
using WantedGroups = std::map<std::string, std::map<MemberKey, std::string>>;

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
  // Push has no heartbeat (row 39): after so many intervals of silence a Get Weights asks.
  unsigned silent_intervals = 2;
  // With trust and No-Change: after so many answers with changes only, everything is asked for,
  // since a member that is gone is told by its absence alone (row 32).
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
  // To be called at deadline(), or later.
  LbStep handle_timeout(TimePoint now);
  // May be called at any time; a difference is registered by the next exchange, which starts now.
  LbStep want(WantedGroups groups, TimePoint now);

  // When handle_timeout() is due; nothing while disconnected.
  std::optional<TimePoint> deadline() const;

  std::chrono::seconds interval() const { return interval_; }
  // Since construction, over all connections.
  const ToleranceCounts& tolerances() const { return channel_.tolerances(); }
  std::uint64_t protocol_errors() const { return channel_.protocol_errors(); }

 private:
  enum class Phase { disconnected, opening, settled };

  struct Request {
    Message message;
    std::string group;              // of a registration or deregistration
    std::vector<std::string> asks;  // groups of a Get Weights; empty: all
    bool ends_round = false;        // the last Get Weights of those that ask for everything
  };
  // A member the GWM told us about.
  struct Known {
    bool registered_by_lb = false;
  };

  using Channel = RequestChannel;
  void handle(Channel::Answer&& answer, TimePoint now, LbStep& step);
  void handle(Channel::Pushed&& pushed, TimePoint now, LbStep& step);
  void handle(Channel::ComeDown&& come_down, TimePoint now, LbStep& step);
  void handle(Channel::Dropped&& dropped, TimePoint now, LbStep& step);
  void handle_code(const SetLbStateReply& reply, const Request& request, TimePoint now,
                   LbStep& step);
  void handle_code(const RegistrationReply& reply, const Request& request, TimePoint now,
                   LbStep& step);
  static void handle_code(const DeregistrationReply& reply, const Request& request, LbStep& step);
  void handle_get_weights(Channel::Answer&& answer, const Request& request, TimePoint now,
                          LbStep& step);
  void end_round(TimePoint now, LbStep& step, std::uint32_t id);
  void take_interval(const GetWeightsReply& reply);
  // No group has an empty name: in a DeRegistration that would mean all groups (RFC 4678 7.2.1).
  bool is_ours(const GroupData& group) const {
    return group.lb_uid == config_.lb_uid && !group.name.empty();
  }
  void learn();
  bool queue_registrations(TimePoint now);
  void queue_missing(const std::string& group, const std::map<MemberKey, std::string>& wanted);
  void queue_surplus(const std::string& group, const std::map<MemberKey, Known>& known);
  void queue_set_state(bool no_change);
  void queue_get_weights();
  void queue_ask(std::vector<std::string> groups, bool ends_round);
  void resynchronise();
  void settle(std::uint32_t id, TimePoint now, LbStep& step);
  TimePoint next_question(TimePoint now) const;
  void pump(TimePoint now, LbStep& step);
  bool idle() const { return phase_ == Phase::settled && !channel_.waiting() && queue_.empty(); }
  static void notice(LbStep& step, std::string text, Notice::Kind kind = Notice::Kind::fault) {
    step.events.emplace_back(Notice{std::move(text), kind});
  }
  void close(LbStep& step, Error error);

  LbSessionConfig config_;
  WantedGroups wanted_;

  // Over all connections.
  RequestChannel channel_;
  std::chrono::seconds interval_;

  // Of this connection.
  Phase phase_ = Phase::disconnected;
  std::deque<Request> queue_;
  Request in_flight_;                        // while channel_ waits for an answer
  std::vector<GroupOfWeightEntries> round_;  // answers to the Get Weights of this round so far
  std::map<std::string, std::map<MemberKey, Known>> known_;
  bool deltas_ = false;  // No-Change is on: answers are no full picture
  unsigned delta_rounds_ = 0;
  std::map<std::string, TimePoint> refused_;  // groups, and when to try them again
  bool registered_since_learning_ = false;
  bool compare_again_ =
      false;  // what is wanted changed, or a change was lost, since the last comparison
  std::optional<TimePoint> next_poll_;
};

}  // namespace saspd::sasp
