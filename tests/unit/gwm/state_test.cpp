// SPDX-License-Identifier: Apache-2.0
// A workload manager that ends in the middle of anything, and another one that begins with what it
// left: load balancers are sent the same.

#include <functional>
#include <memory>
#include <random>

#include "controller/base/sealed_text.hpp"
#include "controller/sasp/codec.hpp"
#include "tests/conformance/gwm/registry_fixture.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t noon = 1'800'000'000;  // by the clock on the wall

WorkloadManagerConfig config() {
  WorkloadManagerConfig config;
  EXPECT_TRUE(config.probes.add("tcp"));
  EXPECT_TRUE(config.probes.add("agents=agent:9777"));
  config.weigher.settle = 5s;
  config.weigher.slow_start = 100s;
  config.weigher.damping = 50;
  return config;
}

class Restart : public testing::Test {
 protected:
  Outcome handle(const Message& request, ConnectionId connection,
                 const std::string& address = "198.51.100.1") {
    return manager->handle({connection, authority.rights_of(*IpAddress::parse(address), {})},
                           request, now);
  }
  void given(const Message& request, ConnectionId connection,
             const std::string& address = "198.51.100.1") {
    ASSERT_EQ(handle(request, connection, address).refusal, "");
  }

  static ProbeTarget target(int n) {
    return {{ProbeSpec::Kind::tcp, {}, 0}, {*IpAddress::parse(fmt::format("192.0.2.{}", n)), 80}};
  }
  static ProbeTarget agent(int n) {
    return {{ProbeSpec::Kind::agent, {}, 9777},
            {*IpAddress::parse(fmt::format("192.0.2.{}", n)), 9777}};
  }
  void probed(const ProbeTarget& target, const Reading& reading) {
    manager->learn(target, reading, now);
  }
  static Reading passing(unsigned percent = 100) {
    return {Reading::State::passing, true, false, percent};
  }
  static Reading failing() { return {Reading::State::failing, true, false, 100}; }

  // Its load balancer registers three members, and trusts three that register themselves.
  void given_farm() {
    given(lb_state("lb1", lb_flag::push | lb_flag::trust), 1);
    given(registers(
              {group("lb1", "web",
                     {tcp("192.0.2.1", 80, "first"), tcp("192.0.2.2"), mapped(tcp("192.0.2.3"))})}),
          1);
    for (int n = 4; n <= 6; ++n) {
      const auto address = fmt::format("192.0.2.{}", n);
      given(by_member(registers({group("lb1", "self", {tcp(address)})})),
            static_cast<ConnectionId>(10 + n), address);
    }
    for (int n = 1; n <= 6; ++n)
      probed(target(n), passing());
    now += 10s;
  }

  // All that the load balancer is sent when it connects and asks, and when it is pushed.
  std::string seen_by_lb() {
    ++lb_connection;
    given(lb_state("lb1", lb_flag::push | lb_flag::trust), lb_connection);
    const auto reply = std::get<GetWeightsReply>(handle(asks({{"lb1", ""}}), lb_connection).reply);
    std::string text;
    for (const auto& [named, entries] : reply.groups) {
      for (const auto& entry : entries) {
        text +=
            fmt::format("{} {} '{}' flags {:x} weight {} state {} {}\n", named.name,
                        entry.member.key().text(), entry.member.label, entry.flags, entry.weight,
                        entry.state, entry.member.address[10] != 0 ? "mapped" : "");
      }
    }
    return text;
  }

  std::string bytes() const { return state_text(manager->state(now, noon)); }
  // Ended and started again after `away`.
  void restart(std::chrono::seconds away = 0s) {
    auto state = parse_state(bytes());
    ASSERT_TRUE(state) << state.error().detail;
    manager = std::make_unique<WorkloadManager>(config());
    now += away;
    manager->recall(std::move(*state), authority, now, noon + away.count());
  }
  void expect_no_change() {
    const std::string before = seen_by_lb();
    const std::string kept = bytes();
    restart();
    EXPECT_EQ(bytes(), kept) << "nothing is lost on the way";
    EXPECT_EQ(seen_by_lb(), before);
  }

