// SPDX-License-Identifier: Apache-2.0
// The whole line of saspd, without socket: bytes of a GWM in, writes to a kernel of memory, its
// answers, and what is then said, logged and shown.
#include "controller/saspd/controller.hpp"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "controller/programs/saspd/backends.hpp"
#include "controller/report/commands.hpp"
#include "controller/saspd/control.hpp"
#include "controller/saspd/controller_settings.hpp"
#include "controller/saspd/service_spec.hpp"
#include "tests/support/fake_dataplane.hpp"
#include "tests/support/fake_ledger.hpp"

namespace saspd::director {

using programs::backends;
namespace {

using namespace std::chrono_literals;
using cli::Level;
using sasp::LinkState;
using test::FakeDataplane;

const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
constexpr std::uint8_t good =
    sasp::weight_flag::contact | sasp::weight_flag::confident | sasp::weight_flag::registered_by_lb;

Endpoint server(unsigned n) {
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(n)}), 8080};
}
sasp::MemberKey member(unsigned n) {
  return member_of(plain_service(web), server(n));
}

// A kernel that also has events and problems.
class Kernel : public FakeDataplane {
 public:
  std::vector<lb::Problem> problems() override { return problems_now; }
  Result<Events> handle_events() override { return std::exchange(events, Events{}); }
  Result<void> tidy() override { return tidied; }
  std::map<Endpoint, lb::DestinationState> states(const lb::ServiceKey&) override {
    return states_now;
  }

  std::vector<lb::Problem> problems_now;
  Result<Events> events = Events{};
  Result<void> tidied;
  std::map<Endpoint, lb::DestinationState> states_now;
};

// One that answers honestly what it is asked.
class FakeGwm {
 public:
  std::map<sasp::MemberKey, std::uint16_t> weights;  // what it would advise
  std::set<sasp::MemberKey> registered;

  sasp::Bytes answer(const sasp::Frame& question) {
    return sasp::encode({question.message_id, answer(question.message)}).value();
  }

 private:
  sasp::Message answer(const sasp::Message& question) {
    if (const auto* request = std::get_if<sasp::RegistrationRequest>(&question)) {
      for (const auto& item : request->groups.at(0).items)
        registered.insert(item.key());
      return sasp::RegistrationReply{};
    }
    if (const auto* request = std::get_if<sasp::DeregistrationRequest>(&question)) {
      for (const auto& item : request->groups.at(0).items)
        registered.erase(item.key());
      return sasp::DeregistrationReply{};
    }
    if (std::holds_alternative<sasp::SetLbStateRequest>(question)) return sasp::SetLbStateReply{};
    sasp::GroupOfWeightEntries group{{"LB1", "web"}, {}};
    for (const auto& key : registered)
      group.items.push_back({sasp::MemberData::of(key), 0, good, weights[key]});
    return sasp::GetWeightsReply{{}, 10, {group}};
  }
};

class ControllerTest : public ::testing::Test {
 protected:
  ControllerTest() {
    settings_.reconciler.groups = {{"web", {plain_service(web)}, {}}};
    settings_.session.lb_uid = "LB1";
    settings_.backend = backends.front();
    settings_.gwms = {"gwm-1:3860", "gwm-2:3860"};
    settings_.log_level = Level::debug;
    settings_.news.ledger = "/ledger";
    settings_.news.keepalived_fifo = "/fifo";
    auto& pool = plane_.table[web];
    pool.scheduler = "wlc";
    for (unsigned n = 1; n <= 3; ++n)
      set(n, 10);
  }

  void set(unsigned n, std::uint32_t weight) {
    auto& destination = plane_.table[web].destinations[server(n)];
    destination.endpoint = server(n);
    destination.weight = weight;
  }
  std::string kernel() {
    std::string text;
    for (const auto& [endpoint, destination] : plane_.table.at(web).destinations)
      text += fmt::format("{}{}", text.empty() ? "" : " ", destination.weight);
    return text;
  }

