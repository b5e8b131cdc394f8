// SPDX-License-Identifier: Apache-2.0
// The stricter a reader is, the less it accepts, and what it accepts it reads as the others do.
#include "controller/sasp/codec.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/fuzz/sasp_frame.hpp"

using namespace saspd::sasp;
using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = saspd::fuzz::as_framed(data, size);
  const auto strict = decode(bytes, {.accept_trailing = false, .accept_long_components = false});
  const auto gwm = decode(bytes, DecodeOptions::gwm());
  const auto lb = decode(bytes, DecodeOptions::lb());
  if (strict) check(gwm && gwm->frame == strict->frame);
  if (gwm) check(lb && lb->frame == gwm->frame);
  if (gwm) check(decode(encode(gwm->frame).value(), DecodeOptions::gwm())->frame == gwm->frame);
  return 0;
}
