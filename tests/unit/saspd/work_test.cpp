// SPDX-License-Identifier: Apache-2.0
// What a message costs follows from what it changes, and not from how many members there are. The
// sources behind the controller are compiled into this program with a call to
// __sanitizer_cov_trace_pc in every basic block, which counts their steps; so are allocations.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controller/saspd/controller.hpp"
#include "tests/support/counted_memory.hpp"
#include "tests/support/counted_steps.hpp"
#include "tests/support/fake_dataplane.hpp"

namespace saspd::director {
namespace {

using saspd::testing::steps;

constexpr unsigned per_service = 100;
constexpr std::uint8_t good =
    sasp::weight_flag::contact | sasp::weight_flag::confident | sasp::weight_flag::registered_by_lb;

enum class Kind { found, managed };
// Of tables. The largest takes its time to be made, so one kind is enough.
std::vector<unsigned> sizes(Kind kind) {
  return kind == Kind::found ? std::vector{1'000U, 10'000U, 100'000U}
                             : std::vector{1'000U, 10'000U};
}

struct Cost {
  double steps = 0;
  double allocations = 0;
  std::size_t services_decided = 0;
  std::size_t members_decided = 0;
};

// A controller that is connected to a GWM, all of whose advice the kernel follows.
class Farm {
 public:
  Farm(unsigned members, Kind kind, unsigned in_each = per_service)
      : in_each_(in_each), services_(members / in_each) {
    Controller::Settings settings;
    settings.session.lb_uid = "LB1";
    settings.session.push = true;
    settings.backend = &test::fake_backend;
    settings.session.max_reply = sasp::default_max_message;
    for (unsigned n = 0; n < services_; ++n)
      settings.reconciler.groups.push_back(group(n, kind));
    controller_.emplace(plane_, settings, now_);
    work();
    perform(controller_->connected(0, now_));
    while (question_)
      answer();
    settle();
  }

  // The weight of one member is another, and nothing else is.
  Cost one_changed(unsigned member) {
    auto& weight = weights_.at(member);
    weight = static_cast<std::uint16_t>(10 + (weight + 1) % 50);
    auto advice = advice_of(member / in_each_);
    std::swap(advice.items.front(), advice.items.at(member % in_each_));
    advice.items.resize(1);
    return cost_of(sasp::encode({0, sasp::SendWeights{{advice}}}).value());
  }
  Cost all_changed() {
    for (auto& weight : weights_)
      weight = static_cast<std::uint16_t>(weight + 1);
    return nothing_changed();
  }
  // Everything there is comes once more.
  Cost nothing_changed() {
    now_ = std::max(now_, *controller_->deadline(0));
    perform(controller_->timed_out(0, now_));
    return cost_of(answer_to(*std::exchange(question_, {})));
  }
  Cost listing() {
    controller_->look_again();
    return cost_of({});
  }

  // What was written before is seen to be there.
  void settle() {
    for (int times = 0; times < 3; ++times) {
      now_ += LossWatch::at_once;
      controller_->look_again();
      work();
    }
  }
  std::size_t written() { return std::exchange(plane_.written, {}).size(); }

 private:
  GroupSettings group(unsigned n, Kind kind) {
    const auto octet = [](unsigned number) { return static_cast<std::uint8_t>(number); };
    GroupSettings group{fmt::format("group {}", n), {}, {}};
    const lb::ServiceKey key = lb::VirtualEndpoint{
        lb::Protocol::tcp,
        {IpAddress::v4(std::array<std::uint8_t, 4>{192, 0, octet(n >> 8), octet(n)}), 80}};
    auto& service = group.services.emplace_back(plain_service(key));
    if (kind == Kind::managed) service.manage.emplace().service.scheduler = "wlc";
    auto& pool = plane_.table[key];
    pool.scheduler = "wlc";
    for (unsigned i = 0; i < in_each_; ++i) {
      const auto number = static_cast<unsigned>(members_.size());
      lb::Destination server;
      server.endpoint = {IpAddress::v4(std::array<std::uint8_t, 4>{
                             10, octet(number >> 16), octet(number >> 8), octet(number)}),
                         8080};
      server.weight = 10;
      pool.destinations.emplace(server.endpoint, server);
      if (kind == Kind::managed) group.members[server.endpoint];
      members_.push_back(sasp::MemberData::of(member_of(service, server.endpoint)));
      weights_.push_back(10);
    }
    return group;
  }

  // --- the GWM

  void perform(const sasp::LinkStep& step) {
    ASSERT_FALSE(step.close) << step.close->detail;
    heard_.append(step.send);
    if (auto frame = heard_.next(); frame && *frame)
      question_ = sasp::decode(**frame, sasp::DecodeOptions::gwm())->frame;
  }
  void answer() {
    perform(controller_->received(0, answer_to(*std::exchange(question_, {})), now_));
    work();
  }
  sasp::Bytes answer_to(const sasp::Frame& question) {
    sasp::Message reply = sasp::SetLbStateReply{};
    if (std::holds_alternative<sasp::GetWeightsRequest>(question.message)) {
      sasp::GetWeightsReply weights{{}, 10, {}};
      for (unsigned n = 0; n < services_; ++n)
        weights.groups.push_back(advice_of(n));
      reply = std::move(weights);
    }
    return sasp::encode({question.message_id, std::move(reply)}).value();
  }
  sasp::GroupOfWeightEntries advice_of(unsigned service) {
    sasp::GroupOfWeightEntries group{{"LB1", fmt::format("group {}", service)}, {}};
    for (unsigned i = service * in_each_; i < (service + 1) * in_each_; ++i)
      group.items.push_back({members_[i], 0, good, weights_[i]});
    return group;
  }

  // --- as whoever has the loop does it

  // Returns what was decided in all passes together.
  Cost work() {
    Cost cost;
    for (;;) {
      const Work done = controller_->work(now_, {});
      cost.services_decided += done.services_decided;
      cost.members_decided += done.members_decided;
      const auto output = controller_->output();
      for (const auto& [gwm, step] : output.links)
        perform(step);
      if (!output.work) return cost;
    }
  }
  Cost cost_of(const sasp::Bytes& message) {
    plane_.written.clear();
    now_ += std::chrono::seconds{1};
    steps = 0;
    const std::size_t before = saspd::testing::allocations;
    if (!message.empty()) perform(controller_->received(0, message, now_));
    Cost cost = work();
    cost.steps = static_cast<double>(steps);
    cost.allocations = static_cast<double>(saspd::testing::allocations - before);
    return cost;
  }

  unsigned in_each_;
  unsigned services_;
  test::FakeDataplane plane_;
  std::vector<sasp::MemberData> members_;
  std::vector<std::uint16_t> weights_;
  TimePoint now_{std::chrono::hours{1}};
  std::optional<Controller> controller_;
  sasp::Framer heard_;
  std::optional<sasp::Frame> question_;
};

// Each is made once: that takes longer than what is measured.
Farm& farm_of(unsigned members, Kind kind) {
  static std::map<std::pair<unsigned, Kind>, Farm> farms;
  return farms.try_emplace({members, kind}, members, kind).first->second;
}

// In the largest table at most so many times what it is in the smallest.
void expect_flat(const std::vector<Cost>& costs, double most = 1.1) {
  ASSERT_GE(costs.size(), 2U);
  EXPECT_GT(costs.front().steps, 0);
  EXPECT_LE(costs.back().steps, most * costs.front().steps);
  EXPECT_LE(costs.back().allocations, 1.1 * costs.front().allocations);
  for (const auto& cost : costs)
    fmt::print("{:.1f} steps, {:.1f} allocations\n", cost.steps, cost.allocations);
}

// Where each member is looked up.
constexpr double deeper_trees = 1.6;

Cost per(double what, Cost cost) {
  cost.steps /= what;
  cost.allocations /= what;
  return cost;
}

class CostOf : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Services, CostOf, ::testing::Values(Kind::found, Kind::managed),
                         [](const auto& kind) {
                           return kind.param == Kind::found ? "Found" : "Managed";
                         });

TEST_P(CostOf, OneChangedMemberIsTheSameInAnyTable) {
  std::vector<Cost> costs;
  for (const unsigned size : sizes(GetParam())) {
    Farm& farm = farm_of(size, GetParam());
    farm.settle();
    farm.one_changed(0);
    Cost cost = farm.one_changed(size / 2);  // and the service of the first is looked at once more
    EXPECT_EQ(farm.written(), 1U);
    EXPECT_EQ(cost.services_decided, 2U);
    EXPECT_EQ(cost.members_decided, 2 * per_service);
    costs.push_back(std::move(cost));
  }
  expect_flat(costs);
}

TEST_P(CostOf, AnUnchangedMessageDecidesNothing) {
  std::vector<Cost> costs;
  for (const unsigned size : sizes(GetParam())) {
    Farm& farm = farm_of(size, GetParam());
    farm.settle();
    const Cost cost = farm.nothing_changed();
    EXPECT_EQ(cost.services_decided, 0U);
    EXPECT_EQ(farm.written(), 0U);
    costs.push_back(per(size, cost));
  }
  expect_flat(costs, deeper_trees);
}

TEST_P(CostOf, AnUnchangedListingDecidesNothing) {
  std::vector<Cost> costs;
  for (const unsigned size : sizes(GetParam())) {
    Farm& farm = farm_of(size, GetParam());
    farm.settle();
    const Cost cost = farm.listing();
    EXPECT_EQ(cost.services_decided, 0U);
    costs.push_back(per(size, cost));
  }
  expect_flat(costs);
}

// However many chunks it takes to write them.
TEST_P(CostOf, EachOfManyChangesIsTheSameInAnyTable) {
  std::vector<Cost> costs;
  for (const unsigned size : sizes(GetParam())) {
    Farm& farm = farm_of(size, GetParam());
    farm.settle();
    const Cost cost = farm.all_changed();
    EXPECT_EQ(farm.written(), size);
    EXPECT_EQ(cost.services_decided, size / per_service) << "a chunk is only a write";
    costs.push_back(per(size, cost));
  }
  expect_flat(costs, deeper_trees);
}

// One service of that many members.
TEST(CostOfAService, EachOfManyChangesIsTheSameInAnyService) {
  std::vector<Cost> costs;
  for (const unsigned members : {1'000U, 20'000U}) {
    Farm farm(members, Kind::found, members);
    const Cost cost = farm.all_changed();
    EXPECT_EQ(farm.written(), members);
    EXPECT_EQ(cost.services_decided, 1U);
    costs.push_back(per(members, cost));
  }
  expect_flat(costs, deeper_trees);
}

}  // namespace
}  // namespace saspd::director
