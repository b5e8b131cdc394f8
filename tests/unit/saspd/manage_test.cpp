// SPDX-License-Identifier: Apache-2.0
// Managed services: made by saspd, filled with the configured members and those that registered
// themselves, and emptied gently.

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using std::chrono::seconds;

class Managed : public ReconcilerTest {
 protected:
  Managed() {
    plane_.table.clear();
    ServiceSettings service = plain_service(web);
    service.manage.emplace();
    service.manage->service = {"mh", lb::service_flag::fallback, 0, 0xFFFFFFFF, ""};
    service.manage->forward = lb::Forward::route;
    settings_.groups = {{"web", {service}, {}}};
  }

  ManageSettings& manage() { return *settings_.groups[0].services[0].manage; }
  void configure(std::initializer_list<unsigned> servers) {
    for (const unsigned n : servers)
      settings_.groups[0].members[server(n)] = {};
  }
  // What a GWM says of members that registered themselves.
  void tell(const std::map<unsigned, std::uint16_t>& weights, bool full = true) {
    sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
    for (const auto& [n, weight] : weights) {
      auto member = sasp::MemberData::of(member_of(plain_service(web), server(n)));
      member.label = "self";
      advice.items.push_back({member, 0, self, weight});
    }
    reconciler().update(0, {{advice}, 1, full}, now_);
  }
  void reconnect() {
    reconciler().set_connected(0, false);
    reconciler().set_connected(0, true);
  }
  void after(Duration time) {
    now_ += time;
    reconcile();
  }
  void connections(unsigned n, std::uint32_t count) {
    plane_.table.at(web).destinations.at(server(n)).observed.connections = count;
  }
  bool exists(unsigned n) {
    const auto pool = plane_.table.find(web);
    return pool != plane_.table.end() && pool->second.destinations.contains(server(n));
  }
  static constexpr std::uint8_t self = sasp::weight_flag::contact | sasp::weight_flag::confident;
};

TEST_F(Managed, MakesTheServiceAndRegistersItsMembersBeforeAnyAdvice) {
  configure({1, 2});
  pass();
  EXPECT_EQ(plane_.table.at(web).scheduler, "mh");
  EXPECT_EQ(plane_.table.at(web).flags, lb::service_flag::fallback);
  EXPECT_TRUE(plane_.table.at(web).destinations.empty());
  EXPECT_EQ(reconciler().wanted().at("web").size(), 2U);
  EXPECT_EQ(reason(1), Reason::unbound);
}

TEST_F(Managed, AddsAMemberWithTheAdvisedWeight) {
  configure({1, 2});
  pass();
  advise({6000, 2000});
  pass();
  EXPECT_EQ(kernel(), "63 21") << "scaled from the first packet on";
  EXPECT_EQ(plane_.written.back().destination.forward, lb::Forward::route);
  EXPECT_EQ(plane_.written.size(), 3U) << "added with its weight, not corrected later";
}

TEST_F(Managed, AddsAMemberWithItsStaticWeightWhenNoAdviceComes) {
  configure({1, 2});
  settings_.groups[0].members[server(2)].weight = 9;
  pass();
  after(seconds{9});
  EXPECT_FALSE(exists(1));
  after(seconds{1});
  EXPECT_EQ(kernel(), "1 9");
  advise({6, 6});
  pass();
  EXPECT_EQ(kernel(), "6 6");
}

TEST_F(Managed, AddsItOnTimeHoweverSeldomTheKernelIsLookedAt) {
  configure({1, 2});
  pass();
  const auto then = reconciler().next_decision();
  ASSERT_EQ(then, now_ + seconds{10});
  reconciler().work(*then - Duration{1});
  EXPECT_FALSE(exists(1));
  reconciler().work(*then);
  EXPECT_EQ(kernel(), "1 1");
}

