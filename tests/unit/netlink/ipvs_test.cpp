// SPDX-License-Identifier: Apache-2.0
// What Ipvs says where it cannot work. Where it can it is tested by tests/kernel.
#include "netlink/ipvs.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace saspd::netlink {
namespace {

// capabilities(7): CAP_NET_ADMIN is bit 12.
bool may_administer_the_network() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::string bits;
    if (word == "CapEff:" && status >> bits)
      return ((std::stoull(bits, nullptr, 16) >> 12) & 1) != 0;
  }
  return false;
}

TEST(Ipvs, SaysHowToLoadItWhereTheKernelHasNone) {
  if (std::filesystem::exists("/proc/net/ip_vs")) GTEST_SKIP() << "this kernel has IPVS";
  const auto ipvs = Ipvs::open();
  ASSERT_FALSE(ipvs);
  EXPECT_EQ(ipvs.error().code, std::errc::no_protocol_option);
  EXPECT_EQ(ipvs.error().detail, "the kernel has no IPVS; load it with 'modprobe ip_vs'");
}

TEST(Ipvs, SaysWhoMayNotWhereTheKernelHasIt) {
  if (!std::filesystem::exists("/proc/net/ip_vs")) GTEST_SKIP() << "this kernel has no IPVS";
  auto ipvs = Ipvs::open();
  if (may_administer_the_network()) {
    ASSERT_TRUE(ipvs) << ipvs.error().detail;
    EXPECT_TRUE((*ipvs)->list_all());
  } else {
    EXPECT_TRUE(!ipvs ? ipvs.error().code == std::errc::operation_not_permitted
                      : (*ipvs)->list_all().error().code == std::errc::operation_not_permitted);
  }
}

}  // namespace
}  // namespace saspd::netlink
