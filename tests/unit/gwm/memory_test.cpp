// What a load balancer sends bounds what the workload manager has of it, from the bytes received to
// the bytes of the reply, with all that is kept of it: at most 16 times the bytes received, plus a
// constant; 18 times if they are nothing but the names of empty groups. This program counts every
// allocation.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controller/gwm/workload_manager.hpp"
#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "tests/support/counted_memory.hpp"

namespace saspd::gwm {
namespace {

using namespace sasp;
using saspd::testing::live;
using saspd::testing::peak_of;

constexpr std::size_t constant = 65536;

class Memory : public ::testing::Test {
 protected:
  // As a connection does it: what it took at most, with the reply in bytes still held.
  std::size_t peak_of_serving(const Bytes& bytes) {
    return peak_of([&] {
      Framer framer;
      framer.append(bytes);
      const auto next = framer.next();
      const auto request = decode(next->value());
      ASSERT_TRUE(request);
      Outcome outcome = manager_.handle({1, rights_}, request->frame.message, now_);
      ASSERT_EQ(outcome.refusal, "");
      ASSERT_TRUE(encode({request->frame.message_id, std::move(outcome.reply)}));
    });
  }
  // 20 000 members without labels, 24 bytes each.
  static Message members_of(const std::string& name) {
    RegistrationRequest request;
    request.groups.push_back({{"lb1", name}, {}});
    for (std::uint16_t port = 1; port <= 20'000; ++port)
      request.groups[0].items.push_back(MemberData::of({*IpAddress::parse("192.0.2.1"), 6, port}));
    return request;
  }

  // One after the other; `received` counts up.
  void expect_bounded(const std::vector<Message>& requests, std::size_t times) {
    std::vector<Bytes> messages;
    for (const Message& request : requests)
      messages.push_back(encode({1, request}).value());
    const std::size_t before = live;
    std::size_t received = 0;
    for (const Bytes& bytes : messages) {
      received += bytes.size();
      const std::size_t kept = live - before;
      EXPECT_LE(kept + peak_of_serving(bytes), times * received + constant)
          << received << " bytes, kept " << kept;
    }
  }
  static Message all_groups() { return GetWeightsRequest{{{"lb1", ""}}}; }
  static Message lb_state_with_push() { return SetLbStateRequest{"lb1", 127, lb_flag::push}; }

  const TimePoint now_{std::chrono::hours{1}};
  const Rights rights_ = Authority(true).rights_of(*IpAddress::parse("192.0.2.9"), {});
  WorkloadManager manager_{{}};
};

TEST_F(Memory, OfMembersAndTheirWeightsIsBounded) {
  expect_bounded({lb_state_with_push(), members_of("web"), all_groups()}, 16);
}

// The names alone, short ones, are kept in the registry and, for an LB with push, in the publisher.
TEST_F(Memory, OfManyGroupsIsBounded) {
  RegistrationRequest request;
  for (int n = 0; n < 20'000; ++n)
    request.groups.push_back({{"lb1", fmt::format("{:x}", n)}, {}});
  expect_bounded({lb_state_with_push(), request, all_groups()}, 18);
}

}  // namespace
}  // namespace saspd::gwm
