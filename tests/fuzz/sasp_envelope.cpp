// SPDX-License-Identifier: Apache-2.0
// Whatever can be decoded has the envelope that was read first; without an envelope nothing
// decodes.
#include "controller/sasp/codec.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd::sasp;
using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto envelope = decode_envelope({data, size});
  const auto decoded = decode({data, size});
  if (!decoded) return 0;
  check(envelope.has_value());
  check(envelope->version == decoded->frame.version);
  check(envelope->message_id == decoded->frame.message_id);
  check(envelope->type == type_of(decoded->frame.message));
  return 0;
}
