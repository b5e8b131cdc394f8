// SPDX-License-Identifier: Apache-2.0
// The kernel's own routes and neighbours, in namespaces of this machine: a director, whose next
// hops are asked for, and a peer at the other end of its eth0.
#include "netlink/next_hops.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "tests/support/director_network.hpp"
#include "tests/support/kernel_datagrams.hpp"
#include "tests/support/kernel_namespace.hpp"

namespace saspd::netlink {
namespace {

using State = NextHop::State;

IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}

constexpr Mac mac(std::uint8_t last) {
  return {2, 0, 0, 0, 0, last};
}
constexpr Mac ours = mac(0x01);
constexpr Mac peers = mac(0x02);

class KernelNextHops : public ::testing::Test {
 protected:
  KernelNextHops() {
    ip_route(
        fmt::format("link add eth0 address 02:00:00:00:00:01 type veth peer name far\n"
                    "link set far address 02:00:00:00:00:02 netns /proc/{}/fd/{}\n",
                    ::getpid(), peer_descriptor_));
    // The link-local address, which IPv6 asks from, is usable at once.
    std::ofstream("/proc/sys/net/ipv6/conf/eth0/accept_dad") << 0;
    ip_route(
        "link set eth0 up\n"
        "address add 10.1.0.1/16 dev eth0\n"
        "address add 2001:db8:1::1/64 dev eth0 nodad\n");
    at_peer(
        "link set far up\n"
        "address add 10.1.0.2/16 dev far\n"
        "address add 10.1.0.3/16 dev far\n"
        "address add 2001:db8:1::2/64 dev far nodad\n");
    wait_until_up("eth0");
    kernel::await_ipv6_addresses();
    director_.outside([] {
      wait_until_up("far");
      kernel::await_ipv6_addresses();
    });
    // A neighbour that does not answer is given up in a second, not in ten.
    for (const char* family : {"ipv4", "ipv6"}) {
      const std::string neigh = fmt::format("/proc/sys/net/{}/neigh/eth0/", family);
      std::ofstream(neigh + "retrans_time_ms") << 100;
      std::ofstream(neigh + "delay_first_probe_time") << 0;
    }
  }
  ~KernelNextHops() override { ::close(peer_descriptor_); }

  static void ip_route(const std::string& lines) { kernel::ip_batch(lines); }
  void at_peer(const std::string& lines) const {
    director_.outside([&] { ip_route(lines); });
  }

  // Until then packets are thrown away.
  static void wait_until_up(const std::string& interface) {
    while (kernel::output_of("ip link show " + interface).find("state UP") == std::string::npos)
      ::usleep(1000);
  }

  void open(const std::set<IpAddress>& wanted) {
    auto opened = NextHops::open();
    ASSERT_TRUE(opened) << opened.error().detail;
    hops_ = std::move(*opened);
    hops_->want(wanted);
  }

  void refresh() const {
    const auto done = hops_->refresh();
    EXPECT_TRUE(done) << done.error().detail;
  }

  std::map<IpAddress, NextHop> all() const {
    const auto resolved = hops_->resolve();
    EXPECT_TRUE(resolved) << resolved.error().detail;
    return *resolved;
  }
  NextHop hop(std::string_view address) const { return all().at(ip(address)); }

  // A new interface has more to tell for a while.
  void settle() const {
    pollfd events{hops_->descriptor(), POLLIN, 0};
    do {
      EXPECT_TRUE(hops_->read_events());
      all();
    } while (::poll(&events, 1, 500) > 0);
  }

  // Reads events, and only after those that announce a change looks whether the next hop is as
  // awaited.
  NextHop await(
      std::string_view address, const std::function<bool(const NextHop&)>& awaited,
      const std::function<void()>& between = [] {}) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    NextHop last = hop(address);
    while (std::chrono::steady_clock::now() < end) {
      between();
      pollfd events{hops_->descriptor(), POLLIN, 0};
      ::poll(&events, 1, 100);
      const auto changed = hops_->read_events();
      if (!changed) {
        ADD_FAILURE() << changed.error().detail;
        return last;
      }
      if (*changed) last = hop(address);
      if (*changed && awaited(last)) return last;
    }
    ADD_FAILURE() << address << " remains: " << last.text();
    return last;
  }
  NextHop await(std::string_view address, State state) const {
    return await(address, [state](const NextHop& hop) { return hop.state == state; });
  }

