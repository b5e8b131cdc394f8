// SPDX-License-Identifier: Apache-2.0
// A Send Weights of 10 000 members: decoding and encoding it, against the floor of reading its
// bytes once in the same run.
#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "controller/sasp/framer.hpp"

namespace {

using namespace saspd::sasp;

Frame ten_thousand_members() {
  SendWeights weights{{{{"lb1.example.org", "web"}, {}}}};
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const std::array<std::uint8_t, 4> address = {10, 0, static_cast<std::uint8_t>(i >> 8),
                                                 static_cast<std::uint8_t>(i)};
    weights.groups[0].items.push_back(
        {MemberData::of({saspd::IpAddress::v4(address), 6, 80}), 0,
         weight_flag::contact | weight_flag::confident | weight_flag::registered_by_lb,
         static_cast<std::uint16_t>(i)});
  }
  return {1, std::move(weights)};
}

const Frame frame = ten_thousand_members();
const Bytes bytes = encode(frame).value();

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(bytes.size()));
}

void read_once(benchmark::State& state) {
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, 8);
      sum += word;
    }
    benchmark::DoNotOptimize(sum);
  }
  count_bytes(state);
}
BENCHMARK(read_once);

void decode_message(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(decode(bytes));
  count_bytes(state);
}
BENCHMARK(decode_message);

void frame_and_decode(benchmark::State& state) {
  Framer framer(default_max_message, Framer::kept_by_client);
  for (auto _ : state) {
    for (ByteView rest = bytes; !rest.empty();) {
      const std::size_t n = std::min<std::size_t>(rest.size(), 65536);  // as a socket gives it
      framer.append(rest.first(n));
      rest = rest.subspan(n);
      const auto next = framer.next();
      if (next->has_value()) benchmark::DoNotOptimize(decode(**next));
    }
  }
  count_bytes(state);
}
BENCHMARK(frame_and_decode);

void encode_message(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(encode(frame));
  count_bytes(state);
}
BENCHMARK(encode_message);

class WithRatios : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs)
      cpu_time[run.benchmark_name()] = run.GetAdjustedCPUTime();
  }
  void print() const {
    for (const auto& [name, time] : cpu_time) {
      fmt::print("{:<18} {:6.2f} GB/s {:7.1f} x the time of reading once\n", name,
                 static_cast<double>(bytes.size()) / time, time / cpu_time.at("read_once"));
    }
  }

 private:
  std::map<std::string, double> cpu_time;
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  WithRatios reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  reporter.print();
}
