// SPDX-License-Identifier: Apache-2.0
// saspd with every kind of service, as an operator sees it: beside ipvsadm, and managing its own.

#include <algorithm>
#include <set>

#include "controller/base/clock.hpp"
#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/kernel_traffic.hpp"
#include "tests/support/sasp_client.hpp"

namespace saspd::test {
namespace {

using kernel::Connection;
using saspd::testing::SaspClient;

class Services : public SaspdOnIpvs {
 protected:
  static bool table_becomes(const std::string& lines) {
    return eventually([&] { return Ipvsadm::saved() == lines; }) ||
           (ADD_FAILURE() << "the table is\n"
                          << Ipvsadm::saved() << "and not\n"
                          << lines,
            false);
  }
  static bool contains(std::string_view part) {
    return Ipvsadm::saved().find(part) != std::string::npos;
  }
  static bool comes_to_contain(const std::string& part) {
    return eventually([&] { return contains(part); }) || (ADD_FAILURE() << part << " is not in\n"
                                                                        << Ipvsadm::saved(),
                                                          false);
  }
  static bool comes_to_lack(const std::string& part) {
    return eventually([&] { return !contains(part); }, seconds{25}) ||
           (ADD_FAILURE() << part << " is still in\n"
                          << Ipvsadm::saved(),
            false);
  }
  bool said(std::string_view text) {
    return eventually([&] { return saspd_->log().find(text) != std::string::npos; }) ||
           (ADD_FAILURE() << "never said: " << text, false);
  }
  void start_servers() {
    servers_.emplace(
        std::vector<Endpoint>{*Endpoint::parse("10.9.1.1:80"), *Endpoint::parse("10.9.1.2:80"),
                              *Endpoint::parse("10.9.1.3:80"), *Endpoint::parse("10.9.1.4:80")});
  }
  static std::optional<Connection> connect() {
    return Connection::open(*Endpoint::parse("10.9.0.10:80"));
  }

