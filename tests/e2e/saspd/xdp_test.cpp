// SPDX-License-Identifier: Apache-2.0
// saspd --backend xdp as an operator runs it: client, director and servers in namespaces, real
// connections, on this machine's own kernel.

#include <algorithm>

#include "controller/sasp/types.hpp"
#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/crowd.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/kernel_datagrams.hpp"
#include "tests/support/openssl_server.hpp"
#include "tests/support/privileges.hpp"
#include "tests/support/sasp_client.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::test {
namespace {

using kernel::Connection;
using std::chrono::milliseconds;

class InMode : public SaspdOnXdp {};

TEST_P(InMode, SharesConnectionsByTheAdvice) {
  start({"40", "30", "20", "10"}, GetParam());
  ASSERT_TRUE(weights_become({40, 30, 20, 10}));
  ASSERT_TRUE(all_have_slots(4));
  const auto before = connect(2000);
  EXPECT_EQ(failed_, 0);
  expect_shares(before, {40, 30, 20, 10});
  advise({"1", "quiesce", "1", "1"});
  ASSERT_TRUE(weights_become({1, 0, 1, 1}));
  expect_shares(connect(500), {1, 0, 1, 1});
  EXPECT_EQ(failed_, 0);
}

TEST_P(InMode, ReachesAServerBehindABridge) {
  network_.director.ip(
      "link add br1 type bridge\nlink set s1 master br1\nlink set br1 up\n"
      "address flush dev s1\naddress add 10.0.1.1/24 dev br1\n");
  start({"10", "0", "0", "0"}, GetParam());
  ASSERT_TRUE(weights_become({10, 0, 0, 0}));
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(0) > 0; }));
  EXPECT_TRUE(eventually([&] { return connect(1)[0] == 1; })) << json::serialize(status());
  failed_ = 0;
  EXPECT_EQ(connect(100)[0], 100) << json::serialize(status());
  EXPECT_EQ(failed_, 0);
}

// Its MAC is another one from now on: frames for it go on being ours, at once.
TEST_P(InMode, FollowsAChangeOfItsOwnMac) {
  start({"10", "10", "10", "10"}, GetParam());
  ASSERT_TRUE(all_have_slots(4));
  network_.director.ip("link set c0 address 02:00:00:00:77:02\n");
  network_.client.ip("neighbour flush dev eth0\n");
  EXPECT_TRUE(eventually([&] {
    failed_ = 0;
    connect(1);
    return failed_ == 0;
  }));
  connect(100);
  EXPECT_EQ(failed_, 0) << json::serialize(status());
}

INSTANTIATE_TEST_SUITE_P(Xdp, InMode, ::testing::Values("native", "generic"),
                         [](const auto& mode) { return std::string(mode.param); });

// Nothing that happens to saspd or to weights above zero harms a connection.
TEST_F(SaspdOnXdp, KeepsAnOpenTransferThroughHundredWeightChangesAndKills) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  const auto start_again = [this] { start_saspd("web=tcp:192.0.2.10:80", 4, {"--mode", "push"}); };
  start_again();
  ASSERT_TRUE(all_have_slots(4));
  const kernel::RawMaps maps(pins());
  std::atomic<bool> changing = true;
  int rounds = 0;
  bool arrived = true;
  std::thread transfer([&] {
    network_.client.run([&] {
      const auto connection = Connection::open(vip);
      for (arrived = connection.has_value(); arrived && changing; ++rounds)
        arrived = connection->transfers(std::size_t{1} << 16, milliseconds{20});
    });
  });
  kernel::Crowd crowd(vip, &network_.client);
  int reached = 0;
  for (unsigned change = 1; change <= 100; ++change) {
    advise({std::to_string(1 + change % 7), std::to_string(1 + change % 5), "30",
            std::to_string(change)});
    gwm_->send(SIGHUP);
    if (change % 25 == 0) {  // while the change is under way
      saspd_->send(SIGKILL);
      saspd_->wait(seconds{5});
      start_again();
    }
    reached += eventually([&] { return maps.tcp(80)->servers.at("4.2").weight == change; }) ? 1 : 0;
  }
  changing = false;
  transfer.join();
  crowd.go_home();
  EXPECT_GE(reached, 90) << "changes that the kernel took";
  EXPECT_TRUE(arrived) << "every byte came back";
  EXPECT_GT(rounds, 100);
  EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
  const auto is_due = [&](const std::string& server, double weight) {
    const auto slots = maps.tcp(80)->servers.at(server).slots;
    return std::abs(slots - weight * LB_SLOTS / (3 + 1 + 30 + 100)) < 1;
  };
  EXPECT_TRUE(eventually([&] {
    return is_due("1.2", 3) && is_due("2.2", 1) && is_due("3.2", 30) && is_due("4.2", 100);
  })) << json::serialize(status());
}

