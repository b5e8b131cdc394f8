// SPDX-License-Identifier: Apache-2.0
// The requesting side of one SASP connection, of a load balancer or a member: it keeps one request
// in flight, and picks the messages that matter from what the GWM sends. No socket and no clock.
#pragma once

#include <optional>
#include <variant>

#include "controller/base/clock.hpp"
#include "controller/sasp/framer.hpp"

namespace saspd::sasp {

struct RequestChannelConfig {
  std::size_t max_message = default_max_message;
  Duration reply_deadline = std::chrono::seconds{10};
  Duration message_deadline = std::chrono::seconds{10};  // first to last byte of a message
  std::uint8_t version = sasp::version;                  // the highest we speak (RFC 4678 4.4)
  bool expects_weights = true;  // if not, Send Weights counts as an unsolicited reply
};

class RequestChannel {
 public:
  // The reply to the request in flight, with the expected type; none is in flight afterwards.
  struct Answer {
    std::uint32_t id = 0;
    Message reply;
  };
  struct Pushed {
    std::uint32_t id = 0;
    SendWeights weights;
  };
  // The GWM refused our version and named its own; repeat the request that was in flight (RFC 4678
  // 4.4).
  struct ComeDown {
    std::uint8_t version = 0;
  };
  // A message that could not be read, and that answers no request (sasp-interop row 17).
  struct Dropped {
    Error why;
  };
  using Event = std::variant<Answer, Pushed, ComeDown, Dropped>;

  explicit RequestChannel(RequestChannelConfig config)
      : config_(config),
        framer_(config.max_message, Framer::kept_by_client),
        version_(config.version) {}

  // A new connection: nothing is in flight.
  void connected();

  // Returns the bytes to send, and waits for the answer from now on. Only while nothing is in
  // flight.
  Result<Bytes> ask(Message request, TimePoint now);
  bool waiting() const { return pending_.has_value(); }

  void append(ByteView bytes) { framer_.append(bytes); }
  // The next message that matters; empty while more bytes are needed; on an error, close the
  // connection.
  Result<std::optional<Event>> next(TimePoint now);

  // An error if the GWM is too slow: close the connection.
  Result<void> check_deadlines(TimePoint now) const;
  std::optional<TimePoint> deadline() const;

  // Since construction, over all connections.
  const ToleranceCounts& tolerances() const { return tolerances_; }
  ToleranceCounts& tolerances() { return tolerances_; }
  std::uint64_t protocol_errors() const { return protocol_errors_; }

 private:
  struct Pending {
    std::uint32_t id = 0;
    Type reply{};
    TimePoint deadline;
  };
  using Taken = Result<std::optional<Event>>;

  Taken take(ByteView bytes);
  Taken take_unknown();
  Taken take_undecodable(const Envelope& envelope, const Error& error);
  Taken take_other_version(ByteView bytes, const Envelope& envelope);
  Taken take_reply(Frame frame);
  bool answers(const Frame& frame) const;

  RequestChannelConfig config_;

  // Over all connections.
  ToleranceCounts tolerances_;
  std::uint64_t protocol_errors_ = 0;
  std::uint32_t last_id_ = 0;

  // State of this connection.
  Framer framer_;
  std::uint8_t version_;
  std::optional<Pending> pending_;  // one request in flight (row 12)
  std::optional<TimePoint> message_started_;
  unsigned unknown_ids_in_a_row_ = 0;
  unsigned unknown_types_in_a_row_ = 0;
};

}  // namespace saspd::sasp