  std::optional<kernel::Servers> servers_;
};

// Every kind that IPVS has, in one table. The advice changes each weight from N to N+1 and nothing
// else that ipvsadm or the listing of thresholds shows.
TEST_F(Services, OfEveryKindGetTheirWeightsAndKeepTheRest) {
  const auto table = [](int more) {
    return fmt::format(
        "-A -t 10.9.0.10:443 -s wlc -p 600\n"
        "-a -t 10.9.0.10:443 -r 10.9.1.1:443 -g -w {1}\n"
        "-A -u 10.9.0.10:53 -s rr -o\n"
        "-a -u 10.9.0.10:53 -r 10.9.1.1:53 -m -w {2}\n"
        "-A --sctp-service 10.9.0.10:9 -s sed\n"
        "-a --sctp-service 10.9.0.10:9 -r 10.9.1.2:9 -m -w {3}\n"
        "-A -t 10.9.0.10:0 -s wlc -p 300\n"
        "-a -t 10.9.0.10:0 -r 10.9.1.3:0 -g -w {4}\n"
        "-A -f 7 -s nq\n"
        "-a -f 7 -r 10.9.1.4:0 -i -w {5} --tun-type ipip\n"
        "-A -f 8 -6 -s lc\n"
        "-a -f 8 -6 -r [2001:db8::4]:80 -g -w {6}\n"
        "-A -t [2001:db8::10]:80 -s mh -b mh-fallback,mh-port\n"
        "-a -t [2001:db8::10]:80 -r [2001:db8::1]:80 -i -w {7} --tun-type gue --tun-port 6080 "
        "--tun-nocsum\n"
        "-a -t [2001:db8::10]:80 -r 10.9.1.2:80 -i -w {8} --tun-type gre --tun-csum\n",
        0, 11 + more, 12 + more, 13 + more, 14 + more, 15 + more, 16 + more, 17 + more, 18 + more);
  };
  const auto sorted = [](const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
      lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return lines;
  };
  Ipvsadm::run(table(1));
  const auto wanted = sorted(Ipvsadm::saved());
  Ipvsadm::run("-C\n");
  Ipvsadm::run(table(0));
  Ipvsadm::run("-e -t 10.9.0.10:443 -r 10.9.1.1:443 -g -w 11 -x 900 -y 800\n");
  const std::string thresholds = Ipvsadm::thresholds();
  write_weights(
      "tls 10.9.1.1:443 12\ndns udp:10.9.1.1:53 13\nsignal sctp:10.9.1.2:9 14\n"
      "hosts 10.9.1.3 15\nhosts 10.9.1.4 16\nmark6 udp:[2001:db8::4]:80 17\n"
      "six [2001:db8::1]:80 18\nsix 10.9.1.2:80 19\n");
  start_gwm();
  run_saspd({"--service", "tls=tcp:10.9.0.10:443", "--service", "dns=udp:10.9.0.10:53", "--service",
             "signal=sctp:10.9.0.10:9", "--service", "hosts=tcp:10.9.0.10:0", "--service",
             "hosts=fwmark:7", "--service", "mark6=fwmark6:8,proto=udp", "--service",
             "six=tcp:[2001:db8::10]:80"});
  ASSERT_TRUE(eventually([&] { return sorted(Ipvsadm::saved()) == wanted; }))
      << Ipvsadm::saved() << saspd_->log();
  EXPECT_EQ(Ipvsadm::thresholds(), thresholds);
  EXPECT_NE(thresholds.find("900"), std::string::npos);
}

TEST_F(Services, OfOneGroupAreAllFed) {
  Ipvsadm::run(
      "-A -t 10.9.0.10:80 -s wlc\n-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 5\n"
      "-A -t 10.9.0.10:443 -s wlc\n-a -t 10.9.0.10:443 -r 10.9.1.1:80 -m -w 5\n");
  advise({"33"});
  start_gwm();
  run_saspd({"--service", "web=tcp:10.9.0.10:80", "--service", "web=tcp:10.9.0.10:443"});
  EXPECT_TRUE(comes_to("33 33"));
}

TEST_F(Services, AreAdoptedWheneverSomebodyMakesThem) {
  Ipvsadm::run("-A -t 10.9.0.10:80 -s wlc\n-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 5\n");
  write_weights("tcp:10.9.0.10:80 10.9.1.1:80 40\nudp:10.9.0.10:53 udp:10.9.1.2:53 30\n");
  start_gwm();
  run_saspd({"--adopt"});
  ASSERT_TRUE(comes_to("40"));
  Ipvsadm::run("-A -u 10.9.0.10:53 -s wlc\n-a -u 10.9.0.10:53 -r 10.9.1.2:53 -m -w 5\n");
  ASSERT_TRUE(comes_to_contain("-a -u 10.9.0.10:53 -r 10.9.1.2:53 -m -w 30"));
  Ipvsadm::run("-D -u 10.9.0.10:53\n");
  // A service that vanished is not forgotten at once, or an emptied table would look healthy.
  EXPECT_TRUE(eventually([&] {
    const auto now = status();
    const auto& groups = now.at("groups").as_array();
    return groups.size() == 2 && groups[1].at("members").as_array().empty() &&
           groups[1].at("alarms").as_array().size() == 1;
  })) << saspd_->log();
  Ipvsadm::run("-A -u 10.9.0.10:53 -s wlc\n-a -u 10.9.0.10:53 -r 10.9.1.2:53 -m -w 5\n");
  EXPECT_TRUE(comes_to_contain("-a -u 10.9.0.10:53 -r 10.9.1.2:53 -m -w 30"));
}

TEST_F(Services, AndDestinationsThatComeAndGoAreRegisteredAndDeregistered) {
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(gwm_becomes("established"));
  given_service();
  ASSERT_TRUE(comes_to("40 30 20 10"));
  Ipvsadm::run("-d -t 10.9.0.10:80 -r 10.9.1.3:80\n");
  EXPECT_TRUE(eventually([&] { return gwm_->log().find("deregister") != std::string::npos; }))
      << gwm_->log();
  Ipvsadm::run("-a -t 10.9.0.10:80 -r 10.9.1.3:80 -m -w 7\n");
  EXPECT_TRUE(comes_to_contain("-r 10.9.1.3:80 -m -w 20"));
  Ipvsadm::run("-C\n");
  given_service();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

// Four equal servers under wrr: each four connections in a row reach each of them once, as long as
// nothing is written. Twelve intervals of the GWM and as many looks at the kernel go by.
TEST_F(Services, UnderWrrAreNotDisturbedByIntervalsWithoutNews) {
  start_servers();
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(gwm_becomes("established"));
  ASSERT_TRUE(comes_to("10 10 10 10"));
  const auto end = Clock::now() + seconds{12};
  int rounds = 0;
  int uneven = 0;
  while (Clock::now() < end) {
    std::set<std::size_t> reached;
    for (int i = 0; i < 4; ++i) {
      const auto connection = connect();
      ASSERT_TRUE(connection);
      reached.insert(connection->server());
    }
    ++rounds;
    uneven += reached.size() == 4 ? 0 : 1;
  }
  std::printf("%d rounds, %d uneven\n", rounds, uneven);
  EXPECT_GT(rounds, 100);
  EXPECT_EQ(uneven, 0);
}

class ManagedServices : public Services {
 protected:
  static Arguments managed(const std::string& options, std::initializer_list<int> servers) {
    Arguments arguments{"--service", "web=tcp:10.9.0.10:80,manage," + options};
    for (const int n : servers) {
      arguments.emplace_back("--member");
      arguments.push_back(fmt::format("web=10.9.1.{}:80", n));
    }
    return arguments;
  }
};

TEST_F(ManagedServices, AreMadeWithTheAdvisedWeightsFromTheFirstPacketOn) {
  Ipvsadm::run("-A -u 10.9.0.10:53 -s wlc\n-a -u 10.9.0.10:53 -r 10.9.1.2:53 -m -w 5\n");
  start_servers();
  advise({"6000", "4000", "2000", "0"});
  start_gwm();
  run_saspd(managed("scheduler=wrr,forward=masquerade", {1, 2, 3, 4}));
  ASSERT_TRUE(
      table_becomes("-A -t 10.9.0.10:80 -s wrr\n"
                    "-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 99\n"
                    "-a -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 66\n"
                    "-a -t 10.9.0.10:80 -r 10.9.1.3:80 -m -w 33\n"
                    "-a -t 10.9.0.10:80 -r 10.9.1.4:80 -m -w 0\n"
                    "-A -u 10.9.0.10:53 -s wlc\n"
                    "-a -u 10.9.0.10:53 -r 10.9.1.2:53 -m -w 5\n"));
  EXPECT_TRUE(said("10.9.1.1:80 added (masquerade) with weight 99"));
  EXPECT_EQ(saspd_->times_logged("10.9.1.1:80 "), 1U) << "never another weight: " << saspd_->log();
  std::vector<int> counts(4);
  for (int i = 0; i < 198; ++i)
    ++counts.at(connect().value().server());
  EXPECT_EQ(counts, (std::vector<int>{99, 66, 33, 0}));
}

TEST_F(ManagedServices, ServeWithStaticWeightsWithoutAnyGwm) {
  auto arguments = managed("forward=masquerade", {1, 2});
  arguments.back() += ",weight=7";
  run_saspd(arguments);
  EXPECT_TRUE(said("created: scheduler wlc"));
  EXPECT_EQ(kernel_weights(), "");
  ASSERT_TRUE(eventually([] { return kernel_weights() == "1 7"; }, seconds{20}))
      << Ipvsadm::saved();
}

TEST_F(ManagedServices, DrainAServerThatLeavesAndRemoveItWhenItIsIdle) {
  start_servers();
  advise({"10", "10"});
  start_gwm();
  run_saspd(managed("forward=masquerade,scheduler=rr", {1, 2}));
  ASSERT_TRUE(comes_to("10 10"));
  auto old = connect();
  while (old && old->server() != 1)
    old = connect();
  ASSERT_TRUE(old);
  saspd_->send(SIGTERM);
  saspd_->wait(seconds{5});
  run_saspd(managed("forward=masquerade,scheduler=rr", {1}));
  ASSERT_TRUE(comes_to("10 0"));
  EXPECT_EQ(member(2).at("reason").as_string(), "leaving");
  std::this_thread::sleep_for(seconds{3});
  EXPECT_TRUE(old->works());
  EXPECT_EQ(connect().value().server(), 0U);
  EXPECT_TRUE(contains("10.9.1.2:80"));
  Connection::abort(std::move(*old));
  EXPECT_TRUE(comes_to_lack("10.9.1.2:80"));
}

TEST_F(ManagedServices, RemoveAServerWithItsConnectionsWhenItsTimeIsUp) {
  start_servers();
  advise({"10", "10"});
  start_gwm();
  run_saspd(managed("forward=masquerade,scheduler=rr,drain=3", {1, 2}));
  ASSERT_TRUE(comes_to("10 10"));
  auto old = connect();
  while (old && old->server() != 1)
    old = connect();
  saspd_->send(SIGTERM);
  saspd_->wait(seconds{5});
  run_saspd(managed("forward=masquerade,scheduler=rr,drain=3", {1}));
  ASSERT_TRUE(comes_to("10 0"));
  EXPECT_TRUE(comes_to_lack("10.9.1.2:80"));
}

TEST_F(ManagedServices, TakeInWhoRegistersItselfAndLetGoWhoDeregisters) {
  start_servers();
  write_weights("web 10.9.1.1:80 20\nweb 10.9.1.2:80 10\n");
  gwm_.emplace(Arguments{programs + "/sasp-gwm", "--interval", "1", "--start-grace", "0",
                         "--weights", path("weights"), "--allow-foreign-members"},
               path("gwm.log"));
  auto arguments = managed("forward=masquerade,scheduler=wrr", {1});
  arguments.emplace_back("--trust");
  run_saspd(arguments);
  ASSERT_TRUE(comes_to("20"));
  SaspClient agent(sasp::default_port);
  const sasp::GroupOfMemberData second{
      {"e2e", "web"}, {sasp::MemberData::of({*IpAddress::parse("10.9.1.2"), 6, 80}, "second")}};
  const auto registered = agent.answer_to<sasp::RegistrationReply>(
      sasp::RegistrationRequest{.flags = 0, .groups = {second}});
  ASSERT_EQ(registered.code, sasp::ReturnCode::successful);
  ASSERT_TRUE(comes_to("20 10"));
  EXPECT_TRUE(said("10.9.1.2:80 added (masquerade) with weight 10"));
  EXPECT_EQ(member(2).at("label").as_string(), "second");
  const auto gone = agent.answer_to<sasp::DeregistrationReply>(
      sasp::DeregistrationRequest{.flags = 0, .groups = {second}});
  ASSERT_EQ(gone.code, sasp::ReturnCode::successful);
  EXPECT_TRUE(comes_to_lack("10.9.1.2:80"));
  EXPECT_TRUE(contains("10.9.1.1:80 -m -w 20"));
}

TEST_F(ManagedServices, LoseNoConnectionUnderAHashingScheduler) {
  start_servers();
  for (const std::string scheduler : {"mh", "sh"}) {
    advise({"40", "30", "20", "10"});
    start_gwm();
    run_saspd(managed("forward=masquerade,scheduler=" + scheduler, {1, 2, 3, 4}));
    ASSERT_TRUE(comes_to_contain("10.9.1.4:80"));
    EXPECT_TRUE(contains(fmt::format("-s {0} -b {0}-fallback", scheduler))) << Ipvsadm::saved();
    advise({"0", "quiesce", "20", "10"});
    ASSERT_TRUE(comes_to_contain("10.9.1.2:80 -m -w 0"));
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(connect()) << scheduler << " " << i;
    EXPECT_EQ(ends_with({programs + "/saspctl", "--socket", path("control"), "status", "--check"}),
              0);
    saspd_.reset();
    gwm_.reset();
    Ipvsadm::run("-C\n");
  }
}

TEST_F(ManagedServices, TakeOverAServiceThatExistsAsTheyAreConfigured) {
  Ipvsadm::run("-A -t 10.9.0.10:80 -s rr\n-a -t 10.9.0.10:80 -r 10.9.1.1:80 -g -w 5 -x 9\n");
  advise({"64", "64"});
  start_gwm();
  run_saspd(managed("forward=masquerade,scheduler=sh,persistent=300,sh-port", {1, 2}));
  EXPECT_TRUE(
      table_becomes("-A -t 10.9.0.10:80 -s sh -p 300 -b sh-fallback,sh-port\n"
                    "-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 64\n"
                    "-a -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 64\n"));
  EXPECT_NE(Ipvsadm::thresholds().find(" 9 "), std::string::npos) << Ipvsadm::thresholds();
}

TEST_F(ManagedServices, TunnelToTheOtherAddressFamily) {
  write_weights("six 10.9.1.1:80 40\nsix 10.9.1.2:80 30\n");
  start_gwm();
  const Arguments service{"--service", "six=tcp:[2001:db8::10]:80,manage,forward=tunnel"};
  Arguments both = service;
  both.insert(both.end(), {"--member", "six=10.9.1.1:80", "--member", "six=10.9.1.2:80"});
  run_saspd(both);
  ASSERT_TRUE(comes_to("40 30"));
  saspd_->send(SIGTERM);
  saspd_->wait(seconds{5});
  Arguments one = service;
  one.insert(one.end(), {"--member", "six=10.9.1.1:80"});
  run_saspd(one);
  EXPECT_TRUE(comes_to("40"));
}

TEST_F(ManagedServices, NameTheSchedulerThatTheKernelLacks) {
  run_saspd(managed("forward=masquerade,scheduler=nosuch", {1}));
  EXPECT_TRUE(said("the kernel has no scheduler 'nosuch'; load it with 'modprobe ip_vs_nosuch'"));
  EXPECT_NE(status().at("kernel_error").as_string().find("nosuch"), std::string::npos);
  EXPECT_EQ(Ipvsadm::saved(), "");
}

TEST_F(Services, WithoutFallbackRaiseAnAlarm) {
  given_service("mh");
  advise({"40", "quiesce", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(comes_to("40 0 20 10"));
  EXPECT_TRUE(said("no_fallback: mh without the flag mh-fallback loses the connections"));
  const auto alarm = status().at_pointer("/groups/0/alarms/0");
  EXPECT_EQ(alarm.at("name").as_string(), "no_fallback");
  EXPECT_TRUE(alarm.at("urgent").as_bool());
}

}  // namespace
}  // namespace saspd::test
