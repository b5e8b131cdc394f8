// SPDX-License-Identifier: Apache-2.0

#include "controller/base/clock.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <functional>
#include <string_view>

#include <gtest/gtest.h>

namespace saspd {
namespace {

using namespace std::chrono_literals;

Duration time_of(clockid_t clock) {
  std::timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

bool write_whole(const char* path, std::string_view text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  const bool written =
      fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  return written;
}

// The exit code of a child.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Clock, CountsSinceBoot) {
  const auto before = time_of(CLOCK_BOOTTIME);
  const TimePoint now = Clock::now();
  EXPECT_GE(now.time_since_epoch(), before);
  EXPECT_LE(now.time_since_epoch(), time_of(CLOCK_BOOTTIME));
}

// A machine that never slept has the same time on both clocks. In a time namespace the time since
// boot is another one, as if this one had slept for days: time_namespaces(7).
TEST(Clock, CountsTheTimeSpentAsleep) {
  enum : int { good = 0, wrong_clock = 1, not_permitted = 2 };
  const int code = in_child([] {
    if (::unshare(CLONE_NEWTIME) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWTIME) != 0)
      return int{not_permitted};
    if (!write_whole("/proc/self/timens_offsets", "boottime 1000000 0")) return int{not_permitted};
    // Only a child is in it.
    return in_child([] {
      const auto asleep = Clock::now().time_since_epoch() - time_of(CLOCK_MONOTONIC);
      return asleep > 999'000s ? int{good} : int{wrong_clock};
    });
  });
  if (code == not_permitted) GTEST_SKIP() << "no time namespace for this user";
  EXPECT_EQ(code, good);
}

}  // namespace
}  // namespace saspd
