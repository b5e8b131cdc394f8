// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/request_channel.hpp"

#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "controller/sasp/requests.hpp"

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

// A message in the type that should have been sent (row 4).
Message without_misprint(Message message, Type due) {
  const auto* misprint = std::get_if<DeregistrationReply>(&message);
  if (misprint == nullptr) return message;
  if (due == Type::set_lb_state_reply) return SetLbStateReply{misprint->code};
  if (due == Type::set_member_state_reply) return SetMemberStateReply{misprint->code};
  return message;
}

bool refuses(ByteView bytes) {
  const auto decoded = decode(bytes, DecodeOptions::lb());
  return decoded && code_of(decoded->frame.message) == ReturnCode::not_understood;
}

auto seconds(Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

}  // namespace

void RequestChannel::connected() {
  framer_ = Framer(config_.max_message, Framer::kept_by_client);
  version_ = config_.version;
  pending_.reset();
  message_started_.reset();
  unknown_ids_in_a_row_ = unknown_types_in_a_row_ = 0;
}

Result<Bytes> RequestChannel::ask(Message request, TimePoint now) {
  assert(!pending_);
  const auto reply = reply_to(type_of(request), ReturnCode::successful);
  assert(reply);
  const Frame frame{++last_id_, std::move(request), version_};
  auto bytes = encode(frame);
  if (bytes) pending_ = Pending{frame.message_id, type_of(*reply), now + config_.reply_deadline};
  return bytes;
}

Result<std::optional<RequestChannel::Event>> RequestChannel::next(TimePoint now) {
  for (;;) {
    const auto frame = framer_.next();
    if (!frame) {
      ++protocol_errors_;
      return fail(frame.error());  // RFC 4678 9.2: synchronisation is lost
    }
    if (!*frame) break;
    message_started_.reset();
    auto taken = take(**frame);
    if (!taken || *taken) return taken;
  }
  if (framer_.partial() && !message_started_) message_started_ = now;
  return std::optional<Event>{};
}

RequestChannel::Taken RequestChannel::take(ByteView bytes) {
  const auto envelope = decode_envelope(bytes);
  if (!envelope) {
    ++protocol_errors_;
    return fail(at("message not understood", envelope.error()));
  }
  if (!is_message(envelope->type)) return take_unknown();
  unknown_types_in_a_row_ = 0;
  if (envelope->version != version_) return take_other_version(bytes, *envelope);
  auto decoded = decode(bytes, DecodeOptions::lb());
  if (!decoded) return take_undecodable(*envelope, decoded.error());
  tolerances_.add(decoded->tolerances);
  auto* pushed = std::get_if<SendWeights>(&decoded->frame.message);
  // RFC 4678 7.4, row 11: recognized by its type, not by its id.
  if (pushed != nullptr && config_.expects_weights) {
    return std::optional<Event>{Pushed{decoded->frame.message_id, std::move(*pushed)}};
  }
  return take_reply(std::move(decoded->frame));
}

RequestChannel::Taken RequestChannel::take_unknown() {
  tolerances_.add(Tolerance::unknown_message_type);
  if (++unknown_types_in_a_row_ < max_unknown_types_in_a_row) return std::optional<Event>{};
  return fail(Errc::unknown_message,
              fmt::format("{} messages of unknown type in a row", unknown_types_in_a_row_));
}

// sasp-interop row 17: the whole message is dropped. If it was the answer that we wait for, there
// will be no other.
RequestChannel::Taken RequestChannel::take_undecodable(const Envelope& envelope,
                                                       const Error& error) {
  ++protocol_errors_;
  if (pending_ && envelope.message_id == pending_->id) {
    return fail(at("message not understood", error));
  }
  return std::optional<Event>{Dropped{error}};
}

// RFC 4678 4.4, row 15: a refusal in the GWM's own, lower version answers our request. A GWM that
// asks for an even lower one contradicts itself.
RequestChannel::Taken RequestChannel::take_other_version(ByteView bytes, const Envelope& envelope) {
  const bool may_come_down = version_ == config_.version && envelope.version >= version &&
                             envelope.version <= config_.version && pending_ &&
                             envelope.message_id == pending_->id;
  if (may_come_down && refuses(bytes)) {
    version_ = envelope.version;
    pending_.reset();
    return std::optional<Event>{ComeDown{version_}};
  }
  return take_undecodable(envelope, fail(Errc::unsupported_version,
                                         fmt::format("the GWM speaks SASP version {}, we speak {}",
                                                     envelope.version, version_)));
}

// Rows 4 and 12.
bool RequestChannel::answers(const Frame& frame) const {
  if (!pending_ || frame.message_id != pending_->id) return false;
  const Type type = type_of(frame.message);
  const Type due = pending_->reply;
  return type == due || (type == Type::deregistration_reply &&
                         (due == Type::set_lb_state_reply || due == Type::set_member_state_reply));
}

RequestChannel::Taken RequestChannel::take_reply(Frame frame) {
  if (answers(frame)) {
    unknown_ids_in_a_row_ = 0;
    const Type due = std::exchange(pending_, std::nullopt)->reply;
    if (type_of(frame.message) != due) tolerances_.add(Tolerance::reply_type_misprint);
    return std::optional<Event>{
        Answer{frame.message_id, without_misprint(std::move(frame.message), due)}};
  }
  tolerances_.add(Tolerance::unknown_message_id);
  if (++unknown_ids_in_a_row_ < max_unknown_ids_in_a_row) return std::optional<Event>{};
  return fail(std::errc::protocol_error,
              fmt::format("{} messages in a row that answer no request, the last a {} with id {}",
                          unknown_ids_in_a_row_, name(type_of(frame.message)), frame.message_id));
}

Result<void> RequestChannel::check_deadlines(TimePoint now) const {
  if (pending_ && now >= pending_->deadline) {
    return fail(std::errc::timed_out, fmt::format("no {} within {} s", name(pending_->reply),
                                                  seconds(config_.reply_deadline)));
  }
  if (message_started_ && now >= *message_started_ + config_.message_deadline) {
    return fail(std::errc::timed_out,
                fmt::format("a message was incomplete {} s after its first byte",
                            seconds(config_.message_deadline)));
  }
  return {};
}

std::optional<TimePoint> RequestChannel::deadline() const {
  std::optional<TimePoint> reply;
  std::optional<TimePoint> complete;
  if (pending_) reply = pending_->deadline;
  if (message_started_) complete = *message_started_ + config_.message_deadline;
  return earliest({reply, complete});
}

}  // namespace saspd::sasp
