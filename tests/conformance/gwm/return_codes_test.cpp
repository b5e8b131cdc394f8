// SPDX-License-Identifier: Apache-2.0
// Request by request and condition by condition: the return code (RFC 4678 7.1 to 7.6, in the order
// of sasp-interop row 27) and what is registered afterwards.
#include <iostream>
#include <map>
#include <set>

#include "controller/sasp/codec.hpp"
#include "tests/conformance/gwm/registry_fixture.hpp"

namespace saspd::gwm {
namespace {

// What every case starts from: two load balancers, on connections 1 and 2.
//   lb1 trusts its members; groups: web with .1 (by the LB) and .2 (by itself), empty, hosts
//   lb2 does not;           groups: web with .1
constexpr ConnectionId lb1 = 1;
constexpr ConnectionId lb2 = 2;
constexpr ConnectionId stranger = 3;
const std::string before =
    "lb1 flags 2 health 127\n"
    "lb1/empty:\n"
    "lb1/hosts: 192.0.2.1\n"
    "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self\n"
    "lb2 flags 0 health 127\n"
    "lb2/web: tcp:192.0.2.1:80\n";
const std::string lb2_lines = "lb2 flags 0 health 127\nlb2/web: tcp:192.0.2.1:80\n";

struct Case {
  std::string name;
  Message request;
  ConnectionId connection;
  int code;
  // Afterwards; empty: as before, which every refusal must leave.
  std::string after = {};
  std::string address = "198.51.100.1";  // of the sender
};

// The codes that RFC 4678 lists for each reply (7.1.2, 7.2.2, 7.3.2, 7.5.2, 7.6.2). 0x43 for a Set
// Member State is ours: the RFC has none for an LB that nobody knows, and 0x61 is the member's.
const std::map<Type, std::set<int>> codes_of_the_rfc = {
    {Type::registration_request, {0x00, 0x10, 0x11, 0x40, 0x44, 0x45, 0x50, 0x51, 0x61}},
    {Type::deregistration_request, {0x00, 0x10, 0x11, 0x41, 0x42, 0x43, 0x44, 0x46, 0x51, 0x61}},
    {Type::get_weights_request, {0x00, 0x10, 0x11, 0x42, 0x43, 0x46, 0x51}},
    {Type::set_member_state_request,
     {0x00, 0x10, 0x11, 0x41, 0x42, 0x43, 0x44, 0x46, 0x50, 0x51, 0x61}},
    {Type::set_lb_state_request, {0x00, 0x10, 0x11, 0x51}},
};
std::map<Type, std::set<int>> codes_seen;

// At the end of the program, when every table was gone through: each code of each request is in
// one.
class EveryCode : public testing::Environment {
 public:
  void TearDown() override {
    if (testing::GTEST_FLAG(filter) != "*") {
      std::cout << "with --gtest_filter it is not checked that every code is in a table\n";
      return;
    }
    for (const auto& [request, codes] : codes_of_the_rfc)
      EXPECT_EQ(codes_seen[request], codes) << name(request);
  }
};
const auto* const every_code = testing::AddGlobalTestEnvironment(new EveryCode);

class ReturnCodes : public testing::Test {
 protected:
  static void check(const std::vector<Case>& cases, const RegistryConfig& config = {},
                    const std::optional<Authority>& authority = {}) {
    for (const Case& c : cases) {
      SCOPED_TRACE(c.name);
      RegistryFixture gwm(config);
      gwm.given(lb_state("lb1", lb_flag::trust), lb1);
      gwm.given(registers({group("lb1", "web", {tcp("192.0.2.1")}), group("lb1", "empty"),
                           group("lb1", "hosts", {host("192.0.2.1")})}),
                lb1);
      gwm.handle(by_member(registers({group("lb1", "web", {tcp("192.0.2.2")})})), 9, "192.0.2.2");
      gwm.given(registers({group("lb2", "web", {tcp("192.0.2.1")})}), lb2);
      ASSERT_EQ(written(gwm.manager), before);
      if (authority) gwm.use(*authority);
      const Outcome outcome = gwm.handle(c.request, c.connection, c.address);
      const ReturnCode code = code_of(outcome.reply);
      EXPECT_EQ(number(code), c.code) << outcome.refusal;
      codes_seen[type_of(c.request)].insert(number(code));
      EXPECT_EQ(outcome.refusal.empty(), code == ReturnCode::successful);
      if (authority) {
        EXPECT_EQ(outcome.unauthorized, code == ReturnCode::not_accepted);
      }
      EXPECT_EQ(written(gwm.manager), c.after.empty() ? before : c.after);
      if (!outcome.attached) {
        EXPECT_EQ(outcome.changed, !c.after.empty());
      }
      if (const auto* reply = std::get_if<GetWeightsReply>(&outcome.reply)) {
        EXPECT_EQ(reply->interval, 10) << "the interval stands in every reply (row 31)";
        EXPECT_EQ(reply->groups.empty(), c.code != 0);
      }
    }
  }
  // `before` with other groups of lb1.
  static std::string lb1_with(const std::string& groups) {
    return "lb1 flags 2 health 127\n" + groups + lb2_lines;
  }
};

const std::string long_uid(65, 'u');
const std::string longest_uid(64, 'u');
const std::string nul("w\0b", 3);
const std::string not_utf8 = "w\xFF";

TEST_F(ReturnCodes, OfRegistration) {
  const auto web = [](std::vector<MemberData> members) {
    return registers({group("lb1", "web", std::move(members))});
  };
  const std::string rest = "lb1/empty:\nlb1/hosts: 192.0.2.1\n";
  const std::string web_line = "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self";
  check({
      {"new member", web({tcp("192.0.2.3")}), lb1, 0,
       lb1_with(rest + web_line + " tcp:192.0.2.3:80\n")},
      {"another port is another member", web({tcp("192.0.2.1", 81)}), lb1, 0,
       lb1_with(rest + "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.1:81 tcp:192.0.2.2:80 self\n")},
      {"another protocol is another member", web({kind(tcp("192.0.2.1"), 17, 80)}), lb1, 0,
       lb1_with(rest + "lb1/web: tcp:192.0.2.1:80 udp:192.0.2.1:80 tcp:192.0.2.2:80 self\n")},
      {"new group", registers({group("lb1", "new", {tcp("192.0.2.1")})}), lb1, 0,
       lb1_with(rest + "lb1/new: tcp:192.0.2.1:80\n" + web_line + "\n")},
      {"row 23: group without members", registers({group("lb1", "new")}), lb1, 0,
       lb1_with(rest + "lb1/new:\n" + web_line + "\n")},
      {"group without members that exists", registers({group("lb1", "web")}), lb1, 0},
      {"row 22: the same group twice",
       registers(
           {group("lb1", "web", {tcp("192.0.2.3")}), group("lb1", "web", {tcp("192.0.2.4")})}),
       lb1, 0, lb1_with(rest + web_line + " tcp:192.0.2.3:80 tcp:192.0.2.4:80\n")},
      {"a member in two groups",
       registers({group("lb1", "a", {tcp("192.0.2.1")}), group("lb1", "b", {tcp("192.0.2.1")})}),
       lb1, 0,
       lb1_with("lb1/a: tcp:192.0.2.1:80\nlb1/b: tcp:192.0.2.1:80\n" + rest + web_line + "\n")},
      {"a new LB", registers({group("lb3", "web", {tcp("192.0.2.1")})}), stranger, 0,
       before + "lb3 flags 0 health 127\nlb3/web: tcp:192.0.2.1:80\n"},
      {"LB UID of 64 bytes", registers({group(longest_uid, "g")}), stranger, 0,
       before + longest_uid + " flags 0 health 127\n" + longest_uid + "/g:\n"},
      {"a system beside systems", registers({group("lb1", "hosts", {host("192.0.2.2")})}), lb1, 0,
       lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1 192.0.2.2\n" + web_line + "\n")},
      {"row 10: labels are opaque", web({tcp("192.0.2.3", 80, std::string("\xFF\0", 2))}), lb1, 0,
       lb1_with(rest + web_line + " tcp:192.0.2.3:80\n")},

      {"no group at all", registers({}), lb1, 0x10},
      {"row 10: NUL in the group name", registers({group("lb1", nul)}), lb1, 0x10},
      {"row 10: group name not UTF-8", registers({group("lb1", not_utf8)}), lb1, 0x10},
      {"row 10: LB UID not UTF-8", registers({group(not_utf8, "web")}), stranger, 0x10},
      {"0x10 before sizes", registers({group("", ""), group("lb1", nul)}), lb1, 0x10},
      {"empty group name", registers({group("lb1", "")}), lb1, 0x50},
      {"empty LB UID", registers({group("", "web")}), stranger, 0x51},
      {"LB UID of 65 bytes", registers({group(long_uid, "web")}), stranger, 0x51},
      {"0x50 before 0x51", registers({group("", "a"), group("lb1", "")}), stranger, 0x50},
      {"sizes before the LB's other faults",
       registers({group("lb2", "web", {tcp("192.0.2.1")}), group("lb1", "")}), lb1, 0x50},

      {"LB for another LB", registers({group("lb2", "web", {tcp("192.0.2.3")})}), lb1, 0x11},
      {"LB for an LB that is not known", registers({group("lb3", "web")}), lb1, 0x11},
      {"two LBs in one request", registers({group("lb3", "web"), group("lb4", "web")}), stranger,
       0x11},
      {"0x11 before 0x40", registers({group("lb2", "web", {tcp("192.0.2.1")})}), lb1, 0x11},

      {"row 25: TCP without a port", web({tcp("192.0.2.3", 0)}), lb1, 0x45},
      {"row 25: a port without a protocol", web({kind(tcp("192.0.2.3"), 0, 80)}), lb1, 0x45},
      {"row 26: a system beside applications", web({host("192.0.2.3")}), lb1, 0x45},
      {"row 26: an application beside systems",
       registers({group("lb1", "hosts", {tcp("192.0.2.3")})}), lb1, 0x45},
      {"row 26: both in a new group",
       registers(
           {group("lb1", "new", {tcp("192.0.2.3")}), group("lb1", "new", {host("192.0.2.3")})}),
       lb1, 0x45},
      {"0x45 before 0x44", web({host("192.0.2.3"), host("192.0.2.3")}), lb1, 0x45},

      {"member twice", web({tcp("192.0.2.3"), tcp("192.0.2.3")}), lb1, 0x44},
      {"row 22: member twice in a group named twice",
       registers(
           {group("lb1", "web", {tcp("192.0.2.3")}), group("lb1", "web", {tcp("192.0.2.3")})}),
       lb1, 0x44},
      {"row 24: member twice with two labels",
       web({tcp("192.0.2.3", 80, "a"), tcp("192.0.2.3", 80, "b")}), lb1, 0x44},
      {"row 2: member twice in two forms", web({tcp("192.0.2.3"), mapped(tcp("192.0.2.3"))}), lb1,
       0x44},
      {"0x44 before 0x40", web({tcp("192.0.2.1"), tcp("192.0.2.1")}), lb1, 0x44},

      {"already registered", web({tcp("192.0.2.1")}), lb1, 0x40},
      {"already registered by itself", web({tcp("192.0.2.2")}), lb1, 0x40},
      {"row 24: with another label", web({tcp("192.0.2.1", 80, "new")}), lb1, 0x40},
      {"row 2: in another form", web({mapped(tcp("192.0.2.1"))}), lb1, 0x40},
      {"row 21: all or nothing", web({tcp("192.0.2.3"), tcp("192.0.2.1")}), lb1, 0x40},
      {"row 21: all groups or none",
       registers({group("lb1", "new"), group("lb1", "web", {tcp("192.0.2.1")})}), lb1, 0x40},
  });
}

TEST_F(ReturnCodes, OfAMembersRegistration) {
  const auto web = [](const std::string& lb_uid, const MemberData& member) {
    return by_member(registers({group(lb_uid, "web", {member})}));
  };
  const std::string after = lb1_with(
      "lb1/empty:\nlb1/hosts: 192.0.2.1\n"
      "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self tcp:192.0.2.3:80 self\n");
  check({
      {"the LB trusts", web("lb1", tcp("192.0.2.3")), stranger, 0, after, "192.0.2.3"},
      {"on this host", web("lb1", tcp("192.0.2.3")), stranger, 0, after, "127.0.0.1"},
      {"on the LB's own connection", web("lb1", tcp("192.0.2.3")), lb1, 0, after, "192.0.2.3"},
      {"0x10 first", by_member(registers({group("lb9", nul)})), stranger, 0x10, "", "192.0.2.3"},
      {"sizes before 0x61", by_member(registers({group("lb9", "")})), stranger, 0x50},
      {"LB UID size before 0x61", by_member(registers({group(long_uid, "web")})), stranger, 0x51},
      {"LB not known", web("lb9", tcp("192.0.2.3")), stranger, 0x61, "", "192.0.2.3"},
      {"0x61 before the trust flag",
       by_member(registers(
           {group("lb2", "web", {tcp("192.0.2.3")}), group("lb9", "web", {tcp("192.0.2.3")})})),
       stranger, 0x61, "", "192.0.2.3"},
      {"the LB does not trust", web("lb2", tcp("192.0.2.3")), stranger, 0x11, "", "192.0.2.3"},
      {"row 37: another's address", web("lb1", tcp("192.0.2.3")), stranger, 0x11, "", "192.0.2.4"},
      {"0x11 before 0x45", web("lb2", tcp("192.0.2.3", 0)), stranger, 0x11, "", "192.0.2.3"},
      {"already registered by the LB", web("lb1", tcp("192.0.2.1")), stranger, 0x40, "",
       "192.0.2.1"},
  });
  check({{"row 37: another's address, allowed", web("lb1", tcp("192.0.2.3")), stranger, 0, after,
          "192.0.2.4"}},
        {}, Authority(true));
}

TEST_F(ReturnCodes, OfRegistrationWhenKindsMayMix) {
  RegistryConfig mixed;
  mixed.mixed_groups = true;
  check({{"row 26: allowed", registers({group("lb1", "hosts", {tcp("192.0.2.3")})}), lb1, 0,
          lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1 tcp:192.0.2.3:80\n"
                   "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self\n")},
         {"row 25: never", registers({group("lb1", "hosts", {tcp("192.0.2.3", 0)})}), lb1, 0x45}},
        mixed);
}

TEST_F(ReturnCodes, OfDeregistration) {
  const auto web = [](std::vector<MemberData> members) {
    return deregisters({group("lb1", "web", std::move(members))});
  };
  const std::string hosts = "lb1/hosts: 192.0.2.1\n";
  const std::string web_line = "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self\n";
  check({
      {"a member", web({tcp("192.0.2.1")}), lb1, 0,
       lb1_with("lb1/empty:\n" + hosts + "lb1/web: tcp:192.0.2.2:80 self\n")},
      {"a member in another address form", web({mapped(tcp("192.0.2.1"))}), lb1, 0,
       lb1_with("lb1/empty:\n" + hosts + "lb1/web: tcp:192.0.2.2:80 self\n")},
      {"row 29: the last members leave a group", web({tcp("192.0.2.1"), tcp("192.0.2.2")}), lb1, 0,
       lb1_with("lb1/empty:\n" + hosts + "lb1/web:\n")},
      {"7.2.1: a whole group", web({}), lb1, 0, lb1_with("lb1/empty:\n" + hosts)},
      {"7.2.1: all groups", deregisters({group("lb1", "")}), lb1, 0, lb1_with("")},
      {"one group in two parts",
       deregisters(
           {group("lb1", "web", {tcp("192.0.2.1")}), group("lb1", "web", {tcp("192.0.2.2")})}),
       lb1, 0, lb1_with("lb1/empty:\n" + hosts + "lb1/web:\n")},
      {"after a reconnection", web({}), stranger, 0, lb1_with("lb1/empty:\n" + hosts)},
      {"a reason of the vendor's",
       DeregistrationRequest{.reason = 0xFF, .groups = {group("lb1", "web")}}, lb1, 0,
       lb1_with("lb1/empty:\n" + hosts)},

      {"no group at all", deregisters({}), lb1, 0x10},
      {"row 10: NUL in the group name", deregisters({group("lb1", nul)}), lb1, 0x10},
      {"row 28: members without a group name", deregisters({group("lb1", "", {tcp("192.0.2.1")})}),
       lb1, 0x10},
      {"0x10 before 0x51", deregisters({group("", "", {tcp("192.0.2.1")})}), lb1, 0x10},
      {"empty LB UID", deregisters({group("", "web")}), lb1, 0x51},
      {"LB UID of 65 bytes", deregisters({group(long_uid, "")}), stranger, 0x51},
      {"LB not known", deregisters({group("lb9", "")}), stranger, 0x43},
      {"0x43 before 0x11", deregisters({group("lb9", "")}), lb1, 0x43},
      {"LB for another LB", deregisters({group("lb2", "")}), lb1, 0x11},
      {"0x11 before 0x42", deregisters({group("lb2", "none")}), lb1, 0x11},
      {"group not known", deregisters({group("lb1", "none")}), lb1, 0x42},
      {"0x42 before 0x44",
       deregisters(
           {group("lb1", "web", {tcp("192.0.2.1"), tcp("192.0.2.1")}), group("lb1", "none")}),
       lb1, 0x42},
      {"member twice", web({tcp("192.0.2.1"), tcp("192.0.2.1")}), lb1, 0x44},
      {"member twice in two parts",
       deregisters(
           {group("lb1", "web", {tcp("192.0.2.1")}), group("lb1", "web", {tcp("192.0.2.1")})}),
       lb1, 0x44},
      {"group twice", deregisters({group("lb1", "web"), group("lb1", "web")}), lb1, 0x46},
      {"a group and its member",
       deregisters({group("lb1", "web"), group("lb1", "web", {tcp("192.0.2.1")})}), lb1, 0x46},
      {"a member and its group",
       deregisters({group("lb1", "web", {tcp("192.0.2.1")}), group("lb1", "web")}), lb1, 0x46},
      {"all groups twice", deregisters({group("lb1", ""), group("lb1", "")}), lb1, 0x46},
      {"all groups, and one", deregisters({group("lb1", ""), group("lb1", "web")}), lb1, 0x46},
      {"one, and all groups",
       deregisters({group("lb1", "web", {tcp("192.0.2.1")}), group("lb1", "")}), lb1, 0x46},
      {"0x46 before 0x41",
       deregisters({group("lb1", "web", {tcp("192.0.2.9")}), group("lb1", "web")}), lb1, 0x46},
      {"member not registered", web({tcp("192.0.2.9")}), lb1, 0x41},
      {"all or nothing", web({tcp("192.0.2.1"), tcp("192.0.2.9")}), lb1, 0x41},
      {"5.1: port 0 is not a wildcard", web({tcp("192.0.2.1", 0)}), lb1, 0x41},
      {"5.1: a system is not its applications", web({host("192.0.2.1")}), lb1, 0x41},
  });
}

TEST_F(ReturnCodes, OfAMembersDeregistration) {
  const auto web = [](const std::string& lb_uid, std::vector<MemberData> members) {
    return by_member(deregisters({group(lb_uid, "web", std::move(members))}));
  };
  const std::string after =
      lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1\nlb1/web: tcp:192.0.2.1:80\n");
  check({
      {"the LB trusts", web("lb1", {tcp("192.0.2.2")}), stranger, 0, after, "192.0.2.2"},
      {"the LB is not known", web("lb9", {tcp("192.0.2.2")}), stranger, 0x61, "", "192.0.2.2"},
      {"the LB does not trust", web("lb2", {tcp("192.0.2.1")}), stranger, 0x11, "", "192.0.2.1"},
      {"row 37: another's address", web("lb1", {tcp("192.0.2.1")}), stranger, 0x11, "",
       "192.0.2.2"},
      {"row 37: a whole group", web("lb1", {}), stranger, 0x11, "", "192.0.2.2"},
      {"a whole group, on this host", web("lb1", {}), stranger, 0,
       lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1\n"), "::1"},
      {"not registered", web("lb1", {tcp("192.0.2.9")}), stranger, 0x41, "", "192.0.2.9"},
  });
}

TEST_F(ReturnCodes, OfGetWeights) {
  check({
      {"a group", asks({{"lb1", "web"}}), lb1, 0},
      {"two groups", asks({{"lb1", "web"}, {"lb1", "hosts"}}), lb1, 0},
      {"all groups", asks({{"lb1", ""}}), lb1, 0},
      {"after a reconnection", asks({{"lb1", ""}}), stranger, 0},
      {"no group at all", asks({}), lb1, 0x10},
      {"row 10: group name not UTF-8", asks({{"lb1", not_utf8}}), lb1, 0x10},
      {"empty LB UID", asks({{"", "web"}}), lb1, 0x51},
      {"LB UID of 65 bytes", asks({{long_uid, ""}}), stranger, 0x51},
      {"LB not known", asks({{"lb9", "web"}}), stranger, 0x43},
      {"row 30: LB not known, all groups", asks({{"lb9", ""}}), stranger, 0x43},
      {"of another LB", asks({{"lb2", "web"}}), lb1, 0x11},
      {"0x11 before 0x42", asks({{"lb2", "none"}}), lb1, 0x11},
      {"group not known", asks({{"lb1", "none"}}), lb1, 0x42},
      {"one group known, one not", asks({{"lb1", "web"}, {"lb1", "none"}}), lb1, 0x42},
      {"0x42 before 0x46", asks({{"lb1", "web"}, {"lb1", "web"}, {"lb1", "none"}}), lb1, 0x42},
      {"group twice", asks({{"lb1", "web"}, {"lb1", "web"}}), lb1, 0x46},
      {"all groups, and one", asks({{"lb1", ""}, {"lb1", "web"}}), lb1, 0x46},
  });
}

TEST_F(ReturnCodes, OfSetMemberState) {
  const auto web = [](std::vector<MemberState> items) {
    return sets({states("lb1", "web", std::move(items))});
  };
  const auto after = [](const std::string& first, const std::string& second) {
    return lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1\nlb1/web: tcp:192.0.2.1:80" + first +
                    " tcp:192.0.2.2:80 self" + second + "\n");
  };
  check({
      {"quiesce", web({state(tcp("192.0.2.1"), true)}), lb1, 0, after(" q-lb", "")},
      {"quiesce two", web({state(tcp("192.0.2.1"), true), state(tcp("192.0.2.2"), true, 0x0A)}),
       lb1, 0, after(" q-lb", " q-lb 0x0a")},
      {"opaque state", web({state(tcp("192.0.2.1"), false, 0xFF)}), lb1, 0, after(" 0xff", "")},
      {"nothing new", web({state(tcp("192.0.2.1"), false)}), lb1, 0},
      {"a group without members", sets({states("lb1", "empty")}), lb1, 0},
      {"by the member", by_member(web({state(tcp("192.0.2.2"), true, 1)})), stranger, 0,
       after("", " q-member 0x01"), "192.0.2.2"},
      {"by the member, registered by the LB", by_member(web({state(tcp("192.0.2.1"), true)})),
       stranger, 0, after(" q-member", ""), "192.0.2.1"},

      {"no group at all", sets({}), lb1, 0x10},
      {"row 10: NUL in the LB UID", sets({states(nul, "web")}), stranger, 0x10},
      {"empty group name", sets({states("lb1", "")}), lb1, 0x50},
      {"empty LB UID", sets({states("", "web")}), stranger, 0x51},
      {"LB UID of 65 bytes", sets({states(long_uid, "web")}), stranger, 0x51},
      {"LB not known", sets({states("lb9", "web")}), stranger, 0x43},
      {"LB of a member not known",
       by_member(sets({states("lb9", "web", {state(tcp("192.0.2.1"), true)})})), stranger, 0x61, "",
       "192.0.2.1"},
      {"the LB does not trust",
       by_member(sets({states("lb2", "web", {state(tcp("192.0.2.1"), true)})})), stranger, 0x11, "",
       "192.0.2.1"},
      {"row 37: another's address", by_member(web({state(tcp("192.0.2.1"), true)})), stranger, 0x11,
       "", "192.0.2.2"},
      {"LB for another LB", sets({states("lb2", "web", {state(tcp("192.0.2.1"), true)})}), lb1,
       0x11},
      {"group not known", sets({states("lb1", "none", {state(tcp("192.0.2.1"), true)})}), lb1,
       0x42},
      {"member twice", web({state(tcp("192.0.2.1"), true), state(tcp("192.0.2.1"), false)}), lb1,
       0x44},
      {"0x44 before 0x46",
       sets({states("lb1", "web", {state(tcp("192.0.2.1"), true)}),
             states("lb1", "web", {state(tcp("192.0.2.1"), true)})}),
       lb1, 0x44},
      {"group twice",
       sets({states("lb1", "web", {state(tcp("192.0.2.1"), true)}),
             states("lb1", "web", {state(tcp("192.0.2.2"), true)})}),
       lb1, 0x46},
      {"member not registered", web({state(tcp("192.0.2.9"), true)}), lb1, 0x41},
      {"all or nothing", web({state(tcp("192.0.2.1"), true), state(tcp("192.0.2.9"), true)}), lb1,
       0x41},
      {"in a group of others", sets({states("lb1", "hosts", {state(tcp("192.0.2.1"), true)})}), lb1,
       0x41},
  });
}

// Row 37 and RFC 4678 10: lb1 belongs to 198.51.100.1, with the groups that it has and w*;
// 198.51.100.4 may be it in the group web only. 192.0.2.4 names no groups: what lb1 may have is
// what it may register in.
TEST_F(ReturnCodes, OfWhoHasNoRight) {
  const auto authority = Authority::parse(
      "* from=198.51.100.1 lb=lb1 group=empty group=hosts group=w*\n"
      "* from=198.51.100.4 lb=lb1 group=web\n"
      "* from=198.51.100.2 lb=lb2 lb=lb3\n"
      "* from=192.0.2.3 member=own group=web\n"
      "* from=192.0.2.4 member=own\n");
  ASSERT_TRUE(authority) << authority.error().detail;
  const std::string thief = "198.51.100.2";
  const auto quiesces = sets({states("lb1", "web", {state(tcp("192.0.2.1"), true)})});
  const auto self = [](const std::string& name) {
    return by_member(registers({group("lb1", name, {tcp("192.0.2.3")})}));
  };
  const auto fourth = [](std::vector<std::string> names) {
    std::vector<GroupOfMemberData> groups;
    for (const auto& name : names)
      groups.push_back(group("lb1", name, {tcp("192.0.2.4")}));
    return by_member(registers(std::move(groups)));
  };
  check(
      {
          {"its LB, a group of its own", asks({{"lb1", "web"}}), lb1, 0},
          {"its LB, all that it has", asks({{"lb1", ""}}), lb1, 0},
          {"another's group", registers({group("lb1", "mail")}), lb1, 0x11},
          {"on the connection of the LB", asks({{"lb1", "web"}}), lb1, 0x11, "", thief},
          {"theft by a Get Weights", asks({{"lb1", "web"}}), stranger, 0x11, "", thief},
          {"theft by a Set LB State", lb_state("lb1"), stranger, 0x11, "", thief},
          {"theft by a Registration", registers({group("lb1", "x")}), stranger, 0x11, "", thief},
          {"theft by a DeRegistration", deregisters({group("lb1", "")}), stranger, 0x11, "", thief},
          {"a quiesce of another's servers", quiesces, stranger, 0x11, "", thief},
          {"nothing is said of what there is", asks({{"lb9", "web"}}), stranger, 0x11, "", thief},
          {"the weights of groups of others", asks({{"lb1", ""}}), stranger, 0x11, "",
           "198.51.100.4"},
          {"pushes of groups of others", lb_state("lb1"), stranger, 0x11, "", "198.51.100.4"},
          {"the end of groups of others", deregisters({group("lb1", "")}), stranger, 0x11, "",
           "198.51.100.4"},
          {"a member says nothing of LBs that it may not serve",
           by_member(registers({group("lb9", "web", {tcp("192.0.2.3")})})), stranger, 0x11, "",
           thief},
          {"from nowhere", lb_state("lb3"), stranger, 0x11, "", "203.0.113.1"},
          {"a member in its group", self("web"), stranger, 0,
           lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1\n"
                    "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self tcp:192.0.2.3:80 self\n"),
           "192.0.2.3"},
          {"a member in another group", self("hosts"), stranger, 0x11, "", "192.0.2.3"},
          {"a member without any right", self("web"), stranger, 0x11, "", thief},
          {"a member in a new group of the LB's", fourth({"wiki"}), stranger, 0,
           lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1\n"
                    "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self\n"
                    "lb1/wiki: tcp:192.0.2.4:80 self\n"),
           "192.0.2.4"},
          {"a member in a group that the LB may not have", fourth({"mail"}), stranger, 0x11, "",
           "192.0.2.4"},
          {"and in one that it may", fourth({"wiki", "mail"}), stranger, 0x11, "", "192.0.2.4"},
          {"on the LB's own connection", fourth({"mail"}), lb1, 0x11, "", "192.0.2.4"},
          {"a member as an LB", lb_state("lb3"), stranger, 0x11, "", "192.0.2.3"},
      },
      {}, *authority);
}