// What others do to the data plane is seen, said, and over when it is mended.
TEST_F(SaspdOnXdp, NoticesThatItsProgramWasTakenOff) {
  attach();
  advise({"10", "10", "10", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80", 4, {"--metrics", "127.0.0.1:9860"});
  ASSERT_TRUE(all_have_slots(4));
  std::string text;
  const auto check = [&] {
    return ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text);
  };
  ASSERT_TRUE(eventually([&] { return check() == 0; })) << text;
  const auto problem = [this]() -> std::string {
    const auto now = status();
    if (!now.is_object()) return "no answer";
    const auto& problems = now.at("problems").as_array();
    if (problems.size() != 1) return json::serialize(problems);
    const auto& only = problems[0].as_object();
    return std::string(only.at("name").as_string()) + " " +
           std::string(only.at("subject").as_string());
  };
  const auto metrics = [this] {
    std::string page;
    network_.director.run([&] { page = http_get(*Endpoint::parse("127.0.0.1:9860"), "/metrics"); });
    return page;
  };
  kernel::output_of("bpftool link detach pinned " + pins() + "/link_c0");
  EXPECT_TRUE(eventually([&] { return problem() == "not_attached c0"; })) << problem();
  EXPECT_EQ(check(), 1);
  EXPECT_NE(text.find("interface c0: the XDP program was detached from it"), std::string::npos)
      << text;
  EXPECT_NE(text.find("saspd --reattach --pins " + pins()), std::string::npos) << text;
  EXPECT_EQ(saspd_->times_logged("not_attached: interface c0"), 1U);
  EXPECT_NE(metrics().find("saspd_dataplane_problem{problem=\"not_attached\",subject=\"c0\"} 1"),
            std::string::npos)
      << metrics();
  advise({"10", "quiesce", "10", "10"});
  EXPECT_TRUE(weights_become({10, 0, 10, 10})) << "all that can be written is written";
  attach();
  EXPECT_TRUE(eventually([&] { return check() == 0; })) << text;
  EXPECT_EQ(saspd_->times_logged("not_attached of c0 has ended"), 1U);
  EXPECT_NE(metrics().find("saspd_dataplane_problems 0"), std::string::npos);
  expect_shares(connect(200), {1, 0, 1, 1});
  EXPECT_EQ(failed_, 0);
}

// Who watches the file is the test here, and systemd's path unit in packages.
TEST_F(SaspdOnXdp, AsksToBeAttachedAgainAndIs) {
  const std::string request = path("attach-request");
  attach();
  advise({"10", "10", "10", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80", 4, {"--attach-request", request});
  ASSERT_TRUE(all_have_slots(4));
  const auto asked = [this] {
    const auto now = status();
    return now.is_object() ? now.at("attach_requests").to_number<int>() : -1;
  };
  const Arguments reattach{"saspd", "--reattach", "--pins", pins()};
  EXPECT_EQ(asked(), 0);
  EXPECT_FALSE(std::filesystem::exists(request));

  kernel::output_of("bpftool link detach pinned " + pins() + "/link_c0");
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(request); }));
  ASSERT_TRUE(eventually([&] { return asked() > 0; }));
  std::string text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
  EXPECT_NE(text.find("that it be attached again"), std::string::npos) << text;
  // Asked again, but not all the time.
  EXPECT_TRUE(eventually([&] { return asked() >= 2; }));
  EXPECT_EQ(saspd_->times_logged("request 2 to attach the XDP program again"), 1U);
  ASSERT_EQ(ends_with(reattach, &text), 0) << text;
  EXPECT_NE(text.find("c0: attached in native mode"), std::string::npos) << text;
  EXPECT_TRUE(eventually(
      [&] { return saspd_->times_logged("the XDP program is attached as before, after") == 1; }));
  EXPECT_TRUE(eventually([&] {
    const auto now = status();
    return now.is_object() && now.at("attach_request").is_null();
  }));
  expect_shares(connect(200), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0);

  // Who detaches means it: nobody is asked, and asking does nothing.
  const int before = asked();
  std::filesystem::remove(request);
  ASSERT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.is_object() && now.at("kernel_error").is_string();
  }));
  EXPECT_EQ(ends_with(reattach, &text), 69) << text;
  EXPECT_EQ(asked(), before);
  EXPECT_FALSE(std::filesystem::exists(request));
}

// A director that routes, with a router (the client) that sends what is for the service address to
// it: without the program packets go to and fro until their TTL ends.
TEST_F(SaspdOnXdp, DropsWhatWouldComeBackWhileItsProgramIsGone) {
  const auto set = [](const char* name, char value) {
    std::ofstream(std::string("/proc/sys/net/") + name) << value;
  };
  network_.client.run([&] {
    set("ipv4/ip_forward", '1');
    set("ipv4/conf/all/accept_local", '1');  // its own packets come back to it
    set("ipv6/conf/all/forwarding", '1');
    set("ipv4/conf/all/send_redirects", '0');
    set("ipv4/conf/eth0/send_redirects", '0');
  });
  network_.director.run([&] { set("ipv4/conf/all/rp_filter", '2'); });  // as systemd sets it
  network_.director.ip(
      "route add default via 198.51.100.2\nroute add default via 2001:db8:c::2 dev c0\n");
  const auto forwarded = [this] {
    std::string v4;
    std::string v6;
    network_.director.run([&] {
      v4 = kernel::output_of("nstat -asz IpForwDatagrams | awk '/^Ip/ {print $2}'");
      v6 = kernel::output_of("nstat -asz Ip6OutForwDatagrams | awk '/^Ip/ {print $2}'");
    });
    return std::pair(std::stoll(v4), std::stoll(v6));
  };
  const auto send_to = [this](const Endpoint& to) {
    network_.client.run([&] {
      const kernel::SocketAddress address(to);
      const Descriptor socket(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::sendto(socket.get(), "x", 1, 0, address.get(), address.size), 1);
    });
  };
  // A port that no service has, and one that a service has: both come back if they are not led.
  const Endpoint unknown{vip.address, 4000};
  const Endpoint unknown6{vip6.address, 4000};
  const auto loops = [&] {
    const auto before = forwarded();
    send_to(unknown);
    send_to(unknown6);
    std::this_thread::sleep_for(milliseconds{500});
    const auto now = forwarded();
    return std::pair(now.first - before.first, now.second - before.second);
  };
  const auto expect_no_loop = [&] {
    const auto once = loops();
    EXPECT_LE(once.first, 1) << "at most to the device that drops it";
    EXPECT_LE(once.second, 1);
  };
  const Arguments reattach{"saspd", "--reattach", "--pins", pins()};
  const auto detach_link = [this] {
    kernel::output_of("bpftool link detach pinned " + pins() + "/link_c0");
  };
  std::string text;

  attach("native");
  advise({"10", "10", "10", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80", 4,
              {"--service", "web6=tcp:[2001:db8:f::10]:80", "--member", "web6=[2001:db8:1::2]:80"});
  ASSERT_TRUE(all_have_slots(4));
  const auto without = loops();
  EXPECT_GT(without.first, 20) << "the scene: it is seen to go to and fro";
  EXPECT_GT(without.second, 20);
  detach_link();
  network_.client.run([] { EXPECT_FALSE(Connection::open(vip)) << "the client is told"; });

  attach("native", {"--blackhole"});
  const auto is_well = [&] {
    return ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text) == 0;
  };
  EXPECT_TRUE(eventually(is_well)) << text;
  expect_no_loop();
  expect_shares(connect(200), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0) << "answers pass the loose filter";

  detach_link();
  expect_no_loop();
  bool connected = false;
  std::thread client([&] {
    network_.client.run([&] {
      const kernel::SocketAddress address(vip);
      const Descriptor socket = address.stream();
      connected = ::connect(socket.get(), address.get(), address.size) == 0;
    });
  });
  std::this_thread::sleep_for(milliseconds{500});
  EXPECT_EQ(ends_with(reattach, &text), 0) << text;
  client.join();
  EXPECT_TRUE(connected) << "sent again, it has found its server";

  // It follows the services, and goes with --detach.
  ASSERT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
  network_.director.run([&] {
    EXPECT_EQ(kernel::output_of("ip rule; ip -6 rule").find("3860"), std::string::npos);
    EXPECT_EQ(kernel::output_of("ip link").find("saspd-drop"), std::string::npos);
  });
  attach("native", {"--blackhole"});
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.is_object() &&
           json::serialize(now.at("problems")).find("blackhole_incomplete") != std::string::npos;
  }));
  ASSERT_EQ(ends_with(reattach, &text), 0) << text;
  EXPECT_TRUE(eventually(is_well)) << text;
  network_.director.run([&] {
    EXPECT_NE(kernel::output_of("ip route show table 3860").find("192.0.2.10 dev saspd-drop"),
              std::string::npos);
  });
}