  Controller& controller() {
    if (!controller_) {
      controller_.emplace(plane_, settings_, now_);
      controller_->remember(ledger_.load(), ledger_, {});
      controller_->look_for_problems();
      work();
    }
    return *controller_;
  }
  void work() {
    controller_->work(now_, wall_);
    settle();
  }
  void reconcile() {
    controller().look_again();
    work();
  }
  // As whoever has the loop does it.
  void settle() {
    auto output = controller_->output();
    log_.insert(log_.end(), output.log.begin(), output.log.end());
    for (const auto& [gwm, step] : output.links)
      perform(gwm, step);
    if (output.work) work();
  }
  void perform(std::size_t gwm, const sasp::LinkStep& step) {
    if (step.close) return ends(gwm, {step.close->detail});
    heard_[gwm].append(step.send);
    settle();
  }
  void connects(std::size_t gwm) {
    controller().connecting(gwm, now_);
    heard_[gwm] = sasp::Framer();
    perform(gwm, controller().connected(gwm, now_));
    answers(gwm);
  }
  // Everything that it was asked.
  void answers(std::size_t gwm) {
    for (auto frame = heard_[gwm].next(); frame && *frame; frame = heard_[gwm].next()) {
      const auto question = sasp::decode(**frame, sasp::DecodeOptions::gwm())->frame;
      says(gwm, gwms_[gwm].answer(question));
    }
  }
  void says(std::size_t gwm, const sasp::Bytes& bytes) {
    perform(gwm, controller().received(gwm, bytes, now_));
  }
  void advises(std::size_t gwm, const std::vector<std::uint16_t>& weights) {
    for (unsigned n = 1; n <= weights.size(); ++n)
      gwms_[gwm].weights[member(n)] = weights[n - 1];
  }
  // It is time to ask again.
  void asks(std::size_t gwm) {
    now_ = std::max(now_, *controller().deadline(gwm));
    perform(gwm, controller().timed_out(gwm, now_));
    answers(gwm);
  }
  void ends(std::size_t gwm, const sasp::LinkEnd& end) {
    delay_ = controller().ended(gwm, end, now_);
    settle();
  }

  // The lines since the last call.
  std::vector<cli::LogLine> log() { return std::exchange(log_, {}); }
  static bool has(const std::vector<cli::LogLine>& lines, Level level, std::string_view part) {
    return count(lines, level, part) > 0;
  }
  static std::size_t count(const std::vector<cli::LogLine>& lines, Level level,
                           std::string_view part) {
    return static_cast<std::size_t>(
        std::count_if(lines.begin(), lines.end(), [&](const cli::LogLine& line) {
          return line.level == level && line.text.find(part) != std::string::npos;
        }));
  }
  static std::string printed(const std::vector<cli::LogLine>& lines) {
    std::string text;
    for (const auto& line : lines)
      text += fmt::format("{} {}\n", static_cast<int>(line.level), line.text);
    return text;
  }
  GwmStatus status(std::size_t gwm) { return controller().status(now_).gwms.at(gwm); }

  Kernel plane_;
  test::FakeLedger ledger_;
  Controller::Settings settings_;
  TimePoint now_{1h};
  WallTime wall_{std::chrono::sys_days{std::chrono::January / 2 / 2026} + 3h};
  std::optional<Controller> controller_;
  std::map<std::size_t, FakeGwm> gwms_;
  std::map<std::size_t, sasp::Framer> heard_;
  std::vector<cli::LogLine> log_;
  Duration delay_{};
};

#define EXPECT_LINE(lines, level, part) \
  EXPECT_TRUE(has(lines, level, part)) << "no line '" << (part) << "' in:\n" << printed(lines)
#define EXPECT_NO_LINE(lines, level, part) \
  EXPECT_FALSE(has(lines, level, part)) << "line '" << (part) << "' in:\n" << printed(lines)

TEST_F(ControllerTest, BytesBecomeWeightsAndLines) {
  advises(0, {40, 30, 20});
  connects(0);
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_EQ(plane_.written.size(), 3U);
  const auto lines = log();
  EXPECT_LINE(lines, Level::info, "GWM gwm-1:3860: established");
  EXPECT_LINE(lines, Level::info, "tcp:192.0.2.10:80 10.0.0.1:8080 weight 10 -> 40");
  EXPECT_LINE(lines, Level::info, "tcp:192.0.2.10:80 10.0.0.3:8080 weight 10 -> 20");
  EXPECT_EQ(count(lines, Level::error, "") + count(lines, Level::warning, ""), 0U)
      << printed(lines);
  EXPECT_EQ(status(0).state, LinkState::established);
  EXPECT_EQ(status(0).last_message, now_);
  EXPECT_EQ(status(1).state, LinkState::trying);
  EXPECT_EQ(controller().status_line(),
            "1 of 2 GWMs up, 1 groups, 3 members, last change 2026-01-02T03:00:00Z");

  asks(0);  // the same advice
  EXPECT_EQ(plane_.written.size(), 3U);
  EXPECT_EQ(printed(log()), "");
}

