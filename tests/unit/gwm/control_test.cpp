// SPDX-License-Identifier: Apache-2.0
// What sasp-gwm answers to saspctl, and what it shows to Prometheus.
#include "controller/gwm/control.hpp"

#include <boost/json/serialize.hpp>

#include "controller/gwm/metrics.hpp"
#include "controller/report/commands.hpp"
#include "tests/conformance/gwm/registry_fixture.hpp"

namespace saspd::gwm {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

ProbePlan plan() {
  ProbePlan plan;
  for (const char* probe : {"http:/health", "agent:9777", "file=none"})
    EXPECT_TRUE(plan.add(probe));
  return plan;
}

class Control : public testing::Test, protected RegistryFixture {
 protected:
  Control() : RegistryFixture({.mixed_groups = true}, plan()) {
    around_.health = [this](const ProbeTarget& target) -> const Health* {
      const auto known = health_.find(target);
      return known == health_.end() ? nullptr : &known->second;
    };
    around_.peer = [](ConnectionId id) -> std::optional<Endpoint> {
      if (id != 1) return std::nullopt;
      return Endpoint::parse("198.51.100.1:4000").value();
    };
    around_.listen = {*Endpoint::parse("127.0.0.1:3860")};
    around_.interval = 10s;
    around_.connections = 3;
  }

  // Two load balancers; lb1 is connected, with two groups.
  void given_farm() {
    given(lb_state("lb1", lb_flag::push | lb_flag::trust), 1);
    given(registers({group("lb1", "web", {tcp("192.0.2.1", 80, "first"), tcp("192.0.2.2")}),
                     group("lb1", "file", {tcp("192.0.2.1", 81), host("192.0.2.3")})}),
          1);
    given(lb_state("lb2"), 2);
    given(registers({group("lb2", "web", {tcp("192.0.2.1")})}), 2);
    manager.disconnected(2, now);
  }
  void advise() {
    manager.use({{"file",
                  {{tcp("192.0.2.1", 81).key(), {.confident = true, .weight = 40}},
                   {host("192.0.2.3").key(), {.contact = false, .confident = true}}}}},
                now);
  }
  static ProbeTarget http(const std::string& endpoint) {
    return {{ProbeSpec::Kind::http, "/health", 0}, *Endpoint::parse(endpoint)};
  }
  static ProbeTarget agent(const std::string& address) {
    return {{ProbeSpec::Kind::agent, {}, 9777}, {*IpAddress::parse(address), 9777}};
  }
  void probed(const ProbeTarget& target, bool ok, const std::string& detail,
              std::optional<AgentReport> report = {}) {
    auto& health = health_.try_emplace(target, now).first->second;
    health.add({ok, detail, now, 3ms, std::move(report)}, {});
    manager.learn(target, reading_of(health), now);
  }

  json::object ask(json::object request, bool may_write = true) {
    outcome_ = carry_out(request, may_write, manager, around_, now);
    return outcome_.answer;
  }
  json::object ask(std::string_view command) { return ask({{"command", command}}); }
  json::object member(std::string_view command, std::string_view name, bool may_write = true) {
    return ask({{"command", command}, {"member", name}}, may_write);
  }
  std::string detail(std::string_view name, std::size_t n = 0) {
    const auto why = member("why", name);
    if (why.contains("error")) return json::serialize(why);
    return std::string(why.at("members").at(n).at("detail").as_string());
  }