TEST_F(Managed, AddsAMemberThatTheGwmDoesNotKnowWithWeightZero) {
  configure({1, 2});
  pass();
  advise({5, 5}, sasp::weight_flag::contact);
  sasp::GroupOfWeightEntries known{{"LB1", "web"}, {}};
  known.items.push_back(
      {sasp::MemberData::of(member_of(plain_service(web), server(1))), 0, good, 7});
  reconciler().update(0, {{known}, 1}, now_);
  pass();
  EXPECT_EQ(kernel(), "7 0");
  EXPECT_EQ(reason(2), Reason::not_confident);
}

TEST_F(Managed, AddsSomebodyWhenTheAdviceLeavesNobody) {
  configure({1, 2});
  pass();
  advise({0, 0});
  pass();
  EXPECT_EQ(kernel(), "1 1") << "held";
}

TEST_F(Managed, PutsBackWhatSomebodyElseRemoved) {
  configure({1, 2});
  pass();
  advise({5, 6});
  pass();
  plane_.table.at(web).destinations.erase(server(1));
  reconcile();
  EXPECT_EQ(kernel(), "5 6");
  plane_.table.clear();
  reconcile();
  EXPECT_EQ(kernel(), "5 6");
  EXPECT_EQ(plane_.table.at(web).scheduler, "mh");
}

TEST_F(Managed, SetsWhatDiffersOfAServiceThatExists) {
  configure({1});
  auto& pool = plane_.table[web];
  pool.scheduler = "wrr";
  pool.flags = lb::service_flag::hashed | lb::service_flag::persistent;
  pool.timeout = 77;
  pool.persistence_engine = "sip";
  add_service(web, {3});
  pool.scheduler = "wrr";
  pass();
  EXPECT_EQ(plane_.table.at(web).scheduler, "mh");
  EXPECT_EQ(plane_.table.at(web).flags, lb::service_flag::hashed | lb::service_flag::fallback);
  EXPECT_EQ(plane_.table.at(web).persistence_engine, "sip");
  EXPECT_EQ(plane_.table.at(web).destinations.at(server(1)).forward, lb::Forward::route);
  EXPECT_EQ(kernel(1), 3U) << "no advice yet: the weight stays";
  reconcile();
  const auto writes = plane_.written.size();
  reconcile();
  EXPECT_EQ(plane_.written.size(), writes);
}

TEST_F(Managed, DrainsWhatIsNoMemberAndRemovesItWhenItsConnectionsHaveEnded) {
  configure({1, 2});
  add_service(web, {10, 10, 10});
  connections(3, 5);
  pass();
  EXPECT_EQ(kernel(), "10 10 0");
  EXPECT_EQ(reason(3), Reason::leaving);
  EXPECT_EQ(reconciler().wanted().at("web").size(), 2U) << "it is deregistered";
  reconcile();
  EXPECT_TRUE(exists(3));
  connections(3, 0);
  reconcile();
  EXPECT_FALSE(exists(3));
}

TEST_F(Managed, DoesNotRemoveWhatHadNoConnectionsBeforeItsWeightWasZero) {
  configure({1});
  add_service(web, {10, 10});
  pass();
  EXPECT_TRUE(exists(2)) << "a connection may have come meanwhile";
  connections(2, 1);
  reconcile();
  EXPECT_TRUE(exists(2));
  connections(2, 0);
  reconcile();
  EXPECT_FALSE(exists(2));
}

TEST_F(Managed, RemovesWithConnectionsWhenTheDrainTimeIsUp) {
  manage().drain = seconds{30};
  configure({1});
  add_service(web, {10, 10});
  connections(2, 5);
  pass();
  after(seconds{29});
  EXPECT_TRUE(exists(2));
  after(seconds{1});
  EXPECT_FALSE(exists(2));
}

TEST_F(Managed, LeavesOtherServicesAlone) {
  configure({1});
  const auto other = *lb::parse_service("udp:192.0.2.10:53");
  add_service(other, {3, 4});
  const auto before = plane_.table.at(other);
  pass();
  advise({5});
  after(seconds{60});
  EXPECT_EQ(plane_.table.at(other), before);
}

