// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/plan.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include <fmt/format.h>

namespace saspd::lb {
namespace {

ServiceKey service(std::string_view text) {
  return *parse_service(text);
}
Endpoint endpoint(std::string_view text) {
  return *Endpoint::parse(text);
}

// A table in one line per service: weights by endpoint.
Pool pool(std::initializer_list<std::pair<std::string_view, std::uint32_t>> weights) {
  Pool pool;
  pool.scheduler = "wrr";
  for (const auto& [at, weight] : weights) {
    pool.destinations[endpoint(at)] = Destination{.endpoint = endpoint(at), .weight = weight};
  }
  return pool;
}

const ServiceKey web = service("tcp:192.0.2.10:80");
const ServiceKey dns = service("udp:[2001:db8::1]:53");

TEST(Diff, NamesEachWeightThatDiffers) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}, {"10.0.0.2:80", 20}})}};
  const Table desired{{web, pool({{"10.0.0.1:80", 40}, {"10.0.0.2:80", 20}})}};
  const Plan plan = diff(actual, desired);
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].text(), "tcp:192.0.2.10:80 10.0.0.1:80 weight 10 -> 40");
}

TEST(Diff, KeepsEveryAttributeTheKernelReported) {
  const Destination in_kernel{.endpoint = endpoint("10.0.0.1:80"),
                              .weight = 10,
                              .forward = Forward::tunnel,
                              .upper_threshold = 100,
                              .lower_threshold = 75,
                              .tunnel = {.type = 1, .port = 6080, .flags = 1}};
  Table actual{{web, pool({})}};
  actual.at(web).destinations[in_kernel.endpoint] = in_kernel;
  Table desired{{web, pool({{"10.0.0.1:80", 40}})}};
  desired.at(web).destinations.at(in_kernel.endpoint).forward = Forward::tunnel;
  const Plan plan = diff(actual, desired);
  ASSERT_EQ(plan.size(), 1U);
  Destination expected = in_kernel;
  expected.weight = 40;
  EXPECT_EQ(plan[0].destination, expected);
}

TEST(Diff, OfWhatWasOnlyObservedIsNothing) {
  const Table desired{{web, pool({{"10.0.0.1:80", 10}})}};
  Table actual = desired;
  actual.at(web).destinations.at(endpoint("10.0.0.1:80")).observed.connections = 7;
  EXPECT_TRUE(diff(actual, desired).empty());
}

// Each attribute counts in a comparison: none can be forgotten.
TEST(Destination, DiffersFromAnotherByEveryAttribute) {
  const Destination plain{.endpoint = endpoint("10.0.0.1:80")};
  std::vector<Destination> others(7, plain);
  others[0].endpoint = endpoint("10.0.0.1:81");
  others[1].weight = 1;
  others[2].forward = Forward::route;
  others[3].upper_threshold = 1;
  others[4].lower_threshold = 1;
  others[5].tunnel.flags = 1;
  others[6].lost = true;
  for (const auto& other : others)
    EXPECT_NE(plain, other);
}

TEST(Diff, SetsADestinationByWhatDiffersAlone) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}})}};
  const auto text_of = [&actual](auto set) {
    Table desired = actual;
    set(desired.at(web).destinations.at(endpoint("10.0.0.1:80")));
    const Plan plan = diff(actual, desired);
    return plan.size() == 1 ? fmt::format("{}: {}", name(plan[0].action), plan[0].text()) : "";
  };
  EXPECT_EQ(text_of([](Destination& to) { to.weight = 3; }),
            "set_weight: tcp:192.0.2.10:80 10.0.0.1:80 weight 10 -> 3");
  EXPECT_EQ(text_of([](Destination& to) { to.forward = Forward::route; }),
            "set_weight: tcp:192.0.2.10:80 10.0.0.1:80 set to route");
  EXPECT_EQ(text_of([](Destination& to) { to.lost = true; }),
            "set_weight: tcp:192.0.2.10:80 10.0.0.1:80 lost");
  EXPECT_EQ(text_of([](Destination& to) { to.upper_threshold = 3; }), "") << "not ours to set";
}