  // In the order of their making: what is outside the director is the peer.
  kernel::NetNamespace peer_;
  int peer_descriptor_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  kernel::NetNamespace director_;
  std::unique_ptr<NextHops> hops_;
};

TEST_F(KernelNextHops, ResolveAnAddressOnTheLink) {
  open({ip("10.1.0.2")});
  EXPECT_EQ(hop("10.1.0.2").text(), "neighbour 10.1.0.2 on eth0 is not resolved yet");
  refresh();
  const NextHop resolved = await("10.1.0.2", State::resolved);
  EXPECT_EQ(resolved.neighbour, ip("10.1.0.2"));
  EXPECT_EQ(resolved.interface_name, "eth0");
  EXPECT_EQ(resolved.interface, ::if_nametoindex("eth0"));
  EXPECT_EQ(resolved.mac, peers);
  EXPECT_EQ(resolved.source, ours);
  EXPECT_EQ(resolved.mtu, 1500U);
  EXPECT_EQ(resolved.text(), "eth0 via 10.1.0.2, 02:00:00:00:00:02");
}

TEST_F(KernelNextHops, LeadThroughAGatewayWithTheMtuOfTheRoute) {
  ip_route("route add 10.9.0.0/16 via 10.1.0.3 mtu 1400\n");
  open({ip("10.9.0.1"), ip("10.9.0.2")});
  refresh();
  const NextHop resolved = await("10.9.0.1", State::resolved);
  EXPECT_EQ(resolved.neighbour, ip("10.1.0.3"));
  EXPECT_EQ(resolved.mac, peers);
  EXPECT_EQ(resolved.mtu, 1400U);
  EXPECT_EQ(hop("10.9.0.2"), resolved);
}

TEST_F(KernelNextHops, ResolveIpv6) {
  ip_route(
      "route add 2001:db8:9::/64 via 2001:db8:1::2\n"
      "route add 10.8.0.0/16 via inet6 2001:db8:1::2\n");
  open({ip("2001:db8:1::2"), ip("2001:db8:9::9"), ip("10.8.0.1")});
  refresh();
  EXPECT_EQ(await("2001:db8:1::2", State::resolved).mac, peers);
  EXPECT_EQ(hop("2001:db8:9::9").neighbour, ip("2001:db8:1::2"));
  EXPECT_EQ(hop("2001:db8:9::9").mac, peers);
  EXPECT_EQ(hop("10.8.0.1").neighbour, ip("2001:db8:1::2"));
  EXPECT_EQ(hop("10.8.0.1").mac, peers);
}

TEST_F(KernelNextHops, TellWhyThereIsNone) {
  ip_route(
      "route add unreachable 10.6.0.0/16\n"
      "route add 2001:db8:6::/64 dev lo\n"
      "route add 10.7.0.0/16 dev lo\n");
  open({ip("10.1.0.1"), ip("127.0.0.1"), ip("::1"), ip("2001:db8:1::1"), ip("10.5.0.1"),
        ip("10.6.0.1"), ip("10.7.0.1"), ip("2001:db8:5::1"), ip("2001:db8:6::1")});
  for (const char* address : {"10.1.0.1", "127.0.0.1", "::1", "2001:db8:1::1"})
    EXPECT_EQ(hop(address).state, State::local) << address;
  for (const char* address : {"10.5.0.1", "10.6.0.1", "2001:db8:5::1"})
    EXPECT_EQ(hop(address).state, State::no_route) << address;
  for (const char* address : {"10.7.0.1", "2001:db8:6::1"})
    EXPECT_EQ(hop(address).state, State::no_ethernet) << address;
}

TEST_F(KernelNextHops, ShowANeighbourThatDoesNotAnswerAndLaterDoes) {
  open({ip("10.1.0.77"), ip("2001:db8:1::77")});
  refresh();
  EXPECT_EQ(await("10.1.0.77", State::failed).text(),
            "neighbour 10.1.0.77 on eth0 does not answer");
  at_peer("address add 10.1.0.77/16 dev far\n");
  refresh();
  EXPECT_EQ(await("10.1.0.77", State::resolved).mac, peers);
}

