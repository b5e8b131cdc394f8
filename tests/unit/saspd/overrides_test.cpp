// SPDX-License-Identifier: Apache-2.0
// What the operator decides in place of the advice: it counts, it ends by itself, and it outlives a
// restart.
#include "controller/saspd/overrides.hpp"

#include <gtest/gtest.h>

#include "controller/report/control_protocol.hpp"
#include "controller/saspd/control.hpp"
#include "tests/support/fake_dataplane.hpp"

namespace saspd::director {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
const lb::ServiceKey api = *lb::parse_service("tcp:192.0.2.10:81");

Endpoint server(unsigned n) {
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(n)}), 80};
}

class OverridesTest : public ::testing::Test {
 protected:
  OverridesTest() {
    settings_.reconciler.groups = {{"web", {plain_service(web)}, {}},
                                   {"api", {plain_service(api)}, {}}};
    settings_.session.lb_uid = "LB1";
    settings_.backend = &test::fake_backend;
    for (const auto& service : {web, api}) {
      auto& pool = plane_.table[service];
      pool.scheduler = "wlc";
      for (unsigned n = 1; n <= 3; ++n) {
        if (service == api && n > 1) continue;
        pool.destinations[server(n)].endpoint = server(n);
        pool.destinations[server(n)].weight = 10;
      }
    }
    pass(0s);
  }
  Controller::Output pass(std::chrono::seconds later) {
    now_ += later;
    wall_ += later;
    if (!controller_) controller_.emplace(plane_, settings_, now_);
    controller_->look_again();
    for (;;) {
      controller_->work(now_, wall_);
      auto output = controller_->output();
      kept_ = kept_ || output.overrides;
      if (!output.work) return output;
    }
  }
  std::string weights() {
    std::string text;
    for (const auto& [endpoint, destination] : plane_.table.at(web).destinations)
      text += fmt::format("{}{}", text.empty() ? "" : " ", destination.weight);
    return text;
  }
  json::object ask(json::object request, bool may_write = true) {
    Surroundings around;
    auto answer = carry_out(request, {may_write, "uid 7 (pid 1)"}, *controller_, around, now_);
    pass(0s);
    return answer;
  }
  std::string refused(json::object request) {
    const auto answer = ask(std::move(request));
    return answer.contains("error") ? std::string(answer.at("error").as_string()) : std::string();
  }
  std::size_t lasting(events::EventKind kind) { return controller_->journal().open(kind).size(); }

  test::FakeDataplane plane_;
  Controller::Settings settings_;
  TimePoint now_{1h};
  WallTime wall_{std::chrono::sys_days{std::chrono::January / 2 / 2026} + 3h};
  std::optional<Controller> controller_;
  bool kept_ = false;
};

TEST_F(OverridesTest, CountUntilTheyExpire) {
  ask({{"command", "set-weight"}, {"member", "web/10.0.0.1:80"}, {"weight", "5"}, {"for_s", 60}});
  EXPECT_EQ(weights(), "5 10 10");
  EXPECT_TRUE(kept_);
  EXPECT_EQ(lasting(events::EventKind::override_), 1U);
  plane_.table[web].destinations[server(1)].weight = 9;  // another program
  pass(5s);
  EXPECT_EQ(weights(), "5 10 10");
  ASSERT_EQ(controller_->overrides().next_end(), now_ + 55s);
  pass(54s);
  EXPECT_EQ(weights(), "5 10 10");
  pass(1s);
  EXPECT_TRUE(controller_->overrides().empty());
  EXPECT_EQ(lasting(events::EventKind::override_), 0U);
  const auto& last = controller_->journal().events().back();
  EXPECT_NE(weights(), "") << last.text;
}

TEST_F(OverridesTest, DrainsAndReleasesAMember) {
  const auto done =
      ask({{"command", "drain"}, {"member", "10.0.0.2:80"}, {"forever", true}, {"reason", "disk"}});
  EXPECT_EQ(weights(), "10 0 10");
  EXPECT_EQ(done.at("overrides").as_array().at(0).at("reason"), "disk");
  const auto why = ask({{"command", "why"}, {"member", "10.0.0.2:80"}});
  EXPECT_EQ(why.at("members").as_array().at(0).at("reason"), "override");
  EXPECT_EQ(ask({{"command", "status"}}).at("overrides").as_array().size(), 1U);
  ask({{"command", "undrain"}, {"member", "10.0.0.2:80"}});
  EXPECT_TRUE(controller_->overrides().empty());
  EXPECT_EQ(refused({{"command", "release"}, {"of", "10.0.0.2:80"}}),
            "'10.0.0.2:80' has no override: nothing to release");
}

