// SPDX-License-Identifier: Apache-2.0
// Bytes of one SASP message <-> Frame. Strict in writing, generous in reading: every generosity is
// a Tolerance and is counted. No allocation depends on an announced length or count.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/sasp/error.hpp"
#include "controller/sasp/messages.hpp"

namespace saspd::sasp {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// TLV lengths cover a component's own fields only (RFC 4678 section 8, sasp-interop row 1).
// Errc::not_encodable names the field that does not fit.
Result<Bytes> encode(const Frame& frame);

// The bytes that encode() makes of a frame, and of a component or message with all that it nests
// (of those that codec.cpp lists).
std::size_t wire_size(const Frame& frame);
template <class Component>
std::size_t wire_size(const Component& component);

struct DecodeOptions {
  // A load balancer accepts bytes after the message and a second message component (rows 18, 19); a
  // GWM answers 0x10 to both.
  bool accept_trailing = true;
  // Row 1: accept TLV lengths that cover nested components or unknown extension fields.
  bool accept_long_components = true;

  static DecodeOptions lb() { return {}; }
  static DecodeOptions gwm() { return {.accept_trailing = false}; }
};

struct Decoded {
  Frame frame;
  ToleranceCounts tolerances;
};

// `bytes` is exactly one message, as the framer returns it. The version is reported, not judged.
Result<Decoded> decode(ByteView bytes, DecodeOptions options = {});

// The part of a message that can be read in any version of the protocol (sasp-interop row 15).
struct Envelope {
  std::uint8_t version = 0;
  std::uint32_t message_id = 0;
  Type type{};  // any 16 bits; is_message() says whether RFC 4678 lists it
};
Result<Envelope> decode_envelope(ByteView bytes);

}  // namespace saspd::sasp
