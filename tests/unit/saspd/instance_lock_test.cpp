// One holder at a time, and who it is.
#include "controller/saspd/instance_lock.hpp"

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <optional>

#include <fmt/format.h>

namespace saspd {
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

}  // namespace
}  // namespace saspd
