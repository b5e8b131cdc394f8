// SPDX-License-Identifier: Apache-2.0
// What is wrong with the advice, though no message of it is.
#include "controller/gwm/alarms.hpp"

#include "controller/sasp/names.hpp"
#include "tests/conformance/gwm/registry_fixture.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;

ProbePlan plan(std::initializer_list<std::string_view> probes) {
  ProbePlan plan;
  for (const auto probe : probes)
    EXPECT_TRUE(plan.add(probe)) << probe;
  return plan;
}

const Reading passing{.state = Reading::State::passing};
const Reading failing{.state = Reading::State::failing};
Reading says(unsigned percent) {
  return {.state = Reading::State::passing, .percent = percent};
}

class Alarms : public testing::Test, protected RegistryFixture {
 protected:
  explicit Alarms(ProbePlan probes = {}) : RegistryFixture({}, std::move(probes)) {}

  void given_group(const std::string& name, std::vector<MemberData> members) {
    given(registers({group("lb1", name, std::move(members))}), 1);
  }
  void advise(const std::string& group, const std::string& member, Advice advice) {
    table_[group][*sasp::parse_member(member)] = advice;
    manager.use(table_, now);
  }
  void probed(const ProbeSpec& spec, const std::string& member, const Reading& reading) {
    manager.learn(*target_of(spec, *sasp::parse_member(member)), reading, now);
  }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const Alarm& alarm : watch.look(manager, nullptr, now))
      names.emplace_back(alarm.name);
    return names;
  }
  std::string detail() {
    const auto alarms = watch.look(manager, nullptr, now);
    return alarms.empty() ? "" : alarms.front().detail;
  }
  using Names = std::vector<std::string>;

  AlarmWatch watch;  // the same one always: it must see what has changed
  static inline const Advice forty{.confident = true, .weight = 40};
  AdviceTable table_;
};

class AlarmsOfTcp : public Alarms {
 protected:
  AlarmsOfTcp() : Alarms(plan({"tcp", "batch=none"})) {}
  const ProbeSpec tcp_{};
};

class AlarmsOfAgents : public Alarms {
 protected:
  AlarmsOfAgents() : Alarms(plan({"agent:9777"})) {}
  const ProbeSpec agent_{ProbeSpec::Kind::agent, {}, 9777};
};

TEST_F(Alarms, ThereAreNoneWithoutMembers) {
  EXPECT_EQ(names(), Names{});
  given_group("web", {});
  EXPECT_EQ(names(), Names{});
}

// The README's first start: a line for one of two servers, and the other one is avoided for ever.
TEST_F(Alarms, AGroupOfWhichTheFileNamesOnlySome) {
  given_group("web", {tcp("192.0.2.1"), tcp("192.0.2.2")});
  advise("web", "192.0.2.1:80", forty);
  EXPECT_EQ(names(), Names{"partly_known"});
  EXPECT_EQ(detail(),
            "group 'web' of lb1: the state of 1 of 2 members is not known, load balancers stop "
            "sending to them: "
            "tcp:192.0.2.2:80 (it has neither a line in the weights file nor a probe; add a "
            "line, or --probe)");
  EXPECT_TRUE(watch.look(manager, nullptr, now).front().urgent);
  advise("web", "192.0.2.2:80", Advice{});
  EXPECT_NE(detail().find("the weights file says unknown"), std::string::npos) << detail();
  advise("web", "192.0.2.2:80", {.confident = true, .quiesce = true});
  EXPECT_EQ(names(), Names{});
}

TEST_F(Alarms, AGroupOfWhichNothingIsKnown) {
  given_group("web", {tcp("192.0.2.1"), tcp("192.0.2.2")});
  EXPECT_EQ(names(), Names{"not_known"});
  EXPECT_FALSE(watch.look(manager, nullptr, now).front().urgent) << "its weights stay";
  // One that is down does not make the other one avoided.
  advise("web", "192.0.2.1:80", {.contact = false, .confident = true});
  EXPECT_EQ(names(), Names{"not_known"});
}

TEST_F(AlarmsOfTcp, WaitForProbesThatHaveNotLookedTwice) {
  given_group("web", {tcp("192.0.2.1"), tcp("192.0.2.2")});
  EXPECT_EQ(names(), Names{});
  probed(tcp_, "192.0.2.1:80", passing);
  EXPECT_EQ(names(), Names{});
  probed(tcp_, "192.0.2.2:80", failing);
  EXPECT_EQ(names(), Names{}) << "down is known";
  given_group("batch", {tcp("192.0.2.3")});
  EXPECT_EQ(names(), Names{}) << "nobody wanted to know";
  given_group("dns", {kind(tcp("192.0.2.4"), 17, 53), kind(tcp("192.0.2.5"), 17, 53)});
  EXPECT_EQ(names(), Names{"not_known"}) << "tcp does not probe UDP";
}

// With --probe tcp it does no harm to name only some.
TEST_F(AlarmsOfTcp, NoneWhereProbesKnowTheOthers) {
  given_group("web", {tcp("192.0.2.1"), tcp("192.0.2.2")});
  advise("web", "192.0.2.1:80", forty);
  probed(tcp_, "192.0.2.1:80", passing);
  probed(tcp_, "192.0.2.2:80", passing);
  EXPECT_EQ(names(), Names{});
}

