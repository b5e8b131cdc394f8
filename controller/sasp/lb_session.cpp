#include "controller/sasp/lb_session.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace saspd::sasp {
namespace {

RequestChannelConfig channel_config(const LbSessionConfig& config) {
  return {.max_message = config.max_message,
          .reply_deadline = config.reply_deadline,
          .message_deadline = config.message_deadline,
          .version = config.version};
}

bool asks_for_weights(const Message& message) {
  return std::holds_alternative<GetWeightsRequest>(message);
}

}  // namespace

LbSession::LbSession(LbSessionConfig config)
    : config_(std::move(config)),
      channel_(channel_config(config_)),
      interval_(config_.interval.value_or(config_.default_interval)) {}

LbStep LbSession::connected(TimePoint now) {
  LbStep step;
  phase_ = Phase::opening;
  channel_.connected();
  queue_.clear();
  round_.clear();
  known_.clear();
  refused_.clear();
  registered_since_learning_ = false;
  deltas_ = false;
  next_poll_.reset();
  // sasp-interop row 33: always sent, before any registration.
  queue_set_state(false);
  queue_get_weights();
  pump(now, step);
  return step;
}

LbStep LbSession::want(WantedGroups groups, TimePoint now) {
  LbStep step;
  if (groups == wanted_) return step;
  wanted_ = std::move(groups);
  compare_again_ = true;
  // An exchange that is under way comes round to it by itself.
  if (!idle()) return step;
  resynchronise();
  pump(now, step);
  return step;
}

LbStep LbSession::handle_bytes(ByteView bytes, TimePoint now) {
  LbStep step;
  if (phase_ == Phase::disconnected) return step;
  channel_.append(bytes);
  while (phase_ != Phase::disconnected) {
    auto event = channel_.next(now);
    if (!event) {
      close(step, event.error());
      return step;
    }
    if (!*event) break;
    std::visit([&](auto& what) { handle(std::move(what), now, step); }, **event);
  }
  pump(now, step);
  return step;
}

LbStep LbSession::handle_timeout(TimePoint now) {
  LbStep step;
  if (phase_ == Phase::disconnected) return step;
  if (const auto in_time = channel_.check_deadlines(now); !in_time) {
    close(step, in_time.error());
    return step;
  }
  if (next_poll_ && now >= *next_poll_) {
    next_poll_.reset();
    if (compare_again_ || (config_.trust && delta_rounds_ >= config_.delta_rounds)) {
      resynchronise();
    } else {
      queue_get_weights();
    }
    pump(now, step);
  }
  return step;
}

std::optional<TimePoint> LbSession::deadline() const {
  if (phase_ == Phase::disconnected) return std::nullopt;
  return earliest({next_poll_, channel_.deadline()});
}

// The request is sent again in the GWM's version, on the same connection.
void LbSession::handle(Channel::ComeDown&& come_down, TimePoint now, LbStep& step) {
  notice(step, fmt::format("the gwm speaks SASP version {}", come_down.version),
         Notice::Kind::information);
  queue_.push_front(std::move(in_flight_));
  pump(now, step);
}

// Before the first full Get Weights nothing else is trusted.
void LbSession::handle(Channel::Pushed&& pushed, TimePoint now, LbStep& step) {
  if (phase_ != Phase::settled) return;
  auto& groups = pushed.weights.groups;
  std::erase_if(groups, [&](const auto& group) { return !is_ours(group.group); });
  if (!groups.empty()) {
    step.events.emplace_back(WeightsReceived{std::move(groups), pushed.id, false});
  }
  // With trust only an answer tells who is gone, so pushes do not put it off.
  if (config_.push && !config_.trust && next_poll_ && !compare_again_) {
    next_poll_ = next_question(now);
  }
}

// sasp-interop row 17: the weights stay.
void LbSession::handle(Channel::Dropped&& dropped, TimePoint, LbStep& step) {
  notice(step, fmt::format("message dropped: {}", dropped.why.detail),
         Notice::Kind::message_dropped);
  // Row 32: what changed in it would never be sent again.
  if (!deltas_) return;
  compare_again_ = true;
  if (idle()) resynchronise();
}

void LbSession::handle(Channel::Answer&& answer, TimePoint now, LbStep& step) {
  const Request request = std::move(in_flight_);
  if (const auto* reply = std::get_if<SetLbStateReply>(&answer.reply)) {
    return handle_code(*reply, request, now, step);
  }
  if (const auto* reply = std::get_if<RegistrationReply>(&answer.reply)) {
    return handle_code(*reply, request, now, step);
  }
  if (const auto* reply = std::get_if<DeregistrationReply>(&answer.reply)) {
    return handle_code(*reply, request, step);
  }
  handle_get_weights(std::move(answer), request, now, step);
}

