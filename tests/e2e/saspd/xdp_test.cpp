// SPDX-License-Identifier: Apache-2.0
// saspd --backend xdp as an operator runs it: client, director and servers in namespaces, real
// connections, on this machine's own kernel.

#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/crowd.hpp"
#include "tests/support/kernel_datagrams.hpp"

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

}  // namespace
}  // namespace saspd::test
