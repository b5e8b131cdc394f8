// SPDX-License-Identifier: Apache-2.0
// The table builders, against the floor of writing 65 537 slots once in the same run. Arguments:
// how many backends; weights equal (0), 1..100 (1), one of 65535 beside ones (2), 1..65535 (3).
#include <algorithm>
#include <chrono>
#include <limits>
#include <random>

#include <benchmark/benchmark.h>

#include "bpf/maglev.hpp"

namespace {

using namespace saspd::bpf;

std::vector<Member> members(std::int64_t count, std::int64_t weights) {
  std::mt19937 random(1);
  const auto up_to = [&random](std::uint32_t highest) {
    return std::uniform_int_distribution<std::uint32_t>(1, highest)(random);
  };
  std::vector<Member> members;
  for (std::uint32_t i = 1; i <= count; ++i) {
    const std::array<std::uint8_t, 4> address = {10, 0, static_cast<std::uint8_t>(i >> 8U),
                                                 static_cast<std::uint8_t>(i)};
    const std::uint32_t weight = weights == 0   ? 10
                                 : weights == 1 ? up_to(100)
                                 : weights == 2 ? (i == 1 ? 65535 : 1)
                                                : up_to(65535);
    members.push_back({{saspd::IpAddress::v4(address), 80}, static_cast<std::uint16_t>(i), weight});
  }
  return members;
}

using Clock = std::chrono::steady_clock;
double microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

double fill_once() {
  SlotTable table(LB_SLOTS);
  const auto start = Clock::now();
  for (std::size_t slot = 0; slot < table.size(); ++slot) {
    table[slot] = static_cast<std::uint16_t>(slot);
    benchmark::DoNotOptimize(table[slot]);
  }
  return microseconds(Clock::now() - start);
}

double floor_us() {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < 200; ++i)
    best = std::min(best, fill_once());
  return best;
}

template <class Build>
void measure(benchmark::State& state, Build build) {
  const double floor = floor_us();
  double best = std::numeric_limits<double>::max();
  for (auto _ : state) {
    const auto start = Clock::now();
    benchmark::DoNotOptimize(build());
    best = std::min(best, microseconds(Clock::now() - start));
  }
  state.counters["min_us"] = best;
  state.counters["fills"] = best / floor;
}

std::size_t moved(const SlotTable& before, const SlotTable& after) {
  std::size_t moved = 0;
  for (std::size_t slot = 0; slot < before.size(); ++slot)
    moved += before[slot] != after[slot] ? 1U : 0U;
  return moved;
}

void fill(benchmark::State& state) {
  measure(state, fill_once);
}
BENCHMARK(fill)->Unit(benchmark::kMicrosecond);

// After the weight of one was halved; `moved` is in per cent of the table.
void table_minimal(benchmark::State& state) {
  auto changed = members(state.range(0), state.range(1));
  const SlotTable before = minimal({}, changed);
  changed[0].weight = std::max(1U, changed[0].weight / 2);
  measure(state, [&] { return minimal(before, changed); });
  state.counters["moved"] =
      100.0 * static_cast<double>(moved(before, minimal(before, changed))) / LB_SLOTS;
}

void table_independent(benchmark::State& state) {
  auto changed = members(state.range(0), state.range(1));
  const SlotTable before = independent(changed);
  changed[0].weight = std::max(1U, changed[0].weight / 2);
  measure(state, [&] { return independent(changed); });
  state.counters["moved"] =
      100.0 * static_cast<double>(moved(before, independent(changed))) / LB_SLOTS;
}

#define SIZES ArgsProduct({{10, 100, 1000}, {0, 1, 2, 3}})->Unit(benchmark::kMicrosecond)
BENCHMARK(table_minimal)->SIZES;
BENCHMARK(table_independent)->SIZES;

}  // namespace

BENCHMARK_MAIN();
