// SPDX-License-Identifier: Apache-2.0
// Blackhole routes and the rules that lead to them, judged by what the kernel does with routes and
// packets.
#include "netlink/blackhole.hpp"

#include <gtest/gtest.h>

#include <sys/syscall.h>

#include <fstream>

#include <fmt/format.h>

#include "netlink/reverse_path.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/kernel_namespace.hpp"
#include "tests/support/traced.hpp"

namespace saspd::netlink {
namespace {

const IpAddress vip = *IpAddress::parse("192.0.2.10");
const IpAddress vip6 = *IpAddress::parse("2001:db8:f::10");

class KernelBlackhole : public testing::Test {
 protected:
  KernelBlackhole() {
    for (const char* path :
         {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"})
      std::ofstream(path) << 1;
    ip("link add in0 type veth peer name out0\nlink set in0 up\nlink set out0 up\n"
       "address add 198.51.100.1/24 dev in0\naddress add 2001:db8:c::1/64 dev in0 nodad\n"
       "route add default via 198.51.100.254\nroute add ::/0 via 2001:db8:c::fe\n");
  }
  static void ip(std::string_view lines) { kernel::feed("ip -batch -", lines); }
  // What becomes of a packet, by the kernel's look-up.
  static std::string way_of(std::string_view to, std::string_view from, std::string_view in) {
    return kernel::output_of(
        fmt::format("ip route get {} from {} iif {} 2>&1 || true", to, from, in));
  }
  static bool is_dropped(std::string_view to, std::string_view from, std::string_view in = "in0") {
    return way_of(to, from, in).find("dev saspd-drop") != std::string::npos;
  }
  static std::string all() {
    return kernel::output_of(
        "ip rule; ip -6 rule; ip -brief link show type bridge | cut -d' ' -f1;"
        "ip -4 route show table all;"
        "ip -6 route show table 3860 2>/dev/null || true");
  }
  static void put(const Blackhole& wanted) {
    const auto done = put_in_place(wanted);
    ASSERT_TRUE(done) << done.error().detail;
    const auto there = is_in_place(wanted);
    ASSERT_TRUE(there) << there.error().detail;
    EXPECT_TRUE(*there);
  }

  kernel::NetNamespace namespace_;
};

TEST_F(KernelBlackhole, DropsWhatWouldBeRoutedBack) {
  const auto before = all();
  EXPECT_FALSE(is_dropped("192.0.2.10", "198.51.100.2"));
  EXPECT_FALSE(is_dropped("2001:db8:f::10", "2001:db8:c::2"));
  const Blackhole both{{vip, vip6}, {"in0"}};
  EXPECT_FALSE(*is_in_place(both));
  put(both);
  EXPECT_TRUE(is_dropped("192.0.2.10", "198.51.100.2"))
      << way_of("192.0.2.10", "198.51.100.2", "in0");
  EXPECT_TRUE(is_dropped("2001:db8:f::10", "2001:db8:c::2"));
  EXPECT_FALSE(is_dropped("192.0.2.11", "198.51.100.2")) << "other addresses";
  EXPECT_FALSE(is_dropped("192.0.2.10", "198.51.100.2", "out0")) << "other interfaces";
  EXPECT_EQ(kernel::output_of("ip route get 192.0.2.10").find("saspd-drop"), std::string::npos)
      << "packets of our own";
  const auto with = all();
  put(both);
  EXPECT_EQ(all(), with);
  put({{vip}, {"in0", "later0"}});
  EXPECT_FALSE(is_dropped("2001:db8:f::10", "2001:db8:c::2"));
  put({});
  EXPECT_EQ(all(), before);
}

TEST_F(KernelBlackhole, LeavesAddressesOfThisHostAndRoutesToThem) {
  ip("link add in1 type veth peer name out1\nlink set in1 up\nlink set out1 up\n"
     "address add 10.0.0.1/24 dev in1\n");
  put({{vip}, {"in0"}});
  ASSERT_TRUE(is_dropped("192.0.2.10", "198.51.100.2"));
  ip("route add 192.0.2.10/32 via 10.0.0.9\n");
  EXPECT_NE(way_of("192.0.2.10", "198.51.100.2", "in0").find("via 10.0.0.9"), std::string::npos);
  ip("route del 192.0.2.10/32\nroute add 192.0.2.0/24 via 10.0.0.9\n");
  EXPECT_TRUE(is_dropped("192.0.2.10", "198.51.100.2")) << "as by a blackhole in the main table";
  EXPECT_NE(way_of("192.0.2.9", "198.51.100.2", "in0").find("via 10.0.0.9"), std::string::npos);
  ip("address add 192.0.2.10/32 dev lo\n");
  EXPECT_NE(way_of("192.0.2.10", "198.51.100.2", "in0").find("local"), std::string::npos);
}

// The answers of Direct Server Return come from the service address.
TEST_F(KernelBlackhole, LeavesWhatComesFromTheAddress) {
  ip("link add in1 type veth peer name out1\nlink set in1 up\nlink set out1 up\n"
     "address add 10.0.0.1/24 dev in1\n");
  for (const char* path :
       {"/proc/sys/net/ipv4/conf/all/rp_filter", "/proc/sys/net/ipv4/conf/in1/rp_filter"})
    std::ofstream(path) << 2;
  const auto is_forwarded = [] {
    return way_of("198.51.100.2", "192.0.2.10", "in1").find("dev in0") != std::string::npos;
  };
  ASSERT_TRUE(is_forwarded());
  put({{vip}, {"in0", "in1"}});
  EXPECT_TRUE(is_forwarded()) << way_of("198.51.100.2", "192.0.2.10", "in1");
  // Not so with what is simpler.
  put({});
  ip("rule add iif in0 to 192.0.2.10 blackhole\n");
  EXPECT_FALSE(is_forwarded());
  ip("rule del iif in0 to 192.0.2.10 blackhole\nroute add blackhole 192.0.2.10/32\n");
  EXPECT_FALSE(is_forwarded());
}

// With a strict filter they have to come in elsewhere.
TEST_F(KernelBlackhole, TakesAnswersWithItWhereTheFilterIsStrict) {
  const auto set = [](int value) {
    std::ofstream("/proc/sys/net/ipv4/conf/in0/rp_filter") << value;
  };
  const auto is_forwarded = [] {
    return way_of("198.51.100.2", "192.0.2.10", "in0").find("dev in0") != std::string::npos;
  };
  set(1);
  ASSERT_TRUE(is_forwarded()) << way_of("198.51.100.2", "192.0.2.10", "in0");
  put({{vip}, {"in0"}});
  EXPECT_FALSE(is_forwarded());
  EXPECT_EQ(*with_strict_reverse_path({"in0", "out0", "none0"}), (std::set<std::string>{"in0"}));
  set(2);
  EXPECT_TRUE(is_forwarded());
  EXPECT_EQ(*with_strict_reverse_path({"in0", "out0"}), std::set<std::string>{});
}

// A message to the kernel that is lost has no answer; without a limit nobody would go on.
TEST_F(KernelBlackhole, DoesNotWaitForAnAnswerThatNeverComes) {
  put({{vip}, {"in0"}});
  std::size_t lost = 0;
  for (bool met = true; met; lost += met ? 1U : 0U) {
    const auto look = [] {
      kernel::Traced::from_here();
      (void)is_in_place({{vip}, {"in0"}});
    };
    met = kernel::Traced(look, SYS_sendmsg, lost, kernel::Fate::lost).met();
  }
  EXPECT_EQ(lost, 4U) << "routes and rules of two families";
  const auto links = [] {
    kernel::Traced::from_here();
    (void)read_links();
  };
  EXPECT_TRUE(kernel::Traced(links, SYS_sendmsg, 0, kernel::Fate::lost).met());
}

TEST_F(KernelBlackhole, LeavesRoutesAndRulesOfOthers) {
  ip("route add blackhole 192.0.2.77/32 table 3860\nrule add iif in0 lookup 3860 pref 100\n"
     "rule add to 203.0.113.0/24 lookup 77 pref 32765\n");
  const auto before = all();
  put({{vip}, {"in0"}});
  put({});
  EXPECT_EQ(all(), before);
}

// Removing a package leaves it, as it leaves the program. The scripts say how to end it.
TEST_F(KernelBlackhole, EndsAsThePackagesSay) {
  for (const auto* script : {"/debian/saspd.postrm", "/rpm/saspd.spec"}) {
    const auto before = all();
    put({{vip, vip6}, {"in0", "out0"}});
    ASSERT_NE(all(), before);
    std::ifstream lines(TESTS_DIR "/../packaging" + std::string(script));
    constexpr std::string_view shown = "echo \"saspd:   ";
    int commands = 0;
    for (std::string line; std::getline(lines, line);) {
      const auto start = line.find(shown);
      if (start == std::string::npos) continue;
      const auto command = line.substr(start + shown.size());
      kernel::output_of(command.substr(0, command.rfind('"')) + " 2>&1 || true");
      ++commands;
    }
    EXPECT_EQ(commands, 2) << script;
    EXPECT_EQ(all(), before) << script;
  }
}

TEST_F(KernelBlackhole, ComesBackAndTakesNobodysDevice) {
  put({{vip}, {"in0"}});
  ip("link del saspd-drop\n");
  EXPECT_FALSE(*is_in_place({{vip}, {"in0"}}));
  put({{vip}, {"in0"}});
  ip("link set saspd-drop down\n");
  EXPECT_FALSE(*is_in_place({{vip}, {"in0"}}));
  put({{vip}, {"in0"}});
  put({});
  ip("link add saspd-drop type veth peer name other\n");
  EXPECT_EQ(put_in_place({{vip}, {"in0"}}).error().code, std::errc::device_or_resource_busy);
  EXPECT_EQ(kernel::output_of("ip rule").find("3860"), std::string::npos);
}

TEST_F(KernelBlackhole, KnowsWhatPacketsComeInBy) {
  ip("link add br0 type bridge\nlink set in0 master br0\n");
  const auto links = read_links();
  ASSERT_TRUE(links);
  for (const auto& [index, link] : *links) {
    if (link.name != "in0") continue;
    EXPECT_EQ(names_above(*links, index), (std::set<std::string>{"br0", "in0"}));
  }
}

}  // namespace
}  // namespace saspd::netlink
