// SPDX-License-Identifier: Apache-2.0
// What a load balancer accepts can be written strictly, and that reads the same.
#include "controller/sasp/codec.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/fuzz/sasp_frame.hpp"

using namespace saspd::sasp;
using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = saspd::fuzz::as_framed(data, size);
  const auto seen = decode(bytes, DecodeOptions::lb());
  if (!seen) return 0;
  const auto rewritten = encode(seen->frame);
  check(rewritten.has_value());
  const auto again =
      decode(*rewritten, {.accept_trailing = false, .accept_long_components = false});
  check(again && again->frame == seen->frame);
  check(seen->tolerances.any() || *rewritten == bytes);
  return 0;
}
