// SPDX-License-Identifier: Apache-2.0
// Against the running kernel: its controller family (nlctrl) is always there and needs no rights.
#include "netlink/genl.hpp"

#include <gtest/gtest.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include <algorithm>

namespace saspd::netlink {
namespace {

Result<std::uint16_t> family_id(ByteView attributes) {
  Attributes family(attributes, "family");
  const auto id = family.u16(CTRL_ATTR_FAMILY_ID);
  if (family.error()) return fail(*family.error());
  return id;
}

class GenlSockets : public testing::Test {
 protected:
  void ask_for_family(const char* name) {
    mnl_attr_put_strz(&requests_.add(GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY), CTRL_ATTR_FAMILY_NAME,
                      name);
  }
  void dump_families() { requests_.add(GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY, NLM_F_DUMP); }

  GenlSocket socket_;
  Requests requests_{GenlSocket::max_batch};
};

TEST_F(GenlSockets, ResolveAFamily) {
  const auto id = socket_.resolve("nlctrl");
  ASSERT_TRUE(id) << id.error().detail;
  EXPECT_EQ(*id, GENL_ID_CTRL);
}

TEST_F(GenlSockets, SayThatAFamilyIsUnknown) {
  const auto id = socket_.resolve("saspd-nonsense");
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, std::errc::no_such_file_or_directory);
}

TEST_F(GenlSockets, IgnoreWhatIsLeftOfAnEarlierRequest) {
  // Its answer is followed by an acknowledgement that nobody waits for.
  mnl_attr_put_strz(&requests_.add(GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY, NLM_F_ACK),
                    CTRL_ATTR_FAMILY_NAME, "nlctrl");
  ASSERT_TRUE(socket_.ask(requests_));
  const auto id = socket_.resolve("nlctrl");
  ASSERT_TRUE(id) << id.error().detail;
  EXPECT_EQ(*id, GENL_ID_CTRL);
}

TEST_F(GenlSockets, DumpAllRecords) {
  dump_families();
  const auto ids = socket_.dump<std::uint16_t>(requests_, family_id);
  ASSERT_TRUE(ids) << ids.error().detail;
  EXPECT_NE(std::find(ids->begin(), ids->end(), GENL_ID_CTRL), ids->end());
}

TEST_F(GenlSockets, GoOnAfterADumpWasGivenUp) {
  dump_families();
  const auto refused = socket_.dump<int>(
      requests_, [](ByteView) -> Result<int> { return fail(std::errc::bad_message, "not today"); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "not today");
  EXPECT_TRUE(socket_.resolve("nlctrl"));
}

TEST_F(GenlSockets, SayWhatTheKernelHasAgainstADump) {
  requests_.add(GENL_ID_CTRL, 1, 99, NLM_F_DUMP);
  const auto refused = socket_.dump<std::uint16_t>(requests_, family_id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, std::errc::operation_not_supported);
}

TEST_F(GenlSockets, GiveUpWhenTheKernelIsSilent) {
  requests_.add(NLMSG_NOOP, 1, 0);
  const auto answer = socket_.ask(requests_);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, std::errc::timed_out);
  EXPECT_EQ(answer.error().detail, "no answer from the kernel within 1000 ms");
  EXPECT_TRUE(socket_.resolve("nlctrl"));
}

TEST_F(GenlSockets, NameTheRequestsOfABatchThatFailed) {
  for (const char* name : {"nlctrl", "saspd-nonsense", "nlctrl", "saspd-nonsense", "nlctrl"}) {
    ask_for_family(name);
  }
  const auto failed = socket_.write(requests_);
  ASSERT_EQ(failed.size(), 2U);
  EXPECT_EQ(failed[0].index, 1U);
  EXPECT_EQ(failed[1].index, 3U);
  EXPECT_EQ(failed[0].error.code, std::errc::no_such_file_or_directory);
}

TEST_F(GenlSockets, HearOfEveryFailureOfAFullBatch) {
  while (!requests_.full())
    ask_for_family("saspd-nonsense");
  const auto failed = socket_.write(requests_);
  ASSERT_EQ(failed.size(), GenlSocket::max_batch);
  for (const auto& [index, error] : failed) {
    EXPECT_EQ(error.code, std::errc::no_such_file_or_directory) << index << error.detail;
  }
}

}  // namespace
}  // namespace saspd::netlink