// RFC 4678 7.6.2
void LbSession::handle_code(const SetLbStateReply& reply, const Request& request, TimePoint now,
                            LbStep& step) {
  const auto flags = std::get<SetLbStateRequest>(request.message).flags;
  if (reply.code == ReturnCode::successful) {
    deltas_ = (flags & lb_flag::no_change) != 0;
    if (compare_again_ && idle()) next_poll_ = now;
    return;
  }
  if (phase_ == Phase::settled) {
    notice(step,
           fmt::format("the gwm refuses to change the state of this lb: {}", text(reply.code)));
    return;
  }
  close(step, fail(std::errc::connection_refused, fmt::format("the gwm refuses lb uid '{}': {}",
                                                              config_.lb_uid, text(reply.code))));
}

// RFC 4678 7.1.2. Row 21: after any other code nothing is assumed; the Get Weights that follows
// tells.
void LbSession::handle_code(const RegistrationReply& reply, const Request& request, TimePoint now,
                            LbStep& step) {
  switch (classify(reply.code)) {
    case CodeClass::done:
    case CodeClass::resynchronise: return;
    case CodeClass::retry_later:
    case CodeClass::refused:
      refused_[request.group] = now + config_.refused_retry;
      notice(step,
             fmt::format("the gwm refuses to register group '{}': {}; tried again in {} s",
                         request.group, text(reply.code),
                         std::chrono::floor<std::chrono::seconds>(config_.refused_retry).count()));
  }
}

// RFC 4678 7.2.2. A surplus that is already gone (0x41, 0x42, 0x43) is what we wanted.
void LbSession::handle_code(const DeregistrationReply& reply, const Request& request,
                            LbStep& step) {
  const CodeClass kind = classify(reply.code);
  if (kind == CodeClass::done || kind == CodeClass::resynchronise) return;
  notice(step, fmt::format("the gwm refuses to deregister members of group '{}': {}", request.group,
                           text(reply.code)));
}

// RFC 4678 7.3.2
void LbSession::handle_get_weights(Channel::Answer&& answer, const Request& request, TimePoint now,
                                   LbStep& step) {
  auto& reply = std::get<GetWeightsReply>(answer.reply);
  take_interval(reply);
  const CodeClass kind = classify(reply.code);
  if (kind == CodeClass::retry_later || kind == CodeClass::refused) {
    if (phase_ == Phase::opening) {
      return close(step, fail(std::errc::connection_refused,
                              fmt::format("the gwm refuses get weights: {}", text(reply.code))));
    }
    notice(step, fmt::format("the gwm refuses get weights: {}", text(reply.code)),
           Notice::Kind::weights_refused);
    round_.clear();
    std::erase_if(queue_, [](const auto& queued) { return asks_for_weights(queued.message); });
    next_poll_ = now + interval_;
    return;
  }
  if (kind == CodeClass::resynchronise && request.asks.size() > 1) {
    // One of several groups is unknown: which one is learned by asking for each alone.
    for (auto group = request.asks.rbegin(); group != request.asks.rend(); ++group) {
      const bool last = request.ends_round && group == request.asks.rbegin();
      queue_.push_front({GetWeightsRequest{{{config_.lb_uid, *group}}}, {}, {*group}, last});
    }
    return;
  }
  // Rows 30 and 35: an unknown LB, no group and an empty list all mean that nothing is registered.
  if (kind == CodeClass::done) {
    for (auto& group : reply.groups) {
      if (is_ours(group.group)) round_.push_back(std::move(group));
    }
  }
  if (request.ends_round) end_round(now, step, answer.id);
}

// Everything that was asked for has been answered.
void LbSession::end_round(TimePoint now, LbStep& step, std::uint32_t id) {
  if (deltas_) return settle(id, now, step);
  learn();
  if (!std::exchange(registered_since_learning_, false) && queue_registrations(now)) {
    registered_since_learning_ = true;
    round_.clear();
    queue_get_weights();
    return;
  }
  settle(id, now, step);
}

// Rows 8 and 31.
void LbSession::take_interval(const GetWeightsReply& reply) {
  if (config_.interval) return;
  if (reply.interval == 0) {
    if (reply.code == ReturnCode::successful) channel_.tolerances().add(Tolerance::zero_interval);
    interval_ = config_.default_interval;
    return;
  }
  interval_ =
      std::clamp(std::chrono::seconds{reply.interval}, config_.min_interval, config_.max_interval);
}

void LbSession::learn() {
  known_.clear();
  for (const auto& group : round_) {
    auto& members = known_[group.group.name];
    for (const auto& entry : group.items) {
      members[entry.member.key()].registered_by_lb =
          (entry.flags & weight_flag::registered_by_lb) != 0;
    }
  }
}

// Queues what makes the GWM's registry equal to ours; false when it is. Row 35.
bool LbSession::queue_registrations(TimePoint now) {
  const std::size_t before = queue_.size();
  compare_again_ = false;
  for (const auto& [group, members] : wanted_) {
    const auto refused = refused_.find(group);
    if (refused != refused_.end() && now < refused->second) continue;
    queue_missing(group, members);
  }
  for (const auto& [group, members] : known_)
    queue_surplus(group, members);
  return queue_.size() != before;
}