TEST_F(SaspdOnXdp, IsToldOfTheTrapOfAVeth) {
  const auto said = [this](const std::string& mode) {
    std::string output;
    EXPECT_EQ(ends_with({"saspd", "--attach", "--interface", "c0", "--xdp-mode", mode, "--pins",
                         pins() + mode},
                        &output),
              0)
        << output;
    EXPECT_EQ(ends_with({"saspd", "--detach", "--pins", pins() + mode}), 0);
    return output;
  };
  EXPECT_NE(said("native").find("c0 is a veth: "), std::string::npos);
  EXPECT_EQ(said("generic").find("c0 is a veth: "), std::string::npos);
}

TEST_F(SaspdOnXdp, IsNotDetachedWhileItServes) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  std::string text;
  EXPECT_EQ(ends_with({"saspd", "--detach", "--pins", pins()}, &text), 75);
  EXPECT_NE(text.find(fmt::format("pid {} of user root is using", saspd_->pid())),
            std::string::npos)
      << text;
  EXPECT_EQ(ends_with({"saspd", "--attach", "--replace", "--max-backends", "16", "--interface",
                       "c0", "--pins", pins()},
                      &text),
            75);
  EXPECT_NE(text.find("--force"), std::string::npos) << text;
  connect(40);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
}

// No pass comes by itself in this test: what it finds, saspd has noticed.
TEST_F(SaspdOnXdp, NoticesAtOnceWhatIsAttachedOrTakenAway) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  reconcile_interval_ = "3600";
  start_saspd("web=tcp:192.0.2.10:80", 4, {"--interval", "3600"});
  ASSERT_TRUE(weights_become({40, 30, 20, 10}));
  ASSERT_TRUE(all_have_slots(4));
  const kernel::RawMaps maps(pins());
  const auto served = [&] {
    const auto service = maps.tcp(80);
    return service && service->servers.size() == 4 && service->nobodys == 0;
  };
  // Of another layout: nothing of them can be taken over.
  auto settings = lb_settings{};
  ASSERT_TRUE(maps.find("settings", 0U, settings));
  settings.layout = 999;
  maps.put("settings", 0U, settings);
  attach("native", {"--replace", "--force"});
  ASSERT_TRUE(eventually(served));
  expect_shares(connect(200), {40, 30, 20, 10});
  EXPECT_EQ(failed_, 0);

  std::string text;
  ASSERT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
  ASSERT_TRUE(eventually([&] { return status().at("kernel_error").is_string(); }));
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
}

// Bigger maps come under a saspd that writes all the time, and under connections that come and go.
TEST_F(SaspdOnXdp, GetsBiggerMapsWithoutLosingAConnection) {
  attach("native", {"--max-services", "2", "--max-backends", "8", "--max-flows", "100000"});
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(all_have_slots(4));
  std::vector<Connection> old;
  network_.client.run([&] {
    for (int i = 0; i < 20; ++i) {
      auto connection = Connection::open(vip);
      if (connection) old.push_back(std::move(*connection));
    }
  });
  ASSERT_EQ(old.size(), 20U);
  kernel::Crowd crowd(vip, &network_.client);
  for (const int size : {8, 64, 200}) {
    advise({std::to_string(size), "30", "20", "10"});
    attach("native",
           {"--max-services", std::to_string(size), "--max-backends", std::to_string(10 * size),
            "--max-flows", std::to_string(100'000 + 1000 * size)});
    EXPECT_TRUE(weights_become({size, 30, 20, 10}));
  }
  // The servers of old connections get no slots any more: only the flows lead to them.
  advise({"0", "0", "0", "10"});
  EXPECT_TRUE(weights_become({0, 0, 0, 10}));
  attach("native", {"--max-services", "300", "--max-backends", "3000", "--max-flows", "400000"});
  crowd.go_home();
  EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
  for (const auto& connection : old)
    EXPECT_TRUE(connection.works());
  EXPECT_EQ(connect(20)[3], 20);
}

// An upgrade: a new program on the same maps and links, while connections come and go.
TEST_F(SaspdOnXdp, LosesNoConnectionWhenTheProgramIsAttachedAgain) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(all_have_slots(4));
  std::optional<Connection> old;
  network_.client.run([&] { old = Connection::open(vip); });
  ASSERT_TRUE(old);
  kernel::Crowd crowd(vip, &network_.client);
  for (int i = 0; i < 3; ++i) {
    attach("native");
    std::this_thread::sleep_for(milliseconds{300});
  }
  crowd.go_home();
  EXPECT_GT(crowd.worked, 100);
  EXPECT_EQ(crowd.failed, 0);
  EXPECT_TRUE(old->works());
}

TEST_F(SaspdOnXdp, DrainsAServerWhoseConnectionsGoOn) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  std::optional<Connection> old;
  network_.client.run([&] { old = Connection::open(vip); });
  ASSERT_TRUE(old);
  std::vector<std::string> words(4, "10");
  words.at(old->server()) = "quiesce";
  advise(words);
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(old->server()) == 0; }));
  EXPECT_EQ(connect(300).at(old->server()), 0);
  EXPECT_TRUE(old->works());
  EXPECT_EQ(failed_, 0);
}

// Contact off: with on-lost=drop a client knows at once that its server is dead.
TEST_F(SaspdOnXdp, EndsTheConnectionsOfADeadServerWhereThatIsWanted) {
  attach("native");
  advise({"10", "10", "10", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80,on-lost=drop");
  ASSERT_TRUE(all_have_slots(4));
  std::vector<Connection> open;
  network_.client.run([&] {
    while (open.size() < 40) {
      if (auto connection = Connection::open(vip)) open.push_back(std::move(*connection));
    }
  });
  const std::size_t dead = open.at(0).server();
  const std::size_t draining = (dead + 1) % 4;
  std::vector<std::string> words(4, "10");
  words.at(dead) = "down";
  words.at(draining) = "quiesce";
  advise(words);
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(dead) == 0; }));
  network_.client.run([&] {
    for (auto& connection : open)
      EXPECT_EQ(connection.works(), connection.server() != dead) << connection.server();
  });
}

TEST_F(SaspdOnXdp, RemovesAServerAndTakesItInAgain) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{5}), 0);
  expect_shares(connect(400), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0) << "it forwards without saspd";
  start_saspd("web=tcp:192.0.2.10:80,drain=0", 3);
  ASSERT_TRUE(eventually([&] { return of_members("slots").size() == 3; }));
  EXPECT_EQ(connect(300)[3], 0);
  saspd_->send(SIGTERM);
  saspd_->wait(seconds{5});
  start_saspd();
  ASSERT_TRUE(all_have_slots(4));
  expect_shares(connect(400), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0);
}

