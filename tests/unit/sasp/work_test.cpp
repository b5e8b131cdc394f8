// SPDX-License-Identifier: Apache-2.0
// What a peer sends bounds what we do about it: the steps of reading are linear in the bytes
// received, whatever they announce and however they are cut. What a load balancer's session does
// grows with what changed, not with what there is. The sources of codec and session are compiled
// into this program with a call to __sanitizer_cov_trace_pc in every basic block; this counts them.
// A copy counts by its bytes: the linker leads memcpy and memmove here.
#include <algorithm>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "controller/sasp/lb_session.hpp"
#include "tests/support/counted_steps.hpp"
#include "tests/support/sasp_samples.hpp"
#include "tests/support/sasp_wire.hpp"

namespace {
using saspd::testing::steps;
constexpr std::size_t copied_in_a_step = 16;
}  // namespace

extern "C" {

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

// --- a load balancer's session

// Group "web" with so many members, and the session to a GWM that does all it is asked to.
class Lb {
 public:
  explicit Lb(unsigned members, bool no_change = false) : session_(config(no_change)) {
    change(0, members);
    want();
    converse(session_.connected(now_));
  }

  // These members, by their numbers, are wanted now.
  void change(unsigned first, unsigned count) {
    for (unsigned n = first; n < first + count; ++n)
      wanted_->put("web", member(n), "label");
  }
  LbStep want() { return session_.want(wanted_, now_); }

  // The next question, which is answered in the conversation that begins with it.
  LbStep next_question() {
    now_ = session_.deadline().value();
    return session_.handle_timeout(now_);
  }
  // Answers what was asked until nothing more is: these weights, and the registry as it grows.
  void converse(LbStep step) {
    while (!step.send.empty())
      step = session_.handle_bytes(answer(step), now_);
  }
  // The GWM's next answer has these members, and no others.
  void has_news_of(unsigned count) { news_ = count; }

  // The answer to the one request in a step.
  Bytes answer(const LbStep& step) {
    const Frame request = decode(step.send).value().frame;
    return encode({request.message_id, reply_to(request.message)}).value();
  }
  LbStep hear(const Bytes& bytes) { return session_.handle_bytes(bytes, now_); }
  std::size_t registrations() const { return registrations_; }

 private:
  static constexpr std::size_t slice = 20;

  static LbSessionConfig config(bool no_change) {
    LbSessionConfig config;
    config.lb_uid = "lb1";
    config.no_change = no_change;
    config.members_per_registration = slice;
    return config;
  }
  static MemberKey member(unsigned n) {
    return {*IpAddress::parse("10.0.0.1"), 6, static_cast<std::uint16_t>(1 + n)};
  }
  Message reply_to(const Message& request) {
    if (const auto* registration = std::get_if<RegistrationRequest>(&request)) {
      ++registrations_;
      for (const auto& data : registration->groups.at(0).items)
        entries_.push_back(
            {data, 0, weight_flag::contact | weight_flag::registered_by_lb, std::uint16_t{1}});
      return RegistrationReply{};
    }
    if (std::holds_alternative<SetLbStateRequest>(request)) return SetLbStateReply{};
    auto entries = entries_;
    if (news_) entries.resize(*news_);
    return GetWeightsReply{{}, 60, {{{"lb1", "web"}, std::move(entries)}}};
  }

  std::shared_ptr<WantedRegistry> wanted_ = std::make_shared<WantedRegistry>();
  LbSession session_;
  TimePoint now_;
  std::vector<WeightEntry> entries_;  // what the GWM knows
  std::optional<std::size_t> news_;
  std::size_t registrations_ = 0;
};

constexpr unsigned few = 500;
constexpr unsigned many = 20 * few;
constexpr unsigned changed = 10;

TEST(Work, OfWantingTheSameDoesNotGrowWithTheMembers) {
  const auto steps_with = [](unsigned members) {
    Lb lb(members);
    return steps_of([&] { (void)lb.want(); });
  };
  EXPECT_EQ(steps_with(few), steps_with(many));
  EXPECT_LE(steps_with(many), 50U);
}

// Finding a member among twenty times as many costs a few steps more.
TEST(Work, OfWantingAFewMoreGrowsWithThese) {
  const auto steps_with = [](unsigned members) {
    Lb lb(members);
    return steps_of([&] {
      lb.change(members, changed);
      EXPECT_FALSE(lb.want().send.empty());
    });
  };
  EXPECT_LE(steps_with(many), 2 * steps_with(few));
}

TEST(Work, OfAPollGrowsWithTheChangesInItsAnswer) {
  const auto steps_with = [](unsigned members) {
    Lb lb(members, true);
    lb.has_news_of(changed);
    std::size_t sum = 0;
    for (int polls = 0; polls < 3; ++polls) {
      LbStep question;
      sum += steps_of([&] { question = lb.next_question(); });
      const Bytes answer = lb.answer(question);
      sum += steps_of([&] { EXPECT_EQ(lb.hear(answer).events.size(), 1U); });
    }
    return sum;
  };
  EXPECT_LE(steps_with(many), steps_with(few) + steps_with(few) / 10);
}

TEST(Work, OfAFullAnswerIsLinear) {
  const auto steps_with = [](unsigned members) {
    Lb lb(members);
    const Bytes answer = lb.answer(lb.next_question());
    return steps_of([&] { (void)lb.hear(answer); });
  };
  EXPECT_LE(steps_with(many), 30 * steps_with(few));
}

// However many requests that takes.
TEST(Work, OfRegisteringAllIsLinear) {
  const auto steps_with = [](unsigned members) {
    Lb lb(0);
    lb.change(0, members);
    LbStep step = lb.want();
    std::size_t sum = 0;
    while (!step.send.empty()) {
      const Bytes answer = lb.answer(step);
      sum += steps_of([&] { step = lb.hear(answer); });
    }
    EXPECT_GE(lb.registrations(), members / 20);
    return sum;
  };
  EXPECT_LE(steps_with(many), 30 * steps_with(few));
}

}  // namespace
}  // namespace saspd::sasp
