// SPDX-License-Identifier: Apache-2.0
// Whatever a peer sends a GWM, each message becomes one event, and what is refused is answered with
// a reply of the right id that reads strictly. The first byte is the size of the pieces.
#include <algorithm>

#include "controller/sasp/gwm_session.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd::sasp;
using saspd::fuzz::check;

namespace {

void check_answer(const GwmRefusal& refusal) {
  const auto answer =
      decode(refusal.answer, {.accept_trailing = false, .accept_long_components = false});
  check(answer && answer->frame.version == version);
  check(!refusal.why.detail.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  GwmSession session({.max_message = 4096});
  ByteView stream(data + 1, size - 1);
  for (bool open = true; open && !stream.empty();) {
    const ByteView part = stream.first(std::min<std::size_t>(data[0] + 1U, stream.size()));
    stream = stream.subspan(part.size());
    session.handle_bytes(Bytes(part.begin(), part.end()));
    auto next = session.next({});
    for (; next && next->has_value(); next = session.next({})) {
      if (const auto* refusal = std::get_if<GwmRefusal>(&**next)) check_answer(*refusal);
    }
    open = next.has_value();
  }
  return 0;
}