// A server that gets another MAC while its link stays: whether a short loss of link is seen depends
// on the kernel's load, and it forgets a neighbour only then.
class ANewMac : public SaspdOnXdp {
 protected:
  static void set(const kernel::Host& host, const std::string& name, int value) {
    host.run([&] {
      std::ofstream file("/proc/sys/net/ipv4/" + name);
      file << value << std::flush;
      ASSERT_TRUE(file) << name;
    });
  }
  // Until then the kernel reports addresses that become usable, at which saspd looks at everything.
  void await_addresses() const {
    network_.director.run([] {
      ASSERT_TRUE(
          eventually([] { return kernel::output_of("ip -6 address show tentative").empty(); }));
    });
  }
  void expect_followed() {
    start({"10", "0", "0", "0"});
    ASSERT_TRUE(weights_become({10, 0, 0, 0}));
    ASSERT_TRUE(eventually([&] { return connect(1)[0] == 1; }));
    await_addresses();
    network_.servers[0]->ip("link set eth0 address 02:00:00:00:77:01\n");
    ASSERT_TRUE(eventually(
        [&] {
          const auto member = status().at_pointer("/groups/0/members/0");
          return member.at("next_hop").as_string().find("02:00:00:00:77:01") != std::string::npos;
        },
        seconds{60}))
        << json::serialize(status());
    EXPECT_EQ(connect(50)[0], 50);
  }
};

// Here the kernel would believe the old one for days: only the announcement tells.
TEST_F(ANewMac, IsFollowedWhenItIsAnnounced) {
  set(network_.director, "neigh/s1/base_reachable_time_ms", 1'000'000'000);
  set(*network_.servers[0], "conf/eth0/arp_notify", 1);
  expect_followed();
}

// What goes through XDP the kernel does not see: saspd has it ask the neighbour again.
TEST_F(ANewMac, IsFoundWhenItIsNotAnnounced) {
  set(network_.director, "neigh/s1/base_reachable_time_ms", 1000);
  set(network_.director, "neigh/s1/delay_first_probe_time", 1);
  expect_followed();
}

TEST_F(SaspdOnXdp, LeavesAnInterfaceThatIsDownAndComesBack) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  network_.director.ip("link set s2 down\n");
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(1) == 0; }));
  EXPECT_EQ(of_members("kernel_weight").at(1), 10);
  const auto member = status().at_pointer("/groups/0/members/1");
  EXPECT_FALSE(member.at("reachable").as_bool());
  EXPECT_EQ(connect(200)[1], 0);
  EXPECT_EQ(failed_, 0);
  std::string text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
  EXPECT_NE(text.find("10.0.2.2:80 of group web cannot be reached"), std::string::npos) << text;
  network_.director.ip("link set s2 up\naddress replace 10.0.2.1/24 dev s2\n");
  EXPECT_TRUE(all_have_slots(4));
  EXPECT_GT(connect(200)[1], 0);
  EXPECT_EQ(failed_, 0);
}

TEST_F(SaspdOnXdp, SharesTheLoadOfAllAmongAllThatAreLostOneByOne) {
  std::vector<std::string> words{"40", "40", "40", "40"};
  start(words);
  ASSERT_TRUE(all_have_slots(4));
  for (std::size_t lost = 0; lost < 3; ++lost) {
    words[lost] = "down";
    advise(words);
    ASSERT_TRUE(eventually([&] { return of_members("slots").at(lost) == 0; })) << lost;
  }
  words[3] = "down";
  advise(words);
  ASSERT_TRUE(all_have_slots(4));
  for (const auto count : connect(200))
    EXPECT_GT(count, 0);
  EXPECT_EQ(failed_, 0);
}

// Whatever took them: nobody answers, or nobody is wanted.
TEST_F(SaspdOnXdp, IsNotHealthyWithoutAServer) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  const auto checks = [this](int code, const std::string& text) {
    std::string output;
    const bool good = eventually(
        [&] {
          return code == ends_with({"saspctl", "--socket", path("control"), "status", "--check"},
                                   &output) &&
                 output.find(text) != std::string::npos;
        },
        seconds{60});
    return good || (ADD_FAILURE() << output, false);
  };
  EXPECT_TRUE(checks(0, ""));
  std::string down;
  std::string up;
  for (int n = 1; n <= 4; ++n) {
    down += fmt::format("link set s{} down\n", n);
    up += fmt::format("link set s{0} up\naddress replace 10.0.{0}.1/24 dev s{0}\n", n);
  }
  network_.director.ip(down);
  EXPECT_TRUE(checks(1, "no_server of tcp:192.0.2.10:80: no next hop of its 4 servers"));
  network_.director.ip(up);
  EXPECT_TRUE(checks(0, ""));
  advise({"quiesce", "quiesce", "quiesce", "quiesce"});
  EXPECT_TRUE(checks(1, "no_server of tcp:192.0.2.10:80: none of its 4 servers has a weight"));
  EXPECT_NE(saspd_->log().find("error: alarm: tcp:192.0.2.10:80 no_server: "), std::string::npos);
}

TEST_F(SaspdOnXdp, TellsTheWayOfAPacket) {
  start({"10", "0", "0", "0"});
  ASSERT_TRUE(weights_become({10, 0, 0, 0}));
  connect(3);
  std::string text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "trace", "198.51.100.2:4000",
                       "tcp:192.0.2.10:80"},
                      &text),
            0);
  EXPECT_NE(text.find("destination  10.0.1.2:80"), std::string::npos) << text;
  EXPECT_NE(text.find("sent: by its slot"), std::string::npos) << text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "why", "10.0.1.2:80"}, &text), 0);
  EXPECT_NE(text.find("65537 of 65537"), std::string::npos) << text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control")}, &text), 0);
  EXPECT_NE(text.find("sent_table"), std::string::npos) << text;
}

class Tunnelled : public SaspdOnXdp {
 protected:
  void decapsulate_on_servers() {
    for (std::size_t i = 0; i < network_.servers.size(); ++i) {
      network_.servers[i]->run([&] {
        Program program({programs + "/saspd", "--attach", "--interface", "eth0", "--decapsulate",
                         "192.0.2.10", "--decapsulate", "2001:db8:f::10", "--pins",
                         fmt::format("{}/decap{}", file_system_.path(), i)},
                        path("ctl.log"));
        EXPECT_EQ(program.wait(seconds{10}), 0) << program.log();
      });
    }
  }
};

