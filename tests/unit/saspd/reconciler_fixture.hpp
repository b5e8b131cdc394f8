// SPDX-License-Identifier: Apache-2.0
// A reconciler above a kernel in memory, and a GWM that says what the test says.
#pragma once

#include "controller/saspd/reconciler.hpp"

#include <gtest/gtest.h>

#include "tests/support/fake_dataplane.hpp"
#include "tests/support/fake_ledger.hpp"

namespace saspd::director {

using test::FakeDataplane;

inline constexpr std::uint8_t good =
    sasp::weight_flag::contact | sasp::weight_flag::confident | sasp::weight_flag::registered_by_lb;

inline const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");

inline Endpoint server(unsigned n) {
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, static_cast<std::uint8_t>(n >> 8),
                                                    static_cast<std::uint8_t>(n)}),
          8080};
}

class ReconcilerTest : public testing::Test {
 protected:
  ReconcilerTest() {
    settings_.groups = {{"web", {plain_service(web)}, {}}};
    add_service(web, {10, 10, 10, 10});
  }

  void add_service(const lb::ServiceKey& key, const std::vector<std::uint32_t>& weights) {
    auto& pool = plane_.table[key];
    pool.scheduler = "wlc";
    for (unsigned i = 0; i < weights.size(); ++i)
      set(key, i + 1, weights[i]);
  }
  void set(const lb::ServiceKey& key, unsigned n, std::uint32_t weight) {
    auto& destination = plane_.table[key].destinations[server(n)];
    destination.endpoint = server(n);
    destination.weight = weight;
    destination.forward = lb::Forward::tunnel;
    destination.upper_threshold = 77;
  }
  std::uint32_t kernel(unsigned n) {
    return plane_.table.at(web).destinations.at(server(n)).weight;
  }
  std::string kernel() {
    std::string text;
    for (const auto& [endpoint, destination] : plane_.table.at(web).destinations) {
      text += (text.empty() ? "" : " ") + std::to_string(destination.weight);
    }
    return text;
  }

  Reconciler& reconciler() {
    if (!reconciler_) {
      reconciler_.emplace(plane_, plane_, settings_);
      reconciler_->remember(ledger_.load(), ledger_);
      reconciler_->set_connected(0, true);
    }
    return *reconciler_;
  }
  std::size_t advise(const std::vector<std::uint16_t>& weights, std::uint8_t flags = good,
                     const std::string& group = "web") {
    sasp::GroupOfWeightEntries advice{{"LB1", group}, {}};
    for (unsigned i = 0; i < weights.size(); ++i) {
      advice.items.push_back({sasp::MemberData::of(member_of(plain_service(web), server(i + 1))), 0,
                              flags, weights[i]});
    }
    return reconciler().update(0, {{advice}, 1}, now_);
  }
  // One pass as the daemon does it: everything there is to do, without listing again.
  std::vector<std::string> pass() {
    std::vector<std::string> failures;
    for (;;) {
      const Work work = reconciler().work(now_);
      for (const auto& failure : work.failures)
        failures.push_back(failure.detail);
      if (work.list_error) failures.push_back(work.list_error->detail);
      if (!work.more) return failures;
    }
  }
  // saspd ends, however, and is started again above the same kernel.
  void restart() { reconciler_.reset(); }
  void reconcile() {
    reconciler().look_again();
    pass();
  }
  Reason reason(unsigned n) {
    for (const auto& group : reconciler().view()) {
      for (const auto& member : group.members) {
        if (member.endpoint == server(n)) return member.reason;
      }
    }
    return Reason::unbound;
  }

  FakeDataplane plane_;
  test::FakeLedger ledger_;
  Reconciler::Settings settings_;
  std::optional<Reconciler> reconciler_;
  TimePoint now_;
};

}  // namespace saspd::director
