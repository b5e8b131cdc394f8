// SPDX-License-Identifier: Apache-2.0
// Two load balancers with one LB UID, and what only looks like them.

#include <sys/time.h>

#include <atomic>
#include <thread>

#include "controller/sasp/codec.hpp"
#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::test {
namespace {

using Duplicate = SaspdOnIpvs;

// RFC 4678 9.1: a new connection ends the old one. Somebody else with our LB UID who comes back
// each time would play that game with us for ever.
TEST_F(Duplicate, IsSuspectedAndSaidOnBothSides) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  const auto claim = *sasp::encode({1, sasp::SetLbStateRequest{"e2e"}});
  std::atomic<bool> stop = false;
  std::thread other([&] {
    const kernel::SocketAddress gwm(*Endpoint::parse("127.0.0.1:3860"));
    while (!stop) {
      const Descriptor socket = gwm.stream();
      ::connect(socket.get(), gwm.get(), gwm.size);
      ::send(socket.get(), claim.data(), claim.size(), MSG_NOSIGNAL);
      char buffer[64];
      const timeval patience{0, 200'000};
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      while (!stop) {
        const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) break;  // thrown out; and again
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{300});
    }
  });
  EXPECT_TRUE(gwm_becomes("down_duplicate"));
  EXPECT_NE(status().at_pointer("/gwm/0/last_error").as_string().find("same LB UID"),
            json::string::npos);
  EXPECT_TRUE(stays("40 30 20 10"));
  EXPECT_TRUE(eventually([&] {
    return saspd_->log().find("another load balancer seems to use the LB UID 'e2e'") !=
           std::string::npos;
  }));
  // It is their fault for as long as both live, also when it is our turn.
  EXPECT_TRUE(gwm_becomes("established"));
  EXPECT_TRUE(status().at_pointer("/gwm/0/duplicate_uid").as_bool());
  EXPECT_EQ(ends_with({programs + "/saspctl", "--socket", path("control"), "status", "--check"}),
            1);
  EXPECT_TRUE(eventually([&] {
    return gwm_->log().find("two load balancers at 127.0.0.1 seem to use this UID") !=
           std::string::npos;
  }));
  stop = true;
  other.join();
}

// A GWM that dies ends connections, too, and is gone itself.
TEST_F(Duplicate, IsNotSuspectedWhenTheGwmIsKilledAgainAndAgain) {
  start({"40", "30", "20", "10"});
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(gwm_becomes("established")) << i;
    gwm_->send(i % 2 == 0 ? SIGKILL : SIGTERM);
    ASSERT_TRUE(gwm_->wait(seconds{10}));
    start_gwm();
  }
  ASSERT_TRUE(gwm_becomes("established"));
  EXPECT_FALSE(status().at_pointer("/gwm/0/duplicate_uid").as_bool());
  EXPECT_EQ(saspd_->log().find("another load balancer"), std::string::npos);
  EXPECT_TRUE(stays("40 30 20 10"));
}

}  // namespace
}  // namespace saspd::test
