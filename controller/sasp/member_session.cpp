// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/member_session.hpp"

#include <fmt/format.h>

namespace saspd::sasp {
namespace {

RequestChannelConfig channel_config(const MemberSessionConfig& config) {
  return {.max_message = config.max_message,
          .reply_deadline = config.reply_deadline,
          .message_deadline = config.message_deadline,
          .version = config.version,
          .expects_weights = false};
}

// The GWM does not know the member, its group or its load balancer.
bool is_unknown(ReturnCode code) {
  switch (code) {
    case ReturnCode::not_registered:
    case ReturnCode::unknown_group:
    case ReturnCode::unknown_lb_uid:
    case ReturnCode::lb_not_contacted: return true;
    default: return false;
  }
}

}  // namespace

MemberSession::MemberSession(MemberSessionConfig config, MemberGoal goal)
    : config_(std::move(config)), goal_(goal), channel_(channel_config(config_)) {}

MemberStep MemberSession::connected(TimePoint now) {
  MemberStep step;
  channel_.connected();
  connected_ = true;
  established_ = reached_ = confirmed_ = false;
  presence_ = Presence::untouched;
  state_.reset();
  refused_.reset();
  retry_at_.reset();
  heartbeat_at_.reset();
  pump(now, step);
  return step;
}

MemberStep MemberSession::want(MemberGoal goal, TimePoint now) {
  MemberStep step;
  if (goal == goal_) return step;
  if (!goal.differs_in_state_only(goal_)) {
    refused_.reset();
    retry_at_.reset();
  }
  goal_ = goal;
  reached_ = false;
  pump(now, step);
  return step;
}

MemberStep MemberSession::handle_bytes(ByteView bytes, TimePoint now) {
  MemberStep step;
  if (!connected_) return step;
  channel_.append(bytes);
  while (connected_) {
    const auto event = channel_.next(now);
    if (!event) {
      close(step, event.error());
      return step;
    }
    if (!*event) break;
    std::visit([&](const auto& what) { handle(what, now, step); }, **event);
    pump(now, step);
  }
  return step;
}

MemberStep MemberSession::handle_timeout(TimePoint now) {
  MemberStep step;
  if (!connected_) return step;
  if (const auto in_time = channel_.check_deadlines(now); !in_time) {
    close(step, in_time.error());
    return step;
  }
  if (heartbeat_at_ && now >= *heartbeat_at_) {
    heartbeat_at_.reset();
    state_.reset();
  }
  pump(now, step);
  return step;
}

std::optional<TimePoint> MemberSession::deadline() const {
  if (!connected_) return std::nullopt;
  return earliest({channel_.deadline(), retry_at_, heartbeat_at_});
}

void MemberSession::handle(const Channel::Answer& answer, TimePoint now, MemberStep& step) {
  if (const auto* reply = std::get_if<RegistrationReply>(&answer.reply)) {
    registration_answered(reply->code, now, step);
  } else if (const auto* gone = std::get_if<DeregistrationReply>(&answer.reply)) {
    deregistration_answered(gone->code, now, step);
  } else {
    state_answered(std::get<SetMemberStateReply>(answer.reply).code, now, step);
  }
}

// What was in flight is asked again, for it is still the next thing to ask.
void MemberSession::handle(const Channel::ComeDown& come_down, TimePoint, MemberStep& step) {
  notice(step, fmt::format("the GWM speaks SASP version {}", come_down.version));
}

void MemberSession::handle(const Channel::Dropped& dropped, TimePoint, MemberStep& step) {
  notice(step, fmt::format("message dropped: {}", dropped.why.detail));
}

// RFC 4678 7.1.2. A GWM keeps a member whose connection is gone (row 45): 0x40 is as good.
void MemberSession::registration_answered(ReturnCode code, TimePoint now, MemberStep& step) {
  if (code != ReturnCode::successful && code != ReturnCode::already_registered) {
    return refuse(Type::registration_request, code, now, step);
  }
  presence_ = Presence::registered;
  confirmed_ = false;
  state_.reset();
}

// RFC 4678 7.2.2. What the GWM does not know is as absent as we want it.
void MemberSession::deregistration_answered(ReturnCode code, TimePoint now, MemberStep& step) {
  if (code != ReturnCode::successful && !is_unknown(code)) {
    return refuse(Type::deregistration_request, code, now, step);
  }
  presence_ = Presence::absent;
  heartbeat_at_.reset();
}

// RFC 4678 7.5.2
void MemberSession::state_answered(ReturnCode code, TimePoint now, MemberStep& step) {
  if (code == ReturnCode::successful) {
    state_ = State{asked_.state, asked_.quiesced};
    confirmed_ = true;
    heartbeat_at_ = now + config_.heartbeat;
    return;
  }
  if (is_unknown(code)) presence_ = Presence::absent;
  // Registered again at once, but not again and again.
  const bool forgotten = is_unknown(code) && std::exchange(confirmed_, false);
  if (!forgotten || goal_.presence != Presence::registered) {
    return refuse(Type::set_member_state_request, code, now, step);
  }
  notice(step,
         fmt::format("the GWM has forgotten the member ({}), registering it again", text(code)));
}

void MemberSession::refuse(Type asked, ReturnCode code, TimePoint now, MemberStep& step) {
  heartbeat_at_.reset();
  // The answer to a request that is no longer wanted.
  if (!asked_.differs_in_state_only(goal_)) return;
  reached_ = false;
  const bool is_ready = code != ReturnCode::not_understood;
  const std::optional<Duration> retry = is_ready ? std::optional(delay_after(code)) : std::nullopt;
  if (refused_ != std::pair(asked, code)) step.events.emplace_back(Refused{asked, code, retry});
  refused_ = {asked, code};
  if (is_ready) {
    retry_at_ = now + *retry;
  } else {
    close(step, fail(std::errc::connection_refused,
                     fmt::format("the GWM is not ready: {} to a {}", text(code), name(asked))));
  }
}

Duration MemberSession::delay_after(ReturnCode code) const {
  if (code == ReturnCode::not_accepted) return config_.trust_retry;
  return is_unknown(code) ? config_.retry : config_.refused_retry;
}

std::optional<Message> MemberSession::next_request() const {
  if (goal_.presence == Presence::absent) {
    if (presence_ == Presence::absent) return std::nullopt;
    return deregistration();
  }
  if (goal_.presence == Presence::registered && presence_ != Presence::registered) {
    return registration();
  }
  if (state_ == State{goal_.state, goal_.quiesced}) return std::nullopt;
  return set_member_state();
}

Message MemberSession::registration() const {
  return RegistrationRequest{.flags = 0,
                             .groups = {{{config_.lb_uid, config_.group}, config_.members}}};
}

Message MemberSession::deregistration() const {
  return DeregistrationRequest{.flags = 0,
                               .reason = goal_.reason,
                               .groups = {{{config_.lb_uid, config_.group}, config_.members}}};
}

Message MemberSession::set_member_state() const {
  GroupOfMemberStates group{{config_.lb_uid, config_.group}, {}};
  const std::uint8_t flags = goal_.quiesced ? state_flag::quiesce : 0;
  for (const MemberData& member : config_.members)
    group.items.push_back({member, goal_.state, flags});
  return SetMemberStateRequest{.flags = 0, .groups = {std::move(group)}};
}

// Sends what brings the GWM nearer to the goal.
void MemberSession::pump(TimePoint now, MemberStep& step) {
  if (!connected_ || channel_.waiting() || (retry_at_ && now < *retry_at_)) return;
  retry_at_.reset();
  auto request = next_request();
  if (!request) return reach(step);
  asked_ = goal_;
  const auto bytes = channel_.ask(std::move(*request), now);
  if (!bytes) return close(step, bytes.error());
  step.send.insert(step.send.end(), bytes->begin(), bytes->end());
}

void MemberSession::reach(MemberStep& step) {
  if (std::exchange(reached_, true)) return;
  refused_.reset();
  if (!std::exchange(established_, true)) step.events.emplace_back(Established{});
  step.events.emplace_back(GoalReached{});
}

void MemberSession::close(MemberStep& step, Error error) {
  connected_ = false;
  step.send.clear();
  step.close = std::move(error);
}

}  // namespace saspd::sasp
