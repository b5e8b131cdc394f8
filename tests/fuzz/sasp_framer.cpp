// SPDX-License-Identifier: Apache-2.0
// A stream gives the same messages and the same error however it is cut. The first 4 bytes of the
// input are the sizes of the pieces, in turn.
#include <algorithm>

#include "controller/sasp/framer.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd::sasp;

namespace {

struct Seen {
  std::vector<Bytes> messages;
  std::error_code error;
  bool operator==(const Seen&) const = default;
};

Seen receive(ByteView stream, ByteView piece_sizes) {
  Seen seen;
  Framer framer(1000);
  for (std::size_t i = 0; !stream.empty() && !seen.error; ++i) {
    const std::size_t size = piece_sizes[i % piece_sizes.size()] + std::size_t{1};
    const ByteView part = stream.first(std::min(size, stream.size()));
    const Bytes piece(part.begin(), part.end());
    stream = stream.subspan(piece.size());
    framer.append(piece);
    auto next = framer.next();
    for (; next && next->has_value(); next = framer.next()) {
      seen.messages.emplace_back((*next)->begin(), (*next)->end());
    }
    if (!next) seen.error = next.error().code;
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (size < 4) return 0;
  const ByteView stream = input.subspan(4);
  const Seen in_pieces = receive(stream, input.first(4));
  saspd::fuzz::check(in_pieces == receive(stream, Bytes{0}));
  saspd::fuzz::check(in_pieces == receive(stream, Bytes{255}));
  return 0;
}