  Surroundings around_;
  std::map<ProbeTarget, Health> health_;
  ControlOutcome outcome_;
};

TEST_F(Control, TellsTheStatusOfAnEmptyProgram) {
  const auto status = ask("status");
  EXPECT_EQ(status.at("schema_version"), 1);
  EXPECT_EQ(status.at("program"), "sasp-gwm");
  EXPECT_EQ(json::serialize(status.at("listen")), R"(["127.0.0.1:3860"])");
  EXPECT_EQ(status.at("weights_file"), nullptr);
  EXPECT_EQ(status.at("weights_error"), nullptr);
  EXPECT_EQ(status.at("member_counts").at("all"), 0U);
  EXPECT_TRUE(status.at("lbs").as_array().empty());
}

TEST_F(Control, TellsWhoIsConnected) {
  given_farm();
  now += 100s;
  const auto lbs = ask("lbs").at("lbs").as_array();
  EXPECT_EQ(json::serialize(lbs.at(0)),
            R"({"uid":"lb1","connected":true,"endpoint":"198.51.100.1:4000",)"
            R"("forgotten_in_s":null,"mode":"push","trust":true,"no_change":false,"health":127,)"
            R"("groups":2,"members":4,"replacements":0})");
  EXPECT_EQ(lbs.at(1).at("connected"), false);
  EXPECT_EQ(lbs.at(1).at("forgotten_in_s"), 200);
  EXPECT_EQ(ask("status").at("lbs"), json::value(lbs));
}

TEST_F(Control, CountsTheMembersOfEachGroup) {
  given_farm();
  advise();
  probed(http("192.0.2.1:80"), true, "200");
  probed(http("192.0.2.1:80"), true, "200");
  probed(agent("192.0.2.1"), true, "up", AgentReport{});
  probed(agent("192.0.2.1"), true, "up", AgentReport{});
  member("drain", "192.0.2.2:80");
  const auto groups = ask("groups").at("groups").as_array();
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(json::serialize(groups.at(0)),
            R"({"name":"file","lb_uid":"lb1","member_counts":{"all":2,"available":1,)"
            R"("quiesced":0,"no_contact":1,"not_confident":0}})");
  EXPECT_EQ(json::serialize(groups.at(1).at("member_counts")),
            R"({"all":2,"available":1,"quiesced":1,"no_contact":0,"not_confident":0})");
  EXPECT_EQ(ask("status").at("member_counts").at("all"), 5U);
  EXPECT_EQ(json::serialize(ask("status").at("drained")), R"(["192.0.2.2:80"])");
}

TEST_F(Control, ListsMembersAsTheyAreAdvised) {
  given_farm();
  advise();
  const auto answer = ask({{"command", "members"}, {"group", "file"}});
  EXPECT_EQ(answer.at("left_out"), 0U);
  ASSERT_EQ(answer.at("groups").as_array().size(), 1U);
  const auto members = answer.at("groups").at(0).at("members").as_array();
  EXPECT_EQ(json::serialize(members.at(0)),
            R"({"address":"192.0.2.1","port":81,"protocol":"tcp","label":"","weight":40,)"
            R"("flags":{"contact":true,"quiesce":false,"registered_by_lb":true,)"
            R"("confident":true},"state":0})");
  EXPECT_EQ(members.at(1).at("protocol"), nullptr) << "a system";
  EXPECT_EQ(ask("members").at("groups").as_array().size(), 3U);
  const auto none = ask({{"command", "members"}, {"group", "none"}});
  EXPECT_EQ(none.at("exit_code"), 65);
  EXPECT_EQ(none.at("error"), "no group 'none'");
}

TEST_F(Control, LeavesOutWhatIsTooMuchAtOnce) {
  given(lb_state("lb1"), 1);
  for (int n = 0; n < 21; ++n) {
    std::vector<MemberData> members;
    for (int i = 0; i < 1000; ++i)
      members.push_back(tcp(fmt::format("10.{}.{}.{}", n, i / 250, i % 250 + 1)));
    given(registers({group("lb1", fmt::format("g{}", n), members)}), 1);
  }
  const auto answer = ask("members");
  EXPECT_EQ(answer.at("left_out"), 1000U);
  EXPECT_LT(json::serialize(answer).size(), std::size_t{16} << 20) << "more than a socket takes";
  EXPECT_LT(json::serialize(ask("watch")).size(), std::size_t{16} << 20);
}

TEST_F(Control, SaysWhyAMemberHasItsWeight) {
  given_farm();
  advise();
  const auto of_one = member("why", "web/192.0.2.1:80");
  ASSERT_EQ(of_one.at("members").as_array().size(), 2U) << "of two load balancers";
  const auto first = of_one.at("members").at(0).as_object();
  EXPECT_EQ(first.at("lb_uid"), "lb1");
  EXPECT_EQ(first.at("weights_file"), nullptr);
  EXPECT_EQ(json::serialize(first.at("probes")),
            R"([{"probe":"http:/health","endpoint":"192.0.2.1:80","state":"unknown"},)"
            R"({"probe":"agent:9777","endpoint":"192.0.2.1:9777","state":"unknown"}])");
  EXPECT_EQ(detail("web/192.0.2.1:80"),
            "not known: http:/health 192.0.2.1:80 does not have two samples yet");
  EXPECT_EQ(detail("file/192.0.2.1:81"), "the weights file says 40");
  EXPECT_EQ(detail("192.0.2.3"), "not in contact: the weights file says down");

  probed(http("192.0.2.1:80"), true, "HTTP status 200");
  probed(http("192.0.2.1:80"), true, "HTTP status 200");
  probed(agent("192.0.2.1"), false, "connection refused");
  probed(agent("192.0.2.1"), false, "connection refused");
  EXPECT_EQ(detail("web/192.0.2.1:80"),
            "not known: agent:9777 192.0.2.1:9777 does not answer: connection refused");
  probed(agent("192.0.2.1"), true, "75%", AgentReport{.percent = 75});
  probed(agent("192.0.2.1"), true, "75%", AgentReport{.percent = 75});
  EXPECT_EQ(detail("web/192.0.2.1:80"),
            "75% of a member's share; weights are relative to the best member of the group");
  const auto probes = member("why", "web/192.0.2.1:80").at("members").at(0).at("probes");
  EXPECT_EQ(json::serialize(probes.at(1).at("agent")),
            R"({"percent":75,"health":"up","admin":"ready"})");
  EXPECT_EQ(json::serialize(probes.at(0).at("last")),
            R"({"ok":true,"detail":"HTTP status 200","age_s":0,"duration_ms":3})");
  probed(agent("192.0.2.1"), true, "down",
         AgentReport{.health = AgentHealth{AgentHealth::Word::down, ""}});
  EXPECT_EQ(detail("web/192.0.2.1:80"), "not in contact: agent:9777 192.0.2.1:9777 says down");
  for (int i = 0; i < 3; ++i)
    probed(http("192.0.2.1:80"), false, "HTTP status 500");
  EXPECT_EQ(detail("web/192.0.2.1:80"),
            "not in contact: http:/health 192.0.2.1:80 fails: HTTP status 500");
}

// sasp-interop row 40.
TEST_F(Control, NamesEveryOriginOfAQuiesce) {
  given_farm();
  manager.use({{"web", {{tcp("192.0.2.1").key(), {.confident = true, .quiesce = true}}}}}, now);
  given(sets({states("lb1", "web", {state(tcp("192.0.2.1"), true)})}), 1);
  handle(by_member(sets({states("lb1", "web", {state(tcp("192.0.2.1"), true)})})), 9, "192.0.2.1");
  for (int i = 0; i < 2; ++i)
    probed(agent("192.0.2.1"), true, "drain", AgentReport{.admin = AgentAdmin::drain});
  EXPECT_EQ(member("drain", "web/192.0.2.1:80").at("members"), 2U);
  const auto why = member("why", "web/192.0.2.1:80").at("members").at(0).as_object();
  EXPECT_EQ(json::serialize(why.at("quiesced_by")),
            R"(["load balancer","member","operator","weights file","agent"])");
  EXPECT_EQ(why.at("detail"),
            "quiesced by the load balancer, the member, the operator, the weights file, the agent: "
            "no new work");
  EXPECT_EQ(json::serialize(why.at("weights_file")), R"({"says":"quiesce"})");
  EXPECT_EQ(why.at("weight"), 0);
}

TEST_F(Control, DrainsForWhomeverMayWrite) {
  given_farm();
  const auto refused = member("drain", "192.0.2.1:80", false);
  EXPECT_EQ(refused.at("exit_code"), 77);
  EXPECT_EQ(refused.at("error"), "drain is for root and the group saspd-admin");
  EXPECT_TRUE(manager.weigher().drains().of_operator().empty());

  const auto done = member("drain", "192.0.2.1:80");
  EXPECT_EQ(done.at("members"), 2U);
  EXPECT_EQ(outcome_.done, "192.0.2.1:80 drained, 2 member(s)");
  EXPECT_EQ(weights("lb1", "web", 1)[0].flags & weight_flag::quiesce, weight_flag::quiesce);

  EXPECT_EQ(member("undrain", "web/192.0.2.1:80").at("error"),
            "'web/192.0.2.1:80' is not drained under that name");
  EXPECT_EQ(outcome_.done, "");
  member("undrain", "192.0.2.1:80");
  EXPECT_EQ(outcome_.done, "192.0.2.1:80 is no longer drained");
  EXPECT_EQ(weights("lb1", "web", 1)[0].flags & weight_flag::quiesce, 0);
}

TEST_F(Control, AnswersEveryCommandThatTheTableSaysItDoes) {
  for (const auto& row : report::commands()) {
    if (row.command == report::Command::reload) continue;  // of the host: its reload_test
    const auto support = row.of(report::Program::sasp_gwm);
    const auto answer = ask(row.name);
    const auto* code = answer.if_contains("exit_code");
    const bool does = support == report::Support::reads || support == report::Support::writes;
    EXPECT_TRUE(code != nullptr ? *code == 64 : does) << row.name;
    EXPECT_EQ(does, !report::refusal(report::Program::sasp_gwm, row.name)) << row.name;
    const auto unauthorized = ask({{"command", row.name}}, false);
    const auto* forbidden = unauthorized.if_contains("exit_code");
    EXPECT_EQ(support == report::Support::writes, forbidden != nullptr && *forbidden == 77)
        << row.name;
  }
}

TEST_F(Control, RefusesWhatItDoesNotKnow) {
  given_farm();
  EXPECT_EQ(ask(json::object{}).at("error"), "no command");
  EXPECT_EQ(ask({{"command", 7}}).at("error"), "no command");
  EXPECT_EQ(ask("plan").at("error"), "plan is for saspd, this is sasp-gwm");
  EXPECT_EQ(ask("stauts").at("error"), "unknown command 'stauts'; this is sasp-gwm");
  for (const char* command : {"why", "drain", "undrain"}) {
    EXPECT_EQ(ask(command).at("error"), "a member is needed");
    EXPECT_EQ(ask({{"command", command}, {"member", 1}}).at("exit_code"), 64);
    EXPECT_EQ(member(command, "web").at("exit_code"), 64);
    EXPECT_EQ(member(command, "192.0.2.99:80").at("exit_code"), 65) << command;
    EXPECT_EQ(outcome_.done, "");
  }
  EXPECT_EQ(member("why", "192.0.2.1").at("error"),
            "no member '192.0.2.1'; did you mean 192.0.2.1:80, 192.0.2.1:81?");
  EXPECT_EQ(member("why", "192.0.2.99").at("error"), "no member '192.0.2.99'");
  EXPECT_EQ(ask({{"command", "members"}, {"group", "wbe"}}).at("error"),
            "no group 'wbe'; did you mean 'web'?");
}

TEST_F(Control, ShowsToAWatcherWhatMayChange) {
  given_farm();
  advise();
  EXPECT_EQ(json::serialize(ask("watch").at("items")),
            R"({"lb lb1":"connected","lb lb2":"not connected",)"
            R"("tcp:192.0.2.1:81 of lb1/file":"weight 40",)"
            R"("192.0.2.3 of lb1/file":"weight 0, no contact",)"
            R"("tcp:192.0.2.1:80 of lb1/web":"weight 1, not confident",)"
            R"("tcp:192.0.2.2:80 of lb1/web":"weight 1, not confident",)"
            R"("tcp:192.0.2.1:80 of lb2/web":"weight 1, not confident"})");
}

TEST_F(Control, ListsWhoIsNotAvailableAndWhy) {
  given_farm();
  advise();
  const auto status = ask("status");
  const auto unavailable = status.at("unavailable").as_array();
  ASSERT_EQ(unavailable.size(), 4U);
  EXPECT_EQ(json::serialize(unavailable.at(0)),
            R"({"lb_uid":"lb1","group":"file","member":"192.0.2.3","label":"",)"
            R"("detail":"not in contact: the weights file says down"})");
  EXPECT_EQ(unavailable.at(1).at("detail"),
            "not known: http:/health 192.0.2.1:80 does not have two samples yet");
  EXPECT_EQ(status.at("unavailable_left_out"), 0U);
}

TEST_F(Control, ListsAtMostFiftyOfThem) {
  std::vector<MemberData> members;
  for (int n = 1; n <= 60; ++n)
    members.push_back(tcp("192.0.2." + std::to_string(n)));
  given(registers({group("lb1", "web", members)}), 1);
  const auto status = ask("status");
  EXPECT_EQ(status.at("unavailable").as_array().size(), 50U);
  EXPECT_EQ(status.at("unavailable_left_out"), 10U);
}

TEST_F(Control, ListsWhatTheFileNamesInVain) {
  manager.use({{"fiel", {{tcp("192.0.2.1").key(), {}}}}, {"web", {{tcp("192.0.2.8").key(), {}}}}},
              now);
  EXPECT_TRUE(ask("status").at("unregistered").as_array().empty());
  given_farm();
  EXPECT_EQ(json::serialize(ask("status").at("unregistered")),
            R"([{"group":"fiel","member":null,"nearest":"file"},)"
            R"({"group":"web","member":"tcp:192.0.2.8:80","nearest":"tcp:192.0.2.1:80"}])");
}

TEST_F(Control, ShowsAlarms) {
  given_farm();
  around_.alarms = {{alarm::partly_known, true, "lb1", "web", {}, "something"},
                    {alarm::weights_shrunk, true, {}, {}, {}, "else"}};
  EXPECT_EQ(json::serialize(ask("status").at("alarms")),
            R"([{"name":"partly_known","urgent":true,"detail":"something","lb_uid":"lb1",)"
            R"("group":"web"},{"name":"weights_shrunk","urgent":true,"detail":"else"}])");
  const auto text = metrics::text(metric_families(manager, around_, {}, {}, false, now));
  for (const char* line :
       {"sasp_gwm_alarms{alarm=\"partly_known\"} 1", "sasp_gwm_alarms{alarm=\"weights_shrunk\"} 1",
        "sasp_gwm_alarms{alarm=\"none_available\"} 0", "sasp_gwm_alarms{alarm=\"unauthorized\"} 0",
        "sasp_gwm_unregistered_file_entries 0"})
    EXPECT_NE(text.find(line + std::string("\n")), std::string::npos) << line << text;
}

TEST_F(Control, TellsWhatTheFileSaidBefore) {
  given_farm();
  WeightsBook book{60s};
  const MemberKey key = tcp("192.0.2.1", 81).key();
  book.read({{"file", {{key, {.confident = true, .weight = 40}}}}}, now);
  book.read({}, now);
  around_.book = &book;
  manager.use(book.table(), now);
  now += 20s;
  const auto why = member("why", "192.0.2.1:81").at("members").at(0);
  EXPECT_EQ(why.at("detail"),
            "the weights file said 40, no longer names it, and is remembered for 40 s");
  EXPECT_EQ(json::serialize(why.at("weights_file")),
            R"({"says":"weight","weight":40,"remembered_s":40})");
}

// --- the drains file

TEST_F(Control, TellsADrainOfTheFileFromTheOperators) {
  given_farm();
  around_.drains_file = "/etc/sasp-gwm/drains";
  around_.requester = "uid 7";
  around_.unix_time = 1000;
  manager.use_drains({*MemberName::parse("web/192.0.2.1:80")}, now);
  EXPECT_EQ(detail("web/192.0.2.1:80"), "quiesced by the drains file: no new work");

  const auto refused = member("undrain", "192.0.2.1:80");
  EXPECT_EQ(refused.at("error"),
            "'192.0.2.1:80' is not drained by the operator: the drains file /etc/sasp-gwm/drains "
            "drains web/192.0.2.1:80, until that line goes");
  EXPECT_EQ(detail("web/192.0.2.1:80"), "quiesced by the drains file: no new work");

  const auto drained = member("drain", "192.0.2.1:80");
  EXPECT_EQ(drained.at("note"),
            "the drains file /etc/sasp-gwm/drains drains web/192.0.2.1:80, until that line goes");
  EXPECT_EQ(detail("web/192.0.2.1:80"), "quiesced by the operator, the drains file: no new work");
  around_.unix_time += 60;
  EXPECT_EQ(json::serialize(ask("status").at("drains")),
            R"([{"member":"192.0.2.1:80","origin":"operator","by":"uid 7","since_s":60},)"
            R"({"member":"web/192.0.2.1:80","origin":"file"}])");

  const auto lifted = member("undrain", "192.0.2.1:80");
  EXPECT_EQ(lifted.at("note"), drained.at("note"));
  EXPECT_EQ(detail("web/192.0.2.1:80"), "quiesced by the drains file: no new work");
  manager.use_drains({}, now);
  EXPECT_EQ(detail("web/192.0.2.1:80").find("quiesced"), std::string::npos);
}

TEST_F(Control, SaysWhetherADrainIsOnDisk) {
  given_farm();
  int writes = 0;
  around_.keep = [&] { return ++writes == 1; };
  EXPECT_EQ(member("drain", "192.0.2.1:80").at("kept"), true);
  EXPECT_EQ(member("drain", "192.0.2.2:80").at("kept"), false);
  member("undrain", "192.0.2.2:80");
  EXPECT_EQ(writes, 3);
  member("drain", "192.0.2.99:80");
  EXPECT_EQ(writes, 3) << "nothing has changed";
}

// --- after a restart

TEST_F(Control, ShowsWhatWasRestoredUntilItIsConfirmed) {
  given_farm();
  handle(by_member(registers({group("lb1", "self", {tcp("192.0.2.7")})})), 7, "192.0.2.7");
  auto state = parse_state(state_text(manager.state(now, 1000)));
  ASSERT_TRUE(state);
  WorkloadManager next({{.mixed_groups = true}, {}, plan()});
  next.recall(std::move(*state), authority, now, 1000);
  now += 20s;
  const auto answer = [&](json::object request) {
    return carry_out(request, true, next, around_, now).answer;
  };
  const auto restored = [&](const char* name) {
    const auto why = answer({{"command", "why"}, {"member", name}});
    const auto& member = why.at("members").at(0).as_object();
    return member.contains("restored_s") ? member.at("restored_s").as_int64() : -1;
  };
  EXPECT_EQ(json::serialize(answer({{"command", "status"}}).at("restored")),
            R"({"since_s":20,"lbs_unconfirmed":2,"members_unconfirmed":6})");
  EXPECT_EQ(restored("web/192.0.2.2:80"), 20);
  EXPECT_EQ(restored("self/192.0.2.7:80"), 20);
  next.handle({1, authority.rights_of(*IpAddress::parse("198.51.100.1"), {})}, lb_state("lb1"),
              now);
  EXPECT_EQ(restored("web/192.0.2.2:80"), -1);
  EXPECT_EQ(restored("self/192.0.2.7:80"), 20) << "it has not returned itself";
  const auto lbs = answer({{"command", "lbs"}}).at("lbs").as_array();
  EXPECT_FALSE(lbs.at(0).as_object().contains("restored_s"));
  EXPECT_EQ(lbs.at(1).at("restored_s"), 20);
  const auto members = answer({{"command", "members"}, {"group", "self"}});
  EXPECT_EQ(members.at("groups").at(0).at("members").at(0).at("restored_s"), 20);
  EXPECT_EQ(json::serialize(answer({{"command", "status"}}).at("restored")),
            R"({"since_s":20,"lbs_unconfirmed":1,"members_unconfirmed":2})");
}

TEST_F(Control, SaysWhyNobodyIsKnownAfterAStartWithoutAState) {
  given_farm();
  handle(by_member(registers({group("lb1", "self", {tcp("192.0.2.7")})})), 7, "192.0.2.7");
  manager.wait_until(now + 120s);
  now += 20s;
  EXPECT_EQ(ask("status").at("waits_s"), 100);
  EXPECT_EQ(detail("self/192.0.2.7:80"),
            "not known: sasp-gwm started without the state of an earlier life, and for 100 s more "
            "waits for members of the group to return (--start-grace); until then load balancers "
            "keep their weights");
  EXPECT_EQ(detail("web/192.0.2.2:80"),
            "not known: http:/health 192.0.2.2:80 does not have two samples yet");
}

// Letter by letter: scripts rely on keys and values.
TEST_F(Control, AnswersWithTheseKeys) {
  given_farm();
  advise();
  around_.weights_file = "weights";
  around_.authority_error = "authority: line 2: bad";
  around_.unauthorized.count(*Endpoint::parse("192.0.2.9:4000"), "no right", now);
  around_.alarms = {{alarm::partly_known, true, "lb1", "web", {}, "something"}};
  for (int i = 0; i < 2; ++i) {
    probed(http("192.0.2.1:80"), i == 0, "HTTP status 500");
    probed(agent("192.0.2.1"), true, "75%", AgentReport{.percent = 75});
  }
  EXPECT_EQ(
      json::serialize(member("drain", "web/192.0.2.2:80")),
      R"({"schema_version":1,"program":"sasp-gwm","done":"drain","member":"web/192.0.2.2:80",)"
      R"("members":1,"kept":false})");
  EXPECT_EQ(
      json::serialize(ask("status")),
      R"({"schema_version":1,"program":"sasp-gwm","version":")" SASPD_VERSION
      R"(","listen":["127.0.0.1:3860"],)"
      R"("interval_s":10,"connections":3,"weights_file":"weights","weights_error":null,)"
      R"("authority_file":null,"authority_error":"authority: line 2: bad","tls_error":null,)"
      R"("config_error":null,"drains_file":null,"drains_error":null,"state_file":null,"state_error":null,)"
      R"("alarms":[{"name":"partly_known","urgent":true,"detail":"something","lb_uid":"lb1",)"
      R"("group":"web"},{"name":"unauthorized","urgent":true,)"
      R"("detail":"1 unauthorized request(s), the last 0 s ago from 192.0.2.9:4000: no rig)"
      R"(ht"}],"groups":3,"member_counts":{"all":5,"available":1,"quiesced":1,"no_contact":3,)"
      R"("not_confident":0},"unavailable":[{"lb_uid":"lb1","group":"file","member":"192.0.2.3",)"
      R"("label":"","detail":"not in contact: the weights file says down"},{"lb_uid":"lb1",)"
      R"("group":"web","member":"tcp:192.0.2.1:80","label":"first",)"
      R"("detail":"not in contact: http:/health 192.0.2.1:80 fails: HTTP status 500"},{)"
      R"("lb_uid":"lb1","group":"web","member":"tcp:192.0.2.2:80","label":"",)"
      R"("detail":"quiesced by the operator: no new work"},{"lb_uid":"lb2","group":"web",)"
      R"("member":"tcp:192.0.2.1:80","label":"",)"
      R"("detail":"not in contact: http:/health 192.0.2.1:80 fails: HTTP status 500"}],)"
      R"("unavailable_left_out":0,"unregistered":[],"drained":["web/192.0.2.2:80"],)"
      R"("drains":[{"member":"web/192.0.2.2:80","origin":"operator"}],"lbs":[{)"
      R"("uid":"lb1","connected":true,"endpoint":"198.51.100.1:4000","forgotten_in_s":null,)"
      R"("mode":"push","trust":true,"no_change":false,"health":127,"groups":2,"members":4,)"
      R"("replacements":0},{"uid":"lb2","connected":false,"endpoint":null,"forgotten_in_s":300,)"
      R"("mode":"pull","trust":false,"no_change":false,"health":127,"groups":1,"members":1,)"
      R"("replacements":0}]})");
  EXPECT_EQ(
      json::serialize(ask("groups")),
      R"({"schema_version":1,"program":"sasp-gwm","groups":[{"name":"file","lb_uid":"lb1",)"
      R"("member_counts":{"all":2,"available":1,"quiesced":0,"no_contact":1,"not_confident":0}},{)"
      R"("name":"web","lb_uid":"lb1","member_counts":{"all":2,"available":0,"quiesced":1,)"
      R"("no_contact":1,"not_confident":0}},{"name":"web","lb_uid":"lb2","member_counts":{)"
      R"("all":1,"available":0,"quiesced":0,"no_contact":1,"not_confident":0}}]})");
  EXPECT_EQ(
      json::serialize(ask({{"command", "members"}, {"group", "web"}})),
      R"({"schema_version":1,"program":"sasp-gwm","groups":[{"name":"web","lb_uid":"lb1",)"
      R"("members":[{"address":"192.0.2.1","port":80,"protocol":"tcp","label":"first",)"
      R"("weight":0,"flags":{"contact":false,"quiesce":false,"registered_by_lb":true,)"
      R"("confident":true},"state":0},{"address":"192.0.2.2","port":80,"protocol":"tcp",)"
      R"("label":"","weight":0,"flags":{"contact":true,"quiesce":true,"registered_by_lb":true,)"
      R"("confident":false},"state":0}]},{"name":"web","lb_uid":"lb2","members":[{)"
      R"("address":"192.0.2.1","port":80,"protocol":"tcp","label":"","weight":0,"flags":{)"
      R"("contact":false,"quiesce":false,"registered_by_lb":true,"confident":true},)"
      R"("state":0}]}],"left_out":0})");
  EXPECT_EQ(
      json::serialize(ask("lbs")),
      R"({"schema_version":1,"program":"sasp-gwm","lbs":[{"uid":"lb1","connected":true,)"
      R"("endpoint":"198.51.100.1:4000","forgotten_in_s":null,"mode":"push","trust":true,)"
      R"("no_change":false,"health":127,"groups":2,"members":4,"replacements":0},{"uid":"lb2",)"
      R"("connected":false,"endpoint":null,"forgotten_in_s":300,"mode":"pull","trust":false,)"
      R"("no_change":false,"health":127,"groups":1,"members":1,"replacements":0}]})");
  weights("lb1", "file", 1);
  weights("lb1", "web", 1);
  EXPECT_EQ(
      json::serialize(member("why", "web/192.0.2.1:80")),
      R"({"schema_version":1,"program":"sasp-gwm","members":[{"address":"192.0.2.1","port":80,)"
      R"("protocol":"tcp","label":"first","weight":0,"flags":{"contact":false,"quiesce":false,)"
      R"("registered_by_lb":true,"confident":true},"state":0,"lb_uid":"lb1","group":"web",)"
      R"("detail":"not in contact: http:/health 192.0.2.1:80 fails: HTTP status 500",)"
      R"("quiesced_by":[],"weights_file":null,"probes":[{"probe":"http:/health",)"
      R"("endpoint":"192.0.2.1:80","state":"down","state_since_s":0,"samples":2,"failures":1,)"
      R"("run":1,"last":{"ok":false,"detail":"HTTP status 500","age_s":0,"duration_ms":3}},{)"
      R"("probe":"agent:9777","endpoint":"192.0.2.1:9777","state":"up","state_since_s":0,)"
      R"("samples":2,"failures":0,"run":2,"last":{"ok":true,"detail":"75%","age_s":0,)"
      R"("duration_ms":3},"agent":{"percent":75,"health":"up","admin":"ready"}}],"told":{)"
      R"("weight":0,"contact":false,"quiesce":false,"confident":true}},{"address":"192.0.2.1",)"
      R"("port":80,"protocol":"tcp","label":"","weight":0,"flags":{"contact":false,)"
      R"("quiesce":false,"registered_by_lb":true,"confident":true},"state":0,"lb_uid":"lb2",)"
      R"("group":"web","detail":"not in contact: http:/health 192.0.2.1:80 fails: HTTP status 500)"
      R"(","quiesced_by":[],"weights_file":null,"probes":[{"probe":"http:/health",)"
      R"("endpoint":"192.0.2.1:80","state":"down","state_since_s":0,"samples":2,"failures":1,)"
      R"("run":1,"last":{"ok":false,"detail":"HTTP status 500","age_s":0,"duration_ms":3}},{)"
      R"("probe":"agent:9777","endpoint":"192.0.2.1:9777","state":"up","state_since_s":0,)"
      R"("samples":2,"failures":0,"run":2,"last":{"ok":true,"detail":"75%","age_s":0,)"
      R"("duration_ms":3},"agent":{"percent":75,"health":"up","admin":"ready"}}],"told":null}]})");
  EXPECT_EQ(
      json::serialize(member("why", "192.0.2.3")),
      R"({"schema_version":1,"program":"sasp-gwm","members":[{"address":"192.0.2.3","port":0,)"
      R"("protocol":null,"label":"","weight":0,"flags":{"contact":false,"quiesce":false,)"
      R"("registered_by_lb":true,"confident":true},"state":0,"lb_uid":"lb1","group":"file",)"
      R"("detail":"not in contact: the weights file says down","quiesced_by":[],"weights_file":{)"
      R"("says":"down"},"probes":[],"told":{"weight":0,"contact":false,"quiesce":false,)"
      R"("confident":true}}]})");
  EXPECT_EQ(json::serialize(ask("watch")),
            R"({"schema_version":1,"program":"sasp-gwm","items":{"lb lb1":"connected",)"
            R"("lb lb2":"not connected","tcp:192.0.2.1:81 of lb1/file":"weight 40",)"
            R"("192.0.2.3 of lb1/file":"weight 0, no contact",)"
            R"("tcp:192.0.2.1:80 of lb1/web":"weight 0, no contact",)"
            R"("tcp:192.0.2.2:80 of lb1/web":"weight 0, quiesced, not confident",)"
            R"("tcp:192.0.2.1:80 of lb2/web":"weight 0, no contact"}})");
  EXPECT_EQ(
      json::serialize(member("undrain", "web/192.0.2.2:80")),
      R"({"schema_version":1,"program":"sasp-gwm","done":"undrain","member":"web/192.0.2.2:80",)"
      R"("members":1})");
}

