// SPDX-License-Identifier: Apache-2.0
// What must hold for every message, tried with the golden frames and with random ones.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "controller/sasp/requests.hpp"
#include "tests/support/hex.hpp"
#include "tests/support/sasp_samples.hpp"

namespace saspd::sasp {
namespace {

using saspd::testing::Samples;

// A copy on the heap of exactly this size: the sanitizer sees the first byte read behind it.
Bytes exactly(ByteView bytes) {
  return Bytes(bytes.begin(), bytes.end());
}

Bytes with_message_length(Bytes bytes) {
  for (std::size_t i = 0; i < 4 && message_length_offset + i < bytes.size(); ++i) {
    bytes[message_length_offset + i] = static_cast<std::uint8_t>(bytes.size() >> (24 - 8 * i));
  }
  return bytes;
}

std::vector<Bytes> golden_frames() {
  std::vector<Bytes> frames;
  for (const auto& entry :
       std::filesystem::directory_iterator(TESTS_DIR "/conformance/sasp/golden")) {
    frames.push_back(saspd::testing::hex_file(entry.path()));
  }
  return frames;
}

class EveryMessage : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(golden_frames().empty()); }

  std::vector<Bytes> frames(std::size_t n) {
    std::vector<Bytes> all = golden_frames();
    for (std::size_t i = 0; i < n; ++i)
      all.push_back(encode(samples.frame()).value());
    return all;
  }

  // For work that grows with the square of their size.
  std::vector<Bytes> small_frames(std::size_t n) {
    std::vector<Bytes> all = frames(n);
    std::erase_if(all, [](const Bytes& bytes) { return bytes.size() > 3000; });
    return all;
  }

  const std::uint64_t seed = saspd::testing::random_seed();
  ::testing::ScopedTrace trace{__FILE__, __LINE__, "SASPD_TEST_SEED=" + std::to_string(seed)};
  Samples samples{seed};
};

TEST_F(EveryMessage, IsTheSameAfterEncodingAndDecoding) {
  for (int i = 0; i < 3000; ++i) {
    const Frame frame = samples.frame();
    const auto bytes = encode(frame);
    ASSERT_TRUE(bytes) << bytes.error().detail;
    const auto decoded =
        decode(exactly(*bytes), {.accept_trailing = false, .accept_long_components = false});
    ASSERT_TRUE(decoded) << decoded.error().detail;
    ASSERT_EQ(decoded->frame, frame);
  }
}

TEST_F(EveryMessage, IsTheSameAfterItsToleratedFormIsWrittenStrictly) {
  int tolerated = 0;
  for (const Bytes& bytes : frames(3000)) {
    const Bytes damaged = exactly(samples.damaged(bytes));
    const auto first = decode(damaged);
    if (!first) continue;
    const auto rewritten = encode(first->frame);
    ASSERT_TRUE(rewritten) << rewritten.error().detail;
    const auto second =
        decode(*rewritten, {.accept_trailing = false, .accept_long_components = false});
    ASSERT_TRUE(second) << second.error().detail;
    ASSERT_EQ(second->frame, first->frame);
    if (!first->tolerances.any()) {
      ASSERT_EQ(*rewritten, damaged);  // the format leaves no freedom
    }
    tolerated += static_cast<int>(first->tolerances.any());
  }
  EXPECT_GT(tolerated, 0) << "nothing was tolerated, so nothing was tested";
}

TEST_F(EveryMessage, IsIncompleteToTheFramerInEveryStrictPrefix) {
  for (const Bytes& bytes : small_frames(20)) {
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      Framer framer;
      framer.append(exactly(ByteView(bytes).first(n)));
      const auto next = framer.next();
      ASSERT_TRUE(next) << next.error().detail;
      ASSERT_FALSE(next->has_value()) << n << " of " << bytes.size() << " bytes";
    }
  }
}

TEST_F(EveryMessage, IsAnErrorToTheDecoderInEveryStrictPrefix) {
  for (const Bytes& bytes : small_frames(20)) {
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      const Bytes prefix = exactly(ByteView(bytes).first(n));
      ASSERT_FALSE(decode(prefix)) << n << " of " << bytes.size() << " bytes";
      // And not only because of the Message Length.
      ASSERT_FALSE(decode(with_message_length(prefix))) << n << " of " << bytes.size() << " bytes";
    }
  }
}

TEST_F(EveryMessage, ComesOutOfTheFramerHoweverTheStreamIsCut) {
  const std::vector<Bytes> sent = frames(60);
  Bytes stream;
  for (const Bytes& bytes : sent)
    stream.insert(stream.end(), bytes.begin(), bytes.end());

  const auto received = [&](auto piece_size) {
    std::vector<Bytes> messages;
    Framer framer;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t n = std::min<std::size_t>(piece_size(), stream.size() - at);
      framer.append(exactly(ByteView(stream).subspan(at, n)));
      at += n;
      for (auto next = framer.next(); next && next->has_value(); next = framer.next()) {
        messages.push_back(exactly(**next));
      }
    }
    EXPECT_FALSE(framer.partial());
    return messages;
  };
  EXPECT_EQ(received([&] { return stream.size(); }), sent);
  EXPECT_EQ(received([] { return 1; }), sent);
  for (const std::uint64_t limit : {2, 20, 300, 5000}) {
    EXPECT_EQ(received([&] { return 1 + samples.below(limit); }), sent);
  }
}

TEST_F(EveryMessage, HasTheSizeThatIsToldBeforeItIsWritten) {
  for (const Bytes& bytes : frames(300)) {
    const Frame frame = decode(exactly(bytes)).value().frame;
    EXPECT_EQ(wire_size(frame), encode(frame).value().size());
  }
}

// The type by its number: each request has the reply of its number plus 5 (RFC 4678 4.2).
TEST(Request, HasTheReplyOfItsNumber) {
  unsigned requests = 0;
  for (unsigned number = 0; number <= 0xFFFF; ++number) {
    const auto reply = reply_to(static_cast<Type>(number), ReturnCode::not_accepted);
    if (!reply) continue;
    ++requests;
    EXPECT_EQ(static_cast<unsigned>(type_of(*reply)), number + 5);
  }
  EXPECT_EQ(requests, 5U);
}

TEST_F(EveryMessage, HasAnEnvelopeWhateverItsVersionIs) {
  for (Bytes bytes : frames(100)) {
    bytes[4] = samples.byte();
    const auto envelope = decode_envelope(exactly(bytes));
    ASSERT_TRUE(envelope) << envelope.error().detail;
    EXPECT_EQ(envelope->version, bytes[4]);
    const auto decoded = decode(bytes);
    ASSERT_TRUE(decoded) << decoded.error().detail;
    EXPECT_EQ(decoded->frame.version, bytes[4]);
    EXPECT_EQ(envelope->message_id, decoded->frame.message_id);
    EXPECT_EQ(envelope->type, type_of(decoded->frame.message));
  }
}

}  // namespace

void PrintTo(const Frame& frame, std::ostream* out) {
  *out << name(type_of(frame.message)) << " " << frame.message_id;
}

}  // namespace saspd::sasp