TEST_F(OverridesTest, HaveTheFirstWordOverAForeignZero) {
  plane_.table[web].destinations[server(3)].weight = 0;
  pass(5s);
  EXPECT_EQ(weights(), "10 10 0") << "nobody else's zero is raised";
  ask({{"command", "set-weight"}, {"member", "10.0.0.3:80"}, {"weight", "4"}, {"for_s", 60}});
  EXPECT_EQ(weights(), "10 10 4") << "but by the operator";
}

TEST_F(OverridesTest, AHoldWritesNothingAndStillShowsEverything) {
  ask({{"command", "set-weight"}, {"member", "10.0.0.2:80"}, {"weight", "3"}, {"for_s", 3600}});
  ask({{"command", "hold"}, {"group", "web"}, {"for_s", 60}});
  plane_.table[web].destinations[server(2)].weight = 8;
  const auto written = plane_.written.size();
  pass(5s);
  EXPECT_EQ(weights(), "10 8 10");
  EXPECT_EQ(plane_.written.size(), written);
  const auto why = ask({{"command", "why"}, {"member", "web/10.0.0.1:80"}});
  EXPECT_EQ(why.at("members").as_array().at(0).at("reason"), "held_operator");
  ask({{"command", "release"}, {"of", "web"}});
  EXPECT_EQ(weights(), "10 3 10") << "now it is written";
}

TEST_F(OverridesTest, AreRefusedWithTheReasonAndTheNearestName) {
  EXPECT_NE(refused({{"command", "drain"}, {"member", "10.0.0.2:80"}}).find("it needs an end"),
            std::string::npos);
  EXPECT_NE(refused({{"command", "drain"}, {"member", "10.0.0.2:8"}, {"for_s", 9}})
                .find("no member '10.0.0.2:8'; did you mean '10.0.0.2:80'?"),
            std::string::npos);
  EXPECT_NE(refused({{"command", "drain"}, {"member", "10.0.0.1:80"}, {"for_s", 9}})
                .find("is a member of api, web: write GROUP/10.0.0.1:80"),
            std::string::npos);
  EXPECT_NE(refused({{"command", "hold"}, {"group", "wbe"}, {"for_s", 9}}).find("'web'"),
            std::string::npos);
  EXPECT_NE(refused({{"command", "set-weight"}, {"member", "10.0.0.2:80"}, {"weight", "65536"}})
                .find("expected a weight"),
            std::string::npos);
  EXPECT_NE(
      refused({{"command", "hold"}, {"until", "2020-01-01T00:00:00.000Z"}}).find("no time to come"),
      std::string::npos);
  for (const char* command : {"drain", "set-weight", "hold", "release"})
    EXPECT_EQ(ask({{"command", command}}, false).at("exit_code"), 77) << command;
  EXPECT_TRUE(controller_->overrides().empty());
  EXPECT_FALSE(kept_);
  EXPECT_TRUE(plane_.written.empty());
}

TEST_F(OverridesTest, AreKeptForTheNextLife) {
  ask({{"command", "drain"}, {"member", "10.0.0.2:80"}, {"for_s", 3600}, {"reason", "a \"b\"\n"}});
  ask({{"command", "hold"}, {"forever", true}});
  const auto text = controller_->overrides().text();
  const auto read = Overrides::parse(text, now_, wall_);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->members().size(), 1U);
  EXPECT_EQ(read->next_end(), now_ + 3600s);
  EXPECT_TRUE(read->is_held("anything"));
  // The clock went on while it did not run.
  auto later = *Overrides::parse(text, TimePoint{5s}, wall_ + 3600s);
  EXPECT_EQ(later.take_ended(TimePoint{5s}).members.size(), 1U);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(Overrides::parse(text.substr(0, size), now_, wall_)) << size;
}

}  // namespace
}  // namespace saspd::director