TEST_F(ControllerTest, ARefusedWriteIsSaidOnceAndTriedAgain) {
  advises(0, {40, 30, 20});
  controller();
  plane_.fails_on(1);
  connects(0);
  EXPECT_EQ(kernel(), "40 10 20");
  EXPECT_LINE(log(), Level::error,
              "1 of 3 changes not written, first: failed on purpose; trying again every 5 s");
  const std::string error = controller().status(now_).kernel_error;
  EXPECT_NE(error.find("failed on purpose"), std::string::npos) << error;
  EXPECT_NE(controller().status_line().find(error), std::string::npos);

  reconcile();
  EXPECT_EQ(kernel(), "40 30 20");
  const auto lines = log();
  EXPECT_LINE(lines, Level::info, "10.0.0.2:8080 weight 10 -> 30");
  EXPECT_LINE(lines, Level::info, "the kernel answers again");
  EXPECT_EQ(controller().status(now_).kernel_error, "");
}

TEST_F(ControllerTest, AKernelThatDoesNotListIsSaidOnce) {
  controller();
  plane_.fails_to_list(2);
  reconcile();
  reconcile();
  EXPECT_EQ(count(log(), Level::error, "list failed on purpose; trying again every 5 s"), 1U);
  reconcile();
  EXPECT_LINE(log(), Level::info, "the kernel answers again");
}

TEST_F(ControllerTest, ABadMessageEndsTheConnectionAndChangesNoWeight) {
  advises(0, {40, 30, 20});
  connects(0);
  plane_.written.clear();
  log();
  says(0, sasp::Bytes(64, 0xFF));
  EXPECT_EQ(plane_.written.size(), 0U);
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_LINE(log(), Level::warning, "GWM gwm-1:3860: ");
  EXPECT_EQ(status(0).state, LinkState::down_trying);
  EXPECT_EQ(status(0).protocol_errors, 1U);
}

TEST_F(ControllerTest, ALostGwmIsAWarningAndFurtherAttemptsAreNot) {
  settings_.retry_min = 20s;
  connects(0);
  log();
  ends(0, {"connection lost"});
  EXPECT_LINE(log(), Level::warning, "GWM gwm-1:3860: connection lost; next attempt in ");
  EXPECT_GE(delay_, 20s);
  EXPECT_EQ(status(0).state, LinkState::down_trying);
  now_ += delay_;
  controller().connecting(0, now_);
  EXPECT_EQ(status(0).state, LinkState::connecting);
  ends(0, {"cannot connect"});
  const auto lines = log();
  EXPECT_LINE(lines, Level::info, "GWM gwm-1:3860: cannot connect; next attempt in ");
  EXPECT_NO_LINE(lines, Level::warning, "");
  EXPECT_EQ(status(0).last_error, "cannot connect");

  controller().connecting(1, now_);
  ends(1, {"TLS: no", true});
  EXPECT_EQ(status(1).state, LinkState::tls_error);
}

TEST_F(ControllerTest, AnotherLoadBalancerWithOurUidIsSuspected) {
  for (int times = 1; times <= 3; ++times) {
    connects(0);
    now_ += 1s;
    controller().lost(0, "the gwm closed the connection", now_);
    EXPECT_EQ(status(0).state, LinkState::down_trying);
    log();
    ends(0, {"the gwm closed the connection", false, true});
  }
  EXPECT_LINE(log(), Level::warning, "another load balancer seems to use the LB UID 'LB1'");
  EXPECT_EQ(status(0).state, LinkState::down_duplicate);
  EXPECT_TRUE(status(0).duplicate_suspected);
}

TEST_F(ControllerTest, TheNextGwmCountsWhenTheFirstIsLost) {
  advises(0, {40, 30, 20});
  advises(1, {4, 3, 2});
  connects(0);
  connects(1);
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_EQ(controller().status(now_).groups.at(0).gwm, 0U);
  ends(0, {"connection lost"});
  EXPECT_EQ(kernel(), "4 3 2");
  EXPECT_EQ(controller().status(now_).groups.at(0).gwm, 1U);
  connects(0);
  EXPECT_EQ(kernel(), "40 30 20");
}

