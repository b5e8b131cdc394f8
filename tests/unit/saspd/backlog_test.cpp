// SPDX-License-Identifier: Apache-2.0
#include "controller/saspd/backlog.hpp"

#include <gtest/gtest.h>

#include "controller/lb/service.hpp"

namespace saspd::director {
namespace {

const lb::ServiceKey first = *lb::parse_service("tcp:192.0.2.10:80");
const lb::ServiceKey second = *lb::parse_service("tcp:192.0.2.11:80");

lb::Plan two_changes(const lb::ServiceKey& service) {
  lb::Change change;
  change.action = lb::Action::set_destination;
  change.service = service;
  return {change, change};
}

std::vector<lb::ServiceKey> services_of(const lb::Plan& plan) {
  std::vector<lb::ServiceKey> services;
  for (const auto& change : plan)
    services.push_back(change.service);
  return services;
}

TEST(Backlog, TakesServicesInTheirOrder) {
  Backlog backlog;
  backlog.replace(second, two_changes(second));
  backlog.replace(first, two_changes(first));
  EXPECT_EQ(services_of(backlog.take(3)), (std::vector{first, first}));
  EXPECT_EQ(services_of(backlog.take(1)), std::vector{second});
  EXPECT_EQ(services_of(backlog.take(9)), std::vector{second});
  EXPECT_TRUE(backlog.empty());
}

// To write a service of the XDP program is to build a table.
TEST(Backlog, TakesSoManyServicesAtOnce) {
  Backlog backlog;
  backlog.replace(first, two_changes(first));
  backlog.replace(second, two_changes(second));
  EXPECT_EQ(services_of(backlog.take(9, 1)), (std::vector{first, first}));
  EXPECT_EQ(services_of(backlog.take(9, 2)), (std::vector{second, second}));
}

// A server that is quiesced does not wait for what others of a thousand services get.
TEST(Backlog, TakesLossesBeforeAllElse) {
  lb::Plan loses = two_changes(second);
  loses.back().listed.weight = 10;
  Backlog backlog;
  backlog.replace(first, two_changes(first));
  backlog.replace(second, loses);
  EXPECT_EQ(services_of(backlog.take(2)), (std::vector{second, second}));
  backlog.replace(second, loses);
  backlog.drop(second);
  EXPECT_EQ(services_of(backlog.take(9)), (std::vector{first, first}));
  EXPECT_TRUE(backlog.empty());
}

// One service is refused in each pass, and everything is decided anew after it.
TEST(Backlog, BeginsBehindWhatWasTakenBeforeItWasDropped) {
  Backlog backlog;
  std::vector<lb::ServiceKey> tried;
  for (int pass = 0; pass < 4; ++pass) {
    backlog.replace(first, two_changes(first));
    backlog.replace(second, two_changes(second));
    tried.push_back(backlog.take(2).front().service);
    EXPECT_EQ(backlog.clear().size(), 1U);
  }
  EXPECT_EQ(tried, (std::vector{first, second, first, second}));
}

TEST(Backlog, TakesWhatIsAheadBeforeTheRest) {
  Backlog backlog;
  lb::Plan changes = two_changes(second);
  changes.push_back(changes.front());
  backlog.replace(first, two_changes(first));
  backlog.replace(second, changes, {}, 2);
  EXPECT_EQ(services_of(backlog.take(9)), (std::vector{first, first, second, second}));
  EXPECT_EQ(services_of(backlog.take(9)), std::vector{second});
  backlog.replace(second, changes, {}, 2);
  EXPECT_EQ(backlog.take(1).size(), 1U);
  EXPECT_EQ(backlog.take(9).size(), 1U);
  backlog.replace(second, changes);
  EXPECT_EQ(backlog.take(9).size(), 3U) << "what was ahead before is not any more";
}

TEST(Backlog, DropsAService) {
  Backlog backlog;
  backlog.replace(first, two_changes(first), two_changes(first), 1);
  backlog.replace(second, two_changes(second));
  backlog.drop(first);
  EXPECT_EQ(services_of(backlog.take(9)), (std::vector{second, second}));
  EXPECT_TRUE(backlog.empty());
}

}  // namespace
}  // namespace saspd::director