TEST_F(Tunnelled, ConnectionsReachServersThatTakeTheOuterHeaderOff) {
  decapsulate_on_servers();
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80,forward=ipip");
  ASSERT_TRUE(weights_become({40, 30, 20, 10}));
  ASSERT_TRUE(all_have_slots(4));
  expect_shares(connect(1000), {40, 30, 20, 10});
  EXPECT_EQ(failed_, 0);
  network_.client.run([&] {
    const auto connection = Connection::open(vip);
    ASSERT_TRUE(connection);
    EXPECT_TRUE(connection->transfers(100'000, milliseconds{100}));
  });
}

TEST_F(Tunnelled, OfIpv6ReachServersInIpv4) {
  decapsulate_on_servers();
  std::vector<std::unique_ptr<kernel::Servers>> servers6;
  for (std::size_t i = 0; i < network_.servers.size(); ++i) {
    network_.servers[i]->run([&] {
      servers6.push_back(std::make_unique<kernel::Servers>(std::vector<Endpoint>{vip6}, i));
    });
  }
  attach();
  advise({"1", "1", "1", "1"});
  start_gwm();
  start_saspd("web=tcp:[2001:db8:f::10]:80,forward=ipip");
  ASSERT_TRUE(all_have_slots(4));
  expect_shares(connect(400, vip6), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0);
}

TEST_F(SaspdOnXdp, SharesDatagramsByTheAdvice) {
  attach();
  std::ofstream(path("weights")) << "web udp:10.0.1.2:53 3\nweb udp:10.0.2.2:53 1\n";
  start_gwm();
  std::vector<std::unique_ptr<Descriptor>> sockets;
  const Endpoint dns = *Endpoint::parse("192.0.2.10:53");
  for (int i = 0; i < 2; ++i) {
    network_.servers[static_cast<std::size_t>(i)]->run(
        [&] { sockets.push_back(std::make_unique<Descriptor>(kernel::datagram_socket(dns))); });
  }
  start_saspd("web=udp:192.0.2.10:53", 0,
              {"--member", "web=10.0.1.2:53", "--member", "web=10.0.2.2:53"});
  ASSERT_TRUE(all_have_slots(2));
  std::vector<double> counts(2);
  const auto receive = [&] {
    std::this_thread::sleep_for(milliseconds{20});
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      char byte = 0;
      while (::recv(sockets[i]->get(), &byte, 1, MSG_DONTWAIT) == 1)
        ++counts[i];
    }
  };
  network_.client.run([&] {
    const kernel::SocketAddress to(dns);
    for (int port = 20000; port < 21000; ++port) {
      const auto client = kernel::datagram_socket(
          {*IpAddress::parse("198.51.100.2"), static_cast<std::uint16_t>(port)});
      ASSERT_EQ(::sendto(client.get(), "x", 1, 0, to.get(), to.size), 1);
      if (port % 100 == 99) receive();
    }
  });
  receive();
  EXPECT_EQ(counts[0] + counts[1], 1000);
  expect_shares(counts, {3, 1});
}

// What a client of UDP sends from one port goes to one server, until that is lost.
TEST_F(SaspdOnXdp, SendsTheDatagramsOfADeadServerToAnotherAtOnce) {
  attach();
  const auto advise_dns = [this](const std::string& first, const std::string& second) {
    std::ofstream(path("weights.new"))
        << "web udp:10.0.1.2:53 " << first << "\nweb udp:10.0.2.2:53 " << second << "\n";
    std::filesystem::rename(path("weights.new"), path("weights"));
  };
  advise_dns("1", "1");
  start_gwm();
  std::vector<std::unique_ptr<Descriptor>> sockets;
  const Endpoint dns = *Endpoint::parse("192.0.2.10:53");
  for (const std::size_t i : {0U, 1U}) {
    network_.servers[i]->run(
        [&] { sockets.push_back(std::make_unique<Descriptor>(kernel::datagram_socket(dns))); });
  }
  start_saspd("web=udp:192.0.2.10:53", 0,
              {"--member", "web=10.0.1.2:53", "--member", "web=10.0.2.2:53"});
  ASSERT_TRUE(all_have_slots(2));
  std::optional<Descriptor> client;
  network_.client.run(
      [&] { client.emplace(kernel::datagram_socket(*Endpoint::parse("198.51.100.2:20000"))); });
  const kernel::SocketAddress to(dns);
  const auto answering = [&]() -> std::size_t {
    EXPECT_EQ(::sendto(client->get(), "x", 1, 0, to.get(), to.size), 1);
    pollfd at[] = {{sockets[0]->get(), POLLIN, 0}, {sockets[1]->get(), POLLIN, 0}};
    EXPECT_EQ(::poll(at, 2, 30'000), 1);
    const std::size_t server = at[0].revents != 0 ? 0 : 1;
    char byte = 0;
    EXPECT_EQ(::recv(sockets[server]->get(), &byte, 1, MSG_DONTWAIT), 1);
    return server;
  };
  const std::size_t first = answering();
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(answering(), first);
  advise_dns(first == 0 ? "down" : "1", first == 0 ? "1" : "down");
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(first) == 0; }));
  for (int i = 0; i < 20; ++i)
    EXPECT_NE(answering(), first);
}

TEST_F(SaspdOnXdp, ForwardsIpv6ByMac) {
  std::vector<std::unique_ptr<kernel::Servers>> servers6;
  for (std::size_t i = 0; i < 2; ++i) {
    network_.servers[i]->run([&] {
      servers6.push_back(std::make_unique<kernel::Servers>(std::vector<Endpoint>{vip6}, i));
    });
  }
  attach();
  std::ofstream(path("weights")) << "web [2001:db8:1::2]:80 1\nweb [2001:db8:2::2]:80 1\n";
  start_gwm();
  start_saspd("web=tcp:[2001:db8:f::10]:80", 0,
              {"--member", "web=[2001:db8:1::2]:80", "--member", "web=[2001:db8:2::2]:80"});
  ASSERT_TRUE(all_have_slots(2));
  expect_shares(connect(200, vip6), {1, 1, 0, 0});
  EXPECT_EQ(failed_, 0);
}

// The daemon needs no capability: it owns the maps.
TEST_F(SaspdOnXdp, RunsAsAUserWithoutRights) {
  attach("native", {"--user", "nobody"});
  advise({"3", "1", "0", "0"});
  start_gwm();
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  as_user_ = {"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"};
  start_saspd();
  ASSERT_TRUE(weights_become({3, 1, 0, 0}));
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(1) > 0; }));
  expect_shares(connect(400), {3, 1, 0, 0});
  EXPECT_EQ(failed_, 0);
}

