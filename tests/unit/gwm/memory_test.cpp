// SPDX-License-Identifier: Apache-2.0
// What a load balancer sends bounds what the workload manager has of it, from the bytes received to
// the bytes of the reply or the push, with all that is kept of it: at most 16 times the bytes
// received, plus a constant. This program counts every allocation.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controller/gwm/workload_manager.hpp"
#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "tests/support/counted_memory.hpp"

namespace saspd::gwm {
namespace {

using namespace sasp;
using namespace std::chrono_literals;
using saspd::testing::live;
using saspd::testing::peak_of;

constexpr std::size_t constant = 65536;

class Memory : public ::testing::Test {
 protected:
  // As a connection does it: the request in bytes comes in, the reply in bytes is still held.
  void serve(const Message& request) {
    const Bytes bytes = encode({1, request}).value();
    received_ += bytes.size();
    expect_bounded("serving", [&] {
      Framer framer;
      framer.append(bytes);
      const auto next = framer.next();
      const auto decoded = decode(next->value());
      ASSERT_TRUE(decoded);
      Outcome outcome = manager_.handle({1, rights_}, decoded->frame.message, now_);
      ASSERT_EQ(outcome.refusal, "");
      ASSERT_TRUE(encode({decoded->frame.message_id, std::move(outcome.reply)}));
    });
  }
  void push() {
    expect_bounded("a push", [&] {
      const auto pushes = manager_.due(now_ + 1min, [](ConnectionId) { return true; });
      ASSERT_EQ(pushes.size(), 1U);
      ASSERT_GT(pushes[0].messages.count, 0U);
    });
  }

  static Message all_groups() { return GetWeightsRequest{{{"lb1", ""}}}; }
  static Message lb_state_with_push() { return SetLbStateRequest{"lb1", 127, lb_flag::push}; }
  static MemberData member(std::uint16_t port) {
    return MemberData::of({*IpAddress::parse("192.0.2.1"), 6, port});
  }

 private:
  // What is kept from before counts, too.
  template <class Work>
  void expect_bounded(const char* what, Work work) {
    const std::size_t before = live;
    const std::size_t most = peak_of(work);
    EXPECT_LE(kept_ + most, 16 * received_ + constant)
        << what << ": " << received_ << " bytes received, " << kept_ << " kept, " << most
        << " more";
    kept_ += live - before;
  }

  const TimePoint now_{1h};
  const Rights rights_ = Authority(true).rights_of(*IpAddress::parse("192.0.2.9"), {});
  WorkloadManager manager_{{}};
  std::size_t received_ = 0;
  std::size_t kept_ = 0;
};

constexpr int many = 20'000;

TEST_F(Memory, OfMembersAndTheirWeightsIsBounded) {
  RegistrationRequest request;
  request.groups.push_back({{"lb1", "web"}, {}});
  for (int n = 1; n <= many; ++n)
    request.groups[0].items.push_back(member(static_cast<std::uint16_t>(n)));
  serve(lb_state_with_push());
  serve(request);
  push();
  serve(all_groups());
}

// Weights that were encoded for states of before are not kept.
TEST_F(Memory, OfMembersThatReportAnotherStateAgainAndAgainIsBounded) {
  RegistrationRequest request;
  request.groups.push_back({{"lb1", "web"}, {}});
  for (int n = 1; n <= many / 10; ++n)
    request.groups[0].items.push_back(member(static_cast<std::uint16_t>(n)));
  serve(lb_state_with_push());
  serve(request);
  push();
  for (std::uint8_t state = 1; state <= 100; ++state) {
    serve(SetMemberStateRequest{sender_flag::load_balancer,
                                {{{"lb1", "web"}, {{member(1), state, 0}}}}});
    serve(all_groups());
  }
}

// The shortest names, so that what is kept of each group weighs most.
TEST_F(Memory, OfManyGroupsIsBounded) {
  RegistrationRequest request;
  for (int n = 0; n < many; ++n)
    request.groups.push_back({{"lb1", fmt::format("{:x}", n)}, {}});
  serve(lb_state_with_push());
  serve(request);
  serve(all_groups());
}

TEST_F(Memory, OfManyGroupsOfOneMemberIsBounded) {
  RegistrationRequest request;
  for (int n = 0; n < many; ++n)
    request.groups.push_back({{"lb1", fmt::format("{:x}", n)}, {member(80)}});
  serve(lb_state_with_push());
  serve(request);
  push();
  serve(all_groups());
}

}  // namespace
}  // namespace saspd::gwm
