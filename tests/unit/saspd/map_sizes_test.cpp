// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/map_sizes.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "bpf/backend.hpp"
#include "controller/saspd/service_spec.hpp"

namespace saspd::director {
namespace {

constexpr MapSizes least{64, 1024, 262'144};

// `members` each.
Options with(int services, int members) {
  Options options;
  for (int n = 0; n < services; ++n) {
    const auto added = add_service(
        options.groups, fmt::format("g{}=tcp:192.0.2.{}:{}", n, 1 + n / 1000, 1 + n % 1000),
        bpf::xdp_backend);
    if (!added) throw std::runtime_error(added.error().detail);
    GroupSettings& group = options.groups.back();
    for (int member = 0; member < members; ++member)
      group.members[*Endpoint::parse(fmt::format("10.{}.{}.1:80", member / 250, 1 + member % 250))];
  }
  return options;
}

TEST(MapSizes, HaveRoomForTwiceWhatIsConfigured) {
  struct Row {
    int services;
    int members;
    std::uint32_t room_for_services;
    std::uint32_t room_for_backends;
  };
  for (const Row& row :
       {Row{0, 0, 64, 1024}, Row{1, 4, 64, 1024}, Row{32, 16, 64, 1024}, Row{33, 16, 128, 2048},
        Row{65, 2, 256, 1024}, Row{100, 10, 256, 2048}, Row{1, 1032, 64, 4096},
        Row{100, 100, 256, 32'768}, Row{100, 500, 256, 65'535}, Row{2049, 1, 4096, 8192}}) {
    const auto sizes = map_sizes(with(row.services, row.members), least);
    EXPECT_EQ(sizes, (MapSizes{row.room_for_services, row.room_for_backends, least.flows}))
        << row.services << " services of " << row.members << ": " << sizes.services << ", "
        << sizes.backends;
  }
}

TEST(MapSizes, CountAServerOfSeveralServicesForEach) {
  auto options = with(1, 600);
  ASSERT_TRUE(add_service(options.groups, "g0=udp:192.0.2.10:53", bpf::xdp_backend));
  EXPECT_EQ(map_sizes(options, least).backends, 4096U);
}

TEST(MapSizes, AreNeverLessThanWhatIsThere) {
  EXPECT_EQ(map_sizes(with(1, 1), {512, 8192, 1'000'000}), (MapSizes{512, 8192, 1'000'000}));
}

TEST(MapSizes, AreThoseThatWereGiven) {
  auto options = with(100, 100);
  options.xdp.max_services = 2;
  options.xdp.max_backends = 5;
  options.xdp.max_flows = 1024;
  EXPECT_EQ(map_sizes(options, least), (MapSizes{2, 5, 1024}));
}

}  // namespace
}  // namespace saspd::director
