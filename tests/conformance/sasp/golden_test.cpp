// SPDX-License-Identifier: Apache-2.0
// Each golden frame was written by hand from the RFC. Decoding one gives the value that stands
// here, and encoding that value gives the same bytes.
#include <algorithm>
#include <filesystem>
#include <ostream>
#include <set>

#include <gtest/gtest.h>

#include "controller/sasp/codec.hpp"
#include "tests/support/hex.hpp"

namespace saspd::sasp {
namespace {

using saspd::testing::hex_file;

const std::filesystem::path golden_dir = TESTS_DIR "/conformance/sasp/golden";

MemberData member(std::uint8_t protocol, const char* endpoint, std::string label = {}) {
  const Endpoint where = Endpoint::parse(endpoint).value();
  return MemberData::of({where.address, protocol, where.port}, std::move(label));
}

struct Golden {
  std::string file;
  Frame frame;
};

std::vector<Golden> goldens() {
  using namespace weight_flag;
  return {
      {"section8",
       {0x32000000, GetWeightsReply{ReturnCode::successful,
                                    64,
                                    {{{"LB1", "FARM1"},
                                      {{member(6, "10.10.10.1:80"), 0, 0x0D, 40},
                                       {member(6, "10.10.10.2:80"), 0, 0x0D, 20}}}}}}},
      {"registration_request",
       {1,
        RegistrationRequest{sender_flag::load_balancer,
                            {{{"LB1", "FARM1"},
                              {member(6, "10.10.10.1:80", "web1"), member(17, "[2001:db8::2]:53")}},
                             {{"LB1", "SYS"}, {member(0, "10.10.10.3:0")}}}}}},
      {"registration_request_by_member",
       {1, RegistrationRequest{0, {{{"LB1", "FARM1"}, {member(132, "10.10.10.4:2905")}}}}}},
      {"registration_request_longest_texts",
       {0xFFFFFFFF,
        RegistrationRequest{sender_flag::load_balancer,
                            {{{std::string(64, 'U'), std::string(255, 'G')},
                              {member(6, "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                                      std::string(255, 'L'))}}}}}},
      {"registration_reply", {1, RegistrationReply{ReturnCode::successful}}},
      {"registration_reply_refused", {2, RegistrationReply{ReturnCode::already_registered}}},
      {"deregistration_request",
       {3, DeregistrationRequest{sender_flag::load_balancer,
                                 deregistration_reason::learned_and_purposeful,
                                 {{{"LB1", "FARM1"}, {member(6, "10.10.10.1:80", "web1")}}}}}},
      {"deregistration_request_group",
       {4,
        DeregistrationRequest{
            sender_flag::load_balancer, deregistration_reason::none, {{{"LB1", "GRP1"}, {}}}}}},
      {"deregistration_request_all",
       {5, DeregistrationRequest{sender_flag::load_balancer, 0x80, {{{"LB1", ""}, {}}}}}},
      {"deregistration_reply", {3, DeregistrationReply{ReturnCode::unknown_group}}},
      {"get_weights_request", {6, GetWeightsRequest{{{"LB1", "FARM1"}, {"LB1", "DNS"}}}}},
      {"get_weights_request_all", {7, GetWeightsRequest{{{"LB1", ""}}}}},
      {"get_weights_reply",
       {6, GetWeightsReply{ReturnCode::successful,
                           60,
                           {{{"LB1", "FARM1"},
                             {{member(6, "[2001:db8::a]:443"), 0, registered_by_lb, 0}}},
                            {{"LB1", "EMPTY"}, {}}}}}},
      {"get_weights_reply_error", {7, GetWeightsReply{ReturnCode::unknown_lb_uid, 60, {}}}},
      {"send_weights",
       {0, SendWeights{{{{"LB1", "FARM1"},
                         {{member(6, "10.10.10.1:80", "web1"), 0x32,
                           confident | registered_by_lb | contact, 65535},
                          {member(6, "10.10.10.2:80"), 0x0A,
                           confident | registered_by_lb | weight_flag::quiesce | contact, 0}}},
                        {{"LB1", "GRP2"},
                         {{member(0, "10.10.10.3:0"), 0, confident | contact, 5}}}}}}},
      {"set_lb_state_request",
       {8, SetLbStateRequest{"LB1", max_lb_health, lb_flag::push | lb_flag::trust}}},
      {"set_lb_state_request_no_change", {9, SetLbStateRequest{"Zü1", 0, lb_flag::no_change}}},
      {"set_lb_state_reply", {8, SetLbStateReply{ReturnCode::invalid_lb_uid_size}}},
      {"set_member_state_request",
       {10, SetMemberStateRequest{0,
                                  {{{"LB1", "GRP1"},
                                    {{member(6, "10.10.10.1:80"), 0x32, 0},
                                     {member(6, "10.10.10.3:80"), 0x0A, state_flag::quiesce}}}}}}},
      {"set_member_state_reply", {10, SetMemberStateReply{ReturnCode::lb_not_contacted}}},
  };
}

class GoldenFrame : public ::testing::TestWithParam<Golden> {
 protected:
  std::vector<std::uint8_t> bytes() const {
    return hex_file(golden_dir / (GetParam().file + ".hex"));
  }
};

TEST_P(GoldenFrame, DecodesToTheValueWrittenHere) {
  const auto decoded = decode(bytes(), {.accept_trailing = false, .accept_long_components = false});
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->frame, GetParam().frame);
  EXPECT_FALSE(decoded->tolerances.any());
}

TEST_P(GoldenFrame, IsWhatTheEncoderWrites) {
  const auto encoded = encode(GetParam().frame);
  ASSERT_TRUE(encoded) << encoded.error().detail;
  EXPECT_EQ(*encoded, bytes());
}

INSTANTIATE_TEST_SUITE_P(Rfc4678, GoldenFrame, ::testing::ValuesIn(goldens()),
                         [](const auto& golden) { return golden.param.file; });

TEST(GoldenFrames, HaveAValueForEachFile) {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(golden_dir)) {
    files.insert(entry.path().stem());
  }
  std::set<std::string> values;
  for (const auto& golden : goldens())
    values.insert(golden.file);
  EXPECT_EQ(files, values);
}

TEST(GoldenFrames, CoverEachMessageType) {
  std::set<std::size_t> seen;
  for (const auto& golden : goldens())
    seen.insert(golden.frame.message.index());
  EXPECT_EQ(seen.size(), std::variant_size_v<Message>);
}

TEST(GoldenFrames, SayTheirSectionInTheFirstLine) {
  for (const auto& golden : goldens()) {
    const std::string text = saspd::testing::read_file(golden_dir / (golden.file + ".hex"));
    EXPECT_TRUE(text.starts_with("# RFC 4678 section")) << golden.file;
  }
}

}  // namespace

void PrintTo(const Frame& frame, std::ostream* out) {
  *out << name(type_of(frame.message)) << " " << frame.message_id;
}

}  // namespace saspd::sasp
