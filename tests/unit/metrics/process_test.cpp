// SPDX-License-Identifier: Apache-2.0
// What a process tells of itself.
#include "controller/metrics/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <map>

namespace saspd::metrics {
namespace {

std::map<std::string, double> values() {
  std::map<std::string, double> values;
  for (const auto& family : process_families(Clock::now(), std::chrono::system_clock::now())) {
    EXPECT_EQ(family.metric.size(), 1U);
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? family.metric[0].counter.value
                              : family.metric[0].gauge.value;
  }
  return values;
}

TEST(Process, BeganNotLongAgo) {
  const auto age =
      unix_seconds(std::chrono::system_clock::now()) - values().at("process_start_time_seconds");
  EXPECT_GE(age, -0.1);  // a tick of the clock in which it is told
  EXPECT_LT(age, 300);
}

TEST(Process, CountsItsOpenDescriptors) {
  const auto before = values().at("process_open_fds");
  const int fd = ::open("/dev/null", O_RDONLY);
  EXPECT_EQ(values().at("process_open_fds"), before + 1);
  ::close(fd);
  EXPECT_GE(values().at("process_max_fds"), before);
}

TEST(Process, UsesMemoryAndTime) {
  const auto first = values();
  EXPECT_GT(first.at("process_resident_memory_bytes"), 100'000);
  EXPECT_GT(first.at("process_virtual_memory_bytes"), first.at("process_resident_memory_bytes"));
  for (const auto start = std::clock(); std::clock() - start < CLOCKS_PER_SEC / 50;) {
  }
  EXPECT_GT(values().at("process_cpu_seconds_total"), first.at("process_cpu_seconds_total"));
}

TEST(Process, KnowsTheTimeToTheMillisecond) {
  EXPECT_EQ(unix_seconds(WallTime(std::chrono::microseconds(1'764'084'000'123'456))),
            1'764'084'000.123);
}

}  // namespace
}  // namespace saspd::metrics
