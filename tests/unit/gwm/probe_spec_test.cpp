// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/probe_spec.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using sasp::MemberKey;

ProbePlan plan_of(const std::vector<std::string>& values) {
  ProbePlan plan;
  for (const auto& value : values) {
    const auto added = plan.add(value);
    EXPECT_TRUE(added) << value << ": " << added.error().detail;
  }
  return plan;
}

std::string probes(const ProbePlan& plan, std::string_view group) {
  std::string result;
  for (const ProbeSpec& spec : plan.of(group)) {
    result += (result.empty() ? "" : " ") + spec.text();
  }
  return result;
}

std::string refusal(const std::vector<std::string>& good, std::string_view bad) {
  ProbePlan plan = plan_of(good);
  const std::string before = probes(plan, "") + "|" + probes(plan, "web");
  const auto added = plan.add(bad);
  EXPECT_FALSE(added) << bad;
  EXPECT_EQ(probes(plan, "") + "|" + probes(plan, "web"), before);
  return added ? "" : added.error().detail;
}

TEST(ProbeSpec, ReadsEveryKind) {
  struct Case {
    std::string value;
    std::string group;  // to ask for; others get nothing
    ProbeSpec spec;
  };
  using Kind = ProbeSpec::Kind;
  const std::string longest = "/" + std::string(1023, 'p');
  const std::vector<Case> cases = {
      {"web=tcp", "web", {Kind::tcp, "", 0}},
      {"web=http:/", "web", {Kind::http, "/", 0}},
      {"web=http:/health?full=1&x=%20~!", "web", {Kind::http, "/health?full=1&x=%20~!", 0}},
      {"web=http:" + longest, "web", {Kind::http, longest, 0}},
      {"web=agent:1", "web", {Kind::agent, "", 1}},
      {"web=agent:65535", "web", {Kind::agent, "", 65535}},
      // Groups may be named like anything.
      {"the web: servers =tcp", "the web: servers ", {Kind::tcp, "", 0}},
      {"a=b=tcp", "a=b", {Kind::tcp, "", 0}},
      {"==tcp", "=", {Kind::tcp, "", 0}},
      {"tcp=tcp", "tcp", {Kind::tcp, "", 0}},
      {"none=tcp", "none", {Kind::tcp, "", 0}},
      {"tcp:192.0.2.1:80=agent:9", "tcp:192.0.2.1:80", {Kind::agent, "", 9}},
      {"http:80=tcp", "http:80", {Kind::tcp, "", 0}},
      {"Köln=tcp", "Köln", {Kind::tcp, "", 0}},
      {std::string(255, 'g') + "=tcp", std::string(255, 'g'), {Kind::tcp, "", 0}},
      // The longest kind counts: a path that ends like a kind is far likelier than a group that
      // has one in its name.
      {"a=http:/x?y=tcp", "a", {Kind::http, "/x?y=tcp", 0}},
      {"a=http:/x?next=http:/y", "a", {Kind::http, "/x?next=http:/y", 0}},
      {"a=b=http:/x=none", "a=b", {Kind::http, "/x=none", 0}},
  };
  for (const auto& [value, group, spec] : cases) {
    const ProbePlan plan = plan_of({value});
    ASSERT_EQ(plan.of(group).size(), 1U) << value;
    EXPECT_EQ(plan.of(group)[0], spec) << value;
    EXPECT_TRUE(plan.of("another").empty()) << value;
    EXPECT_EQ(group + "=" + spec.text(), value);
  }
}

TEST(ProbeSpec, WithoutAGroupIsForAllThatHaveNoneOfTheirOwn) {
  for (const auto* value : {"tcp", "http:/", "agent:9", "http:/a=tcp", "http:/a=b=agent:1"}) {
    const ProbePlan plan = plan_of({value});
    EXPECT_EQ(probes(plan, "any"), value);
  }
  const ProbePlan plan = plan_of({"tcp", "agent:9777", "web=http:/", "web=agent:1", "batch=none"});
  EXPECT_EQ(probes(plan, "any"), "tcp agent:9777");
  EXPECT_EQ(probes(plan, "web"), "http:/ agent:1");
  EXPECT_EQ(probes(plan, "batch"), "");
  EXPECT_EQ(probes(plan_of({"none", "web=tcp"}), "any"), "");
  EXPECT_EQ(probes(plan_of({"none", "web=tcp"}), "web"), "tcp");
  EXPECT_EQ(probes(ProbePlan{}, "any"), "");
}