TEST_F(Managed, OnlyTellsWhatItWouldDoInADryRun) {
  settings_.dry_run = true;
  configure({1});
  const auto planned = reconciler().plan(now_);
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->at(0).text(), "tcp:192.0.2.10:80 created: scheduler mh, mh-fallback");
  pass();
  EXPECT_TRUE(plane_.table.empty());
}

TEST_F(Managed, ComesToWhatIsDesiredWhateverWriteFails) {
  for (const auto how : {FakeDataplane::Failing::refused, FakeDataplane::Failing::lost_request,
                         FakeDataplane::Failing::lost_acknowledgement}) {
    for (std::size_t nth = 0; nth < 7; ++nth) {
      SCOPED_TRACE(nth);
      plane_.reset();
      restart();
      configure({1, 2, 3});
      plane_.fails_on(nth, how);
      pass();
      advise({5, 0, 7});
      pass();
      for (int i = 0; i < 3; ++i)
        pass();
      EXPECT_EQ(kernel(), "5 0 7");
      advise({5, 6, 7});  // its own zero
      for (int i = 0; i < 3; ++i)
        pass();
      EXPECT_EQ(kernel(), "5 6 7");
    }
  }
}

class SelfRegistration : public Managed {
 protected:
  SelfRegistration() { settings_.trust = true; }
};

// A GWM whose only advice was for one that never joined does not count for the others.
TEST_F(SelfRegistration, AdviceForOneThatNeverJoinedIsForgotten) {
  settings_.gwms = 2;
  const auto says = [this](std::size_t gwm, unsigned n, std::uint8_t flags, std::uint16_t weight) {
    const auto member = sasp::MemberData::of(member_of(plain_service(web), server(n)));
    reconciler().update(gwm, {{{{"LB1", "web"}, {{member, 0, flags, weight}}}}, 1, false}, now_);
  };
  reconciler().set_connected(1, true);
  tell({{1, 5}, {2, 5}});
  pass();
  says(0, 1, self | sasp::weight_flag::quiesce, 0);
  says(1, 9, self, 5);
  after(seconds{5});
  EXPECT_EQ(kernel(), "0 5");
  reconciler().set_connected(0, false);
  after(seconds{5});
  EXPECT_EQ(kernel(), "0 5");
  EXPECT_EQ(reason(1), Reason::quiesced);
}

TEST_F(SelfRegistration, AddsTheMemberWithItsAdvisedWeight) {
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  EXPECT_EQ(kernel(), "20 10");
  EXPECT_FALSE(reconciler().wanted().contains("web")) << "it is not ours to register";
  EXPECT_EQ(reconciler().view().at(0).members.at(0).label, "self");
}

// A GWM that lies, or that anybody may register with.
TEST_F(SelfRegistration, EndsAtALimit) {
  pass();
  const auto told_of = [&](unsigned first, unsigned count) {
    std::map<unsigned, std::uint16_t> weights;
    for (unsigned n = first; n < first + count; ++n)
      weights[n] = 7;
    tell(weights);
    pass();
  };
  const auto servers = [&] { return plane_.table.at(web).destinations.size(); };
  const auto alarm = [&] {
    const auto all = reconciler().alarms();
    for (const auto& [group, alarms] : all) {
      for (const auto& each : alarms)
        if (each.name == "many_members") return each.detail;
    }
    return std::string();
  };
  constexpr unsigned limit = SelfRegistered::max_members;
  told_of(1, limit);
  EXPECT_EQ(servers(), limit);
  EXPECT_EQ(alarm(), "");
  told_of(1, limit + 5);
  EXPECT_EQ(servers(), limit);
  EXPECT_EQ(alarm(),
            "5 members that registered themselves with the GWM are left out: a group takes 4096 of "
            "these");
  told_of(3, limit);
  EXPECT_EQ(alarm(), "") << "two have made room for two";
  EXPECT_TRUE(exists(limit + 2));
}