TEST_F(Control, ShowsToPrometheusWhatItAdvises) {
  given_farm();
  advise();
  around_.weights_file = "weights";
  around_.weights_error = "bad";
  MetricCounters counters;
  counters.count(lb_state("lb1"), handle(lb_state("lb1"), 1).reply);
  counters.count(lb_state("lb9"), handle(lb_state("lb9"), 1).reply);
  counters.count(asks({{"lb1", "none"}}), handle(asks({{"lb1", "none"}}), 1).reply);
  counters.pushed = 5;
  const auto text = [&](bool with_members) {
    return metrics::text(
        metric_families(manager, around_, counters, {10, 3, 1}, with_members, now));
  };
  const std::string all = text(true);
  for (const char* line : {
           "sasp_gwm_build_info{version=\"" SASPD_VERSION "\"} 1",
           "sasp_gwm_connections 3",
           "sasp_gwm_weights_file_ok 0",
           "sasp_gwm_lbs{state=\"connected\"} 1",
           "sasp_gwm_lbs{state=\"retained\"} 1",
           "sasp_gwm_lb_connected{lb_uid=\"lb2\"} 0",
           "sasp_gwm_requests_total{type=\"get_weights\",code=\"0x42\"} 1",
           "sasp_gwm_requests_total{type=\"set_lb_state\",code=\"0x00\"} 1",
           "sasp_gwm_requests_total{type=\"set_lb_state\",code=\"0x11\"} 1",
           "sasp_gwm_pushes_total 5",
           "sasp_gwm_probes_total{result=\"ok\"} 7",
           "sasp_gwm_probes_total{result=\"failed\"} 3",
           "sasp_gwm_probes_total{result=\"local_error\"} 1",
           "sasp_gwm_members{state=\"available\"} 1",
           "sasp_gwm_members{state=\"no_contact\"} 1",
           "sasp_gwm_members{state=\"not_confident\"} 3",
           "sasp_gwm_member_weight{lb_uid=\"lb1\",group=\"file\",remote_address=\"192.0.2.1\","
           "remote_port=\"81\",proto=\"TCP\"} 40",
           "sasp_gwm_member_state{lb_uid=\"lb1\",group=\"file\",remote_address=\"192.0.2.3\","
           "remote_port=\"0\",proto=\"\",state=\"contact\"} 0",
       })
    EXPECT_NE(all.find(line + std::string("\n")), std::string::npos) << line << "\n" << all;
  EXPECT_EQ(text(false).find("sasp_gwm_member_"), std::string::npos);
}

}  // namespace
}  // namespace saspd::gwm
