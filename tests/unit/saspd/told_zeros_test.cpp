// SPDX-License-Identifier: Apache-2.0
// A zero of somebody else is told to the GWM as a quiesce (RFC 4678 7.5), which says it back. Whatever
// ends in between, and in whatever order: no server stays at 0 because of that.
#include <map>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controller/sasp/requests.hpp"
#include "controller/saspd/controller.hpp"
#include "tests/support/fake_dataplane.hpp"
#include "tests/support/fake_ledger.hpp"

namespace saspd::director {
namespace {

using namespace std::chrono_literals;

const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
constexpr std::uint8_t good =
    sasp::weight_flag::contact | sasp::weight_flag::confident | sasp::weight_flag::registered_by_lb;

Endpoint server(unsigned n) {
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(n)}), 8080};
}
sasp::MemberKey member(unsigned n) {
  return member_of(plain_service(web), server(n));
}

// Keeps a quiesce for each origin, beyond the connection.
class Gwm {
 public:
  std::map<sasp::MemberKey, std::uint16_t> weights;
  std::set<sasp::MemberKey> registered;
  std::set<sasp::MemberKey> quiesced_by_lb;
  std::set<sasp::MemberKey> quiesced_by_member;
  std::size_t told = 0;
  std::optional<sasp::ReturnCode> confused;  // it says so to everything that it is asked

  sasp::Message answer(const sasp::Message& question) {
    if (confused) return answer_in_confusion(question);
    if (const auto* request = std::get_if<sasp::RegistrationRequest>(&question)) {
      for (const auto& item : request->groups.at(0).items)
        registered.insert(item.key());
      return sasp::RegistrationReply{};
    }
    if (const auto* request = std::get_if<sasp::DeregistrationRequest>(&question)) {
      for (const auto& item : request->groups.at(0).items) {
        registered.erase(item.key());
        quiesced_by_lb.erase(item.key());
      }
      return sasp::DeregistrationReply{};
    }
    if (const auto* request = std::get_if<sasp::SetMemberStateRequest>(&question)) {
      EXPECT_TRUE(sasp::is_from_lb(request->flags));
      for (const auto& item : request->groups.at(0).items) {
        ++told;
        if (!registered.contains(item.member.key()))
          return sasp::SetMemberStateReply{sasp::ReturnCode::not_registered};
        if ((item.flags & sasp::state_flag::quiesce) != 0)
          quiesced_by_lb.insert(item.member.key());
        else
          quiesced_by_lb.erase(item.member.key());
      }
      return sasp::SetMemberStateReply{};
    }
    if (std::holds_alternative<sasp::SetLbStateRequest>(question)) return sasp::SetLbStateReply{};
    sasp::GroupOfWeightEntries group{{"LB1", "web"}, {}};
    for (const auto& key : registered) {
      const bool quiesced = quiesced_by_lb.contains(key) || quiesced_by_member.contains(key);
      const std::uint8_t flags = quiesced ? good | sasp::weight_flag::quiesce : good;
      const std::uint16_t weight = quiesced ? std::uint16_t{0} : weights[key];
      group.items.push_back({sasp::MemberData::of(key), 0, flags, weight});
    }
    return sasp::GetWeightsReply{{}, 10, {group}};
  }

 private:
  sasp::Message answer_in_confusion(const sasp::Message& question) const {
    if (std::holds_alternative<sasp::RegistrationRequest>(question))
      return sasp::RegistrationReply{};
    if (std::holds_alternative<sasp::DeregistrationRequest>(question))
      return sasp::DeregistrationReply{};
    if (std::holds_alternative<sasp::SetMemberStateRequest>(question))
      return sasp::SetMemberStateReply{*confused};
    if (std::holds_alternative<sasp::SetLbStateRequest>(question)) return sasp::SetLbStateReply{};
    return sasp::GetWeightsReply{*confused, 10, {}};
  }
};

