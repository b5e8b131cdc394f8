// SPDX-License-Identifier: Apache-2.0
// The GWM's side of one SASP connection, whether the peer is a load balancer or a member. No socket
// and no clock: bytes and time come in, and their meaning comes out one message at a time, so that
// the owner writes each answer before the next request is read, and a peer that asks without
// reading cannot pile up answers.
#pragma once

#include <optional>
#include <variant>

#include "controller/base/clock.hpp"
#include "controller/sasp/framer.hpp"

namespace saspd::sasp {

struct GwmSessionConfig {
  std::uint16_t interval = 10;  // seconds; sent in every Get Weights Reply (row 31)
  std::size_t max_message = default_max_message;
  Duration message_deadline = std::chrono::seconds{10};  // first to last byte of a message
  unsigned max_unknown_in_a_row = 16;                    // row 16
};

// One of the five requests, to be answered with the reply of its kind and the same message id.
struct GwmRequest {
  std::uint32_t message_id = 0;
  Message message;
  ToleranceCounts tolerances;  // what was tolerated in this message
  bool operator==(const GwmRequest&) const = default;
};
// A request that cannot be understood: nothing of it may be applied, and these bytes are its
// answer.
struct GwmRefusal {
  Bytes answer;
  Error why;
};
// A message that has no reply.
struct GwmSkipped {
  Error why;
};
using GwmEvent = std::variant<GwmRequest, GwmRefusal, GwmSkipped>;

class GwmSession {
 public:
  explicit GwmSession(GwmSessionConfig config = {})
      : config_(config), framer_(config.max_message) {}

  void handle_bytes(ByteView bytes) { framer_.append(bytes); }

  // The next message; empty while more bytes are needed; or an error after which the stream cannot
  // be followed (RFC 4678 9.2): close the connection.
  Result<std::optional<GwmEvent>> next(TimePoint now);

  // When a message that has begun must be complete; empty between messages. Known after next() has
  // returned nothing.
  std::optional<TimePoint> deadline() const;

  // Bytes received of an unfinished message.
  std::size_t unfinished() const { return framer_.unfinished(); }

  // Counts over all messages so far.
  const ToleranceCounts& tolerances() const { return tolerances_; }

 private:
  Result<std::optional<GwmEvent>> handle_frame(ByteView bytes);
  Result<std::optional<GwmEvent>> skip(const Envelope& envelope);

  GwmSessionConfig config_;
  Framer framer_;
  std::optional<TimePoint> unfinished_since_;
  unsigned unknown_in_a_row_ = 0;
  ToleranceCounts tolerances_;
};

}  // namespace saspd::sasp