TEST_F(ControllerTest, WhichGwmCountsIsLoggedWhenItChanges) {
  advises(0, {40, 30, 20});
  advises(1, {4, 3, 2});
  connects(1);
  EXPECT_LINE(log(), Level::info, "group web: the advice of gwm-2:3860 counts now");
  connects(0);
  EXPECT_LINE(log(), Level::info,
              "the advice of gwm-1:3860 counts now, no longer that of gwm-2:3860");
  asks(0);
  EXPECT_NO_LINE(log(), Level::info, "counts now");
  ends(0, {"connection lost"});
  EXPECT_LINE(log(), Level::warning,
              "group web: the advice of gwm-2:3860 counts now, no longer that of gwm-1:3860, which "
              "is not connected");
}

TEST_F(ControllerTest, TheOperatorDoesNotWaitForTheNextAttempt) {
  const auto retries = [this](std::string_view gwm) {
    const auto retried = controller().retry(gwm, "uid 0");
    return retried ? fmt::format("{} {}", *retried, fmt::join(controller().output().retries, " "))
                   : retried.error().detail;
  };
  connects(0);
  controller().connecting(1, now_);
  EXPECT_EQ(retries("gwm-1"), "GWM gwm-1:3860: it is connected; there is no wait to end");
  EXPECT_EQ(retries("gwm-2:3860"),
            "GWM gwm-2:3860: an attempt to connect is under way; there is no wait to end");
  ends(1, {"cannot connect"});
  EXPECT_EQ(retries("gwm-2:3860"), "gwm-2:3860 1");
  EXPECT_EQ(retries("gwm-3"),
            "'gwm-3' is no --gwm of this saspd; there is gwm-1:3860 and gwm-2:3860");
  EXPECT_EQ(retries("gwm-2:1"),
            "'gwm-2:1' is no --gwm of this saspd; there is gwm-1:3860 and gwm-2:3860");
  EXPECT_NE(retries("a b").find("is not HOST or HOST:PORT"), std::string::npos);
}

TEST_F(ControllerTest, WhatAppearsInTheKernelIsRegisteredWithConnectedGwmsOnly) {
  advises(0, {40, 30, 20, 5});
  connects(0);
  EXPECT_EQ(gwms_[0].registered.size(), 3U);
  set(4, 10);
  controller().look_again();
  controller().work(now_, wall_);
  const auto output = controller().output();
  ASSERT_EQ(output.links.size(), 1U);
  EXPECT_EQ(output.links[0].first, 0U);
  perform(0, output.links[0].second);
  answers(0);
  EXPECT_EQ(gwms_[0].registered.count(member(4)), 1U);
  EXPECT_EQ(kernel(), "40 30 20 5");

  ends(0, {"connection lost"});
  set(5, 10);
  reconcile();
  EXPECT_EQ(gwms_[0].registered.count(member(5)), 0U);
  connects(0);  // comes round to it
  EXPECT_EQ(gwms_[0].registered.count(member(5)), 1U);
}

TEST_F(ControllerTest, AlarmsAreSaidWhenTheyBeginAndEnd) {
  advises(0, {40, 30, 20});
  connects(0);
  log();
  advises(0, {0, 0, 0});
  asks(0);
  EXPECT_EQ(kernel(), "40 30 20") << "the last capacity stays";
  EXPECT_LINE(log(), Level::error, "alarm: tcp:192.0.2.10:80 held_all_zero: ");
  EXPECT_EQ(controller().status(now_).groups.at(0).alarms.size(), 1U);
  asks(0);
  EXPECT_NO_LINE(log(), Level::error, "");
  advises(0, {40, 30, 20});
  asks(0);
  EXPECT_LINE(log(), Level::warning, "alarm ended: tcp:192.0.2.10:80 held_all_zero");
}