TEST(Diff, RaisesBeforeItLowersServiceByService) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}, {"10.0.0.2:80", 20}})},
                     {dns, pool({{"10.0.0.3:53", 1}, {"10.0.0.4:53", 9}})}};
  const Table desired{{web, pool({{"10.0.0.1:80", 5}, {"10.0.0.2:80", 30}})},
                      {dns, pool({{"10.0.0.3:53", 2}, {"10.0.0.4:53", 0}})}};
  std::vector<std::string> order;
  for (const Change& change : diff(actual, desired))
    order.push_back(change.text());
  EXPECT_EQ(order, (std::vector<std::string>{
                       "tcp:192.0.2.10:80 10.0.0.2:80 weight 20 -> 30",
                       "tcp:192.0.2.10:80 10.0.0.1:80 weight 10 -> 5",
                       "udp:[2001:db8::1]:53 10.0.0.3:53 weight 1 -> 2",
                       "udp:[2001:db8::1]:53 10.0.0.4:53 weight 9 -> 0",
                   }));
}

TEST(Diff, AddsFirstAndRemovesLast) {
  const Table actual{{web, pool({{"10.0.0.1:80", 0}, {"10.0.0.2:80", 20}, {"10.0.0.3:80", 7}})}};
  const Table desired{{web, pool({{"10.0.0.2:80", 30}, {"10.0.0.3:80", 5}, {"10.0.0.9:80", 40}})},
                      {dns, pool({{"10.0.0.4:53", 1}})}};
  std::vector<std::string> order;
  for (const Change& change : diff(actual, desired))
    order.push_back(change.text());
  EXPECT_EQ(order, (std::vector<std::string>{
                       "tcp:192.0.2.10:80 10.0.0.2:80 weight 20 -> 30",
                       "tcp:192.0.2.10:80 10.0.0.9:80 added (masquerade) with weight 40",
                       "tcp:192.0.2.10:80 10.0.0.3:80 weight 7 -> 5",
                       "tcp:192.0.2.10:80 10.0.0.1:80 removed",
                       "udp:[2001:db8::1]:53 created: scheduler wrr",
                       "udp:[2001:db8::1]:53 10.0.0.4:53 added (masquerade) with weight 1",
                   }));
}

TEST(Diff, SetsTheServiceWhenAnAttributeDiffers) {
  Table desired{{web, pool({})}};
  const Table actual = desired;
  desired.at(web).scheduler = "mh";
  desired.at(web).flags = service_flag::fallback | service_flag::hash_port;
  const Plan plan = diff(actual, desired);
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].text(), "tcp:192.0.2.10:80 set to scheduler mh, mh-fallback, mh-port");
}

TEST(Diff, LeavesAloneServicesThatAreNotAskedFor) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}})}, {dns, pool({{"10.0.0.3:53", 1}})}};
  EXPECT_TRUE(diff(actual, Table{{web, actual.at(web)}}).empty());
}

TEST(Diff, RemovesThemWhereTheTableIsOurs) {
  Table table{{web, pool({{"10.0.0.1:80", 10}})}, {dns, pool({{"10.0.0.3:53", 1}})}};
  const Table desired{{web, table.at(web)}};
  const Plan plan = diff(table, desired, Surplus::remove);
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].text(), "udp:[2001:db8::1]:53 removed");
  apply(plan[0], table);
  EXPECT_EQ(table, desired);
}

TEST(Apply, ToWhatIsGoneChangesNothing) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}})}};
  const Destination first{.endpoint = endpoint("10.0.0.1:80"), .weight = 5};
  const Destination other{.endpoint = endpoint("10.0.0.9:80"), .weight = 5};
  Table table = actual;
  apply({Action::set_destination, dns, {}, first}, table);
  apply({Action::set_destination, web, {}, other}, table);
  apply({Action::remove_destination, web, {}, other}, table);
  EXPECT_EQ(table, actual);
}