  Authority authority{false};
  TimePoint now{1000h};
  std::unique_ptr<WorkloadManager> manager = std::make_unique<WorkloadManager>(config());
  ConnectionId lb_connection = 1;
};

TEST_F(Restart, ChangesNothingForAHealthyFarm) {
  given_farm();
  expect_no_change();
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.6:80 '' flags 9 weight 64"), std::string::npos)
      << seen_by_lb();
  EXPECT_NE(seen_by_lb().find("web tcp:192.0.2.1:80 'first' flags d weight 64"), std::string::npos);
}

TEST_F(Restart, KeepsAnOperatorsDrainAndWhoGaveIt) {
  given_farm();
  ASSERT_EQ(manager->drain(*MemberName::parse("self/192.0.2.4:80"), now, {"uid 7 (pid 8)", noon}),
            1U);
  expect_no_change();
  const auto& drains = manager->weigher().drains().of_operator();
  ASSERT_EQ(drains.size(), 1U);
  EXPECT_EQ(drains.begin()->second, (Drain{"uid 7 (pid 8)", noon}));
  EXPECT_TRUE(manager->undrain(*MemberName::parse("self/192.0.2.4:80"), now));
}

TEST_F(Restart, KeepsTheQuiesceOfAMemberThatIsNotConnectedAnyMore) {
  given_farm();
  given(by_member(sets({states("lb1", "self", {state(tcp("192.0.2.5"), true, 0x32)})})), 99,
        "192.0.2.5");
  expect_no_change();
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.5:80 '' flags b weight 0 state 50"),
            std::string::npos)
      << seen_by_lb();
  given(by_member(sets({states("lb1", "self", {state(tcp("192.0.2.5"), false)})})), 100,
        "192.0.2.5");
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.5:80 '' flags 9 weight 64"), std::string::npos);
}

TEST_F(Restart, KeepsTheQuiesceOfALoadBalancer) {
  given_farm();
  given(sets({states("lb1", "web", {state(tcp("192.0.2.2"), true)})}), 1);
  expect_no_change();
}

TEST_F(Restart, KeepsWhatTheProbesFound) {
  given_farm();
  probed(target(1), failing());
  probed(target(4), failing());
  expect_no_change();
  probed(target(4), passing());
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.4:80 '' flags 9 weight 6 "), std::string::npos)
      << "it was away, so it starts slowly: " << seen_by_lb();
}

TEST_F(Restart, KeepsASlowStartWhereItIs) {
  given_farm();
  probed(target(4), failing());
  probed(target(4), passing());
  now += 50s;
  expect_no_change();
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.4:80 '' flags 9 weight 32"), std::string::npos)
      << seen_by_lb();
  restart(25s);
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.4:80 '' flags 9 weight 48"), std::string::npos)
      << "it went on meanwhile: " << seen_by_lb();
}

TEST_F(Restart, KeepsWhatAgentsSaidAndHowItIsDamped) {
  given_farm();
  given(registers({group("lb1", "agents", {tcp("192.0.2.1"), tcp("192.0.2.2")})}), 1);
  probed(agent(1), passing(100));
  probed(agent(1), passing(40));
  probed(agent(2), {Reading::State::passing, true, true, 100});
  expect_no_change();
}

TEST_F(Restart, GivesALoadBalancerTheWholeRetentionToReturn) {
  given_farm();
  manager->disconnected(1, now);
  now += 299s;
  restart();
  now += 299s;
  EXPECT_TRUE(manager->forget_expired(now).empty());
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.4:80"), std::string::npos);
  manager->disconnected(lb_connection, now);
  restart();
  EXPECT_EQ(manager->deadline(), now + 300s);
  now += 300s;
  EXPECT_EQ(manager->forget_expired(now), std::vector<std::string>{"lb1"});
}

TEST_F(Restart, MembersAreTrustedBeforeTheirLoadBalancerIsBack) {
  given_farm();
  restart();
  given(by_member(sets({states("lb1", "self", {state(tcp("192.0.2.5"), true)})})), 7, "192.0.2.5");
  EXPECT_EQ(code_of(handle(by_member(registers({group("lb1", "self", {tcp("192.0.2.6")})})), 8,
                           "192.0.2.6")
                        .reply),
            ReturnCode::already_registered);
}