// A GWM that cannot be believed any more takes no weight with it: one of another authority, and an
// openssl s_server of ours with another name.
TEST_F(SaspdOnXdp, KeepsTheWeightsWhenTlsFails) {
  TestPki pki;
  const TestPki impostor;
  const auto flags = [](const TlsSettings& tls) {
    return Arguments{"--tls-ca", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key};
  };
  const auto gwm_becomes = [this](std::string_view state) {
    return eventually([&] {
             const auto now = status();
             return now.is_object() && now.at_pointer("/gwm/0/state").as_string() == state;
           }) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  };
  attach();
  advise({"4", "3", "2", "1"});
  start_gwm(flags(pki.settings("gwm")));
  lb_uid_ = "director-1";
  const auto install = [&pki](const std::string& name) {
    for (const std::string end : {".key", ".pem"}) {
      std::filesystem::copy_file(pki.path(name + end), pki.path("new"));
      std::filesystem::rename(pki.path("new"), pki.path("live" + end));
    }
  };
  install("director-1");
  auto ours = flags(pki.settings("live"));
  ours.insert(ours.end(), {"--tls-crl", pki.path("crl.pem"), "--metrics", "127.0.0.1:9860"});
  start_saspd("web=tcp:192.0.2.10:80", 4, ours);
  ASSERT_TRUE(gwm_becomes("established"));
  ASSERT_TRUE(weights_become({4, 3, 2, 1}));

  gwm_.reset();
  advise({"1", "1", "1", "1"});
  start_gwm(flags(impostor.settings("gwm")));
  ASSERT_TRUE(gwm_becomes("tls_error"));
  const auto why = json::serialize(status().at_pointer("/gwm/0/last_error"));
  EXPECT_NE(why.find("which is not in --tls-ca"), std::string::npos) << why;
  EXPECT_TRUE(stays({4, 3, 2, 1}));

  gwm_.reset();
  pki.issue("other", {"--usage", "server", "--san", "DNS:other.example"});
  std::optional<OpensslServer> other;
  network_.director.run([&] { other.emplace(pki, "other", Arguments{}, sasp::default_port); });
  EXPECT_TRUE(eventually([&] {
    const auto last = json::serialize(status().at_pointer("/gwm/0/last_error"));
    return last.find("is for 'other' (other.example), not for '127.0.0.1'") != std::string::npos;
  })) << json::serialize(status());
  EXPECT_TRUE(stays({4, 3, 2, 1}));

  other.reset();
  start_gwm(flags(pki.settings("gwm")));
  ASSERT_TRUE(weights_become({1, 1, 1, 1}));
  connect(40);
  EXPECT_EQ(failed_, 0);

  // A new certificate of its own is no reason to leave, a list with the GWM in it is.
  const auto connections = [this] { return gwm_->times_logged("LB 'director-1' connected from"); };
  const auto before = connections();
  pki.issue("next", {"--cn", "director-1"});
  install("next");
  saspd_->send(SIGHUP);
  // The look at the files every 10 s would be later.
  EXPECT_TRUE(eventually([this] { return saspd_->times_logged("certificates read again") == 1; },
                         seconds{5}));
  std::this_thread::sleep_for(seconds{1});
  EXPECT_EQ(connections(), before);
  std::string metrics;
  network_.director.run(
      [&] { metrics = http_get(*Endpoint::parse("127.0.0.1:9860"), "/metrics"); });
  for (const auto* role : {"own", "ca", "crl"}) {
    const auto name =
        fmt::format("\nsaspd_tls_certificate_expiry_timestamp_seconds{{role=\"{}\"}} ", role);
    EXPECT_NE(metrics.find(name), std::string::npos) << name << metrics;
  }
  pki.revoke("gwm");
  saspd_->send(SIGHUP);
  ASSERT_TRUE(gwm_becomes("tls_error"));
  EXPECT_GE(saspd_->times_logged("the peer's certificate (CN=localhost) was revoked by"), 1U);
  EXPECT_TRUE(stays({1, 1, 1, 1}));
}