TEST_F(SelfRegistration, NeedsTrust) {
  settings_.trust = false;
  pass();
  tell({{1, 20}});
  pass();
  EXPECT_FALSE(exists(1));
}

TEST_F(SelfRegistration, TakesNobodyWhoDoesNotFitTheService) {
  pass();
  sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
  for (const char* address : {"10.0.0.7", "2001:db8::7"}) {
    const auto ip = *IpAddress::parse(address);
    advice.items.push_back({sasp::MemberData::of({ip, 17, 8080}), 0, self, 9});  // UDP
    advice.items.push_back({sasp::MemberData::of({ip, 0, 0}), 0, self, 9});      // a system
  }
  advice.items.push_back(
      {sasp::MemberData::of({*IpAddress::parse("2001:db8::7"), 6, 8080}), 0, self, 9});
  reconciler().update(0, {{advice}, 1, true}, now_);
  pass();
  EXPECT_TRUE(plane_.table.at(web).destinations.empty());
}

// The kernel would refuse it in every pass.
TEST_F(SelfRegistration, TakesNobodyAtAnAddressThatNoHostHas) {
  pass();
  sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
  for (const char* address : {"0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.0.7"})
    advice.items.push_back(
        {sasp::MemberData::of({*IpAddress::parse(address), 6, 8080}), 0, self, 9});
  EXPECT_EQ(reconciler().update(0, {{advice}, 1, true}, now_), 3U);
  pass();
  EXPECT_EQ(plane_.table.at(web).destinations.size(), 1U);
}

TEST_F(SelfRegistration, TakesNoMemberThatAnEarlierConfigurationRegistered) {
  pass();
  advise({20});  // flagged as registered by an LB
  pass();
  EXPECT_FALSE(exists(1));
}

TEST_F(SelfRegistration, DrainsTheMemberThatIsGoneFromAFullAnswer) {
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  connections(1, 3);
  tell({{2, 10}}, false);
  pass();
  EXPECT_EQ(kernel(), "20 10") << "changes only: an absence says nothing";
  tell({{2, 10}});
  pass();
  EXPECT_EQ(kernel(), "0 10");
  connections(1, 0);
  reconcile();
  EXPECT_FALSE(exists(1));
  reconcile();
  EXPECT_FALSE(exists(1));
}

TEST_F(SelfRegistration, DoesNotRemoveAtOnceWhatWasIdleBeforeItWasRaised) {
  pass();
  tell({{1, 0}, {2, 10}});
  pass();
  reconcile();  // listed with weight 0 and without connections
  tell({{1, 20}, {2, 10}});
  pass();
  tell({{2, 10}});
  pass();
  EXPECT_TRUE(exists(1)) << "a connection may have come meanwhile";
  EXPECT_EQ(kernel(1), 0U);
}

TEST_F(SelfRegistration, TakesALeavingMemberBack) {
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  tell({{2, 10}});
  pass();
  connections(1, 1);
  tell({{1, 30}, {2, 10}});
  after(seconds{5});
  EXPECT_EQ(kernel(), "30 10");
}

TEST_F(SelfRegistration, GivesEachLeaveItsWholeDrainTime) {
  manage().drain = seconds{30};
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  tell({{2, 10}});
  pass();
  connections(1, 1);
  after(seconds{29});
  tell({{1, 20}, {2, 10}});
  pass();
  tell({{2, 10}});
  pass();
  after(seconds{29});
  EXPECT_TRUE(exists(1));
  after(seconds{1});
  EXPECT_FALSE(exists(1));
}

