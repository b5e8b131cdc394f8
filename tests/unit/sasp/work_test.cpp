// What a peer sends bounds what we do about it: the steps of reading are linear in the bytes
// received, whatever they announce and however they are cut. The sources of the codec are compiled
// into this program with a call to __sanitizer_cov_trace_pc in every basic block; this counts them.
// A copy counts by its bytes: the linker leads memcpy and memmove here.
#include <algorithm>

#include <gtest/gtest.h>

#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "tests/support/sasp_samples.hpp"
#include "tests/support/sasp_wire.hpp"

namespace {
std::size_t steps = 0;
constexpr std::size_t copied_in_a_step = 16;
}  // namespace

extern "C" {

void __sanitizer_cov_trace_pc() {
  ++steps;
}

void* __real_memcpy(void* to, const void* from, std::size_t size);
void* __wrap_memcpy(void* to, const void* from, std::size_t size) {
  steps += size / copied_in_a_step;
  return __real_memcpy(to, from, size);
}

void* __real_memmove(void* to, const void* from, std::size_t size);
void* __wrap_memmove(void* to, const void* from, std::size_t size) {
  steps += size / copied_in_a_step;
  return __real_memmove(to, from, size);
}

}  // extern "C"

namespace saspd::sasp {
namespace {

using namespace saspd::testing;

template <class Work>
std::size_t steps_of(Work work) {
  const std::size_t before = steps;
  work();
  return steps - before;
}

std::size_t steps_to_decode(const Bytes& bytes) {
  return steps_of([&] { (void)decode(bytes); });
}

// The rest of a stream that is never complete counts as well.
std::size_t steps_to_frame(const Bytes& stream, std::size_t piece) {
  return steps_of([&] {
    Framer framer;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      framer.append(ByteView(stream).subspan(at, std::min(piece, stream.size() - at)));
      for (auto next = framer.next(); next && next->has_value();)
        next = framer.next();
    }
  });
}

// The cheapest way to make us work is a stream in single bytes: about 40 steps for each in a build
// that inlines nothing. A constant for what each message costs.
constexpr std::size_t per_byte = 100;
constexpr std::size_t constant = 4000;

void expect_linear(const Bytes& bytes) {
  EXPECT_LE(steps_to_decode(bytes), per_byte * bytes.size() + constant) << bytes.size() << " bytes";
}

Bytes many_groups(std::size_t count) {
  GetWeightsRequest request;
  request.groups.resize(count);
  return encode({1, request}).value();
}
Bytes many_members(std::size_t count) {
  SendWeights weights;
  weights.groups.resize(1);
  weights.groups[0].items.resize(count);
  return encode({1, weights}).value();
}
Bytes many_groups_of_one(std::size_t count) {
  RegistrationRequest request;
  request.groups.resize(count);
  for (auto& group : request.groups)
    group.items.resize(1);
  return encode({1, request}).value();
}

TEST(Work, IsCounted) {
  EXPECT_GE(steps_to_decode(many_members(100)), 100U);
  EXPECT_GE(steps_to_frame(many_members(1), 1), 50U);
  const Bytes bytes(16'000);
  EXPECT_GE(steps_of([&] { (void)Bytes(bytes); }), 1000U);
}

TEST(Work, OfDecodingGrowsWithTheBytes) {
  for (const auto make : {many_groups, many_members, many_groups_of_one}) {
    const std::size_t few = steps_to_decode(make(500));
    const std::size_t many = steps_to_decode(make(5000));
    EXPECT_LE(many, 11 * few);
    EXPECT_GE(many, 9 * few);
    expect_linear(make(65535));
  }
}

TEST(Work, IsNotDoneForAnnouncedCounts) {
  const std::size_t one = steps_to_decode(message("10 30 00 06 00 01  30 11 00 06 00 00"));
  EXPECT_LE(steps_to_decode(message("10 30 00 06 FF FF  30 11 00 06 00 00")), 10 * one);
  expect_linear(message("10 40 00 06 FF FF"));
  expect_linear(message("10 40 00 06 FF FF  40 11 00 06 FF FF  30 11 00 06 00 00"));
  expect_linear(message("10 30 00 06 00 01  30 11 FF FF FF FF"));
}

TEST(Work, IsLinearForComponentsOfLengthZero) {
  Bytes bytes = message("10 40 00 06 FF FF");
  bytes.resize(std::size_t{1} << 20);
  expect_linear(fitted(bytes));
  Bytes headers = message("10 30 00 06 FF FF");
  for (int i = 0; i < 65535; ++i) {
    const Bytes group = hex("30 11 00 00");
    headers.insert(headers.end(), group.begin(), group.end());
  }
  expect_linear(fitted(headers));
}

TEST(Work, IsLinearForRandomAndDamagedMessages) {
  const std::uint64_t seed = random_seed();
  SCOPED_TRACE("SASPD_TEST_SEED=" + std::to_string(seed));
  Samples samples(seed);
  for (int i = 0; i < 2000; ++i) {
    const Bytes bytes = encode(samples.frame()).value();
    expect_linear(bytes);
    expect_linear(samples.damaged(bytes));
  }
}

TEST(Work, OfTheFramerIsLinearHoweverTheStreamIsCut) {
  Bytes one_message = many_members(20'000);
  Bytes small_ones;
  for (int i = 0; i < 20'000; ++i) {
    const Bytes small = encode({1, SetLbStateReply{}}).value();
    small_ones.insert(small_ones.end(), small.begin(), small.end());
  }
  for (const Bytes& stream : {one_message, small_ones}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1448}, stream.size()}) {
      EXPECT_LE(steps_to_frame(stream, piece), per_byte * stream.size() + constant) << piece;
    }
  }
}

}  // namespace
}  // namespace saspd::sasp
