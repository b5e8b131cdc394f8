// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/limited_log.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "controller/base/descriptor.hpp"

namespace saspd::cli {
namespace {

class LimitedLogTest : public testing::Test {
 protected:
  std::vector<std::string> lines() const {
    std::vector<std::string> lines(1);
    char c = 0;
    for (off_t at = 0; ::pread(file_.get(), &c, 1, at) == 1; ++at) {
      if (c == '\n')
        lines.emplace_back();
      else
        lines.back() += c;
    }
    lines.pop_back();
    return lines;
  }
  std::size_t count(const std::string& part) const {
    std::size_t count = 0;
    for (const auto& line : lines())
      count += line.find(part) != std::string::npos ? 1U : 0U;
    return count;
  }

  Descriptor file_{::memfd_create("log", MFD_CLOEXEC)};
  Log log_{{Level::debug, LogFormat::journal}, file_.get()};
  LimitedLog limited_{log_};
};

TEST_F(LimitedLogTest, APeerDoesNotDecideHowMuchIsLogged) {
  const auto start = std::chrono::steady_clock::now();
  for (int times = 0; times < 100'000; ++times) {
    limited_.line({Level::info, "a weight"});
    limited_.line({Level::warning, "a trouble"});
  }
  const auto took = std::chrono::steady_clock::now() - start;
  const auto most = 51 + static_cast<std::size_t>(took / std::chrono::seconds{1});
  EXPECT_LE(count("a weight"), most);
  EXPECT_LE(count("a trouble"), most);
  EXPECT_GE(count("a trouble"), 50U) << "one level leaves the others their room";
}

TEST_F(LimitedLogTest, SaysHowManyWereLeftOutThoughNoneFollows) {
  for (int times = 0; times < 1000; ++times)
    limited_.line({Level::info, "a weight"});
  while (count("lines were suppressed") == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    limited_.settle();
  }
  const std::size_t said = count("a weight");
  EXPECT_EQ(count("<6>" + std::to_string(1000 - said) + " lines were suppressed"), 1U);
}

TEST_F(LimitedLogTest, WhatSomebodyAskedForIsSaidInAnyCase) {
  for (int times = 0; times < 200; ++times) {
    limited_.line({Level::info, "a weight"});
    limited_.line({Level::info, "undrain", true});
  }
  EXPECT_EQ(count("undrain"), 200U);
}

}  // namespace
}  // namespace saspd::cli