TEST_F(SelfRegistration, IsWithTheFirstConnectedGwm) {
  settings_.gwms = 2;
  pass();
  reconciler().set_connected(1, true);
  tell({{1, 20}});
  sasp::WeightsReceived other{{{{"LB1", "web"}, {}}}, 1, true};
  other.groups[0].items.push_back(
      {sasp::MemberData::of(member_of(plain_service(web), server(2))), 0, self, 9});
  reconciler().update(1, other, now_);
  pass();
  EXPECT_EQ(kernel(), "20");
}

TEST_F(SelfRegistration, WaitsForMembersToRejoinAGwmThatRestarted) {
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  reconnect();
  tell({{2, 10}});
  pass();
  EXPECT_EQ(kernel(), "20 10") << "a lost GWM changes no traffic";
  now_ += SelfRegistered::rejoin_time - seconds{1};
  tell({{2, 10}});
  pass();
  EXPECT_EQ(kernel(), "20 10");
  now_ += seconds{1};
  tell({{2, 10}});
  pass();
  EXPECT_EQ(kernel(), "0 10");
}

TEST_F(SelfRegistration, IsRememberedByTheKernelOverARestart) {
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  restart();
  pass();
  tell({{2, 10}});
  pass();
  EXPECT_EQ(kernel(), "20 10") << "it may not have come back to the GWM yet";
  now_ += SelfRegistered::rejoin_time;
  tell({{2, 10}});
  pass();
  EXPECT_EQ(kernel(), "0 10");
}

TEST_F(SelfRegistration, KeepsTheConfiguredMember) {
  configure({1});
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  tell({});
  pass();
  reconcile();
  EXPECT_TRUE(exists(1));
  EXPECT_FALSE(exists(2));
}

// As with XDP: the whole table is ours, servers keep the port of their service.
class OwnTable : public SelfRegistration {
 protected:
  OwnTable() {
    settings_.own_table = true;
    manage().open = false;
  }
};

TEST_F(OwnTable, LosesTheServicesThatNobodyConfigured) {
  configure({1});
  add_service(*lb::parse_service("udp:192.0.2.10:53"), {3, 4});
  add_service(web, {3});
  pass();
  EXPECT_EQ(plane_.table.size(), 1U);
  EXPECT_EQ(kernel(1), 3U);
}

TEST_F(OwnTable, HasNoZerosOfOthers) {
  configure({1, 2});
  add_service(web, {0, 5});  // zero since before our start: we quiesced it then
  pass();
  advise({7, 5});
  pass();
  EXPECT_EQ(kernel(), "7 5");
}

TEST_F(OwnTable, IsClosedToThoseWhoRegisterThemselvesUnlessManaged) {
  configure({1});
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  EXPECT_EQ(kernel(), "20");
  restart();
  manage().open = true;
  settings_.groups[0].services[0].manage->open = true;
  pass();
  tell({{1, 20}, {2, 10}});
  pass();
  EXPECT_EQ(kernel(), "20 10");
}

TEST_F(OwnTable, TakesOnlyServersAtThePortOfTheService) {
  manage().keeps_port = true;
  manage().open = true;
  pass();
  tell({{2, 10}});  // at port 8080
  pass();
  EXPECT_FALSE(exists(2));
}

class Adopted : public ReconcilerTest {
 protected:
  Adopted() {
    settings_.groups.clear();
    settings_.adopt = true;
  }
};

TEST_F(Adopted, MakesEachServiceAGroupNamedByItsSpec) {
  pass();
  EXPECT_EQ(reconciler().wanted().at("tcp:192.0.2.10:80").size(), 4U);
  advise({40, 30, 20, 10}, good, "tcp:192.0.2.10:80");
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Adopted, FollowsServicesThatAppearAndVanish) {
  pass();
  const auto dns = *lb::parse_service("udp:192.0.2.10:53");
  add_service(dns, {1, 2});
  reconcile();
  EXPECT_EQ(reconciler().wanted().at("udp:192.0.2.10:53").size(), 2U);
  plane_.table.erase(dns);
  reconcile();
  EXPECT_FALSE(reconciler().wanted().contains("udp:192.0.2.10:53"));
}