TEST_F(ControllerTest, AForeignZeroIsSaidHeldAndGivenBack) {
  advises(0, {40, 30, 20});
  connects(0);
  log();
  set(2, 0);
  reconcile();
  EXPECT_EQ(kernel(), "40 0 20");
  EXPECT_LINE(log(), Level::warning, "web tcp:192.0.2.10:80 10.0.0.2:8080: held at weight 0");

  const Asker reader{false, "uid 7 (pid 8)"};
  const Asker writer{true, "uid 0 (pid 9)"};
  const boost::json::object undrain{{"command", "undrain"}, {"member", "web/10.0.0.2:8080"}};
  EXPECT_EQ(carry_out(undrain, reader, controller(), {}, now_).at("exit_code"), 77);
  EXPECT_FALSE(controller().output().work);
  EXPECT_EQ(kernel(), "40 0 20");
  EXPECT_EQ(carry_out(undrain, writer, controller(), {}, now_).at("services"), 1);
  settle();
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_LINE(log(), Level::info, "undrain web/10.0.0.2:8080");
  EXPECT_EQ(carry_out(undrain, writer, controller(), {}, now_).at("exit_code"), 65);
}

TEST_F(ControllerTest, KeepalivedIsHeardBeforeItIsDecided) {
  advises(0, {0, 30, 20});
  connects(0);
  EXPECT_EQ(kernel(), "0 30 20");
  log();
  controller().keepalived_says({{server(1), {web}, false}}, "");
  advises(0, {40, 30, 20});
  asks(0);
  EXPECT_EQ(kernel(), "0 30 20");
  const auto lines = log();
  EXPECT_LINE(lines, Level::debug, "keepalived says that 10.0.0.1:8080 is down");
  EXPECT_LINE(lines, Level::warning, "10.0.0.1:8080: held at weight 0");
  controller().keepalived_says({{server(1), {web}, true}}, "/fifo: cannot be read");
  set(1, 10);
  reconcile();
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_EQ(controller().status(now_).keepalived_error, "/fifo: cannot be read");
  EXPECT_LINE(log(), Level::error, "--keepalived-fifo /fifo: cannot be read; ");
  controller().keepalived_says({}, "");
  settle();
  EXPECT_LINE(log(), Level::info, "--keepalived-fifo /fifo: it can be read again");
}

TEST_F(ControllerTest, ALedgerThatCannotBeWrittenIsSaidOnce) {
  ledger_.full = true;
  advises(0, {0, 30, 20});
  connects(0);
  reconcile();
  EXPECT_EQ(count(log(), Level::error, "the ledger is kept in memory only"), 1U);
  EXPECT_EQ(controller().status(now_).ledger_error, "full");
  ledger_.full = false;
  reconcile();
  EXPECT_LINE(log(), Level::info, "the ledger /ledger is written again");
  EXPECT_EQ(controller().status(now_).ledger_error, "");
}

TEST_F(ControllerTest, ProblemsOfTheDataPlaneAreSaidWhenTheyBeginAndEnd) {
  controller();
  plane_.problems_now = {{"detached", "eth0", "eth0 has no program", true}};
  plane_.events =
      lb::Dataplane::Events{{{*IpAddress::parse("10.0.0.1"), {"no route", {}, {}, {}}}}, false};
  controller().take_up_events();
  settle();
  auto lines = log();
  EXPECT_LINE(lines, Level::error, "detached: eth0 has no program");
  EXPECT_LINE(lines, Level::info, "10.0.0.1: no route");
  EXPECT_EQ(controller().problems(), plane_.problems_now);
  controller().look_again();
  settle();
  EXPECT_EQ(printed(log()), "");
  plane_.problems_now.clear();
  controller().look_for_problems();
  settle();
  EXPECT_LINE(log(), Level::info, "detached of eth0 has ended");
}

TEST_F(ControllerTest, ATableThatWasReplacedIsListedAndWrittenAgain) {
  advises(0, {40, 30, 20});
  connects(0);
  set(1, 10);
  controller().take_up_events();
  settle();
  EXPECT_EQ(kernel(), "10 30 20");
  plane_.events = lb::Dataplane::Events{{}, true};
  controller().take_up_events();
  settle();
  EXPECT_EQ(kernel(), "40 30 20");
  plane_.events = fail(std::errc::io_error, "no events");
  controller().take_up_events();
  settle();
  EXPECT_LINE(log(), Level::error, "no events; trying again every 5 s");
}

