// SPDX-License-Identifier: Apache-2.0
// The words of ipvsadm; that it takes them, and what it makes of them, is shown with a kernel.
#include "netlink/ipvsadm_rules.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

namespace saspd::netlink {
namespace {

using Rules = std::vector<std::string>;

std::uint32_t mask(std::string_view text) {
  const auto address = *IpAddress::parse(text);
  std::uint32_t netmask = 0;
  std::memcpy(&netmask, address.bytes().data(), sizeof netmask);
  return netmask;
}

// The rule of one service without destinations.
std::string rule(std::string_view spec, std::string_view scheduler, std::uint32_t flags = 0,
                 std::uint32_t timeout = 0, std::optional<std::uint32_t> netmask = {},
                 std::string_view engine = "") {
  const auto key = *lb::parse_service(spec);
  lb::Pool pool;
  pool.scheduler = scheduler;
  pool.flags = flags | lb::service_flag::hashed;
  pool.timeout = timeout;
  pool.netmask = netmask.value_or(lb::host_netmask(lb::family(key)));
  pool.persistence_engine = engine;
  return ipvsadm_rules({{key, pool}}).at(0);
}

const Endpoint server = *Endpoint::parse("10.0.0.1:80");

// What is said of one destination after its service and endpoint.
std::string rule(const lb::Destination& destination) {
  const lb::Pool pool{{"rr", 0, 0, 0xFFFFFFFF, ""}, {{server, destination}}};
  const std::string line = ipvsadm_rules({{*lb::parse_service("tcp:192.0.2.1:80"), pool}}).at(1);
  const std::string start = "-a -t 192.0.2.1:80 -r 10.0.0.1:80 ";
  EXPECT_EQ(line.substr(0, start.size()), start);
  return line.substr(start.size());
}

TEST(IpvsadmRules, NameEveryKindOfService) {
  EXPECT_EQ(rule("tcp:192.0.2.1:80", "wrr"), "-A -t 192.0.2.1:80 -s wrr");
  EXPECT_EQ(rule("udp:[2001:db8::1]:53", "rr"), "-A -u [2001:db8::1]:53 -s rr");
  EXPECT_EQ(rule("sctp:192.0.2.1:5000", "lc"), "-A --sctp-service 192.0.2.1:5000 -s lc");
  EXPECT_EQ(rule("fwmark:4294967295", "rr"), "-A -f 4294967295 -s rr");
  EXPECT_EQ(rule("fwmark6:7", "rr"), "-A -f 7 -6 -s rr");
}

TEST(IpvsadmRules, TellEveryAttributeOfAService) {
  using namespace lb::service_flag;
  EXPECT_EQ(rule("tcp:192.0.2.1:0", "wlc", persistent, 300), "-A -t 192.0.2.1:0 -s wlc -p 300");
  EXPECT_EQ(rule("tcp:192.0.2.1:80", "wlc", persistent, 60, mask("255.255.240.0")),
            "-A -t 192.0.2.1:80 -s wlc -p 60 -M 255.255.240.0");
  EXPECT_EQ(rule("tcp:[2001:db8::1]:80", "wlc", persistent, 60, 64),
            "-A -t [2001:db8::1]:80 -s wlc -p 60 -M 64");
  EXPECT_EQ(rule("udp:192.0.2.1:5060", "rr", persistent | one_packet, 60, {}, "sip"),
            "-A -u 192.0.2.1:5060 -s rr -p 60 --pe sip -o");
  EXPECT_EQ(rule("tcp:192.0.2.1:80", "mh", fallback | hash_port | sched3),
            "-A -t 192.0.2.1:80 -s mh -b mh-fallback,mh-port,flag-3");
  EXPECT_EQ(rule("tcp:192.0.2.1:80", "sh", hash_port), "-A -t 192.0.2.1:80 -s sh -b sh-port");
  EXPECT_EQ(rule("tcp:192.0.2.1:80", "wrr", fallback | hash_port | sched3),
            "-A -t 192.0.2.1:80 -s wrr -b flag-1,flag-2,flag-3");
}

TEST(IpvsadmRules, TellEveryAttributeOfADestination) {
  using lb::Forward;
  EXPECT_EQ(rule({.endpoint = server,
                  .weight = 2147483647,
                  .upper_threshold = 100000,
                  .lower_threshold = 75000}),
            "-m -w 2147483647 -x 100000 -y 75000");
  EXPECT_EQ(rule({.endpoint = server, .forward = Forward::route, .upper_threshold = 9}),
            "-g -w 0 -x 9");
  EXPECT_EQ(rule({.endpoint = server, .forward = Forward::tunnel}), "-i --tun-type ipip -w 0");
  EXPECT_EQ(rule({.endpoint = server, .forward = Forward::tunnel, .tunnel = {1, 6080, 2}}),
            "-i --tun-type gue --tun-port 6080 --tun-remcsum -w 0");
  EXPECT_EQ(rule({.endpoint = server, .forward = Forward::tunnel, .tunnel = {2, 0, 1}}),
            "-i --tun-type gre --tun-csum -w 0");
  EXPECT_EQ(rule({.endpoint = server, .forward = Forward::tunnel, .tunnel = {9, 0, 0}}),
            "-i --tun-type 9 -w 0");
  EXPECT_EQ(rule({.endpoint = server, .forward = Forward::local}), "-g -w 0");
}

TEST(IpvsadmRules, PutDestinationsBehindTheirService) {
  lb::Table table;
  const auto add = [&](std::string_view spec, std::vector<std::string> destinations) {
    const auto key = *lb::parse_service(spec);
    lb::Pool& pool = table[key];
    pool.scheduler = "rr";
    pool.netmask = lb::host_netmask(lb::family(key));
    for (const auto& text : destinations) {
      const auto endpoint = *Endpoint::parse(text);
      pool.destinations[endpoint] = lb::Destination{.endpoint = endpoint, .weight = 1};
    }
  };
  add("tcp:192.0.2.1:80", {"10.0.0.2:80", "10.0.0.1:80"});
  add("tcp:[2001:db8::1]:80", {"[2001:db8:1::1]:8080"});
  add("fwmark6:7", {"[2001:db8:1::1]:0"});
  EXPECT_EQ(ipvsadm_rules(table),
            (Rules{"-A -t 192.0.2.1:80 -s rr", "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1",
                   "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -m -w 1", "-A -t [2001:db8::1]:80 -s rr",
                   "-a -t [2001:db8::1]:80 -r [2001:db8:1::1]:8080 -m -w 1", "-A -f 7 -6 -s rr",
                   "-a -f 7 -6 -r [2001:db8:1::1]:0 -m -w 1"}));
  EXPECT_EQ(ipvsadm_rules({}), Rules{});
}

}  // namespace
}  // namespace saspd::netlink
