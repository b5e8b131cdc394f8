// SPDX-License-Identifier: Apache-2.0
// One holder at a time, and who it is.
#include "controller/programs/saspd/instance_lock.hpp"

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <optional>

#include <fmt/format.h>

namespace saspd::programs {
namespace {

// Abstract names are everybody's in the network namespace.
const std::string backend = fmt::format("test-{}", ::getpid());

TEST(InstanceLock, HasOneHolderAtATime) {
  std::optional<InstanceLock> first = InstanceLock::take(backend).value();
  EXPECT_EQ(InstanceLock::take(backend).error().code, std::errc::address_in_use);
  EXPECT_TRUE(InstanceLock::take(backend + "-other"));
  first.reset();
  EXPECT_TRUE(InstanceLock::take(backend));
}

TEST(InstanceLock, SaysWhoHoldsIt) {
  const auto first = InstanceLock::take(backend);
  ASSERT_TRUE(first);
  const passwd* user = ::getpwuid(::getuid());
  const std::string name = user != nullptr ? user->pw_name : std::to_string(::getuid());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(InstanceLock::take(backend).error().detail,
              fmt::format("abstract socket @saspd-{}: held by pid {} of user {}", backend,
                          ::getpid(), name));
  }
}

// A predecessor that was killed holds it until the kernel has ended it.
TEST(InstanceLock, IsWaitedForAWhile) {
  std::optional<InstanceLock> dying = InstanceLock::take(backend).value();
  const auto take = [] { return InstanceLock::take(backend); };
  std::chrono::milliseconds waited{0};
  const auto lock = take_patiently(take, [&](auto time) {
    waited += time;
    if (waited >= std::chrono::milliseconds{500}) dying.reset();
  });
  EXPECT_TRUE(lock);
  EXPECT_EQ(waited, std::chrono::milliseconds{500});
  waited = {};
  EXPECT_EQ(take_patiently(take, [&](auto time) { waited += time; }).error().code,
            std::errc::address_in_use);
  EXPECT_EQ(waited, std::chrono::milliseconds{2000});
}

TEST(InstanceLock, IsNotWaitedForWhenWaitingDoesNotHelp) {
  const auto refused = [] {
    return Result<int>(fail(std::errc::operation_not_permitted, "no sockets"));
  };
  bool waited = false;
  EXPECT_FALSE(take_patiently(refused, [&](auto) { waited = true; }));
  EXPECT_FALSE(waited);
}

}  // namespace
}  // namespace saspd::programs