TEST_F(ControllerTest, ABigPlanIsWrittenInChunks) {
  settings_.reconciler.chunk = 2;
  advises(0, {40, 30, 20});
  controller();
  controller().connecting(0, now_);
  heard_[0].append(controller().connected(0, now_).send);
  while (kernel() == "10 10 10") {
    auto frame = heard_[0].next();
    ASSERT_TRUE(frame && *frame);
    const auto question = sasp::decode(**frame, sasp::DecodeOptions::gwm())->frame;
    heard_[0].append(controller().received(0, gwms_[0].answer(question), now_).send);
    const auto output = controller().output();
    if (output.work) controller().work(now_, wall_);
  }
  EXPECT_EQ(plane_.written.size(), 2U);
  const auto output = controller().output();
  EXPECT_TRUE(output.work);
  EXPECT_EQ(count(output.log, Level::info, "weight 10 -> "), 2U);
  controller().work(now_, wall_);
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_FALSE(controller().output().work);
}

TEST_F(ControllerTest, OfManyChangesTheJournalGetsTheNumber) {
  settings_.log_level = Level::info;
  for (unsigned n = 1; n <= 30; ++n) {
    set(n, 10);
    gwms_[0].weights[member(n)] = 50;
  }
  connects(0);
  const auto lines = log();
  EXPECT_LINE(lines, Level::info, "30 changes written");
  EXPECT_EQ(
      count(lines, Level::info, "weight 10 -> 50") + count(lines, Level::debug, "weight 10 -> 50"),
      0U);
}

TEST_F(ControllerTest, ADryRunSaysWhatItWouldWriteOnce) {
  settings_.reconciler.dry_run = true;
  advises(0, {40, 30, 20});
  connects(0);
  reconcile();
  EXPECT_EQ(kernel(), "10 10 10");
  EXPECT_EQ(plane_.written.size(), 0U);
  const auto lines = log();
  EXPECT_EQ(count(lines, Level::info, "would write: "), 3U) << printed(lines);
  EXPECT_EQ(controller().status_line(), "1 of 2 GWMs up, 1 groups, 3 members, dry run");
  EXPECT_TRUE(controller().status(now_).dry_run);
}

TEST_F(ControllerTest, APlanIsOnlyLookedAt) {
  advises(0, {40, 30, 20});
  connects(0);
  set(1, 10);
  const auto plan = carry_out({{"command", "plan"}}, {}, controller(), {}, now_);
  ASSERT_EQ(plan.at("plan").as_array().size(), 1U);
  EXPECT_EQ(plan.at("plan").at(0).at("weight"), 40);
  EXPECT_EQ(kernel(), "10 30 20");
  work();
  EXPECT_EQ(kernel(), "10 30 20") << "what the plan saw is nothing to act on";
  plane_.fails_to_list(1);
  EXPECT_EQ(carry_out({{"command", "plan"}}, {}, controller(), {}, now_).at("exit_code"), 74);
  EXPECT_EQ(controller().status(now_).kernel_error, "");
}

TEST_F(ControllerTest, AnOperatorReconcilesNow) {
  advises(0, {40, 30, 20});
  connects(0);
  set(1, 10);
  log();
  Surroundings around;
  around.work = [this] { return controller().work(now_, wall_); };
  const boost::json::object request{{"command", "reconcile"}};
  EXPECT_EQ(carry_out(request, {false, "x"}, controller(), around, now_).at("exit_code"), 77);
  EXPECT_EQ(kernel(), "10 30 20");
  const auto answer = carry_out(request, {true, "uid 0 (pid 9)"}, controller(), around, now_);
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_EQ(answer.at("written").as_array().size(), 1U);
  EXPECT_EQ(answer.at("remaining"), 0);
  settle();
  EXPECT_LINE(log(), Level::info, "reconcile, asked by uid 0 (pid 9)");
  plane_.fails_to_list(1);
  EXPECT_EQ(carry_out(request, {true, "x"}, controller(), around, now_).at("exit_code"), 74);
  settle();
  EXPECT_LINE(log(), Level::error, "list failed on purpose");
}

// What is left is counted by the plan, whatever else fails.
TEST_F(ControllerTest, AnOperatorIsToldHowMuchIsLeft) {
  settings_.reconciler.chunk = 2;
  advises(0, {40, 30, 20});
  connects(0);
  for (unsigned n = 1; n <= 3; ++n)
    set(n, 10);
  Surroundings around;
  around.work = [this] { return controller().work(now_, wall_); };
  const boost::json::object request{{"command", "reconcile"}};
  EXPECT_EQ(carry_out(request, {true, "x"}, controller(), around, now_).at("remaining"), 1);
  settle();
  EXPECT_EQ(kernel(), "40 30 20");
  plane_.tidied = fail(std::errc::io_error, "cannot be tidied");
  const auto answer = carry_out(request, {true, "x"}, controller(), around, now_);
  EXPECT_EQ(answer.at("failures").as_array().size(), 1U);
  EXPECT_EQ(answer.at("remaining"), 0);
}