TEST_F(AlarmsOfTcp, AGroupThatCanGetNoWork) {
  given_group("web", {tcp("192.0.2.1"), tcp("192.0.2.2")});
  probed(tcp_, "192.0.2.1:80", failing);
  probed(tcp_, "192.0.2.2:80", passing);
  EXPECT_EQ(names(), Names{});
  advise("web", "192.0.2.2:80", {.confident = true, .quiesce = true});
  EXPECT_EQ(names(), Names{"none_available"});
  EXPECT_EQ(
      detail(),
      "group 'web' of lb1: none of its 2 members can get work (1 quiesced, 1 without contact)");
}

TEST_F(AlarmsOfAgents, OneThatSaysManyTimesWhatTheOthersSay) {
  std::vector<MemberData> members;
  for (int n = 1; n <= 5; ++n) {
    members.push_back(tcp("192.0.2." + std::to_string(n)));
    probed(agent_, fmt::format("192.0.2.{}:80", n), says(n == 5 ? 100 : 1));
  }
  given_group("web", members);
  EXPECT_EQ(names(), Names{"large_share"});
  EXPECT_EQ(detail(),
            "group 'web' of lb1: the agent of tcp:192.0.2.5:80 reports 100%, where half of the "
            "members report 1% or less; --max-share limits what it gets");
  advise("web", "192.0.2.5:80", forty);
  EXPECT_EQ(names(), Names{}) << "what the file says is meant";
}

TEST_F(AlarmsOfAgents, AnAgentThatDoesNotAnswer) {
  given_group("web", {tcp("192.0.2.1"), tcp("192.0.2.2")});
  probed(agent_, "192.0.2.1:80", says(100));
  probed(agent_, "192.0.2.2:80", failing);
  EXPECT_EQ(names(), Names{"partly_known"});
  EXPECT_NE(detail().find("(its agent does not answer)"), std::string::npos) << detail();
}

TEST_F(Alarms, NamesOfTheFileThatNobodyHas) {
  advise("tcp:192.0.2.10:8080", "10.0.0.1:80", forty);
  EXPECT_TRUE(strays_of(manager).empty()) << "nobody has registered anything yet";
  given_group("tcp:192.0.2.10:80", {tcp("10.0.0.1"), tcp("10.0.0.2")});
  EXPECT_EQ(names(), (Names{"not_known", "unregistered"}));
  auto strays = strays_of(manager);
  ASSERT_EQ(strays.size(), 1U);
  EXPECT_EQ(strays[0].text(),
            "the weights file names group 'tcp:192.0.2.10:8080', which is not registered; did "
            "you mean 'tcp:192.0.2.10:80'?");
  // The right group, another port.
  table_.clear();
  advise("tcp:192.0.2.10:80", "10.0.0.1:8080", forty);
  strays = strays_of(manager);
  ASSERT_EQ(strays.size(), 1U);
  EXPECT_EQ(strays[0].text(),
            "the weights file names member tcp:10.0.0.1:8080 of group 'tcp:192.0.2.10:80', which "
            "is not registered; did you mean 'tcp:10.0.0.1:80'?");
  EXPECT_EQ(names(), (Names{"not_known", "unregistered"}));
  // What the file names as well is meant, and so are names that are nothing like another one.
  advise("tcp:192.0.2.10:80", "10.0.0.1:80", forty);
  advise("tcp:192.0.2.10:80", "10.0.0.2:80", forty);
  advise("tcp:192.0.2.10:81", "10.0.0.1:81", forty);
  advise("mail", "10.0.0.3:25", forty);
  EXPECT_EQ(names(), Names{});
  EXPECT_EQ(strays_of(manager).size(), 3U);
}

TEST_F(Alarms, AFileThatIsHeldBack) {
  WeightsBook book{60s};
  book.read({{"web",
              {{*sasp::parse_member("192.0.2.1:80"), forty},
               {*sasp::parse_member("192.0.2.2:80"), forty}}}},
            now);
  EXPECT_TRUE(watch.look(manager, &book, now).empty());
  book.read({}, now);
  const auto alarms = watch.look(manager, &book, now + 100s);
  ASSERT_EQ(alarms.size(), 1U);
  EXPECT_EQ(alarms[0].name, alarm::weights_shrunk);
  EXPECT_EQ(alarms[0].detail,
            "the weights file lacks 2 of the 2 members that it had; the old weights stay for "
            "another 500 s, or until it is read on SIGHUP");
}

TEST_F(Alarms, BeginAndEndOnce) {
  given_group("web", {tcp("192.0.2.1")});
  given_group("dns", {tcp("192.0.2.2")});
  const auto before = watch.look(manager, nullptr, now);
  advise("web", "192.0.2.1:80", forty);
  const auto after = watch.look(manager, nullptr, now);
  EXPECT_TRUE(alarms_only_in(after, before).empty());
  const auto ended = alarms_only_in(before, after);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].group, "web");
}

}  // namespace
}  // namespace saspd::gwm
