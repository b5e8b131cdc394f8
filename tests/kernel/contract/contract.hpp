// SPDX-License-Identifier: Apache-2.0
// What lb::Dataplane promises (controller/lb/dataplane.hpp), in one set of statements for all that
// implement it. They are judged from outside: `Kernel` knows by other means than the Dataplane what
// the kernel has.
//
// A Kernel has
//   lb::Dataplane& plane()                 as the product opens it; close() ends that life of it
//   static lb::Service attributes()        of a service, and `forward` of its destinations
//   static constexpr lb::Surplus surplus   whether it owns the table
//   std::string shown()                    services, servers and weights as others see them
//   std::string wrong()                    why what others see does not belong together; or nothing
//   void edit(service, server, weight)     by somebody else; only where `is_shared`
//   lb::Change refused(lb::Table)          one that the kernel does not take
//   static constexpr long writes_by        the system call; 0: none is made
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "controller/lb/dataplane.hpp"
#include "tests/support/traced.hpp"

namespace saspd::contract {

inline const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
inline const lb::ServiceKey dns = *lb::parse_service("udp:192.0.2.10:53");
inline const lb::ServiceKey web6 = *lb::parse_service("tcp:[2001:db8::10]:80");
inline const std::vector<lb::ServiceKey> services{web, dns, web6};

inline std::uint16_t port_of(const lb::ServiceKey& service) {
  return std::get<lb::VirtualEndpoint>(service).endpoint.port;
}
inline Endpoint server(const lb::ServiceKey& service, unsigned n) {
  const auto address = lb::family(service) == Family::v4
                           ? IpAddress::parse(fmt::format("10.0.0.{}", n))
                           : IpAddress::parse(fmt::format("2001:db8:1::{:x}", n));
  return {*address, port_of(service)};
}

// "tcp:192.0.2.10:80 10.0.0.1:80=40 10.0.0.2:80=0", a line each.
using Weights = std::map<std::string, std::map<std::string, std::uint32_t>>;
inline std::string text(const Weights& weights) {
  std::string text;
  for (const auto& [service, servers] : weights) {
    text += service;
    for (const auto& [at, weight] : servers)
      text += fmt::format(" {}={}", at, weight);
    text += '\n';
  }
  return text;
}
inline std::string text(const lb::Table& table) {
  Weights weights;
  for (const auto& [key, pool] : table) {
    auto& servers = weights[lb::text(key)];
    for (const auto& [at, destination] : pool.destinations)
      servers[at.text()] = destination.weight;
  }
  return text(weights);
}

template <class Kernel>
class Contract : public testing::Test {
 protected:
  // The weight of server 1, 2, ... of a service; nothing: it has none of that number.
  static lb::Pool pool(const lb::ServiceKey& service,
                       const std::vector<std::optional<std::uint32_t>>& weights) {
    lb::Pool pool{Kernel::attributes(), {}};
    if (lb::family(service) == Family::v6) pool.netmask = Kernel::attributes6().netmask;
    for (unsigned n = 1; n <= weights.size(); ++n) {
      if (!weights[n - 1]) continue;
      const Endpoint at = server(service, n);
      pool.destinations[at] =
          lb::Destination{.endpoint = at, .weight = *weights[n - 1], .forward = Kernel::forward};
    }
    return pool;
  }

  lb::Table listed() {
    auto table = kernel_.plane().list(services);
    if (!table) throw std::runtime_error(table.error().detail);
    return std::move(*table);
  }
  lb::Plan plan(const lb::Table& desired) { return lb::diff(listed(), desired, Kernel::surplus); }
  std::vector<lb::Failure> apply(const lb::Plan& plan) { return kernel_.plane().apply(plan); }