TEST_F(Adopted, SaysForAnHourThatAServiceVanishedUnlessItComesBack) {
  const std::string spec = "tcp:192.0.2.10:80";
  const auto vanished = [&] {
    const auto alarms = reconciler().alarms();
    const auto found = alarms.find(spec);
    return found != alarms.end() && found->second.at(0).name == "vanished" &&
           found->second[0].urgent;
  };
  const lb::Table table = plane_.table;
  pass();
  EXPECT_FALSE(vanished());
  plane_.table.clear();  // ipvsadm -C
  reconcile();
  EXPECT_TRUE(vanished());
  EXPECT_FALSE(reconciler().view().at(0).services.at(0).present);
  plane_.table = table;
  reconciler().look_again();
  EXPECT_EQ(reconciler().work(now_).appeared, (std::vector{web}));
  EXPECT_FALSE(vanished());
  plane_.table.clear();
  reconcile();
  now_ += std::chrono::minutes{59};
  reconcile();
  EXPECT_TRUE(vanished());
  now_ += std::chrono::minutes{1};
  reconcile();
  EXPECT_TRUE(reconciler().view().empty());
}

TEST_F(Adopted, LeavesConfiguredServicesToTheirGroup) {
  settings_.groups = {{"mine", {plain_service(web)}, {}}};
  pass();
  EXPECT_TRUE(reconciler().wanted().contains("mine"));
  EXPECT_EQ(reconciler().view().size(), 1U);
}

class Kinds : public ReconcilerTest {
 protected:
  Endpoint add(const lb::ServiceKey& key, std::string_view at) {
    auto& pool = plane_.table[key];
    pool.scheduler = "wlc";
    const Endpoint endpoint = *Endpoint::parse(at);
    pool.destinations[endpoint] = lb::Destination{endpoint, 1};
    return endpoint;
  }
  void group(std::initializer_list<std::string_view> services) {
    plane_.table.clear();
    settings_.groups = {{"web", {}, {}}};
    for (const auto spec : services)
      settings_.groups[0].services.push_back(plain_service(*lb::parse_service(spec)));
  }
  std::string registered() {
    std::string text;
    const auto wanted = reconciler().wanted();
    const auto group = wanted.find("web");
    if (group == wanted.end()) return text;
    for (const auto& [key, label] : group->second)
      text += (text.empty() ? "" : " ") + key.text();
    return text;
  }
};

TEST_F(Kinds, RegisterADestinationWithoutAPortAsASystemMember) {
  group({"fwmark:7", "tcp:192.0.2.10:0"});
  add(*lb::parse_service("fwmark:7"), "10.0.0.1:0");
  add(*lb::parse_service("tcp:192.0.2.10:0"), "10.0.0.2:0");
  pass();
  EXPECT_EQ(registered(), "10.0.0.1 10.0.0.2");
  sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
  advice.items.push_back({sasp::MemberData::of({*IpAddress::parse("10.0.0.1"), 0, 0}), 0, good, 9});
  EXPECT_EQ(reconciler().update(0, {{advice}, 1, true}, now_), 0U);
  pass();
  EXPECT_EQ(plane_.written.at(0).text(), "fwmark:7 10.0.0.1:0 weight 1 -> 9");
}

TEST_F(Kinds, GiveMembersTheProtocolOfTheServiceAndTcpBehindAMark) {
  group({"udp:[2001:db8::1]:53", "sctp:192.0.2.10:9", "fwmark:7"});
  settings_.groups[0].services.push_back(plain_service(*lb::parse_service("fwmark6:8")));
  settings_.groups[0].services.back().protocol = lb::Protocol::sctp;
  add(*lb::parse_service("udp:[2001:db8::1]:53"), "[2001:db8::2]:53");
  add(*lb::parse_service("sctp:192.0.2.10:9"), "10.0.0.1:9");
  add(*lb::parse_service("fwmark:7"), "10.0.0.2:80");
  add(*lb::parse_service("fwmark6:8"), "[2001:db8::3]:9");
  pass();
  EXPECT_EQ(registered(),
            "sctp:10.0.0.1:9 tcp:10.0.0.2:80 udp:[2001:db8::2]:53 sctp:[2001:db8::3]:9");
}

