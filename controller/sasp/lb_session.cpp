#include "controller/sasp/lb_session.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace saspd::sasp {
namespace {

constexpr unsigned max_unknown_ids_in_a_row = 3;
constexpr unsigned max_unknown_types_in_a_row = 16;  // sasp-interop row 16

// The return code of a reply; nothing for other messages.
std::optional<ReturnCode> code_of(const Message& message) {
  return std::visit(
      [](const auto& m) -> std::optional<ReturnCode> {
        if constexpr (requires { m.code; }) return m.code;
        return std::nullopt;
      },
      message);
}

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
  round_.clear();
  known_.clear();
  refused_.clear();
  registered_since_learning_ = false;
  deltas_ = false;
  version_ = config_.version;
  next_poll_.reset();
  message_started_.reset();
  unknown_ids_in_a_row_ = unknown_types_in_a_row_ = 0;
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
                         "no {} within {} s", name(pending_->request.reply),
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
  if (envelope->version != version_) {
    if (come_down(bytes, *envelope, now, step)) return;
    return handle_undecodable(
        bytes,
        fail(Errc::unsupported_version, fmt::format("the gwm speaks SASP version {}, we speak {}",
                                                    envelope->version, version_)),
        step);
  }
  auto decoded = decode(bytes, DecodeOptions::lb());
  if (!decoded) return handle_undecodable(bytes, decoded.error(), step);
  tolerances_.add(decoded->tolerances);
  if (auto* pushed = std::get_if<SendWeights>(&decoded->frame.message)) {
    return handle_pushed(*pushed, decoded->frame.message_id, now, step);
  }
  handle_reply(decoded->frame, now, step);
}

// RFC 4678 4.4, row 15: the GWM refuses our version and names its own, lower one. The request is
// sent again in that version, on the same connection; whoever wants us lower still has made no
// sense before.
bool LbSession::come_down(ByteView bytes, const Envelope& envelope, TimePoint now, LbStep& step) {
  if (version_ != config_.version || envelope.version < version ||
      envelope.version > config_.version || !pending_ || envelope.message_id != pending_->id) {
    return false;
  }
  const auto decoded = decode(bytes, DecodeOptions::lb());
  if (!decoded || code_of(decoded->frame.message) != ReturnCode::not_understood) return false;
  version_ = envelope.version;
  notice(step, fmt::format("the gwm speaks SASP version {}", version_));
  queue_.push_front(std::move(pending_->request));
  pending_.reset();
  pump(now, step);
  return true;
}

// RFC 4678 7.4, row 11: told by its type, not by its id. Before the first full Get Weights nothing
// else is trusted.
void LbSession::handle_pushed(SendWeights& message, std::uint32_t id, TimePoint now, LbStep& step) {
  if (phase_ != Phase::settled) return;
  std::erase_if(message.groups, [&](const auto& group) { return !is_ours(group.group); });
  if (!message.groups.empty()) {
    step.events.emplace_back(WeightsReceived{std::move(message.groups), id, false});
  }
  // With trust only an answer tells who is gone, so pushes do not put it off.
  if (config_.push && !config_.trust && next_poll_ && !compare_again_) {
    next_poll_ = next_question(now);
  }
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
  // Row 32: what changed in it would never be sent again.
  if (!deltas_) return;
  compare_again_ = true;
  if (idle()) resynchronise();
}

// Does `frame` answer the pending request? Rows 4 and 12.
bool LbSession::answers(const Frame& frame) {
  if (!pending_ || frame.message_id != pending_->id) return false;
  const Type type = type_of(frame.message);
  const Type due = pending_->request.reply;
  if (type == due) return true;
  const bool misprint = type == Type::deregistration_reply &&
                        (due == Type::set_lb_state_reply || due == Type::set_member_state_reply);
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
  if (pending.request.reply == Type::set_lb_state_reply) {
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
void LbSession::handle_code(const SetLbStateReply& reply, const Pending& pending, TimePoint now,
                            LbStep& step) {
  const auto flags = std::get<SetLbStateRequest>(pending.request.message).flags;
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
void LbSession::handle_code(const RegistrationReply& reply, const Pending& pending, TimePoint now,
                            LbStep& step) {
  switch (classify(reply.code)) {
    case CodeClass::done:
    case CodeClass::resynchronise: return;
    case CodeClass::retry_later:
    case CodeClass::refused:
      refused_[pending.request.group] = now + config_.refused_retry;
      notice(step,
             fmt::format("the gwm refuses to register group '{}': {}; tried again in {} s",
                         pending.request.group, text(reply.code),
                         std::chrono::floor<std::chrono::seconds>(config_.refused_retry).count()));
  }
}

// RFC 4678 7.2.2. A surplus that is already gone (0x41, 0x42, 0x43) is what we wanted.
void LbSession::handle_code(const DeregistrationReply& reply, const Pending& pending, TimePoint,
                            LbStep& step) {
  const CodeClass kind = classify(reply.code);
  if (kind == CodeClass::done || kind == CodeClass::resynchronise) return;
  notice(step, fmt::format("the gwm refuses to deregister members of group '{}': {}",
                           pending.request.group, text(reply.code)));
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
    round_.clear();
    std::erase_if(queue_,
                  [](const auto& request) { return request.reply == Type::get_weights_reply; });
    next_poll_ = now + interval_;
    return;
  }
  const auto& asked = pending.request;
  if (kind == CodeClass::resynchronise && asked.asks.size() > 1) {
    // One of several groups is unknown: which one is learned by asking for each alone.
    for (auto group = asked.asks.rbegin(); group != asked.asks.rend(); ++group) {
      const bool last = asked.ends_round && group == asked.asks.rbegin();
      queue_.push_front({GetWeightsRequest{{{config_.lb_uid, *group}}},
                         Type::get_weights_reply,
                         {},
                         {*group},
                         last});
    }
    return;
  }
  // Rows 30 and 35: an unknown LB, no group and an empty list all mean that nothing is registered.
  if (kind == CodeClass::done) {
    for (auto& group : reply.groups) {
      if (is_ours(group.group)) round_.push_back(std::move(group));
    }
  }
  if (asked.ends_round) end_round(now, step, pending.id);
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
    if (reply.code == ReturnCode::successful) tolerances_.add(Tolerance::zero_interval);
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
    queue_.push_back(
        {RegistrationRequest{.groups = {missing}}, Type::registration_reply, group, {}, false});
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
                      Type::deregistration_reply,
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
  queue_.push_back({request, Type::set_lb_state_reply, {}, {}, false});
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
  queue_.push_back(
      {std::move(request), Type::get_weights_reply, {}, std::move(groups), ends_round});
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
  if (phase_ == Phase::disconnected || pending_ || queue_.empty()) return;
  Request request = std::move(queue_.front());
  queue_.pop_front();
  const Frame frame{++last_id_, request.message, version_};
  const auto bytes = encode(frame);
  if (!bytes) return close(step, bytes.error());
  step.send.insert(step.send.end(), bytes->begin(), bytes->end());
  pending_ = Pending{frame.message_id, std::move(request), now + config_.reply_deadline};
}

void LbSession::close(LbStep& step, Error error) {
  phase_ = Phase::disconnected;
  step.send.clear();
  step.close = std::move(error);
}

}  // namespace saspd::sasp