// saspd --attach gave it the pins, and those of a replaced program too.
TEST_F(SaspdOnXdp, StartedByRootBecomesItsOwnUser) {
  machine_ = where_user(directory_, "saspd", 4711);
  attach();
  advise({"3", "1", "0", "0"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(weights_become({3, 1, 0, 0}));
  expect_only(saspd_->pid(), 4711, 0);
  expect_follows_a_replaced_program();
  expect_only(saspd_->pid(), 4711, 0);
}

TEST_F(SaspdOnXdp, StartedByRootWithoutThatUserKeepsNoCapability) {
  machine_ = where_user(directory_, "saspd", std::nullopt);
  attach();
  advise({"3", "1", "0", "0"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(weights_become({3, 1, 0, 0}));
  expect_only(saspd_->pid(), 0, 0);
  expect_follows_a_replaced_program();
  EXPECT_NE(saspd_->log().find("there is no user saspd: staying root, without any capability\n"),
            std::string::npos)
      << saspd_->log();
}

// The maps are in no network namespace.
TEST_F(SaspdOnXdp, IsTheOnlyWriterOfItsMapsFromAnyNamespace) {
  start({"1", "1", "1", "1"});
  ASSERT_TRUE(all_have_slots(4));
  const auto second = [this] {
    std::string output;
    network_.client.run([&] {
      std::filesystem::remove(path("second.log"));
      Program program(
          {programs + "/saspd", "--backend", "xdp", "--pins", pins(), "--gwm", "127.0.0.1",
           "--service", "other=tcp:192.0.2.10:81", "--member", "other=10.0.1.2:81", "--control",
           path("second"), "--ledger", path("second.ledger")},
          path("second.log"));
      EXPECT_EQ(program.wait(seconds{20}), 75) << program.log();
      output = program.log();
    });
    return output;
  };
  const auto holder = fmt::format("written by pid {} of user root", saspd_->pid());
  const auto refused = second();
  EXPECT_NE(refused.find(holder), std::string::npos) << refused;
  saspd_->send(SIGSTOP);
  const auto refused_again = second();
  saspd_->send(SIGCONT);
  EXPECT_NE(refused_again.find(holder), std::string::npos) << refused_again;
  const kernel::RawMaps maps(pins());
  EXPECT_TRUE(maps.tcp(80));
  EXPECT_FALSE(maps.tcp(81));
  expect_shares(connect(100), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0);
}

// Room for two services and five servers, and three of four servers each are wanted.
TEST_F(SaspdOnXdp, SteersWhatFitsAndNamesWhatDoesNot) {
  attach("native", {"--max-services", "2", "--max-backends", "5"});
  const auto advise_all = [this](const std::string& second) {
    std::string text;
    for (const auto* group : {"web", "x", "y"}) {
      const int port = *group == 'w' ? 80 : *group == 'x' ? 81 : 82;
      for (int n = 1; n <= 4; ++n) {
        text += fmt::format("{} 10.0.{}.2:{} {}\n", group, n, port, n == 2 ? second : "10");
      }
    }
    std::ofstream(path("weights.new")) << text;
    std::filesystem::rename(path("weights.new"), path("weights"));
  };
  advise_all("10");
  start_gwm();
  Arguments more;
  for (const auto* group : {"x", "y"}) {
    const int port = *group == 'x' ? 81 : 82;
    more.insert(more.end(), {"--service", fmt::format("{}=tcp:192.0.2.10:{}", group, port)});
    for (int n = 1; n <= 4; ++n)
      more.insert(more.end(), {"--member", fmt::format("{}=10.0.{}.2:{}", group, n, port)});
  }
  start_saspd("web=tcp:192.0.2.10:80", 4, more);
  const kernel::RawMaps maps(pins());
  const auto servers = [&maps](std::uint16_t port) {
    const auto service = maps.tcp(port);
    return service ? service->servers.size() : 0;
  };
  const auto share = [&maps](std::uint16_t port, const std::string& server) {
    const auto service = maps.tcp(port);
    if (!service || !service->servers.contains(server)) return -1;
    return static_cast<int>(service->servers.at(server).slots);
  };
  ASSERT_TRUE(eventually([&] { return servers(80) == 4 && servers(81) == 1; }));
  ASSERT_TRUE(eventually([&] { return share(80, "2.2") > 16000 && share(81, "1.2") == LB_SLOTS; }));
  EXPECT_EQ(servers(82), 0U);
  std::string text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
  EXPECT_NE(text.find("no_room"), std::string::npos) << text;
  EXPECT_NE(
      text.find("10.0.2.2:81, 10.0.3.2:81, 10.0.4.2:81 get no connections: the maps of the XDP "
                "program have room for 5 servers"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("tcp:192.0.2.10:82: the service is not served: the maps of the XDP program "
                      "have room for 2 services"),
            std::string::npos)
      << text;
  EXPECT_TRUE(status().at("kernel_error").is_null()) << "the kernel is well";
  advise_all("quiesce");
  ASSERT_TRUE(eventually([&] { return share(80, "2.2") == 0; })) << "the others are steered";
  EXPECT_EQ(connect(200)[1], 0);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(servers(81), 1U) << "what was served stays";
  EXPECT_EQ(saspd_->times_logged("no_room"), 2U) << saspd_->log();
}

// More than the maps that nothing was said for have room for: 64 services, 1 024 servers.
class BigFarm : public SaspdOnXdp {
 protected:
  static constexpr int first_port = 1000;

  // Server host n has the addresses 10.0.n.2 to 10.0.n.(1 + each), and listens for two services.
  void make_servers(int first, int last, int each) {
    for (std::size_t i = 0; i < network_.servers.size(); ++i) {
      const auto& host = *network_.servers[i];
      std::string lines;
      for (int n = 3; n < 2 + each; ++n)
        lines += fmt::format("address add 10.0.{}.{}/24 dev eth0\n", i + 1, n);
      if (!lines.empty()) host.ip(lines);
      host.run([&] {
        for (const int service : {first, last}) {
          const Endpoint at{vip.address, static_cast<std::uint16_t>(first_port + service)};
          servers_.push_back(std::make_unique<kernel::Servers>(std::vector<Endpoint>{at}, i));
        }
      });
    }
  }
  // Group gN feeds service N, each server has a weight of 10 there, but those of host 4 that of
  // `fourth`.
  void advise_all(int services, int each, const std::string& fourth) {
    std::string text;
    for_each(services, each, [&](int service, int host, int n) {
      text += fmt::format("g{} 10.0.{}.{}:{} {}\n", service, host, n, first_port + service,
                          host == 4 ? fourth : "10");
    });
    std::ofstream(path("weights.new")) << text;
    std::filesystem::rename(path("weights.new"), path("weights"));
  }
  template <class Action>
  static void for_each(int services, int each, Action action) {
    for (int service = 0; service < services; ++service) {
      for (int n = 2; n < 2 + each; ++n) {
        for (int host = 1; host <= 4; ++host)
          action(service, host, n);
      }
    }
  }
  // saspd with services from `first` on.
  void start_with(int first, int services, int each, const std::string& options = "",
                  Arguments more = {}) {
    for (const auto& flag : members_of(first, services, each))
      more.push_back(flag);
    for (int service = first + 1; service < services; ++service)
      more.insert(more.end(), {"--service", spec(service) + options});
    start_saspd(spec(first) + options, 0, more);
  }
  static std::string spec(int service) {
    return fmt::format("g{}=tcp:192.0.2.10:{}", service, first_port + service);
  }
  static Arguments members_of(int first, int services, int each) {
    Arguments arguments;
    for_each(services, each, [&](int service, int host, int n) {
      if (service < first) return;
      arguments.insert(arguments.end(), {"--member", fmt::format("g{}=10.0.{}.{}:{}", service, host,
                                                                 n, first_port + service)});
    });
    return arguments;
  }
  // What the raw maps say: slots of each server, by the last two bytes of its address, and by
  // service.
  using Slots = std::map<int, std::map<std::string, std::uint32_t>>;
  Slots served() const {
    const kernel::RawMaps maps(pins());
    std::map<std::uint32_t, int> services;  // by number
    for (int service = 0; service < 100; ++service) {
      if (const auto number = maps.tcp_number(static_cast<std::uint16_t>(first_port + service)))
        services[*number] = service;
    }
    std::map<std::uint32_t, std::vector<std::uint32_t>> slots;  // by number of the server
    for (const auto& [number, service] : services)
      slots[number] = maps.slots(number);
    Slots served;
    lb_backend backend{};
    for (std::uint32_t number = 1; maps.find("backends", number, backend); ++number) {
      if ((backend.flags & LB_BACKEND_PRESENT) == 0 || !services.contains(backend.service))
        continue;
      const auto name = fmt::format("{}.{}", backend.address.bytes[2], backend.address.bytes[3]);
      served[services[backend.service]][name] = slots[backend.service][number];
    }
    return served;
  }
  static std::size_t servers_in(const Slots& served) {
    std::size_t count = 0;
    for (const auto& [service, servers] : served)
      count += servers.size();
    return count;
  }
  // So many services and servers become served, which all have slots, but those of host 4 only if
  // `fourth`.
  bool become_served(std::size_t services, std::size_t servers, bool fourth) const {
    return in_time([&] {
      const auto now = served();
      return now.size() == services && servers_in(now) == servers &&
             std::all_of(now.begin(), now.end(), [fourth](const auto& service) {
               return std::all_of(
                   service.second.begin(), service.second.end(), [fourth](const auto& server) {
                     return (server.second > 0) == (fourth || !server.first.starts_with("4."));
                   });
             });
    });
  }
  static bool in_time(const std::function<bool()>& condition) {
    return eventually(condition, seconds{120});
  }
  bool says(const std::string& text) {
    std::string said;
    ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &said);
    return said.find(text) != std::string::npos;
  }
  // Which host serves how many.
  std::vector<double> connect_to(int service) {
    auto counts = connect(60, {vip.address, static_cast<std::uint16_t>(first_port + service)});
    EXPECT_EQ(failed_, 0) << "service " << service;
    return counts;
  }
};

TEST_F(BigFarm, ServesAllButTheServiceThatIsOneTooMany) {
  constexpr int all = 65;
  attach();
  make_servers(1, all - 1, 1);
  advise_all(all, 1, "10");
  start_gwm();
  start_with(1, all, 1);
  ASSERT_TRUE(become_served(64, 256, true));
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{30}), 0);
  start_with(0, all, 1);
  ASSERT_TRUE(in_time([&] {
    return says(
        "tcp:192.0.2.10:1000: the service is not served: the maps of the XDP program have "
        "room for 64 services");
  }));
  advise_all(all, 1, "quiesce");
  ASSERT_TRUE(become_served(64, 256, false));
  EXPECT_FALSE(served().contains(0)) << "what was served stays";
  EXPECT_EQ(connect_to(1)[3], 0);
  EXPECT_EQ(connect_to(all - 1)[3], 0);
}

// And what stands behind --, --attach makes room for.
TEST_F(BigFarm, ServesAllButTheServersThatAreTooMany) {
  constexpr int services = 43;
  constexpr int each = 6;  // on four hosts: 1032 in all
  attach();
  make_servers(0, services - 1, each);
  advise_all(services, each, "10");
  start_gwm();
  start_with(0, services, each);
  ASSERT_TRUE(become_served(services, 1024, true));
  EXPECT_EQ(served()[services - 1].size(), 16U);
  EXPECT_TRUE(in_time([&] { return says("have room for 1024 servers"); }));
  advise_all(services, each, "quiesce");
  ASSERT_TRUE(become_served(services, 1024, false));
  EXPECT_EQ(connect_to(0)[3], 0);
  EXPECT_EQ(connect_to(services - 1)[3], 0);

  Arguments sized{"--", "--backend", "xdp", "--gwm", "127.0.0.1"};
  for (int service = 0; service < services; ++service)
    sized.insert(sized.end(), {"--service", spec(service)});
  for (const auto& flag : members_of(0, services, each))
    sized.push_back(flag);
  attach("native", sized);
  lb_settings settings{};
  ASSERT_TRUE(kernel::RawMaps(pins()).find("settings", 0U, settings));
  EXPECT_EQ(settings.max_backends, 4096U);
  EXPECT_EQ(settings.max_services, 128U);
  ASSERT_TRUE(become_served(services, 1032, false));
  EXPECT_TRUE(in_time([&] { return !says("no_room"); }));
  connect_to(services - 1);
}

TEST_F(BigFarm, ServesWhoIsConfiguredBeforeWhoRegisteredItself) {
  constexpr int services = 5;
  constexpr int each = 56;  // one configured and 55 that register, on four hosts: 1100 of these
  const std::set<std::string> configured{"1.2", "2.2", "3.2", "4.2"};
  const auto all_configured = [&] {
    const auto now = served();
    return std::all_of(now.begin(), now.end(), [&](const auto& service) {
      return std::all_of(configured.begin(), configured.end(),
                         [&](const auto& server) { return service.second.contains(server); });
    });
  };
  attach();
  make_servers(0, services - 1, each);
  advise_all(services, each, "10");
  start_gwm({"--max-self-registered", "2000", "--allow-foreign-members"});
  start_with(0, services, 1, ",manage", {"--trust"});
  ASSERT_TRUE(become_served(services, 20, true));
  network_.director.run([&] {
    saspd::testing::SaspClient agent(sasp::default_port);
    for (int service = 0; service < services; ++service) {
      sasp::GroupOfMemberData group{{lb_uid_, fmt::format("g{}", service)}, {}};
      for_each(1, each, [&](int, int host, int n) {
        const auto port = static_cast<std::uint16_t>(first_port + service);
        if (n == 2) return;
        group.items.push_back(
            sasp::MemberData::of({*IpAddress::parse(fmt::format("10.0.{}.{}", host, n)), 6, port}));
      });
      const auto reply = agent.answer_to<sasp::RegistrationReply>(
          sasp::RegistrationRequest{.flags = 0, .groups = {group}});
      ASSERT_EQ(reply.code, sasp::ReturnCode::successful);
    }
  });
  ASSERT_TRUE(become_served(services, 1024, true));
  EXPECT_TRUE(all_configured());
  EXPECT_TRUE(in_time([&] { return says("have room for 1024 servers"); }));

  // On empty maps, with all of them known to the GWM from the beginning.
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{30}), 0);
  std::string text;
  ASSERT_EQ(ends_with({"saspd", "--detach", "--pins", pins()}, &text), 0) << text;
  attach();
  start_with(0, services, 1, ",manage", {"--trust"});
  ASSERT_TRUE(become_served(services, 1024, true));
  EXPECT_TRUE(all_configured());
  advise_all(services, each, "quiesce");
  ASSERT_TRUE(become_served(services, 1024, false));
  EXPECT_EQ(connect_to(0)[3], 0);
  EXPECT_EQ(connect_to(services - 1)[3], 0);
}