TEST_F(ControllerTest, WhatTheDataPlaneTellsOfDestinationsIsInTheStatus) {
  plane_.states_now[server(2)].packets = 7;
  const auto members = controller().status(now_).groups.at(0).members;
  ASSERT_EQ(members.size(), 3U);
  EXPECT_FALSE(members[0].state);
  ASSERT_TRUE(members[1].state);
  EXPECT_EQ(members[1].state->packets, 7U);
}

TEST_F(ControllerTest, WhatTheProcessKnowsIsInTheStatus) {
  Surroundings around;
  around.tls_error = "old";
  around.attach_request = "asked";
  around.attach_requests = 3;
  const auto status = carry_out({{"command", "status"}}, {}, controller(), around, now_);
  EXPECT_EQ(status.at("tls_error"), "old");
  EXPECT_EQ(status.at("attach_request"), "asked");
  EXPECT_EQ(status.at("attach_requests"), 3);
  EXPECT_EQ(status.at("lb_uid"), "LB1");
  EXPECT_EQ(status.at("gwm").at(1).at("endpoint"), "gwm-2:3860");
}

TEST_F(ControllerTest, ALedgerThatIsNotBelievedIsSaid) {
  controller_.emplace(plane_, settings_, now_);
  controller_->remember(Ledger(), ledger_, {"/ledger: damaged"});
  settle();
  EXPECT_LINE(log(), Level::warning, "/ledger: damaged; zeros that are found now are unclear");
}

// A service of the XDP program is one new table, however many servers change: between two halves
// packets would be led by weights that nobody advised. With IPVS each change is its own.
TEST(ControllerSettings, LetATableOfXdpBeWrittenAtOnce) {
  for (const auto* backend : backends) {
    FakeDataplane plane;
    Options options;
    options.backend = backend;
    plane.traits_now = backend->traits;
    const bool own = backend->traits.own_table;
    const std::string manage = own ? "" : ",manage,forward=route";
    ASSERT_TRUE(add_service(options.groups, "web=tcp:192.0.2.10:80" + manage, *backend));
    for (unsigned n = 0; n < 300; ++n) {
      const auto member = fmt::format("web=10.0.{}.{}:80", n / 100, 1 + n % 100);
      ASSERT_TRUE(add_member(options.groups, member));
    }
    options.gwms = {{"127.0.0.1", 3860}};
    Controller controller(plane, controller_settings(options, 1), {});
    (void)controller.work({}, {});
    controller.look_again();
    const auto before = plane.applies;
    for (bool more = true; more;) {
      const Work done = controller.work(TimePoint() + 11s, {});
      EXPECT_TRUE(done.failures.empty());
      more = done.more;
    }
    EXPECT_EQ(plane.table.at(web).destinations.size(), 300U);
    EXPECT_EQ(plane.applies - before == 1, own) << plane.applies - before;
  }
}

TEST_F(ControllerTest, AnswersEveryCommandThatTheTableSaysItDoes) {
  Surroundings around;
  around.work = [] { return Work{}; };
  const auto code_of = [&](std::string_view command, bool may_write) {
    const auto answer =
        carry_out({{"command", command}}, {may_write, "x"}, controller(), around, now_);
    const auto* code = answer.if_contains("exit_code");
    return code != nullptr ? code->as_int64() : 0;
  };
  for (const auto& row : report::commands()) {
    if (row.command == report::Command::reload) continue;  // of the host: its reload_test
    const auto support = row.of(report::Program::saspd);
    const bool does = support == report::Support::reads || support == report::Support::writes;
    const auto code = code_of(row.name, true);
    // 65: there is nothing of that kind, as nothing is held that could be released.
    EXPECT_TRUE(code == 64 || (does && (code == 0 || code == 65))) << row.name << " " << code;
    EXPECT_EQ(code_of(row.name, false) == 77, support == report::Support::writes) << row.name;
  }
}

}  // namespace
}  // namespace saspd::director
