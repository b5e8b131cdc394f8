// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/gwm_session.hpp"

#include <cassert>

#include <fmt/format.h>

#include "controller/sasp/requests.hpp"

namespace saspd::sasp {
namespace {

// "Message not understood", in the reply that belongs to `request`; empty if that is not a request.
std::optional<Message> not_understood(Type request, std::uint16_t interval) {
  auto reply = reply_to(request, ReturnCode::not_understood);
  if (!reply) return reply;
  if (auto* weights = std::get_if<GetWeightsReply>(&*reply)) weights->interval = interval;
  return reply;
}

std::optional<GwmEvent> refusal(std::uint32_t message_id, Message reply, Error why) {
  auto answer = encode({message_id, std::move(reply)});
  assert(answer);
  return GwmRefusal{std::move(*answer), std::move(why)};
}

}  // namespace

Result<std::optional<GwmEvent>> GwmSession::next(TimePoint now) {
  const auto frame = framer_.next();
  if (!frame) return fail(frame.error());
  if (*frame) {
    unfinished_since_.reset();
    return handle_frame(**frame);
  }
  if (framer_.partial() && !unfinished_since_) unfinished_since_ = now;
  return std::optional<GwmEvent>{};
}

std::optional<TimePoint> GwmSession::deadline() const {
  if (!unfinished_since_) return {};
  return *unfinished_since_ + config_.message_deadline;
}

Result<std::optional<GwmEvent>> GwmSession::handle_frame(ByteView bytes) {
  const auto envelope = decode_envelope(bytes);
  if (!envelope) return fail(envelope.error());
  auto reply = not_understood(envelope->type, config_.interval);
  if (!reply) return skip(*envelope);
  unknown_in_a_row_ = 0;
  // RFC 4678 4.4, sasp-interop row 15: of another version only the message type is read; the answer
  // carries the highest version that we speak.
  if (envelope->version != version) {
    return refusal(envelope->message_id, std::move(*reply),
                   fail(Errc::unsupported_version,
                        fmt::format("version {}, this GWM speaks {}", envelope->version, version)));
  }
  auto decoded = decode(bytes, DecodeOptions::gwm());
  if (!decoded) {
    return refusal(envelope->message_id, std::move(*reply),
                   at(name(envelope->type), decoded.error()));
  }
  tolerances_.add(decoded->tolerances);
  return std::optional<GwmEvent>{
      GwmRequest{envelope->message_id, std::move(decoded->frame.message), decoded->tolerances}};
}

// sasp-interop row 16. Types that only a GWM sends are unknown here as well.
Result<std::optional<GwmEvent>> GwmSession::skip(const Envelope& envelope) {
  tolerances_.add(Tolerance::unknown_message_type);
  Error why = fail(Errc::unknown_message,
                   fmt::format("message type {:#06x} ({}) is not a request",
                               static_cast<std::uint16_t>(envelope.type), name(envelope.type)));
  if (++unknown_in_a_row_ < config_.max_unknown_in_a_row) {
    return std::optional<GwmEvent>{GwmSkipped{std::move(why)}};
  }
  return fail(at(fmt::format("{} messages in a row without a request", unknown_in_a_row_), why));
}

}  // namespace saspd::sasp
