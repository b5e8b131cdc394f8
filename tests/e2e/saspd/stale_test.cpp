// SPDX-License-Identifier: Apache-2.0
// Advice that stops coming, on real IPVS with real clients: what --on-stale makes of it, when, and
// that it ends with the first answer.

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

class StaleOnIpvs : public SaspdOnIpvs {
 protected:
  // The kernel is not looked at again: what happens is due to the age of the advice.
  void starts_with(std::string_view on_stale) {
    given_service();
    advise({"40", "30", "20", "10"});
    start_gwm();
    Arguments arguments = saspd_arguments({"--stale-after", "3", "--on-stale"});
    arguments.emplace_back(on_stale);
    arguments.insert(arguments.end(), {"--member", "web=10.9.1.2:80,weight=7"});
    *std::next(std::find(arguments.begin(), arguments.end(), "--reconcile-interval")) = "3600";
    saspd_.emplace(arguments, path("saspd.log"));
    ASSERT_TRUE(comes_to("40 30 20 10"));
  }
  std::string group(std::string_view key) const {
    const auto now = status();
    if (!now.is_object()) return {};
    const auto& value = now.at_pointer(fmt::format("/groups/0/{}", key));
    return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
  }
  bool group_becomes(std::string_view key, std::string_view value) const {
    return eventually([&] { return group(key) == value; }, seconds{60});
  }
  std::string why(std::string_view member) const {
    const auto answer =
        net::control_request(path("control"), {{"command", "why"}, {"member", member}}, seconds{5});
    return answer ? json::serialize(*answer) : "no answer";
  }
};

TEST_F(StaleOnIpvs, KeepsTheLastWeightsAndSaysSo) {
  starts_with("hold");
  EXPECT_EQ(group("advice_state"), "fresh");
  gwm_.reset();
  EXPECT_TRUE(group_becomes("advice_state", "ageing"));
  EXPECT_TRUE(group_becomes("advice_state", "stale"));
  EXPECT_EQ(group("advice_lack"), "not_connected");
  EXPECT_NE(why("10.9.1.1:80").find("\"reason\":\"held_stale\""), std::string::npos)
      << why("10.9.1.1:80");
  EXPECT_EQ(kernel_weights(), "40 30 20 10");
  start_gwm();
  EXPECT_TRUE(group_becomes("advice_state", "fresh"));
  EXPECT_NE(why("10.9.1.1:80").find("\"reason\":\"advice\""), std::string::npos);
}

TEST_F(StaleOnIpvs, GoesBackToTheStaticWeights) {
  starts_with("static");
  gwm_.reset();
  EXPECT_TRUE(comes_to("10 7 10 10"));
  EXPECT_NE(why("10.9.1.2:80").find("--on-stale static"), std::string::npos) << why("10.9.1.2:80");
  start_gwm();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

// A GWM that is connected and hangs; the connection that there is goes on, as a drain says.
TEST_F(StaleOnIpvs, DrainsUntilTheGwmAnswersAgain) {
  kernel::Servers listening(servers());
  starts_with("drain");
  auto connection = Connection::open(service);
  ASSERT_TRUE(connection);
  gwm_->send(SIGSTOP);
  EXPECT_TRUE(comes_to("0 0 0 0"));
  EXPECT_FALSE(Connection::open(service)) << "no new connections";
  EXPECT_TRUE(connection->works());
  EXPECT_NE(why("10.9.1.1:80").find("--on-stale drain"), std::string::npos) << why("10.9.1.1:80");
  gwm_->send(SIGCONT);
  EXPECT_TRUE(comes_to("40 30 20 10"));
  EXPECT_TRUE(Connection::open(service));
}

// GWM and saspd are gone for good, and the zeros of the drain are nobody else's.
TEST_F(StaleOnIpvs, DrainsNobodyForEver) {
  starts_with("drain");
  gwm_.reset();
  EXPECT_TRUE(comes_to("0 0 0 0"));
  saspd_->send(SIGKILL);
  saspd_.reset();
  start_gwm();
  start_saspd({"--stale-after", "3", "--on-stale", "drain"});
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

}  // namespace
}  // namespace saspd::test