class ToldZeros : public ::testing::Test {
 protected:
  ToldZeros() {
    settings_.reconciler.groups = {{"web", {plain_service(web)}, {}}};
    settings_.session.lb_uid = "LB1";
    settings_.backend = &test::fake_backend;
    plane_.table[web].scheduler = "wlc";
    for (unsigned n = 1; n <= 3; ++n) {
      set(n, 10);
      gwm_.weights[member(n)] = static_cast<std::uint16_t>(10 * n);
    }
    start();
    connect();
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

  void start() {
    controller_.emplace(plane_, settings_, now_);
    controller_->remember(ledger_.load(), ledger_, {});
    work();
  }
  void restart() {
    controller_.reset();
    start();
    connect();
  }
  void connect() {
    now_ += 1s;
    controller_->connecting(0, now_);
    heard_ = sasp::Framer();
    perform(controller_->connected(0, now_));
    answer();
  }
  void lose() {
    controller_->lost(0, "lost", now_);
    controller_->ended(0, {"lost"}, now_);
    settle();
  }
  void work() {
    controller_->work(now_, {});
    settle();
  }
  void reconcile() {
    now_ += 1s;
    controller_->look_again();
    work();
    answer();
  }
  void poll() {
    now_ = std::max(now_, *controller_->deadline(0));
    perform(controller_->timed_out(0, now_));
    answer();
  }
  void settle() {
    auto output = controller_->output();
    for (const auto& [gwm, step] : output.links)
      perform(step);
    if (output.work) work();
  }
  void perform(const sasp::LinkStep& step) {
    ASSERT_FALSE(step.close) << step.close->detail;
    heard_.append(step.send);
    settle();
  }
  void answer() {
    for (auto frame = heard_.next(); frame && *frame; frame = heard_.next()) {
      const auto question = sasp::decode(**frame, sasp::DecodeOptions::gwm())->frame;
      const auto bytes = sasp::encode({question.message_id, gwm_.answer(question.message)}).value();
      perform(controller_->received(0, bytes, now_));
    }
  }
  Reason reason(unsigned n) {
    return controller_->status(now_).groups.at(0).members.at(n - 1).reason;
  }

  test::FakeDataplane plane_;
  test::FakeLedger ledger_;
  Gwm gwm_;
  Controller::Settings settings_;
  TimePoint now_{1h};
  std::optional<Controller> controller_;
  sasp::Framer heard_;
};

TEST_F(ToldZeros, AreAQuiesceThatEndsWithThem) {
  ASSERT_EQ(kernel(), "10 20 30");
  EXPECT_EQ(gwm_.told, 0U);
  set(2, 0);
  reconcile();
  EXPECT_TRUE(gwm_.quiesced_by_lb.contains(member(2)));
  poll();  // the echo
  poll();
  EXPECT_EQ(gwm_.told, 1U) << "once";
  EXPECT_EQ(kernel(), "10 0 30");
  EXPECT_EQ(reason(2), Reason::foreign_zero);
  set(2, 7);
  reconcile();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 20 30");
  EXPECT_EQ(reason(2), Reason::advice);
}

// The human's weight stands until the GWM was heard: it is never lowered by the echo.
TEST_F(ToldZeros, AreNeverLoweredByTheirEcho) {
  set(2, 0);
  reconcile();
  poll();
  plane_.written.clear();
  set(2, 7);
  reconcile();
  for (const auto& change : plane_.written)
    EXPECT_GT(change.destination.weight, 0U) << change.text();
}

TEST_F(ToldZeros, AreLiftedWhenTheOperatorTakesOver) {
  set(2, 0);
  reconcile();
  poll();
  controller_->undrain({{}, server(2)}, "test");
  settle();
  answer();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 20 30");
}

TEST_F(ToldZeros, AreKnownAfterARestart) {
  set(2, 0);
  reconcile();
  restart();
  EXPECT_TRUE(gwm_.quiesced_by_lb.contains(member(2)));
  EXPECT_EQ(kernel(), "10 0 30");
  set(2, 7);
  reconcile();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 20 30");
}

TEST_F(ToldZeros, EndWhileWeAreAway) {
  set(2, 0);
  reconcile();
  controller_.reset();
  set(2, 7);
  restart();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 20 30");
  const auto told = gwm_.told;
  restart();
  EXPECT_EQ(gwm_.told, told) << "it is known to be lifted";
}

// And the ledger is lost with us.
TEST_F(ToldZeros, EndWhileNothingIsKnownOfThem) {
  set(2, 0);
  reconcile();
  controller_.reset();
  ledger_.text.clear();
  set(2, 7);
  restart();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 20 30");
}

TEST_F(ToldZeros, EndWhileTheGwmIsAway) {
  set(2, 0);
  reconcile();
  poll();
  lose();
  set(2, 7);
  reconcile();
  EXPECT_EQ(kernel(), "10 7 30") << "the GWM may have quiesced it, too, before it was lost";
  connect();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 20 30");
}

TEST_F(ToldZeros, EndWithTheirDestination) {
  set(2, 0);
  reconcile();
  plane_.table[web].destinations.erase(server(2));
  reconcile();
  reconcile();
  set(2, 7);
  reconcile();
  poll();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 20 30");
}

// Its own quiesce is advice before, during and after.
TEST_F(ToldZeros, HideNoQuiesceOfTheMember) {
  set(2, 0);
  reconcile();
  gwm_.quiesced_by_member.insert(member(2));
  poll();
  set(2, 7);
  reconcile();
  EXPECT_TRUE(gwm_.quiesced_by_lb.empty());
  EXPECT_EQ(kernel(), "10 0 30");
  EXPECT_EQ(reason(2), Reason::quiesced);
  gwm_.quiesced_by_member.clear();
  poll();
  EXPECT_EQ(kernel(), "10 20 30");
}

// It shows only when ours is lifted: until then the server gets no weight from us.
TEST_F(ToldZeros, HideNoQuiesceUntilTheirLiftIsAnswered) {
  for (const bool by_operator : {false, true}) {
    set(2, 0);
    reconcile();
    gwm_.quiesced_by_member.insert(member(2));
    poll();
    plane_.written.clear();
    if (by_operator) {
      controller_->undrain({{}, server(2)}, "test");
      settle();
    } else {
      set(2, 7);
      now_ += 1s;
      controller_->look_again();
      work();
    }
    for (const auto& change : plane_.written)
      EXPECT_NE(change.destination.endpoint, server(2)) << change.text();
    answer();
    EXPECT_EQ(kernel(), "10 0 30");
    EXPECT_EQ(reason(2), Reason::quiesced);
    gwm_.quiesced_by_member.clear();
    poll();
    EXPECT_EQ(kernel(), "10 20 30");
  }
}

// A GWM that does not know its members for a while, or us.
TEST_F(ToldZeros, AreLiftedAtAGwmThatKnewNobodyMeanwhile) {
  for (const auto code : {sasp::ReturnCode::not_registered, sasp::ReturnCode::unknown_group,
                          sasp::ReturnCode::unknown_lb_uid}) {
    set(2, 0);
    reconcile();
    poll();
    ASSERT_TRUE(gwm_.quiesced_by_lb.contains(member(2)));
    gwm_.confused = code;
    set(2, 7);
    reconcile();
    for (int polls = 0; polls < 3; ++polls)
      poll();
    restart();
    poll();
    EXPECT_TRUE(gwm_.quiesced_by_lb.contains(member(2)));
    gwm_.confused.reset();
    for (int polls = 0; polls < 3; ++polls)
      poll();
    EXPECT_TRUE(gwm_.quiesced_by_lb.empty()) << static_cast<int>(code);
    EXPECT_EQ(kernel(), "10 20 30");
  }
}

TEST_F(ToldZeros, AreToldToAGwmThatForgotThem) {
  set(2, 0);
  reconcile();
  lose();
  gwm_.quiesced_by_lb.clear();
  gwm_.registered.clear();
  connect();
  EXPECT_TRUE(gwm_.quiesced_by_lb.contains(member(2)));
}

TEST_F(ToldZeros, AreNotToldInADryRun) {
  controller_.reset();
  settings_.reconciler.dry_run = true;
  set(2, 0);
  restart();
  reconcile();
  poll();
  EXPECT_EQ(gwm_.told, 0U);
}

// Zeros of our own are no news for the GWM.
TEST_F(ToldZeros, AreNotOurs) {
  gwm_.quiesced_by_member.insert(member(2));
  poll();
  ASSERT_EQ(kernel(), "10 0 30");
  restart();
  EXPECT_EQ(gwm_.told, 0U);
  EXPECT_EQ(kernel(), "10 0 30");
}

// Everything together, in any order: at the end, when nobody holds it at 0, it has its weight.
TEST_F(ToldZeros, LockNoServerWhateverHappens) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    unsigned state = seed * 2654435761U;
    const auto dice = [&state](unsigned limit) {
      state = state * 1664525U + 1013904223U;
      return (state >> 16) % limit;
    };
    bool connected = true;
    for (int step = 0; step < 12; ++step) {
      switch (dice(8)) {
        case 0: set(2, 0); break;
        case 1: set(2, 7); break;
        case 2: reconcile(); break;
        case 3:
          if (connected) poll();
          break;
        case 4: {
          restart();
          connected = true;
          break;
        }
        case 5:
          if (connected) lose();
          connected = false;
          break;
        case 6:
          if (!connected) connect();
          connected = true;
          break;
        case 7:
          controller_.reset();
          if (dice(3) == 0) ledger_.text.clear();
          set(2, dice(2) == 0 ? 0 : 7);
          restart();
          connected = true;
          break;
        default: break;
      }
    }
    if (!connected) connect();
    controller_->undrain({{}, server(2)}, "test");
    settle();
    answer();
    set(2, 7);
    reconcile();
    poll();
    reconcile();
    ASSERT_TRUE(gwm_.quiesced_by_lb.empty());
    ASSERT_EQ(kernel(), "10 20 30");
  }
}

}  // namespace
}  // namespace saspd::director