TEST_F(KernelNextHops, FollowANeighbourThatAnnouncesItsNewMac) {
  open({ip("10.1.0.2")});
  refresh();
  await("10.1.0.2", State::resolved);
  at_peer("link set far address 02:00:00:00:00:99\n");
  director_.outside([] {  // whoever sends announces itself
    const auto socket = kernel::datagram_socket({ip("10.1.0.2"), 0});
    const kernel::SocketAddress to({ip("10.1.0.1"), 9});
    ::sendto(socket.get(), "x", 1, 0, to.get(), to.size);
  });
  await("10.1.0.2", [](const NextHop& hop) { return hop.mac == mac(0x99); });
  ip_route("neighbour delete 10.1.0.2 dev eth0\n");
  await("10.1.0.2", State::unresolved);
}

TEST_F(KernelNextHops, FindAMacThatChangedInSilenceWhenRefreshed) {
  ip_route("neighbour replace 10.1.0.2 lladdr 02:00:00:00:00:55 dev eth0 nud stale\n");
  open({ip("10.1.0.2")});
  EXPECT_EQ(hop("10.1.0.2").mac, mac(0x55));
  await(
      "10.1.0.2", [](const NextHop& hop) { return hop.mac == peers; }, [this] { refresh(); });
}

TEST_F(KernelNextHops, FollowRoutes) {
  ip_route("route add 10.9.0.0/16 via 10.1.0.2\n");
  open({ip("10.9.0.1")});
  refresh();
  await("10.9.0.1", State::resolved);
  ip_route("route replace 10.9.0.0/16 via 10.1.0.3\n");
  EXPECT_EQ(await("10.9.0.1", State::unresolved).neighbour, ip("10.1.0.3"));
  ip_route("route delete 10.9.0.0/16\n");
  await("10.9.0.1", State::no_route);
  ip_route("route add table 7 10.9.0.0/16 via 10.1.0.2\n");
  EXPECT_TRUE(*hops_->read_events());
  EXPECT_EQ(hop("10.9.0.1").state, State::no_route);
  ip_route("rule add to 10.9.0.0/16 table 7\n");
  await("10.9.0.1", State::resolved);
}

TEST_F(KernelNextHops, FollowTheDefaultRoute) {
  open({ip("10.9.0.1"), ip("2001:db8:9::1")});
  EXPECT_EQ(hop("10.9.0.1").state, State::no_route);
  EXPECT_EQ(hop("2001:db8:9::1").state, State::no_route);
  ip_route("route add default via 10.1.0.2\n");
  EXPECT_EQ(await("10.9.0.1", State::unresolved).neighbour, ip("10.1.0.2"));
  ip_route("route add default via 2001:db8:1::2\n");
  EXPECT_EQ(await("2001:db8:9::1", State::unresolved).neighbour, ip("2001:db8:1::2"));
}

TEST_F(KernelNextHops, AreNotConcernedByRoutesToOthers) {
  open({ip("10.1.0.2"), ip("10.9.0.1"), ip("2001:db8:1::2")});
  // A new interface may have more to tell at any moment, but not in five rounds.
  const auto concerned = [this] {
    settle();
    ip_route(
        "route replace 10.8.0.0/16 via 10.1.0.2\n"
        "route replace 10.9.0.2/32 via 10.1.0.2\n"
        "route replace 192.0.2.0/24 via 10.1.0.2\n"
        "route replace 2001:db8:9::/48 via 2001:db8:1::2\n");
    return *hops_->read_events();
  };
  int rounds = 1;
  while (concerned() && rounds < 5)
    ++rounds;
  EXPECT_LT(rounds, 5);
}

TEST_F(KernelNextHops, FollowTheInterface) {
  // Else the routes of IPv6 tell what those of IPv4 do not.
  std::ofstream("/proc/sys/net/ipv6/conf/eth0/disable_ipv6") << 1;
  open({ip("10.1.0.2")});
  refresh();
  await("10.1.0.2", State::resolved);
  at_peer("link set far down\n");
  EXPECT_EQ(await("10.1.0.2", State::interface_down).text(), "interface eth0 has no link");
  at_peer("link set far up\n");
  await(
      "10.1.0.2", [](const NextHop& hop) { return hop.state == State::resolved; },
      [this] { refresh(); });
  ip_route("link set eth0 down\n");
  await("10.1.0.2", State::no_route);
  ip_route("link set eth0 up\n");
  await(
      "10.1.0.2", [](const NextHop& hop) { return hop.state == State::resolved; },
      [this] { refresh(); });
  ip_route("link set eth0 mtu 1300\n");
  await("10.1.0.2", [](const NextHop& hop) { return hop.mtu == 1300; });
  ip_route("link delete eth0\n");
  await("10.1.0.2", State::no_route);
}