  void expect(const lb::Table& desired) {
    EXPECT_EQ(kernel_.shown(), text(desired));
    EXPECT_EQ(kernel_.wrong(), "");
    EXPECT_EQ(text(listed()), text(desired));
  }
  void becomes(const lb::Table& desired) {
    for (const auto& failure : apply(plan(desired)))
      ADD_FAILURE() << failure.error.detail;
    expect(desired);
  }
  // As the daemon goes on after a failure: it lists and writes again, at most twice.
  void recovers(const lb::Table& desired) {
    for (int pass = 0; pass < 2; ++pass) {
      const lb::Plan next = plan(desired);
      (void)kernel_.plane().tidy();
      (void)apply(next);
    }
    expect(desired);
    EXPECT_TRUE(plan(desired).empty()) << "it does not come to rest";
  }

  // Every moment of a write from `before` to `after` in which a life can end or a call fail.
  void sweep(const lb::Table& before, const lb::Table& after, kernel::Fate fate) {
    std::size_t nth = 0;
    for (;; ++nth) {
      SCOPED_TRACE(fmt::format("call {}", nth));
      recovers(before);
      kernel_.close();
      const kernel::Traced life(
          [&] {
            const auto now = kernel_.plane().list(services);
            kernel::Traced::from_here();
            if (now) (void)kernel_.plane().apply(lb::diff(*now, after, Kernel::surplus));
          },
          Kernel::writes_by, nth, fate);
      recovers(after);
      if (!life.met() || this->HasFailure()) break;
    }
    EXPECT_GT(nth, 2U) << "too few calls: this test shows nothing";
  }

  Kernel kernel_;
};
TYPED_TEST_SUITE_P(Contract);

TYPED_TEST_P(Contract, ListsWhatOthersSee) {
  this->becomes({});
  this->becomes({{web, this->pool(web, {40, 30, 0, 10})}, {dns, this->pool(dns, {})}});
  const auto one = this->kernel_.plane().list(std::array{dns});
  ASSERT_TRUE(one);
  EXPECT_EQ(text(*one), text(lb::Table{{dns, this->pool(dns, {})}})) << "none but those asked for";
  const auto all = this->kernel_.plane().list_all();
  ASSERT_TRUE(all);
  EXPECT_EQ(text(*all), this->kernel_.shown());
}

TYPED_TEST_P(Contract, ChangesAsPlannedAndNothingElse) {
  std::mt19937 chance(4678);
  const auto below = [&](unsigned limit) { return static_cast<std::uint32_t>(chance() % limit); };
  lb::Table desired;
  for (int round = 0; round < 15; ++round) {
    SCOPED_TRACE(round);
    for (const auto& service : services) {
      if (TypeParam::surplus == lb::Surplus::remove && below(4) == 0) {
        desired.erase(service);
        continue;
      }
      std::vector<std::optional<std::uint32_t>> weights(5);
      for (auto& weight : weights) {
        if (below(4) > 0) weight = below(3) * below(100);
      }
      desired[service] = this->pool(service, weights);
    }
    this->becomes(desired);
  }
}

TYPED_TEST_P(Contract, PlansNothingWhereNothingDiffers) {
  const lb::Table table{{web, this->pool(web, {40, 30, 0})}, {web6, this->pool(web6, {1})}};
  this->becomes(table);
  EXPECT_TRUE(this->plan(table).empty());
  this->kernel_.close();
  EXPECT_TRUE(this->plan(table).empty()) << "nor in another life";
  this->expect(table);
}

TYPED_TEST_P(Contract, TakesBackWhatWasRemoved) {
  this->becomes({{web, this->pool(web, {40, 30, 20})}});
  this->becomes({{web, this->pool(web, {40, {}, 20})}});
  this->becomes({{web, this->pool(web, {40, 30, 20})}});
  this->becomes({{web, this->pool(web, {})}});
  this->becomes({{web, this->pool(web, {40, 30, 20})}});
}

TYPED_TEST_P(Contract, DoesNotStopAtAChangeThatFails) {
  this->becomes({{web, this->pool(web, {10, 10, 10})}});
  lb::Plan plan = this->plan({{web, this->pool(web, {40, 30, 20})}});
  ASSERT_EQ(plan.size(), 3U);
  const lb::Change refused = this->kernel_.refused(this->listed());
  plan.insert(plan.begin() + 1, refused);
  const auto failures = this->apply(plan);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].index, 1U);
  EXPECT_FALSE(failures[0].outcome_unknown());
  EXPECT_FALSE(failures[0].changed_meanwhile());
  EXPECT_EQ(failures[0].error.detail.find(refused.text()), 0U) << failures[0].error.detail;
  this->expect({{web, this->pool(web, {40, 30, 20})}});
}

