// What Ipvs says where it cannot work. Where it can it is tested by tests/kernel.
#include "netlink/ipvs.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace saspd::netlink {
namespace {

TEST(Ipvs, SaysHowToLoadItWhereTheKernelHasNone) {
  const auto ipvs = Ipvs::open();
  if (std::filesystem::exists("/proc/net/ip_vs")) {
    // A user without the right is told so; nobody is told that there is no IPVS.
    EXPECT_TRUE(ipvs || ipvs.error().code == std::errc::operation_not_permitted);
    return;
  }
  ASSERT_FALSE(ipvs);
  EXPECT_EQ(ipvs.error().code, std::errc::no_protocol_option);
  EXPECT_EQ(ipvs.error().detail, "the kernel has no IPVS; load it with 'modprobe ip_vs'");
}

}  // namespace
}  // namespace saspd::netlink
