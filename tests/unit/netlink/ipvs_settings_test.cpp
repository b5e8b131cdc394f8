// SPDX-License-Identifier: Apache-2.0

#include "netlink/ipvs_settings.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace saspd::netlink {
namespace {

class IpvsSettings : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/saspd-settings-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void given(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }
  std::string directory_;
};

TEST_F(IpvsSettings, AreReadOrUnknownNeverGuessed) {
  given("expire_quiescent_template", "0\n");
  given("conn_reuse_mode", "1\n");
  given("sloppy_tcp", "no number\n");
  const auto settings = read_ipvs_settings(directory_);
  EXPECT_EQ(settings.at("expire_quiescent_template"), 0U);
  EXPECT_EQ(settings.at("conn_reuse_mode"), 1U);
  EXPECT_EQ(settings.at("sloppy_tcp"), std::nullopt);
  EXPECT_EQ(settings.at("expire_nodest_conn"), std::nullopt);
  EXPECT_EQ(settings.size(), 4U);
}

}  // namespace
}  // namespace saspd::netlink