TEST_F(SaspdOnXdp, SaysWhatIsMissing) {
  std::string text;
  EXPECT_EQ(ends_with({"saspd", "--backend", "xdp", "--pins", pins(), "--gwm", "127.0.0.1",
                       "--service", "web=tcp:192.0.2.10:80", "--member", "web=10.0.1.2:80",
                       "--control", path("control")},
                      &text),
            69);
  EXPECT_NE(text.find("saspd --attach --interface IF"), std::string::npos) << text;
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  EXPECT_EQ(ends_with({"saspd", "--attach", "--interface", "nosuch", "--pins", pins()}, &text), 78);
  EXPECT_NE(text.find("there is no interface 'nosuch'"), std::string::npos) << text;
  EXPECT_EQ(ends_with({"saspd", "--detach", "--pins", pins()}, &text), 69);
  std::string output;
  network_.director.run([&] {
    Program program({"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                     programs + "/saspd", "--attach", "--interface", "c0", "--pins", pins()},
                    path("unprivileged.log"));
    EXPECT_EQ(program.wait(seconds{5}), 77);
    output = program.log();
  });
  EXPECT_NE(output.find("it needs CAP_BPF and CAP_NET_ADMIN: run as root\n"), std::string::npos)
      << output;
  EXPECT_FALSE(std::filesystem::exists(pins())) << "nothing is left of it";
  start({"1", "1", "1", "1"});
  ASSERT_TRUE(all_have_slots(4));
  EXPECT_EQ(ends_with({"saspd", "--backend", "xdp", "--pins", pins(), "--gwm", "127.0.0.1",
                       "--service", "web=tcp:192.0.2.10:80", "--member", "web=10.0.1.2:80",
                       "--control", path("other")},
                      &text),
            75);
}

}  // namespace
}  // namespace saspd::test
