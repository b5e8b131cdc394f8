#include "controller/sasp/lb_session.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace saspd::sasp {
namespace {

constexpr unsigned max_unknown_ids_in_a_row = 3;
constexpr unsigned max_unknown_types_in_a_row = 16;  // sasp-interop row 16

GroupData all_groups(const std::string& lb_uid) {
  return {lb_uid, ""};
}  // RFC 4678 7.3.1

std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace

LbSession::LbSession(LbSessionConfig config)
    : config_(std::move(config)),
      interval_(config_.interval.value_or(config_.default_interval)),
      framer_(config_.max_message) {}

LbStep LbSession::connected(TimePoint now) {
  LbStep step;
  phase_ = Phase::opening;
  framer_ = Framer(config_.max_message);
  queue_.clear();
  pending_.reset();
  known_.clear();
  refused_.clear();
  registered_since_learning_ = false;
  next_poll_.reset();
  message_started_.reset();
  unknown_ids_in_a_row_ = unknown_types_in_a_row_ = 0;
  // sasp-interop row 33: always sent, before any registration.
  queue_.push_back({SetLbStateRequest{config_.lb_uid}, Type::set_lb_state_reply, {}});
  queue_get_weights();
  pump(now, step);
  return step;
}

LbStep LbSession::want(WantedGroups groups, TimePoint now) {
  LbStep step;
  if (groups == wanted_) return step;
  wanted_ = std::move(groups);
  want_changed_ = true;
  // An exchange that is under way comes round to it by itself.
  if (phase_ != Phase::settled || pending_ || !queue_.empty()) return step;
  queue_get_weights();
  pump(now, step);
  return step;
}

LbStep LbSession::handle_bytes(ByteView bytes, TimePoint now) {
  LbStep step;
  if (phase_ == Phase::disconnected) return step;
  framer_.append(bytes);
  bool completed = false;
  while (phase_ != Phase::disconnected) {
    const auto frame = framer_.next();
    if (!frame) {
      ++protocol_errors_;
      close(step, frame.error());  // RFC 4678 9.2: synchronisation is lost
      return step;
    }
    if (!*frame) break;
    completed = true;
    handle_frame(**frame, now, step);
  }
  if (!framer_.partial()) {
    message_started_.reset();
  } else if (completed || !message_started_) {
    message_started_ = now;
  }
  if (phase_ != Phase::disconnected) pump(now, step);
  return step;
}

LbStep LbSession::handle_timeout(TimePoint now) {
  LbStep step;
  if (phase_ == Phase::disconnected) return step;
  if (pending_ && now >= pending_->deadline) {
    close(step, fail(std::errc::timed_out,
                     fmt::format(
                         "no {} within {} s", name(pending_->reply),
                         std::chrono::ceil<std::chrono::seconds>(config_.reply_deadline).count())));
    return step;
  }
  if (message_started_ && now >= *message_started_ + config_.message_deadline) {
    close(step,
          fail(std::errc::timed_out,
               fmt::format(
                   "a message was not complete {} s after its first byte",
                   std::chrono::ceil<std::chrono::seconds>(config_.message_deadline).count())));
    return step;
  }
  if (next_poll_ && now >= *next_poll_) {
    next_poll_.reset();
    queue_get_weights();
    pump(now, step);
  }
  return step;
}

std::optional<TimePoint> LbSession::deadline() const {
  if (phase_ == Phase::disconnected) return std::nullopt;
  std::optional<TimePoint> next = next_poll_;
  if (pending_) next = earlier(next, pending_->deadline);
  if (message_started_) next = earlier(next, *message_started_ + config_.message_deadline);
  return next;
}

void LbSession::handle_frame(ByteView bytes, TimePoint now, LbStep& step) {
  const auto envelope = decode_envelope(bytes);
  if (!envelope) return handle_undecodable(bytes, envelope.error(), step);
  if (!is_message(envelope->type)) {
    tolerances_.add(Tolerance::unknown_message_type);
    if (++unknown_types_in_a_row_ >= max_unknown_types_in_a_row) {
      close(step, fail(Errc::unknown_message, fmt::format("{} messages of unknown type in a row",
                                                          unknown_types_in_a_row_)));
    }
    return;
  }
  unknown_types_in_a_row_ = 0;
  if (envelope->version != version) {
    // RFC 4678 4.4. There is no lower version than 1 to come down to.
    return handle_undecodable(
        bytes,
        fail(Errc::unsupported_version, fmt::format("the gwm speaks SASP version {}, we speak {}",
                                                    envelope->version, version)),
        step);
  }
  auto decoded = decode(bytes, DecodeOptions::lb());
  if (!decoded) return handle_undecodable(bytes, decoded.error(), step);
  tolerances_.add(decoded->tolerances);
  if (auto* pushed = std::get_if<SendWeights>(&decoded->frame.message)) {
    // Row 11: told by its type. Before the first full Get Weights nothing else is trusted.
    if (phase_ == Phase::settled) {
      step.events.emplace_back(
          WeightsReceived{std::move(pushed->groups), decoded->frame.message_id});
    }
    return;
  }
  handle_reply(decoded->frame, now, step);
}

// sasp-interop row 17: the whole message is dropped and the weights stay. If it was the answer that
// we wait for, there will be no other.
void LbSession::handle_undecodable(ByteView bytes, const Error& error, LbStep& step) {
  ++protocol_errors_;
  const auto envelope = decode_envelope(bytes);
  if (!envelope || (pending_ && envelope->message_id == pending_->id)) {
    return close(step, at("message not understood", error));
  }
  notice(step, fmt::format("message dropped: {}", error.detail));
}

// Does `frame` answer the pending request? Rows 4 and 12.
bool LbSession::answers(const Frame& frame) {
  if (!pending_ || frame.message_id != pending_->id) return false;
  const Type type = type_of(frame.message);
  if (type == pending_->reply) return true;
  const bool misprint =
      type == Type::deregistration_reply && (pending_->reply == Type::set_lb_state_reply ||
                                             pending_->reply == Type::set_member_state_reply);
  if (misprint) tolerances_.add(Tolerance::reply_type_misprint);
  return misprint;
}

void LbSession::handle_reply(const Frame& frame, TimePoint now, LbStep& step) {
  if (!answers(frame)) {
    tolerances_.add(Tolerance::unknown_message_id);
    if (++unknown_ids_in_a_row_ >= max_unknown_ids_in_a_row) {
      close(step, fail(std::errc::protocol_error,
                       fmt::format(
                           "{} messages in a row that answer nothing, the last a {} with id {}",
                           unknown_ids_in_a_row_, name(type_of(frame.message)), frame.message_id)));
    }
    return;
  }
  unknown_ids_in_a_row_ = 0;
  const Pending pending = *std::exchange(pending_, std::nullopt);
  if (pending.reply == Type::set_lb_state_reply) {
    const auto* misprint = std::get_if<DeregistrationReply>(&frame.message);
    return handle_code(
        misprint ? SetLbStateReply{misprint->code} : std::get<SetLbStateReply>(frame.message),
        pending, now, step);
  }
  if (const auto* reply = std::get_if<RegistrationReply>(&frame.message)) {
    return handle_code(*reply, pending, now, step);
  }
  if (const auto* reply = std::get_if<DeregistrationReply>(&frame.message)) {
    return handle_code(*reply, pending, now, step);
  }
  auto weights = std::get<GetWeightsReply>(frame.message);
  handle_code(weights, pending, now, step);
}

// RFC 4678 7.6.2
void LbSession::handle_code(const SetLbStateReply& reply, const Pending&, TimePoint, LbStep& step) {
  if (reply.code == ReturnCode::successful) return;
  close(step, fail(std::errc::connection_refused, fmt::format("the gwm refuses lb uid '{}': {}",
                                                              config_.lb_uid, text(reply.code))));
}

// RFC 4678 7.1.2. Row 21: after any other code nothing is assumed; the Get Weights that follows
// tells.
void LbSession::handle_code(const RegistrationReply& reply, const Pending& pending, TimePoint now,
                            LbStep& step) {
  switch (classify(reply.code)) {
    case CodeClass::done: return;
    case CodeClass::resynchronise: return;
    case CodeClass::retry_later:
    case CodeClass::refused:
      refused_[pending.group] = now + config_.refused_retry;
      notice(step,
             fmt::format("the gwm refuses to register group '{}': {}; tried again in {} s",
                         pending.group, text(reply.code),
                         std::chrono::floor<std::chrono::seconds>(config_.refused_retry).count()));
  }
}

// RFC 4678 7.2.2. A surplus that is already gone (0x41, 0x42, 0x43) is what we wanted.
void LbSession::handle_code(const DeregistrationReply& reply, const Pending& pending, TimePoint,
                            LbStep& step) {
  const CodeClass kind = classify(reply.code);
  if (kind == CodeClass::done || kind == CodeClass::resynchronise) return;
  notice(step, fmt::format("the gwm refuses to deregister members of group '{}': {}", pending.group,
                           text(reply.code)));
}

// RFC 4678 7.3.2
void LbSession::handle_code(GetWeightsReply& reply, const Pending& pending, TimePoint now,
                            LbStep& step) {
  take_interval(reply);
  const CodeClass kind = classify(reply.code);
  if (kind == CodeClass::retry_later || kind == CodeClass::refused) {
    if (phase_ == Phase::opening) {
      return close(step, fail(std::errc::connection_refused,
                              fmt::format("the gwm refuses get weights: {}", text(reply.code))));
    }
    notice(step, fmt::format("the gwm refuses get weights: {}", text(reply.code)));
    next_poll_ = now + interval_;
    return;
  }
  // Rows 30 and 35: an unknown LB, no group and an empty list all mean that nothing is registered.
  if (kind == CodeClass::resynchronise) reply.groups.clear();
  std::erase_if(reply.groups, [&](const auto& g) { return g.group.lb_uid != config_.lb_uid; });
  learn(reply.groups);
  if (!std::exchange(registered_since_learning_, false) && queue_registrations(now)) {
    registered_since_learning_ = true;
    queue_get_weights();
    return;
  }
  settle(std::move(reply.groups), pending.id, now, step);
}

// Rows 8 and 31.
void LbSession::take_interval(const GetWeightsReply& reply) {
  if (config_.interval) return;
  if (reply.interval == 0) {
    if (reply.code == ReturnCode::successful) tolerances_.add(Tolerance::zero_interval);
    interval_ = config_.default_interval;
    return;
  }
  interval_ =
      std::clamp(std::chrono::seconds{reply.interval}, config_.min_interval, config_.max_interval);
}

void LbSession::learn(const std::vector<GroupOfWeightEntries>& groups) {
  known_.clear();
  for (const auto& group : groups) {
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
  want_changed_ = false;
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
    queue_.push_back({RegistrationRequest{.groups = {missing}}, Type::registration_reply, group});
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
                      Type::deregistration_reply, group});
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

void LbSession::queue_get_weights() {
  queue_.push_back({GetWeightsRequest{{all_groups(config_.lb_uid)}}, Type::get_weights_reply, {}});
}

void LbSession::settle(std::vector<GroupOfWeightEntries> groups, std::uint32_t id, TimePoint now,
                       LbStep& step) {
  if (std::exchange(phase_, Phase::settled) == Phase::opening) {
    step.events.emplace_back(Established{});
  }
  if (!groups.empty()) step.events.emplace_back(WeightsReceived{std::move(groups), id});
  next_poll_ = want_changed_ ? now : now + interval_;
}

// Sends the next request when none is in flight.
void LbSession::pump(TimePoint now, LbStep& step) {
  if (phase_ == Phase::disconnected || pending_ || queue_.empty()) return;
  const Request request = std::move(queue_.front());
  queue_.pop_front();
  const Frame frame{++last_id_, request.message};
  const auto bytes = encode(frame);
  if (!bytes) return close(step, bytes.error());
  step.send.insert(step.send.end(), bytes->begin(), bytes->end());
  pending_ = Pending{frame.message_id, request.reply, request.group, now + config_.reply_deadline};
}

void LbSession::close(LbStep& step, Error error) {
  phase_ = Phase::disconnected;
  step.send.clear();
  step.close = std::move(error);
}

}  // namespace saspd::sasp