// Without CAP_NET_ADMIN a datagram goes to the neighbour; with it none does.
class RefreshOf : public KernelNextHops, public ::testing::WithParamInterface<const char*> {
 protected:
  // The datagrams that the peer got at its discard port.
  int received_by_peer() const {
    int count = 0;
    char byte = 0;
    while (::recv(discard_->get(), &byte, 1, MSG_DONTWAIT) >= 0)
      ++count;
    return count;
  }
  void listen() {
    director_.outside([&] { discard_ = kernel::datagram_socket({ip(GetParam()), 9}); });
  }
  std::optional<Descriptor> discard_;
};

TEST_P(RefreshOf, AnIdleNeighbourResolvesIt) {
  listen();
  open({ip(GetParam())});
  refresh();
  EXPECT_EQ(await(GetParam(), State::resolved).mac, peers);
  EXPECT_EQ(received_by_peer(), 0);
}

TEST_P(RefreshOf, AnIdleNeighbourResolvesItWithoutACapabilityToo) {
  listen();
  open({ip(GetParam())});
  ASSERT_EQ(::seteuid(65534), 0);
  refresh();
  await(GetParam(), State::resolved);
  pollfd arrived{discard_->get(), POLLIN, 0};  // the neighbour is known before its datagram is sent
  EXPECT_EQ(::poll(&arrived, 1, 30'000), 1);
  EXPECT_EQ(received_by_peer(), 1);
  refresh();  // it is known to be reachable
  EXPECT_EQ(::seteuid(0), 0);
  EXPECT_EQ(received_by_peer(), 0);
}

INSTANTIATE_TEST_SUITE_P(Family, RefreshOf, ::testing::Values("10.1.0.2", "2001:db8:1::2"),
                         [](const auto& family) {
                           return std::string(family.index == 0 ? "Ipv4" : "Ipv6");
                         });

// A gateway that is in no route of its own, which only the interface leads to.
TEST_F(KernelNextHops, RefreshAGatewayOutsideOfEverySubnetWithoutACapability) {
  at_peer("address add 172.31.0.1/32 dev far\n");
  ip_route(
      "route add 10.9.0.0/16 via 172.31.0.1 dev eth0 onlink\n"
      "route add default via 10.1.0.77\n");
  open({ip("10.9.0.1")});
  ASSERT_EQ(::seteuid(65534), 0);
  refresh();
  EXPECT_EQ(await("10.9.0.1", State::resolved).mac, peers);
  EXPECT_EQ(::seteuid(0), 0);
}

// --- devices on devices

// The director's side is a bridge: eth0 is a port of it.
class NextHopsOnABridge : public KernelNextHops {
 protected:
  NextHopsOnABridge() {
    ip_route(
        "link add br0 address 02:00:00:00:00:b0 type bridge\n"
        "link set eth0 master br0\nlink set br0 up\n"
        "address flush dev eth0\naddress add 10.1.0.1/16 dev br0\n");
    wait_until_up("br0");
  }
  NextHop resolved(std::vector<unsigned> native) {
    open({ip("10.1.0.2")});
    hops_->set_native(std::move(native));
    refresh();
    return await("10.1.0.2", State::resolved);
  }
};

TEST_F(NextHopsOnABridge, SendByTheBridgeInGenericMode) {
  const NextHop hop = resolved({});
  EXPECT_EQ(hop.exit, ::if_nametoindex("br0"));
  EXPECT_EQ(hop.source, mac(0xB0));
  EXPECT_EQ(hop.text(), "br0 via 10.1.0.2, 02:00:00:00:00:02");
}

TEST_F(NextHopsOnABridge, SendByThePortThatTheBridgeKnowsInNativeMode) {
  const NextHop hop = resolved({::if_nametoindex("eth0")});
  EXPECT_EQ(hop.exit, ::if_nametoindex("eth0"));
  EXPECT_EQ(hop.source, mac(0xB0));
  EXPECT_EQ(hop.mac, peers);
  EXPECT_EQ(hop.text(), "br0 (port eth0) via 10.1.0.2, 02:00:00:00:00:02");
  ip_route(
      "link set eth0 type bridge_slave learning off\n"
      "neighbour replace 10.1.0.2 lladdr 02:00:00:00:00:02 dev br0 nud permanent\n");
  kernel::feed("bridge -batch -", "fdb del 02:00:00:00:00:02 dev eth0 master\n");
  EXPECT_EQ(await("10.1.0.2", State::no_port).text(),
            "bridge br0 has not learned yet which port 10.1.0.2 is behind");
}

TEST_F(NextHopsOnABridge, KnowAPortThatTheBridgeLearntBefore) {
  kernel::feed("bridge -batch -", "fdb replace 02:00:00:00:00:02 dev eth0 master static\n");
  ip_route("neighbour replace 10.1.0.2 lladdr 02:00:00:00:00:02 dev br0 nud permanent\n");
  open({ip("10.1.0.2")});
  hops_->set_native({::if_nametoindex("eth0")});
  EXPECT_EQ(hop("10.1.0.2").exit, ::if_nametoindex("eth0")) << hop("10.1.0.2").text();
}

TEST_F(NextHopsOnABridge, AreNotTrustedToABridgeThatFiltersVlans) {
  // An entry of no VLAN, and of each, in whatever order they are listed.
  kernel::feed("bridge -batch -", "fdb replace 02:00:00:00:00:02 dev eth0 master static\n");
  if (std::system("ip link set br0 type bridge vlan_filtering 1 2> /dev/null") != 0)
    GTEST_SKIP() << "bridges of this kernel filter no VLANs";
  ip_route("neighbour replace 10.1.0.2 lladdr 02:00:00:00:00:02 dev br0 nud permanent\n");
  open({ip("10.1.0.2")});
  hops_->set_native({::if_nametoindex("eth0")});
  EXPECT_EQ(hop("10.1.0.2").state, State::no_transmit) << hop("10.1.0.2").text();
  ip_route("link set br0 type bridge vlan_filtering 0\n");
  await("10.1.0.2", State::resolved);
  ip_route("link set br0 type bridge vlan_filtering 1\n");
  await("10.1.0.2", State::no_transmit);
}

TEST_F(KernelNextHops, SayWhatCannotTransmitInNativeMode) {
  if (!XdpFeatures().can_transmit(::if_nametoindex("eth0")))
    GTEST_SKIP() << "this kernel does not say what a device can transmit (before 6.3)";
  ip_route("neighbour replace 10.1.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent\n");
  open({ip("10.1.0.2")});
  EXPECT_EQ(hop("10.1.0.2").state, State::resolved);
  // The program is somewhere else: on the interface itself it could send back.
  hops_->set_native({::if_nametoindex("lo")});
  EXPECT_EQ(hop("10.1.0.2").state, State::no_transmit);
  EXPECT_NE(hop("10.1.0.2").text().find("interface eth0 cannot transmit"), std::string::npos);
  hops_->set_native({::if_nametoindex("eth0")});
  EXPECT_EQ(hop("10.1.0.2").state, State::resolved);
  hops_->set_native({::if_nametoindex("lo")});
  director_.outside([] { kernel::set_offload("far", ETHTOOL_SGRO, true); });
  refresh();
  EXPECT_TRUE(*hops_->read_events());
  EXPECT_EQ(hop("10.1.0.2").state, State::resolved);
}

TEST_F(KernelNextHops, DoNotTransmitByAMacvlanInNativeMode) {
  ip_route(
      "link add vrrp7 link eth0 address 00:00:5e:00:01:07 type macvlan\nlink set vrrp7 up\n"
      "route add 10.9.0.1/32 dev vrrp7\n"
      "neighbour replace 10.9.0.1 lladdr 02:00:00:00:00:09 dev vrrp7 nud permanent\n");
  open({ip("10.9.0.1")});
  EXPECT_EQ(hop("10.9.0.1").state, State::resolved);
  hops_->set_native({::if_nametoindex("eth0")});
  EXPECT_EQ(hop("10.9.0.1").state, State::no_transmit);
}

// Next hops by a VLAN device: on an interface, and on a bond.
class NextHopsInAVlan : public KernelNextHops, public ::testing::WithParamInterface<const char*> {
 protected:
  static bool make() {
    const std::string on = GetParam();
    if (on == "bond0" &&
        std::system("ip link add bond0 type bond mode active-backup 2> /dev/null && ip link set "
                    "eth0 down && ip link set eth0 master bond0 && ip link set bond0 up") != 0)
      return false;
    return std::system(
               ("ip link add vlan100 link " + on + " type vlan id 100 2> /dev/null").c_str()) == 0;
  }
};

TEST_P(NextHopsInAVlan, AreSentTaggedByWhatTheVlanIsOnInNativeMode) {
  if (!make()) GTEST_SKIP() << "this kernel has no VLAN devices or bonds";
  ip_route(
      "link set vlan100 up\nlink set vlan100 mtu 1400\naddress add 10.2.0.1/16 dev vlan100\n"
      "neighbour replace 10.2.0.2 lladdr 02:00:00:00:00:02 dev vlan100 nud permanent\n");
  open({ip("10.2.0.2")});
  const unsigned vlan = ::if_nametoindex("vlan100"), parent = ::if_nametoindex(GetParam());
  NextHop generic = hop("10.2.0.2");
  if (generic.state == State::interface_down) generic = await("10.2.0.2", State::resolved);
  EXPECT_EQ(generic.exit, vlan);
  EXPECT_EQ(generic.vlan, 0);
  hops_->set_native({parent});
  const NextHop native = hop("10.2.0.2");
  EXPECT_EQ(native.state, State::resolved) << native.text();
  EXPECT_EQ(native.interface, vlan);
  EXPECT_EQ(native.exit, parent);
  EXPECT_EQ(native.vlan, 100);
  EXPECT_EQ(native.mtu, 1400U);
  EXPECT_EQ(native.text(),
            fmt::format("vlan100 (VLAN 100 of {}) via 10.2.0.2, 02:00:00:00:00:02", GetParam()));
  const auto devices = devices_on(hops_->links(), parent);
  EXPECT_TRUE(std::any_of(devices.begin(), devices.end(), [&](const Device& device) {
    return device.vlan == 100 && device.macs == std::vector<Mac>{native.source};
  }));
}

INSTANTIATE_TEST_SUITE_P(On, NextHopsInAVlan, ::testing::Values("eth0", "bond0"),
                         [](const auto& on) { return std::string(on.param); });

class ThousandNextHops : public KernelNextHops {
 protected:
  static std::string address(int i) { return fmt::format("10.1.{}.{}", 1 + i / 250, 1 + i % 250); }
  // Static entries, which the kernel's limits do not count.
  static void set_macs(int last_byte) {
    std::string lines;
    for (int i = 0; i < 1000; ++i) {
      lines += fmt::format("neighbour replace {} lladdr 02:00:00:00:01:{:02x} dev eth0\n",
                           address(i), last_byte);
    }
    ip_route(lines);
  }
  void open_all() {
    std::set<IpAddress> wanted;
    for (int i = 0; i < 1000; ++i)
      wanted.insert(ip(address(i)));
    open(wanted);
  }
  void expect_all(std::uint8_t last_byte) const {
    const auto resolved = all();
    EXPECT_EQ(resolved.size(), 1000U);
    for (const auto& [address, hop] : resolved)
      EXPECT_EQ(hop.mac, (Mac{2, 0, 0, 0, 1, last_byte})) << address.text();
  }
};

TEST_F(ThousandNextHops, AreResolved) {
  set_macs(1);
  open_all();
  expect_all(1);
  settle();
  ip_route("neighbour replace 10.1.2.7 lladdr 02:00:00:00:01:09 dev eth0\n");
  await("10.1.2.7", [](const NextHop& hop) { return hop.mac[5] == 9; });
}

TEST_F(ThousandNextHops, AreRightAfterEventsWereLost) {
  open_all();
  settle();
  // More than the socket's buffer takes; the last ones are those that are lost.
  for (int i = 1; i <= 8; ++i)
    set_macs(i);
  EXPECT_TRUE(*hops_->read_events());
  expect_all(8);
}

}  // namespace
}  // namespace saspd::netlink
