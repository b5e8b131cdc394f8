// SPDX-License-Identifier: Apache-2.0
// Servers that are lost, in every way there is, on real IPVS: who gets the connections, and whether
// saspd, its log and `saspctl status --check` say so.

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::test {
namespace {

using kernel::Connection;

const Endpoint service = *Endpoint::parse("10.9.0.10:80");

std::vector<Endpoint> servers() {
  std::vector<Endpoint> endpoints;
  for (int i = 1; i <= 4; ++i)
    endpoints.push_back(*Endpoint::parse(fmt::format("10.9.1.{}:80", i)));
  return endpoints;
}

void set_ipvs(std::string_view name, int value) {
  std::ofstream(fmt::format("/proc/sys/net/ipv4/vs/{}", name)) << value;
}

// A UDP client that keeps its port, and servers that answer with their number.
class Datagrams {
 public:
  Datagrams() {
    for (int i = 1; i <= 4; ++i)
      servers_.push_back(bound(fmt::format("10.9.1.{}:53", i)));
    client_ = bound("10.9.0.10:5353");
  }
  // The server that got a datagram to the service; 0: none did.
  int led_to() {
    const kernel::SocketAddress to(*Endpoint::parse("10.9.0.10:53"));
    ::sendto(client_.get(), "x", 1, 0, to.get(), to.size);
    std::vector<pollfd> watched;
    for (const auto& server : servers_)
      watched.push_back({server.get(), POLLIN, 0});
    ::poll(watched.data(), watched.size(), 500);
    int got = 0;
    for (std::size_t i = 0; i < watched.size(); ++i) {
      char byte = 0;
      if (watched[i].revents == 0) continue;
      got = static_cast<int>(i) + 1;
      ::recv(servers_[i].get(), &byte, 1, 0);
    }
    return got;
  }

 private:
  static Descriptor bound(const std::string& at) {
    const kernel::SocketAddress address(*Endpoint::parse(at));
    Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), address.get(), address.size) != 0) throw std::runtime_error(at);
    return socket;
  }
  std::vector<Descriptor> servers_;
  Descriptor client_;
};

class LossOnIpvs : public SaspdOnIpvs {
 protected:
  // Whether the group has this alarm; urgent ones with "!".
  bool has_alarm(std::string_view name) const {
    const auto now = status();
    if (!now.is_object()) return false;
    for (const auto& group : now.at("groups").as_array()) {
      for (const auto& alarm : group.at("alarms").as_array()) {
        const std::string found =
            std::string(alarm.at("name").as_string()) + (alarm.at("urgent").as_bool() ? "!" : "");
        if (found == name) return true;
      }
    }
    return false;
  }
  bool raises(std::string_view name) const {
    return eventually([&] { return has_alarm(name); });
  }
  bool drops(std::string_view name) const {
    return eventually([&] { return status().is_object() && !has_alarm(name); });
  }
  int check() {
    return ends_with({programs + "/saspctl", "--socket", path("control"), "status", "--check"});
  }
  bool logged(std::string_view line) const {
    return eventually([&] { return saspd_->log().find(line) != std::string::npos; });
  }
};