TEST_F(ReturnCodes, OfSetLbState) {
  const std::string rest = before.substr(before.find('\n'));
  check({
      {"flags", lb_state("lb1", lb_flag::push | lb_flag::no_change), lb1, 0,
       "lb1 flags 5 health 127" + rest},
      {"nothing new", lb_state("lb1", lb_flag::trust), lb1, 0},
      {"health", SetLbStateRequest{"lb1", 3, lb_flag::trust}, lb1, 0,
       "lb1 flags 2 health 3" + rest},
      {"a new LB", lb_state("lb3", lb_flag::trust), stranger, 0,
       before + "lb3 flags 2 health 127\n"},
      {"after a reconnection", lb_state("lb1"), stranger, 0, "lb1 flags 0 health 127" + rest},
      {"row 9: UIDs are case-sensitive", lb_state("LB1"), stranger, 0,
       "LB1 flags 0 health 127\n" + before},
      {"row 10: LB UID not UTF-8", lb_state(not_utf8), stranger, 0x10},
      {"empty LB UID", lb_state(""), stranger, 0x51},
      {"LB UID of 65 bytes", lb_state(long_uid), stranger, 0x51},
      {"of another LB", lb_state("lb2"), lb1, 0x11},
      {"of an LB that is not known, beside its own", lb_state("lb3"), lb1, 0x11},
  });
}