void LbSession::queue_missing(const std::string& group,
                              const std::map<MemberKey, std::string>& wanted) {
  const auto known = known_.find(group);
  GroupOfMemberData missing{{config_.lb_uid, group}, {}};
  const auto flush = [&] {
    if (missing.items.empty()) return;
    queue_.push_back({RegistrationRequest{.groups = {missing}}, group, {}, false});
    missing.items.clear();
  };
  for (const auto& [key, label] : wanted) {
    if (known != known_.end() && known->second.contains(key)) continue;
    missing.items.push_back(MemberData::of(key, label));
    if (missing.items.size() == config_.members_per_registration) flush();
  }
  flush();
}

// Only members that an LB registered: one that registered itself is not ours to remove.
void LbSession::queue_surplus(const std::string& group, const std::map<MemberKey, Known>& known) {
  const auto wanted = wanted_.find(group);
  GroupOfMemberData surplus{{config_.lb_uid, group}, {}};
  const auto flush = [&] {
    if (surplus.items.empty()) return;
    queue_.push_back({DeregistrationRequest{.reason = deregistration_reason::learned_and_purposeful,
                                            .groups = {surplus}},
                      group,
                      {},
                      false});
    surplus.items.clear();
  };
  for (const auto& [key, member] : known) {
    if (!member.registered_by_lb) continue;
    if (wanted != wanted_.end() && wanted->second.contains(key)) continue;
    surplus.items.push_back(MemberData::of(key));
    if (surplus.items.size() == config_.members_per_registration) flush();
  }
  flush();
}

// RFC 4678 7.6.1
void LbSession::queue_set_state(bool no_change) {
  SetLbStateRequest request{config_.lb_uid};
  if (config_.push) request.flags |= lb_flag::push;
  if (config_.trust) request.flags |= lb_flag::trust;
  if (no_change) request.flags |= lb_flag::no_change;
  queue_.push_back({request, {}, {}, false});
}

// One request for all groups where the reply is surely small enough; else for as many at a time as
// fit (row 20). Groups that we do not want are then not seen, and a surplus among them stays.
void LbSession::queue_get_weights() {
  constexpr std::size_t entry = 24 + 8;  // RFC 4678 5.1, 5.3
  std::vector<std::vector<std::string>> parts(1);
  std::size_t size = 0;
  for (const auto& [group, members] : wanted_) {
    std::size_t reply = 2 * max_text;
    for (const auto& [key, label] : members)
      reply += entry + label.size();
    if (size + reply > config_.max_reply && !parts.back().empty()) {
      parts.emplace_back();
      size = 0;
    }
    size += reply;
    parts.back().push_back(group);
  }
  if (parts.size() == 1) return queue_ask({}, true);
  for (auto& part : parts) {
    const bool last = &part == &parts.back();
    queue_ask(std::move(part), last);
  }
}

void LbSession::queue_ask(std::vector<std::string> groups, bool ends_round) {
  GetWeightsRequest request;
  for (const auto& group : groups)
    request.groups.push_back({config_.lb_uid, group});
  if (groups.empty()) request.groups.push_back({config_.lb_uid, ""});  // RFC 4678 7.3.1: all groups
  queue_.push_back({std::move(request), {}, std::move(groups), ends_round});
}

// Row 32: the full picture, also from a GWM that sends only changes.
void LbSession::resynchronise() {
  if (deltas_) queue_set_state(false);
  queue_get_weights();
}

void LbSession::settle(std::uint32_t id, TimePoint now, LbStep& step) {
  if (std::exchange(phase_, Phase::settled) == Phase::opening) {
    step.events.emplace_back(Established{});
  }
  // With trust an empty answer says something too: all who had registered themselves are gone.
  if (!round_.empty() || (config_.trust && !deltas_)) {
    step.events.emplace_back(WeightsReceived{std::exchange(round_, {}), id, !deltas_});
  }
  delta_rounds_ = deltas_ ? delta_rounds_ + 1 : 0;
  if (config_.no_change && !deltas_) queue_set_state(true);
  next_poll_ = compare_again_ ? now : next_question(now);
}

TimePoint LbSession::next_question(TimePoint now) const {
  return now + interval_ * (config_.push ? config_.silent_intervals : 1);
}

// Sends the next request when none is in flight.
void LbSession::pump(TimePoint now, LbStep& step) {
  if (phase_ == Phase::disconnected || channel_.waiting() || queue_.empty()) return;
  in_flight_ = std::move(queue_.front());
  queue_.pop_front();
  const auto bytes = channel_.ask(in_flight_.message, now);
  if (!bytes) return close(step, bytes.error());
  step.send.insert(step.send.end(), bytes->begin(), bytes->end());
}

void LbSession::close(LbStep& step, Error error) {
  phase_ = Phase::disconnected;
  step.send.clear();
  step.close = std::move(error);
}

}  // namespace saspd::sasp