TEST_F(LossOnIpvs, OfAllServersOneByOneLeavesTheLoadOnAll) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  EXPECT_EQ(check(), 0);
  advise({"down", "30", "20", "10"});
  ASSERT_TRUE(comes_to("0 30 20 10"));
  advise({"down", "down", "20", "10"});
  ASSERT_TRUE(comes_to("0 0 20 10"));
  advise({"down", "down", "down", "10"});
  ASSERT_TRUE(comes_to("0 0 0 10"));
  advise({"down", "down", "down", "down"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  EXPECT_TRUE(raises("held_all_zero!"));
  EXPECT_EQ(check(), 1);
  EXPECT_TRUE(logged("error: alarm: tcp:10.9.0.10:80 held_all_zero: "));
  kernel::Servers listening(servers());
  std::set<std::size_t> served;
  for (int i = 0; i < 100; ++i) {
    const auto connection = Connection::open(service);
    ASSERT_TRUE(connection) << i;
    served.insert(connection->server());
  }
  EXPECT_EQ(served.size(), 4U);
  advise({"40", "30", "20", "10"});
  EXPECT_TRUE(logged("warning: alarm ended: tcp:10.9.0.10:80 held_all_zero"));
}

TEST_F(LossOnIpvs, OfMoreThanPanicAllowsIsHeldBack) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd({"--panic", "60"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  advise({"down", "down", "20", "11"});
  EXPECT_TRUE(comes_to("40 30 20 11"));
  EXPECT_EQ(member(1).at("reason").as_string(), "held_panic");
  EXPECT_EQ(status().at_pointer("/groups/0/held").as_string(), "panic");
  EXPECT_EQ(check(), 1);
  advise({"down", "30", "20", "10"});
  EXPECT_TRUE(comes_to("0 30 20 10"));
}

TEST_F(LossOnIpvs, IsNeverHealthyWhenNobodyIsLeft) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  advise({"quiesce", "quiesce", "quiesce", "quiesce"});
  ASSERT_TRUE(comes_to("0 0 0 0"));
  EXPECT_TRUE(raises("no_server!"));
  EXPECT_EQ(check(), 1);
  EXPECT_TRUE(
      logged("error: alarm: tcp:10.9.0.10:80 no_server: none of its 4 servers has a weight"));
  advise({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  EXPECT_TRUE(drops("no_server!"));
  EXPECT_TRUE(logged("warning: alarm ended: tcp:10.9.0.10:80 no_server"));
  for (int i = 1; i <= 4; ++i)
    Ipvsadm::run(fmt::format("-e -t 10.9.0.10:80 -r 10.9.1.{}:80 -m -w 0\n", i));
  EXPECT_TRUE(raises("no_server!"));
  EXPECT_EQ(check(), 1);
  for (int i = 1; i <= 4; ++i)
    Ipvsadm::run(fmt::format("-d -t 10.9.0.10:80 -r 10.9.1.{}:80\n", i));
  EXPECT_TRUE(eventually([&] {
    const auto now = status();
    return now.is_object() && now.at_pointer("/groups/0/members").as_array().empty();
  }));
  EXPECT_TRUE(raises("no_server!"));
  EXPECT_EQ(check(), 1);
}

// `ipvsadm -C` beside --adopt.
TEST_F(LossOnIpvs, OfTheWholeTableIsNotHealthy) {
  given_service();
  const std::string table = Ipvsadm::saved();
  write_weights("tcp:10.9.0.10:80 10.9.1.1:80 40\n");
  start_gwm();
  run_saspd({"--adopt"});
  ASSERT_TRUE(gwm_becomes("established"));
  Ipvsadm::run("-C\n");
  EXPECT_TRUE(raises("vanished!"));
  EXPECT_EQ(check(), 1);
  EXPECT_TRUE(logged("error: alarm: tcp:10.9.0.10:80 vanished: "));
  Ipvsadm::run(table);
  EXPECT_TRUE(drops("vanished!"));
  EXPECT_TRUE(logged("tcp:10.9.0.10:80 is in the kernel now"));
  EXPECT_TRUE(logged("warning: alarm ended: tcp:10.9.0.10:80 vanished"));
}

// The README's first start, with a line for one of the servers: the others go on.
TEST_F(LossOnIpvs, ByLinesThatAreMissingIsAnAlarm) {
  given_service();
  advise({"40"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(comes_to("40 10 10 10"));
  EXPECT_TRUE(raises("partly_known!"));
  EXPECT_EQ(check(), 1);
  EXPECT_TRUE(logged("error: alarm: web partly_known: "));
}

// A GWM without a word for any of the servers: everything runs, and nobody steers.
TEST_F(LossOnIpvs, OfAllAdviceIsNotHealthy) {
  given_service();
  write_weights("# nothing yet\n");
  start_gwm();
  start_saspd({"--stale-after", "3"});
  ASSERT_TRUE(gwm_becomes("established"));
  EXPECT_TRUE(raises("no_advice!"));
  EXPECT_EQ(check(), 1);
  EXPECT_TRUE(
      logged("error: alarm: tcp:10.9.0.10:80 no_advice: no GWM steers it, and the weights "
             "stay as they are: the GWM knows the state of none of its servers"));
  advise({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  EXPECT_TRUE(drops("no_advice!"));
  EXPECT_EQ(check(), 0);
  advise({"unknown", "unknown", "unknown", "unknown"});
  EXPECT_TRUE(raises("no_advice!"));
  EXPECT_EQ(check(), 1);
  EXPECT_EQ(kernel_weights(), "40 30 20 10");
}

TEST_F(LossOnIpvs, LeavesPersistentClientsWithAServerAtZeroAndSaysSo) {
  kernel::Servers listening(servers());
  given_service();
  Ipvsadm::run("-E -t 10.9.0.10:80 -s wrr -p 300\n");
  advise({"10", "10", "10", "11"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(comes_to("10 10 10 11"));
  EXPECT_TRUE(raises("persistent_drain"));
  EXPECT_EQ(check(), 0) << "a hint, while nobody is at 0";
  const auto first = Connection::open(service);
  ASSERT_TRUE(first);
  std::vector<std::string> words{"10", "10", "10", "11"};
  words.at(first->server()) = "quiesce";
  advise(words);
  ASSERT_TRUE(eventually([] {
    return kernel_weights().find("0 ") == 0 || kernel_weights().find(" 0") != std::string::npos;
  }));
  for (int i = 0; i < 5; ++i) {
    const auto next = Connection::open(service);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->server(), first->server()) << "the kernel does what the alarm says";
  }
  EXPECT_TRUE(raises("persistent_drain!"));
  EXPECT_EQ(check(), 1);
  set_ipvs("expire_quiescent_template", 1);
  EXPECT_TRUE(drops("persistent_drain!"));
  for (int i = 0; i < 5; ++i) {
    const auto next = Connection::open(service);
    ASSERT_TRUE(next);
    EXPECT_NE(next->server(), first->server());
  }
  EXPECT_EQ(check(), 0);
}

TEST_F(LossOnIpvs, LeavesUdpFlowsWithADeadServerAndSaysSo) {
  Datagrams datagrams;
  std::string rules = "-A -u 10.9.0.10:53 -s rr\n";
  std::string weights;
  for (int i = 1; i <= 4; ++i) {
    rules += fmt::format("-a -u 10.9.0.10:53 -r 10.9.1.{}:53 -m -w 1\n", i);
    weights += fmt::format("dns udp:10.9.1.{}:53 1\n", i);
  }
  Ipvsadm::run(rules);
  write_weights(weights);
  start_gwm();
  run_saspd({"--service", "dns=udp:10.9.0.10:53"});
  ASSERT_TRUE(gwm_becomes("established"));
  const int server = datagrams.led_to();
  ASSERT_NE(server, 0);
  const std::string line = fmt::format("10.9.1.{}:53 1", server);
  weights.replace(weights.find(line), line.size(), fmt::format("10.9.1.{}:53 down", server));
  write_weights(weights);
  ASSERT_TRUE(eventually([] { return kernel_weights().find('0') != std::string::npos; }));
  EXPECT_EQ(datagrams.led_to(), server) << "the kernel does what the alarm says";
  EXPECT_TRUE(raises("udp_stays!"));
  EXPECT_EQ(check(), 1);
  // What the alarm offers. Without the setting the datagrams are dropped.
  Ipvsadm::run(fmt::format("-d -u 10.9.0.10:53 -r 10.9.1.{}:53\n", server));
  EXPECT_EQ(datagrams.led_to(), 0);
  set_ipvs("expire_nodest_conn", 1);
  datagrams.led_to();  // ends the flow
  const int next = datagrams.led_to();
  EXPECT_NE(next, 0);
  EXPECT_NE(next, server);
  EXPECT_TRUE(drops("udp_stays!"));
}

}  // namespace
}  // namespace saspd::test