TEST_F(Restart, WhoReturnsConfirmsIt) {
  given_farm();
  restart();
  const auto unconfirmed = [&] {
    std::string text;
    for (const auto& [uid, lb] : manager->load_balancers()) {
      if (lb.restored) text += uid;
      for (const auto& [name, group] : lb.groups) {
        for (const auto& [key, member] : group) {
          if (member.restored) text += fmt::format(" {}", key.address.text().substr(8));
        }
      }
    }
    return text;
  };
  EXPECT_EQ(unconfirmed(), "lb1 4 5 6 1 2 3");
  handle(by_member(registers({group("lb1", "self", {tcp("192.0.2.6")})})), 8, "192.0.2.6");
  EXPECT_EQ(unconfirmed(), "lb1 4 5 1 2 3") << "it was registered already";
  handle(by_member(registers({group("lb1", "self", {tcp("192.0.2.5")})})), 8, "192.0.2.6");
  EXPECT_EQ(unconfirmed(), "lb1 4 5 1 2 3") << "another one may not speak for it";
  given(by_member(sets({states("lb1", "self", {state(tcp("192.0.2.5"), false)})})), 9, "192.0.2.5");
  EXPECT_EQ(unconfirmed(), "lb1 4 1 2 3");
  seen_by_lb();
  EXPECT_EQ(unconfirmed(), " 4");
}

// What it counted against limits counts again, and is given back.
TEST_F(Restart, KeepsTheBooks) {
  given_farm();
  const Extent total = manager->total();
  const SelfRegistered self = manager->self_registered();
  restart();
  EXPECT_EQ(manager->total(), total);
  EXPECT_EQ(manager->self_registered(), self);
  given(lb_state("lb1", lb_flag::push | lb_flag::trust), 2);
  given(deregisters({group("lb1", "")}), 2);
  EXPECT_EQ(manager->total(), Extent{});
  EXPECT_TRUE(manager->self_registered().empty());
}

TEST_F(Restart, KeepsWhoALoadBalancerIsByItsCertificate) {
  PeerIdentity identity;
  identity.common_name = "lb1";
  identity.dns_names = {"lb1.example"};
  identity.addresses = {*IpAddress::parse("2001:db8::1")};
  identity.uris = {"spiffe://example/lb1"};
  identity.emails = {"lb@example.net"};
  identity.fingerprint = std::string(64, 'a');
  const Rights rights = authority.rights_of(*IpAddress::parse("198.51.100.1"), identity);
  ASSERT_EQ(manager->handle({1, rights}, lb_state("lb1", lb_flag::trust), now).refusal, "");
  restart();
  const Rights& now_has = manager->load_balancers().find("lb1")->second.rights;
  EXPECT_EQ(now_has.identity, identity);
  EXPECT_EQ(now_has.address, rights.address);
  EXPECT_TRUE(now_has.may_be("lb1"));
  EXPECT_FALSE(now_has.may_be("lb2"));
}

TEST_F(Restart, KeepsNamesAndLabelsOfAnyBytes) {
  const std::string name = "a group/with \"all\" sorts\\ of ümläuts";
  given(lb_state("lb \"1\""), 1);
  given(
      registers(
          {group("lb \"1\"", name,
                 {tcp("192.0.2.1", 80, std::string("\n\xff\0\"\\x", 6)), tcp("2001:db8::1", 443)}),
           group("lb \"1\"", "hosts", {host("192.0.2.9")}),
           group("lb \"1\"", "odd", {kind(tcp("192.0.2.9"), 47, 9)}), group("lb \"1\"", "empty")}),
      1);
  const std::string kept = bytes();
  const std::string before = written(*manager);
  restart();
  EXPECT_EQ(bytes(), kept);
  EXPECT_EQ(written(*manager), before);
}

// Killed before what the probes had found last was on disk.
TEST_F(Restart, DividesNoGroupOfWhichItKnewOnlyHalf) {
  given_farm();
  auto state = parse_state(bytes());
  ASSERT_TRUE(state);
  state->probes.erase(target(5));
  state->probes.erase(target(6));
  manager = std::make_unique<WorkloadManager>(config());
  manager->recall(std::move(*state), authority, now, noon + 600);
  EXPECT_NE(seen_by_lb().find("self tcp:192.0.2.4:80 '' flags 1 weight 64"), std::string::npos)
      << "it waits for the others: " << seen_by_lb();
  now += 2s;
  probed(target(5), passing());
  probed(target(6), passing());
  for (int n = 4; n <= 6; ++n)
    EXPECT_NE(seen_by_lb().find(fmt::format("self tcp:192.0.2.{}:80 '' flags 9 weight 64", n)),
              std::string::npos);
}