TEST(ProbeSpec, SaysWhatIsWrongWithAValue) {
  struct Case {
    std::string value;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"", "'' is not [GROUP=]none|tcp|http:PATH|agent:PORT"},
      {"udp", "'udp' is not [GROUP=]none"},
      {"TCP", "'TCP' is not [GROUP=]none"},
      {"web", "'web' is not [GROUP=]none"},
      {"web=", "'web=' is not [GROUP=]none"},
      {"web=tcp ", "'web=tcp ' is not"},
      {"web=tcp:80", "'web=tcp:80' is not"},
      {"web=https:/", "'web=https:/' is not"},
      {"web=up\x01", "'web=up\\x01' is not"},
      {"=tcp", "the group name is empty"},
      {std::string(256, 'g') + "=tcp", "the group has 256 bytes, at most 255"},
      {"w\x01=tcp", "group 'w\\x01' is not UTF-8"},
      {"w\xC3=http:/", "group 'w\\xc3' is not UTF-8"},
      {"http:", "the path '' does not begin with '/'"},
      {"web=http:health", "the path 'health' does not begin with '/'"},
      {"web=http:/a b", "has a space, a '#' or a byte that is not ASCII"},
      {"web=http:/a#b", "has a space, a '#'"},
      {"web=http:/\r\nHost:x", "the path '/\\x0d\\x0aHost:x' has"},
      {"web=http:/k\xC3\xB6", "is not ASCII"},
      {"web=http:/\x7F", "is not ASCII"},
      {"web=http:/" + std::string(1024, 'p'), "the path has 1025 bytes, at most 1024"},
      {"web=agent:", "port of the agent: '' is not a whole number from 1 to 65535"},
      {"web=agent:0", "'0' is not a whole number"},
      {"agent:65536", "'65536' is not a whole number"},
      {"agent:80 ", "'80 ' is not a whole number"},
      {"a=b=agent:x", "port of the agent: 'x'"},
  };
  for (const auto& [value, says] : cases) {
    const std::string detail = refusal({}, value);
    EXPECT_NE(detail.find(says), std::string::npos) << value << ": " << detail;
  }
}

TEST(ProbePlan, RefusesWhatContradictsItself) {
  EXPECT_EQ(refusal({"none"}, "tcp"),
            "none is given together with another kind for groups without their own");
  EXPECT_EQ(refusal({"web=agent:1", "tcp"}, "web=none"),
            "none is given together with another kind for group 'web'");
  EXPECT_EQ(refusal({"web=none"}, "web=none"), "none is given twice for group 'web'");
  EXPECT_EQ(refusal({"tcp"}, "tcp"), "tcp is given twice for groups without their own");
  EXPECT_EQ(refusal({"web=http:/a"}, "web=http:/b"), "http is given twice for group 'web'");
  EXPECT_EQ(refusal({"web=tcp", "web=agent:1"}, "web=agent:2"),
            "agent is given twice for group 'web'");
}

TEST(ProbeTarget, IsTheServerWhateverGroupItIsIn) {
  using Kind = ProbeSpec::Kind;
  const IpAddress address = *IpAddress::parse("192.0.2.1");
  const MemberKey tcp{address, 6, 80};
  const MemberKey udp{address, 17, 80};
  const MemberKey sctp{address, 132, 80};
  const MemberKey system{address, 0, 0};
  const MemberKey tcp_without_port{address, 6, 0};
  struct Case {
    ProbeSpec spec;
    MemberKey member;
    std::string target;  // empty: none
  };
  const std::vector<Case> cases = {
      {{Kind::tcp, "", 0}, tcp, "tcp 192.0.2.1:80"},
      {{Kind::http, "/x", 0}, tcp, "http:/x 192.0.2.1:80"},
      {{Kind::agent, "", 9}, tcp, "agent:9 192.0.2.1:9"},
      {{Kind::tcp, "", 0}, udp, ""},
      {{Kind::http, "/", 0}, udp, ""},
      {{Kind::agent, "", 9}, udp, "agent:9 192.0.2.1:9"},
      {{Kind::tcp, "", 0}, sctp, ""},
      {{Kind::tcp, "", 0}, system, ""},
      {{Kind::agent, "", 9}, system, "agent:9 192.0.2.1:9"},
      {{Kind::tcp, "", 0}, tcp_without_port, ""},
      {{Kind::http, "/", 0}, tcp_without_port, ""},
  };
  for (const auto& [spec, member, target] : cases) {
    const auto found = target_of(spec, member);
    EXPECT_EQ(found ? found->text() : "", target) << spec.text() << " " << member.text();
  }
  EXPECT_EQ(target_of({Kind::agent, "", 9}, tcp), target_of({Kind::agent, "", 9}, system));
  EXPECT_NE(target_of({Kind::http, "/a", 0}, tcp), target_of({Kind::http, "/b", 0}, tcp));
  EXPECT_NE(target_of({Kind::http, "/a", 0}, tcp), target_of({Kind::tcp, "", 0}, tcp));
}

}  // namespace
}  // namespace saspd::gwm
