// SPDX-License-Identifier: Apache-2.0
// Answers survive the way to JSON and back; and whatever stands in an answer instead is harmless.
#include "controller/report/json.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/report/gwm.hpp"
#include "controller/report/saspd.hpp"

namespace saspd::report {
namespace {

namespace json = boost::json;

json::object parsed(std::string_view text) {
  return json::parse(text).as_object();
}

Status status() {
  Status status;
  status.lb_uid = "director1";
  status.backend = "xdp";
  status.packets = Dictionary<std::uint64_t>{{"sent_table", 7}};
  status.kernel_settings = Dictionary<std::optional<std::uint32_t>>{
      {"conntrack", 1}, {"expire_nodest_conn", std::nullopt}};
  status.kernel_error = "no buffer space";
  status.gwm.resize(1);
  status.gwm[0].state = LinkState::down_duplicate;
  status.gwm[0].tolerances = {{"header_surplus", 2}};
  status.groups.resize(1);
  auto& group = status.groups[0];
  group.name = "web";
  group.alarms = {{"no_fallback", true, std::nullopt, "set the flag"}};
  group.members.resize(2);
  group.members[0].advice = {40, {true, false, true, true}, 3, 12};
  group.members[0].reason = Reason::static_weight;
  group.members[0].state = lb::DestinationState{65537, true, "eth0", 1, 2, 3};
  group.members[1].zero = {ZeroAuthor::unclear, Doubt::edited, true};
  group.members[1].kernel_weight = 0;
  return status;
}

TEST(Json, BringsEveryFieldBack) {
  const auto object = to_json(status());
  const auto back = from_json<Status>(object);
  EXPECT_EQ(json::serialize(to_json(back)), json::serialize(object));
  EXPECT_EQ(back.gwm.at(0).state, LinkState::down_duplicate);
  const auto& members = back.groups.at(0).members;
  EXPECT_EQ(members.at(0).reason, Reason::static_weight);
  EXPECT_EQ(members.at(0).reason.text(), "static");
  EXPECT_EQ(members.at(0).state->slots, 65537U);
  EXPECT_FALSE(members.at(1).state);
  EXPECT_EQ(members.at(1).zero->doubt, Doubt::edited);
  EXPECT_EQ(back.kernel_settings->at(1).second, std::nullopt);
}

TEST(Json, LeavesOutWhatIsNotThere) {
  const auto object = to_json(Status{});
  EXPECT_FALSE(object.contains("packets"));
  EXPECT_FALSE(object.contains("kernel_settings"));
  EXPECT_TRUE(object.at("kernel_error").is_null());
}

// Of a newer program, or of an older one.
TEST(Json, KeepsWordsThatItDoesNotKnow) {
  const auto gwms = from_json<Gwms>(parsed(
      R"({"gwm": [{"state": "aslee\u0007p", "new": 1}, {"state": "trying"}, {}], "newer": []})"));
  ASSERT_EQ(gwms.gwm.size(), 3U);
  EXPECT_EQ(gwms.gwm[0].state.text(), "aslee\\x07p");
  EXPECT_EQ(gwms.gwm[0].state.known(), std::nullopt);
  EXPECT_EQ(gwms.gwm[1].state, LinkState::trying);
  EXPECT_EQ(gwms.gwm[2].state.text(), "");
  EXPECT_EQ(gwms.program, "saspd") << "an older one does not say who it is";
}

TEST(Json, PassesOverWhatHasAnotherForm) {
  const auto members = from_json<Members>(parsed(
      R"({"groups": [1, null, [], {"name": 7, "members": {}}, {"members": [2, {"port": 65536,
          "kernel_weight": "x", "effective_weight": -1, "address": "a", "slots": true,
          "advice": {"weight": 1.5, "flags": {"contact": 1}}}]}]})"));
  ASSERT_EQ(members.groups.size(), 2U);
  EXPECT_EQ(members.groups[0].name, "");
  ASSERT_EQ(members.groups[1].members.size(), 1U);
  const auto& member = members.groups[1].members[0];
  EXPECT_EQ(member.port, 0);
  EXPECT_EQ(member.kernel_weight, std::nullopt);
  EXPECT_EQ(member.effective_weight, 0U);
  EXPECT_EQ(member.address, "a");
  EXPECT_FALSE(member.state);
  ASSERT_TRUE(member.advice);
  EXPECT_EQ(member.advice->weight, 0);
  EXPECT_FALSE(member.advice->flags.contact);
}

TEST(Json, EscapesTextFromOutside) {
  const auto status =
      from_json<Status>(parsed(R"({"lb_uid": "a\u001b[2J", "packets": {"b\n": 1}})"));
  EXPECT_EQ(status.lb_uid, "a\\x1b[2J");
  EXPECT_EQ(status.packets->at(0).first, "b\\x0a");
}

TEST(KeyPaths, NameEveryKey) {
  EXPECT_EQ(key_paths<Trace>(), (std::vector<std::string>{"schema_version", "is_service", "forward",
                                                          "slot", "known_flow", "destination",
                                                          "next_hop", "verdict", "program"}));
  const auto paths = key_paths<gwm::Why>();
  for (const char* path : {"members[].flags.contact", "members[].weights_file.remembered_s",
                           "members[].probes[].agent.percent", "members[].quiesced_by[]"})
    EXPECT_NE(std::find(paths.begin(), paths.end(), path), paths.end()) << path;
}

}  // namespace
}  // namespace saspd::report
