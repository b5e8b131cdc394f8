// SPDX-License-Identifier: Apache-2.0
// TCP connects a socket with itself when the kernel chooses the port that is connected to as the
// socket's own. In a namespace that has two ports to choose from this happens all the time.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "controller/programs/sasp_gwm/prober.hpp"
#include "tests/support/kernel_namespace.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using programs::Prober;

TEST(SelfConnect, IsNoServer) {
  const kernel::NetNamespace own;
  const kernel::Sysctl ports("/proc/sys/net/ipv4/ip_local_port_range", "40000\t40001");
  boost::asio::io_context io{1};
  std::set<std::string> details;
  int samples = 0;
  Prober prober(io, {.interval = 2ms, .timeout = 10s, .rules = {}},
                [&](const ProbeTarget&, const Health& health) {
                  EXPECT_FALSE(health.last()->ok) << health.last()->detail;
                  details.insert(health.last()->detail);
                  if (++samples == 200) prober.stop();
                });
  const IpAddress loopback = *IpAddress::parse("127.0.0.1");
  prober.set_targets({{{}, {loopback, 40000}}, {{}, {loopback, 40001}}});
  io.run_for(60s);
  EXPECT_EQ(samples, 200);
  EXPECT_EQ(details, std::set<std::string>{"connection refused"});
}

}  // namespace
}  // namespace saspd::gwm
