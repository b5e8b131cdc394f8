#include "controller/lb/plan.hpp"

#include <gtest/gtest.h>

#include <random>

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
  Pool pool{"wrr", 0, {}};
  for (const auto& [at, weight] : weights) {
    pool.destinations[endpoint(at)] = {.endpoint = endpoint(at), .weight = weight};
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
  Table actual{{web, Pool{"wlc", 0, {{in_kernel.endpoint, in_kernel}}}}};
  const Table desired{{web, pool({{"10.0.0.1:80", 40}})}};
  const Plan plan = diff(actual, desired);
  ASSERT_EQ(plan.size(), 1U);
  Destination expected = in_kernel;
  expected.weight = 40;
  EXPECT_EQ(plan[0].destination, expected);
}

TEST(Diff, RaisesBeforeItLowersAcrossServices) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}, {"10.0.0.2:80", 20}})},
                     {dns, pool({{"10.0.0.3:53", 1}, {"10.0.0.4:53", 9}})}};
  const Table desired{{web, pool({{"10.0.0.1:80", 5}, {"10.0.0.2:80", 30}})},
                      {dns, pool({{"10.0.0.3:53", 2}, {"10.0.0.4:53", 0}})}};
  std::vector<std::string> order;
  for (const WeightChange& change : diff(actual, desired))
    order.push_back(change.text());
  EXPECT_EQ(order, (std::vector<std::string>{
                       "tcp:192.0.2.10:80 10.0.0.2:80 weight 20 -> 30",
                       "udp:[2001:db8::1]:53 10.0.0.3:53 weight 1 -> 2",
                       "tcp:192.0.2.10:80 10.0.0.1:80 weight 10 -> 5",
                       "udp:[2001:db8::1]:53 10.0.0.4:53 weight 9 -> 0",
                   }));
}

TEST(Diff, LeavesAloneWhatDoesNotExist) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}})}};
  const Table desired{{web, pool({{"10.0.0.9:80", 40}})}, {dns, pool({{"10.0.0.3:53", 1}})}};
  EXPECT_TRUE(diff(actual, desired).empty());
}

TEST(Diff, LeavesAloneWhatIsNotAskedFor) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}})}, {dns, pool({{"10.0.0.3:53", 1}})}};
  EXPECT_TRUE(diff(actual, Table{{web, pool({})}}).empty());
}

TEST(Apply, ToWhatIsGoneChangesNothing) {
  const Table actual{{web, pool({{"10.0.0.1:80", 10}})}};
  const WeightChange of_service{dns, {.endpoint = endpoint("10.0.0.1:80"), .weight = 5}, 1};
  const WeightChange of_destination{web, {.endpoint = endpoint("10.0.0.9:80"), .weight = 5}, 1};
  Table table = actual;
  apply(of_service, table);
  apply(of_destination, table);
  EXPECT_EQ(table, actual);
}

// Any two tables with the same services and destinations, weights drawn anew.
class Tables {
 public:
  Table draw() {
    Table table;
    for (std::uint32_t mark = below(6); mark > 0; --mark) {
      Pool& drawn = table[FirewallMark{Family::v4, mark}];
      for (std::uint32_t port = below(12); port > 0; --port) {
        const Endpoint at{IpAddress{}, static_cast<std::uint16_t>(port)};
        drawn.destinations[at] = {.endpoint = at, .weight = below(4), .upper_threshold = below(3)};
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

TEST(Plan, AppliedToActualGivesDesired) {
  Tables tables;
  for (int round = 0; round < 1000; ++round) {
    Table actual = tables.draw();
    const Table desired = tables.with_other_weights(actual);
    for (const WeightChange& change : diff(actual, desired))
      apply(change, actual);
    ASSERT_EQ(actual, desired);
  }
}

TEST(Plan, IsEmptyBetweenEqualTables) {
  Tables tables;
  for (int round = 0; round < 100; ++round) {
    const Table table = tables.draw();
    ASSERT_TRUE(diff(table, table).empty());
  }
}

TEST(Plan, NeverLowersBeforeARaise) {
  Tables tables;
  for (int round = 0; round < 1000; ++round) {
    const Table actual = tables.draw();
    bool lowered = false;
    for (const WeightChange& change : diff(actual, tables.with_other_weights(actual))) {
      const bool raises = change.destination.weight > change.old_weight;
      ASSERT_FALSE(raises && lowered);
      ASSERT_NE(change.destination.weight, change.old_weight);
      lowered = lowered || !raises;
    }
  }
}

}  // namespace
}  // namespace saspd::lb
