// SPDX-License-Identifier: Apache-2.0
// Which faults make saspd degraded or failed, since when, and that they end: by the Controller over
// a kernel of memory.
#include <gtest/gtest.h>

#include "controller/saspd/controller.hpp"
#include "controller/saspd/helps.hpp"
#include "tests/support/fake_dataplane.hpp"
#include "tests/support/fake_ledger.hpp"

namespace saspd::director {
namespace {

using namespace std::chrono_literals;
using events::HealthState;
using test::FakeDataplane;

const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");

Endpoint server(unsigned n) {
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(n)}), 8080};
}

class Kernel : public FakeDataplane {
 public:
  std::vector<lb::Problem> problems() override { return problems_now; }
  std::vector<lb::Problem> problems_now;
};

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() {
    settings_.reconciler.groups = {{"web", {plain_service(web)}, {}}};
    settings_.session.lb_uid = "LB1";
    settings_.backend = &test::fake_backend;
    settings_.gwms = {"gwm-1:3860"};
    auto& pool = plane_.table[web];
    pool.scheduler = "wlc";
    for (unsigned n = 1; n <= 4; ++n)
      set(n, 10);
  }
  void set(unsigned n, std::uint32_t weight) {
    auto& destination = plane_.table[web].destinations[server(n)];
    destination.endpoint = server(n);
    destination.weight = weight;
  }
  void pass() {
    now_ += 5s;
    wall_ += 5s;
    if (!controller_) controller_.emplace(plane_, settings_, now_);
    controller_->look_for_problems();
    controller_->look_again();
    controller_->work(now_, wall_);
    controller_->look_around(outside_, now_);
    (void)controller_->output();
  }
  // The problems beside that no GWM is established, as "HEALTH kind".
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    for (const auto& problem : controller_->journal().health().problems) {
      if (problem.kind != report::EventKind::no_gwm)
        found.push_back(problem.health.text() + " " + problem.kind.text() +
                        (problem.name ? " " + *problem.name : ""));
    }
    return found;
  }
  using Texts = std::vector<std::string>;

  Kernel plane_;
  Controller::Settings settings_;
  Controller::Outside outside_;
  TimePoint now_{1h};
  WallTime wall_{std::chrono::sys_days{std::chrono::January / 2 / 2026} + 3h};
  std::optional<Controller> controller_;
};

TEST_F(HealthTest, IsFailedWithoutAGwmAndSaysWhichCommandHelps) {
  pass();
  const auto health = controller_->journal().health();
  EXPECT_EQ(health.state, HealthState::failed);
  ASSERT_EQ(health.problems.size(), 1U);
  EXPECT_EQ(health.problems[0].text, "no GWM is established");
  EXPECT_EQ(health.problems[0].help, "saspctl gwm retry gwm-1:3860");
}

TEST_F(HealthTest, FollowsTheKernelsTable) {
  pass();
  EXPECT_EQ(problems(), Texts{});
  const auto table = plane_.table;
  plane_.fails_to_list(2);
  pass();
  EXPECT_EQ(problems(), Texts{"failed kernel"});
  pass();
  pass();
  EXPECT_EQ(problems(), Texts{});
  plane_.table.clear();
  pass();
  EXPECT_EQ(problems(), (Texts{"failed alarm vanished", "degraded unbound"}));
  plane_.table = table;
  pass();
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(HealthTest, NoticesServersThatAreOut) {
  pass();
  for (unsigned n = 1; n <= 2; ++n)
    set(n, 0);
  pass();
  EXPECT_EQ(problems(), Texts{}) << "half of them serve";
  set(3, 0);
  pass();
  EXPECT_EQ(problems(), Texts{"degraded few_servers"});
  set(4, 0);
  pass();
  EXPECT_EQ(problems(), Texts{"failed alarm no_server"});
  for (unsigned n = 1; n <= 4; ++n)
    set(n, 10);
  pass();
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(HealthTest, CountsServersThatCannotBeReachedInOneProblem) {
  pass();
  plane_.unreachable_addresses = {server(1).address, server(2).address};
  pass();
  ASSERT_EQ(problems(), Texts{"degraded unreachable"});
  EXPECT_EQ(controller_->journal().health().problems.back().text,
            "10.0.0.1:8080 and 1 more servers of group web cannot be reached: their next hops do "
            "not answer");
  plane_.unreachable_addresses.clear();
  pass();
  EXPECT_EQ(problems(), Texts{});
}

TEST_F(HealthTest, KnowsWhatOnlyTheProcessKnows) {
  outside_ = {"bad certificate", "line 3: bad", "asked twice"};
  plane_.problems_now = {{"detached", "eth0", "eth0: the program is gone", true}};
  pass();
  EXPECT_EQ(problems(), (Texts{"failed problem detached", "degraded config", "degraded certificate",
                               "degraded attach"}));
  outside_ = {};
  plane_.problems_now.clear();
  pass();
  EXPECT_EQ(problems(), Texts{});
}

// Which alarms cost connections, and which are a matter of taste.
TEST(HealthOfAlarms, FollowsTheirUrgency) {
  const auto health = [](std::string_view name, bool urgent) {
    return state_of(Alarm{name, urgent, {}, {}}, "web").health;
  };
  EXPECT_EQ(health("no_server", true), HealthState::failed);
  EXPECT_EQ(health("vanished", true), HealthState::failed);
  EXPECT_EQ(health("held_all_zero", true), HealthState::degraded);
  EXPECT_EQ(health("many_servers", true), HealthState::degraded);
  EXPECT_EQ(health("many_servers", false), HealthState::ok);
}

}  // namespace
}  // namespace saspd::director