// Any two tables, or two with the same services and destinations and weights drawn anew.
class Tables {
 public:
  Table draw() {
    Table table;
    for (std::uint32_t mark = below(6); mark > 0; --mark) {
      Pool& drawn = table[FirewallMark{Family::v4, mark}];
      for (std::uint32_t port = below(12); port > 0; --port) {
        const Endpoint at{IpAddress{}, static_cast<std::uint16_t>(port)};
        drawn.destinations[at] =
            Destination{.endpoint = at, .weight = below(4), .upper_threshold = below(3)};
      }
    }
    return table;
  }
  Table with_other_weights(Table table) {
    for (auto& [key, drawn] : table) {
      for (auto& [at, destination] : drawn.destinations)
        destination.weight = below(4);
    }
    return table;
  }

 private:
  std::uint32_t below(std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(generator_);
  }
  std::mt19937 generator_{4678};
};

std::map<ServiceKey, std::map<Endpoint, std::uint32_t>> weights(const Table& table) {
  std::map<ServiceKey, std::map<Endpoint, std::uint32_t>> weights;
  for (const auto& [key, pool] : table) {
    weights[key];
    for (const auto& [at, destination] : pool.destinations)
      weights[key][at] = destination.weight;
  }
  return weights;
}

TEST(Plan, AppliedToActualGivesDesired) {
  Tables tables;
  for (int round = 0; round < 1000; ++round) {
    Table actual = tables.draw();
    const Table desired = tables.with_other_weights(actual);
    for (const Change& change : diff(actual, desired))
      apply(change, actual);
    ASSERT_EQ(actual, desired);
  }
}

TEST(Plan, BringsOtherServicesAndDestinationsToWhatIsDesired) {
  Tables tables;
  for (int round = 0; round < 1000; ++round) {
    const Table before = tables.draw();
    const Table desired = tables.draw();
    Table table = before;
    for (const Change& change : diff(before, desired))
      apply(change, table);
    for (const auto& [key, pool] : before) {
      if (!desired.contains(key)) {
        ASSERT_EQ(table.at(key), pool) << "not asked for";
        table.erase(key);
      }
    }
    ASSERT_EQ(weights(table), weights(desired));
  }
}

TEST(Plan, IsEmptyBetweenEqualTables) {
  Tables tables;
  for (int round = 0; round < 100; ++round) {
    const Table table = tables.draw();
    ASSERT_TRUE(diff(table, table).empty());
  }
}

TEST(Plan, NeverLowersBeforeARaiseAndGoesThroughEachServiceOnce) {
  Tables tables;
  for (int round = 0; round < 1000; ++round) {
    const Table actual = tables.draw();
    bool lowered = false;
    std::optional<ServiceKey> service;
    for (const Change& change : diff(actual, tables.with_other_weights(actual))) {
      if (change.service != service) {
        ASSERT_TRUE(!service || *service < change.service);
        service = change.service;
        lowered = false;
      }
      const bool raises = change.destination.weight > change.listed.weight;
      ASSERT_FALSE(raises && lowered);
      ASSERT_NE(change.destination.weight, change.listed.weight);
      lowered = lowered || !raises;
    }
  }
}

TEST(BeforeTheLastGoes, IsWhatBringsServersWhereAllOthersGo) {
  const auto ahead = [](const Pool& now, const Pool& wish) {
    return before_the_last_goes(now, diff(web, &now, wish));
  };
  const Pool now = pool({{"10.0.0.1:80", 10}, {"10.0.0.2:80", 0}, {"10.0.0.3:80", 0}});
  EXPECT_EQ(ahead(now, pool({{"10.0.0.1:80", 0}, {"10.0.0.2:80", 5}, {"10.0.0.3:80", 5}})), 2U);
  EXPECT_EQ(ahead(now, pool({{"10.0.0.2:80", 5}, {"10.0.0.3:80", 0}})), 1U) << "it is removed";
  EXPECT_EQ(ahead(now, pool({{"10.0.0.1:80", 0}, {"10.0.0.2:80", 0}, {"10.0.0.3:80", 0}})), 0U)
      << "nobody comes";
  const Pool two = pool({{"10.0.0.1:80", 10}, {"10.0.0.2:80", 8}});
  EXPECT_EQ(ahead(two, pool({{"10.0.0.1:80", 0}, {"10.0.0.2:80", 8}})), 0U) << "one is left alone";
  EXPECT_EQ(ahead(two, pool({{"10.0.0.1:80", 0}, {"10.0.0.2:80", 9}})), 1U);
  EXPECT_EQ(ahead(two, pool({{"10.0.0.1:80", 0}, {"10.0.0.2:80", 7}})), 1U)
      << "it may be taken meanwhile";
  EXPECT_EQ(ahead(two, pool({{"10.0.0.1:80", 5}, {"10.0.0.2:80", 9}})), 0U) << "nobody goes";
  EXPECT_EQ(ahead(pool({{"10.0.0.1:80", 0}}), pool({{"10.0.0.1:80", 5}})), 0U) << "nobody goes";
}