// RFC 4678 7.1.2: "vendor specific criteria".
TEST_F(ReturnCodes, OfLimits) {
  RegistryConfig config;
  config.max_lbs = 2;
  check({{"one more LB", lb_state("lb3"), stranger, 0x11},
         {"one more LB by registration", registers({group("lb3", "web")}), stranger, 0x11},
         {"one that is known", lb_state("lb1", lb_flag::trust), lb1, 0}},
        config);
  config = {};
  config.max_groups = 5;
  check({{"one more group", registers({group("lb1", "a")}), lb1, 0,
          lb1_with("lb1/a:\nlb1/empty:\nlb1/hosts: 192.0.2.1\n"
                   "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self\n")},
         {"too many groups", registers({group("lb1", "a"), group("lb1", "b")}), lb1, 0x11},
         {"the same group twice is one", registers({group("lb1", "a"), group("lb1", "a")}), lb1, 0,
          lb1_with("lb1/a:\nlb1/empty:\nlb1/hosts: 192.0.2.1\n"
                   "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self\n")}},
        config);
  config = {};
  config.max_members = 4;
  check({{"one more member", registers({group("lb1", "web", {tcp("192.0.2.3")})}), lb1, 0x11},
         {"one more member of another LB", registers({group("lb2", "web", {tcp("192.0.2.3")})}),
          lb2, 0x11}},
        config);
  config = {};
  config.max_self_registered = 2;  // 192.0.2.2 has one
  const auto itself = [](const std::vector<std::uint16_t>& ports) {
    std::vector<MemberData> members;
    for (const auto port : ports)
      members.push_back(tcp("192.0.2.2", port));
    return by_member(registers({group("lb1", "web", std::move(members))}));
  };
  check({{"one more of a member's address", itself({81}), stranger, 0,
          lb1_with("lb1/empty:\nlb1/hosts: 192.0.2.1\nlb1/web: tcp:192.0.2.1:80 "
                   "tcp:192.0.2.2:80 self tcp:192.0.2.2:81 self\n"),
          "192.0.2.2"},
         {"too many of a member's address", itself({81, 82}), stranger, 0x11, "", "192.0.2.2"}},
        config);
  config = {};
  // lb1: 22 bytes, three groups of 12 + 3 and their names, 13, three members of 32.
  config.max_reply = 176 + 32 + 5;
  check(
      {{"more bytes than a reply may have",
        registers({group("lb1", "web", {tcp("192.0.2.3", 80, "label!")})}), lb1, 0x11},
       {"just as many", registers({group("lb1", "empty", {tcp("192.0.2.3", 80, "label")})}), lb1, 0,
        lb1_with("lb1/empty: tcp:192.0.2.3:80\nlb1/hosts: 192.0.2.1\n"
                 "lb1/web: tcp:192.0.2.1:80 tcp:192.0.2.2:80 self\n")}},
      config);
}

// Two count bytes (RFC 4678 6.2).
TEST_F(ReturnCodes, OfMoreMembersThanAGroupCanTell) {
  RegistryFixture gwm;
  std::vector<MemberData> members;
  for (std::uint16_t port = 65535; port > 0; --port) {
    members.push_back(tcp("192.0.2.1", port));
  }
  EXPECT_EQ(number(code_of(gwm.handle(registers({group("lb1", "web", members)}), lb1).reply)), 0);
  EXPECT_EQ(
      number(code_of(gwm.handle(registers({group("lb1", "web", {tcp("192.0.2.2")})}), lb1).reply)),
      0x11);
  const Outcome outcome = gwm.handle(asks({{"lb1", "web"}}), lb1);
  EXPECT_TRUE(encode({1, outcome.reply}));
}

}  // namespace
}  // namespace saspd::gwm
