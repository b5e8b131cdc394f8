// SPDX-License-Identifier: Apache-2.0
// What Prometheus reads of sasp-gwm.
#include "controller/gwm/metrics.hpp"

#include <gtest/gtest.h>

#include "tests/support/metrics_text.hpp"

namespace saspd::gwm {
namespace {

using namespace sasp;

const TimePoint now{std::chrono::hours{1}};

MemberData member(std::string_view address, std::uint8_t protocol, std::uint16_t port) {
  return MemberData::of({*IpAddress::parse(address), protocol, port}, "label");
}

// field-cases F 12: one series twice, and Prometheus refuses all of them. Load balancers and groups
// with names that look alike, members of all kinds at one address.
TEST(GwmMetrics, HaveNoSeriesTwice) {
  WorkloadManager manager({{}, {}, {}});
  MetricCounters counters;
  const Rights rights = Authority(true).rights_of(*IpAddress::parse("192.0.2.9"), {});
  const auto handle = [&](ConnectionId connection, const Message& request) {
    const auto outcome = manager.handle({connection, rights}, request, now);
    EXPECT_EQ(outcome.refusal, "");
    counters.count(request, outcome.reply);
  };
  const std::vector<std::string> names{"director", "Director", "a\\xff", "a\\\\xff"};
  ConnectionId connection = 0;
  for (const auto& uid : names) {
    handle(++connection, SetLbStateRequest{uid, 255, lb_flag::trust});
    RegistrationRequest request;
    for (const auto& name : names) {
      request.groups.push_back(
          {{uid, name},
           {member("192.0.2.1", 6, 80), member("192.0.2.1", 17, 80), member("192.0.2.1", 132, 80),
            member("192.0.2.1", 6, 443), member("192.0.2.1", 47, 80), member("192.0.2.1", 50, 80),
            member("2001:db8::1", 6, 80)}});
    }
    request.groups.push_back(
        {{uid, "systems"}, {member("192.0.2.1", 0, 0), member("2001:db8::1", 0, 0)}});
    handle(connection, request);
  }
  const Surroundings around{[](const auto&) { return nullptr; },
                            [](auto) { return std::nullopt; },
                            {},
                            std::chrono::seconds{10},
                            4,
                            "weights",
                            {},
                            "authority",
                            {},
                            {},
                            {}};
  const test::MetricsText text(
      metrics::text(metric_families(manager, around, counters, {}, true, now)));
  EXPECT_EQ(text.faults(), std::vector<std::string>());
  const std::size_t members = names.size() * (names.size() * 7 + 2);
  EXPECT_GT(text.samples(), members * 4) << "this test shows nothing";
}

}  // namespace
}  // namespace saspd::gwm