TYPED_TEST_P(Contract, FailsWhatIsGoneAlone) {
  this->becomes({{web, this->pool(web, {10, 10, 10})}, {dns, this->pool(dns, {10})}});
  lb::Table desired{{web, this->pool(web, {40, 30, 20})}, {dns, this->pool(dns, {7})}};
  const lb::Plan plan = this->plan(desired);
  ASSERT_EQ(plan.size(), 4U);
  this->becomes({{web, this->pool(web, {10, {}, 10})}, {dns, this->pool(dns, {10})}});
  const auto failures = this->apply(plan);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(plan[failures[0].index].destination.endpoint, server(web, 2));
  EXPECT_EQ(failures[0].error.code, std::errc::no_such_file_or_directory);
  this->expect({{web, this->pool(web, {40, {}, 20})}, {dns, this->pool(dns, {7})}});
}

TYPED_TEST_P(Contract, LeavesWhatSomebodyElseWroteMeanwhile) {
  if constexpr (TypeParam::is_shared) {
    this->becomes({{web, this->pool(web, {10, 10, 10})}});
    const lb::Plan plan = this->plan({{web, this->pool(web, {40, 30, 20})}});
    this->kernel_.edit(web, server(web, 2), 0);
    const auto failures = this->apply(plan);
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_TRUE(failures[0].changed_meanwhile());
    EXPECT_FALSE(failures[0].outcome_unknown());
    EXPECT_EQ(plan[failures[0].index].destination.endpoint, server(web, 2));
    this->expect({{web, this->pool(web, {40, 0, 20})}});
  } else {
    GTEST_SKIP() << "nobody else writes there";
  }
}

TYPED_TEST_P(Contract, IsMadeGoodByTheNextLifeAfterASigkillAtAnyCall) {
  if constexpr (TypeParam::writes_by == 0) {
    GTEST_SKIP() << "makes no system calls";
  } else {
    const lb::Table before{{web, this->pool(web, {40, 30, 0, 10})}, {dns, this->pool(dns, {5, 5})}};
    const lb::Table after{{web, this->pool(web, {0, 30, 20, {}, 7})},
                          {dns, this->pool(dns, {0, 5})},
                          {web6, this->pool(web6, {1, 2})}};
    lb::Table back = before;
    if (TypeParam::surplus == lb::Surplus::keep) back[web6] = this->pool(web6, {});
    for (const auto fate : {kernel::Fate::killed_before, kernel::Fate::killed_after})
      this->sweep(back, after, fate);
  }
}

TYPED_TEST_P(Contract, IsMadeGoodByTheNextLifeAfterAnyCallThatFails) {
  if constexpr (TypeParam::writes_by == 0) {
    GTEST_SKIP() << "makes no system calls";
  } else {
    this->sweep({{web, this->pool(web, {40, 30, 0, 10})}, {dns, this->pool(dns, {5, 5})}},
                {{web, this->pool(web, {0, 30, 20, {}, 7})}, {dns, this->pool(dns, {0, 5})}},
                kernel::Fate::fails);
  }
}

REGISTER_TYPED_TEST_SUITE_P(Contract, ListsWhatOthersSee, ChangesAsPlannedAndNothingElse,
                            PlansNothingWhereNothingDiffers, TakesBackWhatWasRemoved,
                            DoesNotStopAtAChangeThatFails, FailsWhatIsGoneAlone,
                            LeavesWhatSomebodyElseWroteMeanwhile,
                            IsMadeGoodByTheNextLifeAfterASigkillAtAnyCall,
                            IsMadeGoodByTheNextLifeAfterAnyCallThatFails);

}  // namespace saspd::contract