TEST_F(Kinds, RegisterOneKindOnlyAndSaySo) {
  group({"fwmark:7"});
  add(*lb::parse_service("fwmark:7"), "10.0.0.1:0");
  add(*lb::parse_service("fwmark:7"), "10.0.0.2:80");
  pass();
  EXPECT_EQ(registered(), "tcp:10.0.0.2:80");
  EXPECT_EQ(reconciler().alarms().at("web").at(0).name, "mixed_kinds");
}

TEST_F(Kinds, FeedSeveralServicesOfAGroup) {
  group({"tcp:192.0.2.10:80", "tcp:192.0.2.10:443", "tcp:[2001:db8::1]:80"});
  for (const auto* spec : {"tcp:192.0.2.10:80", "tcp:192.0.2.10:443"})
    add(*lb::parse_service(spec), "10.0.0.1:8080");
  add(*lb::parse_service("tcp:[2001:db8::1]:80"), "10.0.0.1:8080");  // a tunnel to the other family
  pass();
  EXPECT_EQ(registered(), "tcp:10.0.0.1:8080") << "once";
  sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
  advice.items.push_back(
      {sasp::MemberData::of({*IpAddress::parse("10.0.0.1"), 6, 8080}), 0, good, 9});
  reconciler().update(0, {{advice}, 1, true}, now_);
  pass();
  for (const auto& [key, pool] : plane_.table)
    EXPECT_EQ(pool.destinations.begin()->second.weight, 9U) << lb::text(key);
}

class Alarms : public ReconcilerTest {
 protected:
  std::vector<Alarm> alarms() {
    const auto all = reconciler().alarms();
    const auto found = all.find("web");
    return found != all.end() ? found->second : std::vector<Alarm>{};
  }
};

TEST_F(Alarms, TellOfAHashWithoutFallbackAndAreUrgentOnceSomebodyIsAtZero) {
  for (const char* scheduler : {"sh", "mh"}) {
    reconciler_.reset();
    add_service(web, {10, 10, 10, 10});
    plane_.table.at(web).scheduler = scheduler;
    plane_.table.at(web).flags = 0;
    pass();
    ASSERT_EQ(alarms().size(), 1U);
    EXPECT_EQ(alarms()[0].name, "no_fallback");
    EXPECT_FALSE(alarms()[0].urgent);
    advise({10, 0, 10, 10});
    pass();
    EXPECT_EQ(kernel(2), 0U) << "written nevertheless";
    EXPECT_TRUE(alarms().at(0).urgent);
    plane_.table.at(web).flags = lb::service_flag::fallback;
    reconcile();
    EXPECT_TRUE(alarms().empty());
  }
}

TEST_F(Alarms, TellOfMoreServersThanTheSchedulerServes) {
  const std::vector<std::pair<std::string, std::size_t>> most{
      {"wrr", 2000}, {"mh", 4093}, {"sh", 256}};
  for (const auto& [scheduler, servers] : most) {
    reconciler_.reset();
    add_service(web, std::vector<std::uint32_t>(servers, 1));
    plane_.table.at(web).scheduler = scheduler;
    plane_.table.at(web).flags = lb::service_flag::fallback;
    pass();
    EXPECT_TRUE(alarms().empty()) << scheduler;
    set(web, static_cast<unsigned>(servers) + 1, 1);
    reconcile();
    ASSERT_EQ(alarms().size(), 1U) << scheduler;
    EXPECT_EQ(alarms()[0].name, "many_servers");
    plane_.table.clear();
  }
}

}  // namespace
}  // namespace saspd::director
