// SPDX-License-Identifier: Apache-2.0
// Lives of saspd in simulated time, a seed each. A failure prints the seed, what it expands to, and
// the fewest happenings that still lead to it.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "tests/simulation/story.hpp"
#include "tests/simulation/world.hpp"

namespace saspd::simulation {
namespace {

struct Outcome {
  std::string wrong;
  std::uint64_t hash = 0;
  unsigned happened = 0;
  unsigned lives = 0;
  std::uint64_t writes = 0;
};

Outcome live(const Options& options, const std::set<unsigned>& left_out, bool trace) {
  World world(options, left_out, trace);
  Outcome outcome;
  outcome.wrong = world.run();
  outcome.hash = world.hash();
  outcome.happened = world.happened();
  outcome.lives = world.lives();
  outcome.writes = world.writes();
  return outcome;
}

// Leaves out whatever may be left out.
std::set<unsigned> minimised(const Options& options) {
  std::set<unsigned> left_out;
  for (unsigned size = options.happenings; size > 0; size /= 2) {
    for (unsigned from = 0; from < options.happenings; from += size) {
      auto fewer = left_out;
      for (unsigned n = from; n < std::min(from + size, options.happenings); ++n)
        fewer.insert(n);
      if (fewer.size() > left_out.size() && !live(options, fewer, false).wrong.empty())
        left_out = std::move(fewer);
    }
  }
  return left_out;
}

std::string listed(const std::set<unsigned>& numbers) {
  std::string text;
  for (const auto n : numbers)
    text += (text.empty() ? "" : ",") + std::to_string(n);
  return text;
}

void report(const Options& options, const Outcome& outcome) {
  fmt::print("FAILED: {}\n  {}\n", options.text(), outcome.wrong);
  const auto left_out = minimised(options);
  const auto fewer = live(options, left_out, false);
  fmt::print(
      "  with {} of {} happenings: {}\n  again: simulation.lives --seed {} --leave-out {} --trace\n",
      options.happenings - left_out.size(), options.happenings, fewer.wrong, options.seed,
      left_out.empty() ? "''" : listed(left_out));
  std::fflush(stdout);
}

int tell(const std::vector<std::string>& stories, bool trace) {
  int failed = 0;
  for (const auto& path : stories) {
    const auto wrong = Story::read(path).tell(trace);
    if (wrong.empty()) continue;
    ++failed;
    fmt::print("FAILED: {}\n", wrong);
  }
  fmt::print("{} stories, {} failed\n", stories.size(), failed);
  return failed == 0 ? 0 : 1;
}

// "2/3": the second third of the seeds.
struct Part {
  std::uint64_t number = 1;
  std::uint64_t of = 1;
};

int run(int count, char** arguments) {
  std::uint64_t first = 1;
  std::string part_text = "1/1";
  std::uint64_t seeds = 10'000;
  std::uint64_t one = 0;
  std::vector<unsigned> left_out;
  std::vector<std::string> stories;
  bool trace = false;
  bool only_find = false;
  bool all = false;
  if (const char* more = std::getenv("SASPD_SEEDS")) seeds = std::strtoull(more, nullptr, 10);
  CLI::App app("Lives of saspd in simulated time");
  app.add_option("--seeds", seeds, "how many lives; also by SASPD_SEEDS");
  app.add_option("--first", first, "the first seed");
  app.add_option("--part", part_text, "\"2/3\": the second third of them");
  app.add_option("--seed", one, "this life alone");
  app.add_option("--leave-out", left_out, "happenings that do not happen")->delimiter(',');
  app.add_option("--story", stories, "tell these files (story.hpp)");
  app.add_flag("--trace", trace, "show what happens");
  app.add_flag("--find", only_find, "a failure is only counted, not minimised");
  app.add_flag("--all", all, "go on after a failure");
  CLI11_PARSE(app, count, arguments);
  if (!stories.empty()) return tell(stories, trace);
  if (one > 0) {
    const Options options = Options::of(one);
    fmt::print("{}\n", options.text());
    std::fflush(stdout);
    const auto outcome = live(options, {left_out.begin(), left_out.end()}, trace);
    fmt::print("{} happenings, {} lives, {} writes, hash {:016x}\n{}\n", outcome.happened,
               outcome.lives, outcome.writes, outcome.hash,
               outcome.wrong.empty() ? "all well" : outcome.wrong);
    return outcome.wrong.empty() ? 0 : 1;
  }
  Part part;
  if (std::sscanf(part_text.c_str(), "%lu/%lu", &part.number, &part.of) != 2 || part.of == 0) {
    fmt::print(stderr, "--part {}: expected \"N/M\"\n", part_text);
    return 64;
  }
  first += seeds / part.of * (part.number - 1);
  seeds /= part.of;
  const auto start = std::chrono::steady_clock::now();
  Outcome sum;
  unsigned failures = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const Options options = Options::of(seed);
    const auto outcome = live(options, {}, false);
    sum.happened += outcome.happened;
    sum.lives += outcome.lives;
    sum.writes += outcome.writes;
    const bool again = seed % 64 == 0;
    if (again && live(options, {}, false).hash != outcome.hash) {
      fmt::print("FAILED: seed {} has two ends: something is not simulated\n", seed);
      return 1;
    }
    if (outcome.wrong.empty()) continue;
    ++failures;
    if (only_find) {
      fmt::print("caught after {} seeds: {}\n", seed - first + 1, outcome.wrong);
      std::fflush(stdout);
    } else {
      report(options, outcome);
    }
    if (!all) return 1;
  }
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start);
  fmt::print(
      "{} seeds, {} failed: {} happenings, {} lives of saspd, {} writes; {:.0f} seeds a second\n",
      seeds, failures, sum.happened, sum.lives, sum.writes,
      static_cast<double>(seeds) / took.count());
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace saspd::simulation

int main(int count, char** arguments) {
  return saspd::simulation::run(count, arguments);
}