class Rebased : public testing::Test {
 protected:
  Rebased() { table_.at(web).flags = service_flag::hashed | service_flag::fallback; }

  // What is to be done for the listed table to have this weight and method.
  Change change(std::uint32_t weight, Forward forward = Forward::masquerade) {
    Table desired = table_;
    desired.at(web).destinations.at(at_).weight = weight;
    desired.at(web).destinations.at(at_).forward = forward;
    return diff(table_, desired).at(0);
  }

  const Endpoint at_ = endpoint("10.0.0.1:80");
  Table table_{{web, pool({{"10.0.0.1:80", 10}})}};
  const Destination now_{.endpoint = at_,
                         .weight = 10,
                         .forward = Forward::tunnel,
                         .upper_threshold = 100,
                         .lower_threshold = 75,
                         .tunnel = {.type = 1, .port = 6080, .flags = 1}};
};

TEST_F(Rebased, AWeightKeepsWhatOthersMadeOfTheRest) {
  Destination expected = now_;
  expected.weight = 40;
  EXPECT_EQ(rebased(change(40), now_), expected);
  expected.forward = Forward::route;
  EXPECT_EQ(rebased(change(40, Forward::route), now_), expected) << "this one is meant";
}

TEST_F(Rebased, AWeightFollowsOnlyFromTheWeightThatWasListed) {
  Destination now = now_;
  EXPECT_TRUE(still_follows(change(40), now));
  for (const std::uint32_t weight : {0U, 11U, 40U}) {
    now.weight = weight;
    EXPECT_FALSE(still_follows(change(40), now)) << weight;
  }
}

TEST_F(Rebased, ARaiseFromZeroFollowsOnlyWhileNobodyElseHasWritten) {
  table_.at(web).destinations.at(at_).weight = 0;
  ListedDestination now = table_.at(web).destinations.at(at_);
  EXPECT_TRUE(still_follows(change(40), now));
  now.upper_threshold = 100;  // with weight 0 beside it, by the same command
  EXPECT_FALSE(still_follows(change(40), now));
  EXPECT_TRUE(still_follows(change(0, Forward::route), now)) << "it raises nothing";
}

TEST_F(Rebased, ARemovalOfAnIdleDestinationFollowsOnlyWhileItIsIdle) {
  Table desired = table_;
  desired.at(web).destinations.clear();
  Change removal = diff(table_, desired).at(0);
  ListedDestination now = now_;
  EXPECT_TRUE(still_follows(removal, now));
  now.observed.connections = 1;
  EXPECT_FALSE(still_follows(removal, now));
  removal.listed.observed.connections = 3;  // its time is up
  EXPECT_TRUE(still_follows(removal, now));
  now.weight = 11;
  EXPECT_FALSE(still_follows(removal, now));
}

TEST_F(Rebased, AServiceKeepsWhatTheChangeDoesNotMean) {
  Table desired = table_;
  desired.at(web).scheduler = "mh";
  desired.at(web).flags = service_flag::hashed | service_flag::hash_port;  // fallback off
  const Change change = diff(table_, desired).at(0);
  const Service now{"wrr",
                    service_flag::hashed | service_flag::fallback | service_flag::sched3 |
                        service_flag::persistent,
                    360, 0xFFFFFF00, "sip"};
  EXPECT_EQ(rebased(change, now), (Service{"mh",
                                           service_flag::hashed | service_flag::hash_port |
                                               service_flag::sched3 | service_flag::persistent,
                                           360, 0xFFFFFF00, "sip"}));
}

}  // namespace
}  // namespace saspd::lb
