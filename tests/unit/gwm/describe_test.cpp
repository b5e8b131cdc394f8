// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/describe.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using namespace sasp;

MemberData member(std::uint16_t port) {
  return MemberData::of({*IpAddress::parse("192.0.2.1"), 6, port});
}

TEST(Describe, SaysWhatARequestHasDone) {
  const std::pair<Message, std::string> cases[] = {
      {RegistrationRequest{.groups = {{{"lb1", "web"}, {member(80), member(81)}}}},
       "registered tcp:192.0.2.1:80, tcp:192.0.2.1:81 in group 'web' of 'lb1'"},
      {RegistrationRequest{.groups = {{{"lb1", "web"}, {}}}}, "registered group 'web' of 'lb1'"},
      {DeregistrationRequest{.reason = 1, .groups = {{{"lb1", "web"}, {member(80)}}}},
       "deregistered tcp:192.0.2.1:80 in group 'web' of 'lb1' (reason 0x01)"},
      {DeregistrationRequest{.groups = {{{"lb1", ""}, {}}}},
       "deregistered all groups of 'lb1' (reason 0x00)"},
      {SetMemberStateRequest{
           .groups = {{{"lb1", "web"},
                       {{member(80), 0x0A, state_flag::quiesce}, {member(81), 0, 0}}}}},
       "set tcp:192.0.2.1:80 quiesced with state 0x0a, tcp:192.0.2.1:81 not quiesced with state "
       "0x00 in group 'web' of 'lb1'"},
      {SetLbStateRequest{"lb1", 127, lb_flag::trust},
       "pull, trusts its members, wants all weights, health 127"},
      {SetLbStateRequest{"lb1", 0, lb_flag::push | lb_flag::no_change},
       "push, trusts no member, wants changed weights, health 0"},
      {GetWeightsRequest{{{"lb1", "web"}, {"lb1", "dns"}}},
       "asked for the weights of group 'web' of 'lb1', group 'dns' of 'lb1'"},
  };
  for (const auto& [request, text] : cases) {
    EXPECT_EQ(describe(request), text);
  }
}

TEST(Describe, CutsLongLists) {
  RegistrationRequest request{.groups = {{{"lb1", "web"}, {}}}};
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    request.groups[0].items.push_back(member(port));
  }
  EXPECT_EQ(describe(request),
            "registered tcp:192.0.2.1:1, tcp:192.0.2.1:2, tcp:192.0.2.1:3, tcp:192.0.2.1:4 and 996 "
            "more in group 'web' of 'lb1'");
}

}  // namespace
}  // namespace saspd::gwm