TEST_F(Restart, ForgetsProbesThatNobodyAsksForAnyMore) {
  given_farm();
  auto state = parse_state(bytes());
  ASSERT_TRUE(state);
  auto other = config();
  other.probes = {};
  ASSERT_TRUE(other.probes.add("http:/"));
  manager = std::make_unique<WorkloadManager>(std::move(other));
  manager->recall(std::move(*state), authority, now, noon);
  EXPECT_TRUE(manager->weigher().remembered(now).empty());
}

// --- the text

TEST_F(Restart, NoPartOfTheTextIsBelieved) {
  given_farm();
  manager->drain(*MemberName::parse("192.0.2.4:80"), now);
  const std::string text = bytes();
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto state = parse_state(text.substr(0, size));
    ASSERT_FALSE(state) << size;
    EXPECT_TRUE(state.error().code == std::errc::illegal_byte_sequence ||
                state.error().code == std::errc::not_supported)
        << "so that it is put aside";
  }
  EXPECT_FALSE(parse_state(text + "x"));
  EXPECT_FALSE(parse_state(text + text));
}

TEST_F(Restart, NoChangedBitIsBelieved) {
  given_farm();
  const std::string text = bytes();
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(parse_state(bad)) << i;
  }
}

TEST_F(Restart, AnotherVersionIsNotGuessed) {
  const auto code = [](const std::string& text) {
    const auto state = parse_state(text);
    return state ? std::error_code() : state.error().code;
  };
  EXPECT_EQ(code("sasp-gwm-state 2\nanything\n"), std::errc::not_supported);
  EXPECT_EQ(code("sasp-gwm-state 0\n"), std::errc::not_supported);
  EXPECT_EQ(code("saspd-ledger 1\n"), std::errc::illegal_byte_sequence);
  EXPECT_EQ(code("\x7f"
                 "ELF"),
            std::errc::illegal_byte_sequence);
}

// A text with a right checksum and a wrong content, as another program may write it.
TEST_F(Restart, WhatItDoesNotUnderstandIsRefusedAsAWhole) {
  const auto refused = [](const std::string& line) {
    const std::string head = "written {\"unix_time\":1}\n";
    const auto state = parse_state(sealed({"sasp-gwm-state", "1", ""}, head + line + "\n"));
    return state ? "" : state.error().detail;
  };
  const std::string peer =
      "\"peer\":{\"address\":\"192.0.2.1\",\"certified\":false,"
      "\"common_name\":\"\",\"dns_names\":[],\"addresses\":[],\"uris\":[],"
      "\"emails\":[],\"fingerprint\":\"\"}";
  const std::string lb = "lb {\"uid\":\"a\",\"flags\":1,\"health\":2," + peer + "}";
  EXPECT_EQ(refused(lb), "");
  EXPECT_EQ(refused(lb + "\n" + lb), "it is damaged: line 4 cannot be understood");
  for (const std::string bad :
       {"", "unknown {}", "lb {}", "lb [", "lb 7", "member {}",
        "group {\"name\":\"a\",\"debtor\":\"\"}",
        "drain {\"member\":\"x:y\",\"by\":\"\",\"unix_time\":1}",
        "drain {\"member\":\"192.0.2.1:80\",\"by\":\"\",\"unix_time\":1e99}",
        "drain {\"member\":\"192.0.2.1:80\",\"by\":\"\",\"unix_time\":1,\"more\":1}",
        "lb {\"uid\":\"a\",\"flags\":256,\"health\":2}"}) {
    EXPECT_EQ(refused(bad), "it is damaged: line 3 cannot be understood") << bad;
  }
}

