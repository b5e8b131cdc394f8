// What a peer sends bounds what we allocate: at most 16 times the bytes received, plus a constant,
// whatever lengths and counts it announces. This program counts every allocation.
#include <atomic>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "tests/support/sasp_samples.hpp"
#include "tests/support/sasp_wire.hpp"

namespace {

std::size_t live = 0;
std::size_t peak = 0;

// Each block begins with its size.
constexpr std::size_t prefix = alignof(std::max_align_t);

}  // namespace

// Not inlined: where GCC 12 sees both sides of a block at once, it takes what stands before it for
// out of bounds.
[[gnu::noinline]] void* operator new(std::size_t size) {
  auto* const block = static_cast<char*>(std::malloc(size + prefix));
  if (block == nullptr) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(block) = size;
  live += size;
  peak = std::max(peak, live);
  return block + prefix;
}

[[gnu::noinline]] void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  char* const block = static_cast<char*>(pointer) - prefix;
  live -= *reinterpret_cast<std::size_t*>(block);
  std::free(block);
}

void operator delete(void* pointer, std::size_t) noexcept {
  operator delete(pointer);
}

namespace saspd::sasp {
namespace {

using namespace saspd::testing;

constexpr std::size_t constant = 4096;

// The most that `work` had allocated at one time.
template <class Work>
std::size_t peak_of(Work work) {
  const std::size_t before = live;
  peak = live;
  work();
  return peak - before;
}

// As a connection sees them: framer and decoder, all of the result still held.
std::size_t peak_of_receiving(const Bytes& bytes) {
  return peak_of([&] {
    Framer framer;
    framer.append(bytes);
    const auto next = framer.next();
    if (next && next->has_value()) (void)decode(**next);
  });
}

void expect_bounded(const Bytes& bytes) {
  EXPECT_LE(peak_of_receiving(bytes), 16 * bytes.size() + constant) << bytes.size() << " bytes";
}

TEST(Memory, IsCounted) {
  EXPECT_GE(peak_of([] { std::vector<char>(100000, 'x'); }), 100000U);
  EXPECT_GE(peak_of_receiving(encode({1, GetWeightsRequest{{{"u", "g"}}}}).value()), 28U);
}

TEST(Memory, IsNotTakenForAnAnnouncedMessageLength) {
  expect_bounded(hex("20 10 00 0D 01 01 00 00 00 00 00 00 01"));  // 16 MiB
}

TEST(Memory, IsNotTakenForAnnouncedCounts) {
  expect_bounded(message("10 40 00 06 FF FF"));
  expect_bounded(message("10 10 00 07 01 FF FF  40 10 00 06 FF FF  30 11 00 06 00 00"));
  expect_bounded(message("10 40 00 06 00 01  40 11 00 06 FF FF  30 11 00 06 00 00"));
  expect_bounded(message("10 30 00 06 FF FF  30 11 00 06 00 00"));
}

TEST(Memory, IsNotTakenForAnnouncedTexts) {
  expect_bounded(message("10 50 00 07 FF 00 00"));
  expect_bounded(message("10 30 00 06 00 01  30 11 FF FF FF FF"));
}

TEST(Memory, IsBoundedWhenCountsAreFalseOnEveryLevel) {
  // As many groups as could be there, the first with as many members as could be there, none of
  // them.
  for (const std::size_t padding : {1000U, 100000U, 2000000U}) {
    Bytes bytes = message("10 40 00 06 00 00  40 11 00 06 00 00  30 11 00 06 00 00");
    bytes.resize(bytes.size() + padding);
    const auto at_most = [](std::size_t n) { return std::min<std::size_t>(n, 65535); };
    const auto put = [&](std::size_t where, std::size_t count) {
      bytes.at(where) = static_cast<std::uint8_t>(count >> 8);
      bytes.at(where + 1) = static_cast<std::uint8_t>(count);
    };
    put(17, at_most(padding / 12));
    put(23, at_most(padding / 32));
    expect_bounded(fitted(bytes));
  }
}

TEST(Memory, IsBoundedForTheSmallestItems) {
  GetWeightsRequest request;
  request.groups.resize(65535);
  expect_bounded(encode({1, request}).value());
  SendWeights groups;
  groups.groups.resize(65535);
  expect_bounded(encode({1, groups}).value());
  SendWeights members;
  members.groups.resize(3);
  for (auto& group : members.groups)
    group.items.resize(65535);
  expect_bounded(encode({1, members}).value());
}

TEST(Memory, IsBoundedForRandomAndDamagedMessages) {
  const std::uint64_t seed = random_seed();
  SCOPED_TRACE("SASPD_TEST_SEED=" + std::to_string(seed));
  Samples samples(seed);
  for (int i = 0; i < 2000; ++i) {
    const Bytes bytes = encode(samples.frame()).value();
    expect_bounded(bytes);
    expect_bounded(samples.damaged(bytes));
  }
}

TEST(Memory, OfTheFramerGrowsWithWhatArrivedAndIsGivenBack) {
  Bytes big = encode({1, SetLbStateRequest{"u", 0, 0}}).value();
  big.resize(std::size_t{4} << 20);
  big = fitted(std::move(big));
  Framer framer;
  std::size_t arrived = 0;
  const std::size_t before = live;
  for (std::size_t at = 0; at < big.size(); at += 1448) {
    const std::size_t n = std::min<std::size_t>(1448, big.size() - at);
    framer.append(ByteView(big).subspan(at, n));
    arrived += n;
    ASSERT_LE(live - before, 2 * arrived + constant);
  }
  ASSERT_TRUE(framer.next()->has_value());
  ASSERT_FALSE(framer.next()->has_value());
  EXPECT_LE(live - before, std::size_t{1} << 20);
}

}  // namespace
}  // namespace saspd::sasp