// Whatever stands in a text whose checksum is right, it is refused, or it is a state like another one.
TEST_F(Restart, NoTextDoesHarm) {
  given_farm();
  given(registers({group("lb1", "agents", {tcp("192.0.2.1")})}), 1);
  probed(agent(1), passing(40));
  manager->drain(*MemberName::parse("192.0.2.4:80"), now, {"uid 0", noon});
  const std::string text = bytes();
  const std::string body(*unsealed({"sasp-gwm-state", "1", ""}, text));
  const std::string_view bits = "0123456789-.e\"{}[],: \nabfx\\\xff";
  std::mt19937 random(20261130);
  const auto below = [&](std::size_t n) { return random() % n; };
  std::size_t believed = 0;
  for (int life = 0; life < 5000; ++life) {
    std::string bad = body;
    for (std::size_t edits = 1 + below(2); edits > 0; --edits) {
      auto at = below(bad.size());
      const auto what = below(8);
      if (what == 0) bad[at] = bits[below(bits.size())];
      if (what == 1) bad.erase(at, 1 + below(40));
      if (what == 2) bad.insert(at, body.substr(below(body.size()), below(300)));
      if (what < 3) continue;
      // Numbers, for all else is soon another word.
      at = std::min(bad.find_first_of("0123456789", at), bad.size() - 1);
      bad.replace(at, below(2), std::string(1 + below(what == 3 ? 20 : 3), bits[below(10)]));
    }
    auto state = parse_state(sealed({"sasp-gwm-state", "1", ""}, bad));
    if (!state) continue;
    ++believed;
    manager = std::make_unique<WorkloadManager>(config());
    manager->recall(std::move(*state), authority, now, noon);
    EXPECT_TRUE(parse_state(bytes())) << bad;
    for (const auto& [uid, lb] : manager->load_balancers()) {
      const auto asked = handle(asks({{uid, ""}}), 1);
      EXPECT_TRUE(encode({1, asked.reply})) << bad;
    }
    manager->disconnected(1, now);
    now += 1000h;
    manager->forget_expired(now);
    EXPECT_EQ(manager->total(), Extent{}) << bad;
  }
  EXPECT_GT(believed, 100U) << "else nothing was tried";
}

// --- a start that knows nothing

// faults-found 2.5: whoever is first back must not get all the work.
TEST_F(Restart, WithoutAStateNoMemberIsKnownBeforeTheOthersHadTimeToReturn) {
  manager->wait_until(now + 120s);
  given(lb_state("lb1", lb_flag::push | lb_flag::trust), 1);
  const auto confident = [&](const std::string& name) {
    const auto reply = std::get<GetWeightsReply>(handle(asks({{"lb1", name}}), 1).reply);
    std::size_t count = 0;
    for (const auto& entry : reply.groups.at(0).items)
      count += (entry.flags & weight_flag::confident) != 0 ? 1U : 0U;
    return count;
  };
  given(registers({group("lb1", "web", {tcp("192.0.2.1")})}), 1);
  probed(target(1), passing());
  now += 20s;
  EXPECT_EQ(confident("web"), 1U) << "a load balancer registers all members at once";
  for (int n = 4; n <= 6; ++n) {
    const auto address = fmt::format("192.0.2.{}", n);
    given(by_member(registers({group("lb1", "self", {tcp(address)})})),
          static_cast<ConnectionId>(10 + n), address);
    probed(target(n), n == 5 ? failing() : passing());
    EXPECT_EQ(confident("self"), 0U);
    now += 15s;
    EXPECT_EQ(confident("self"), 0U);
  }
  const auto entries = std::get<GetWeightsReply>(handle(asks({{"lb1", "self"}}), 1).reply).groups;
  EXPECT_EQ(entries.at(0).items.at(1).flags & weight_flag::contact, 0)
      << "what is known to be down is said at once";
  now += 55s;
  ASSERT_LE(*manager->deadline(), now);
  const auto ready = [](ConnectionId) { return true; };
  manager->due(now, ready);
  manager->due(now + 100ms, ready);
  const auto& self = manager->load_balancers().find("lb1")->second.groups.find("self")->second;
  EXPECT_NE(self.begin()->second.told->flags & weight_flag::confident, 0)
      << "load balancers are told at once";
  EXPECT_EQ(confident("self"), 3U);
}

}  // namespace
}  // namespace saspd::gwm
