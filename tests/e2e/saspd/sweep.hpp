// SPDX-License-Identifier: Apache-2.0
// Which faults a sweep over the system calls of a program meets: a few in the usual run, all with
// SASPD_SWEEP=all, and every third of them from the second on with SASPD_SWEEP=2/3.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/support/strace.hpp"

namespace saspd::test {

struct Sweep {
  std::size_t part = 1;
  std::size_t parts = 1;
  bool is_long = false;

  static Sweep asked_for() {
    const char* asked = std::getenv("SASPD_SWEEP");
    if (asked == nullptr) return {};
    Sweep sweep{1, 1, true};
    if (std::string(asked) == "all") return sweep;
    if (std::sscanf(asked, "%zu/%zu", &sweep.part, &sweep.parts) != 2 || sweep.part < 1 ||
        sweep.part > sweep.parts) {
      throw std::runtime_error(fmt::format("SASPD_SWEEP={}: expected all, or 2/3", asked));
    }
    return sweep;
  }

  // Those of this part; so few of them, well spread, unless it is long.
  std::vector<Fault> of(const std::vector<Fault>& all, std::size_t few = 4) const {
    std::vector<Fault> chosen;
    if (is_long) {
      for (std::size_t i = part - 1; i < all.size(); i += parts)
        chosen.push_back(all[i]);
      return chosen;
    }
    std::vector<Fault> kinds[2];
    for (const auto& fault : all)
      kinds[fault.kills() ? 0 : 1].push_back(fault);
    for (std::size_t i = 0; i < few; ++i) {
      const auto& kind = kinds[i % 2];
      if (!kind.empty()) chosen.push_back(kind[(2 * i + 1) * kind.size() / (2 * few)]);
    }
    return chosen;
  }

  // For whoever waits for it.
  static void tell(std::size_t done, std::size_t all, const Fault& fault) {
    std::cout << fmt::format("[{}/{}] {}", done, all, fault.text()) << std::endl;
  }
};

// Without the calls within a run of reads from one place: a read leaves nothing behind, so that one
// of them which fails, or is the last call, is like its neighbour.
inline std::vector<Call> distinct(const std::vector<Call>& calls) {
  std::vector<Call> chosen;
  const auto alike = [&calls](std::size_t i, std::size_t j) {
    return j < calls.size() && calls[i].place == calls[j].place;
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const bool within = i > 0 && alike(i, i - 1) && alike(i, i + 1);
    if (!calls[i].reads() || !within) chosen.push_back(calls[i]);
  }
  return chosen;
}

// Each call is once the last one, and fails with every error; one that reads the same as the call
// before it fails with one of them.
enum class Errors { every, one };
inline std::vector<Fault> faults_at(const std::vector<Call>& calls, Errors which = Errors::every) {
  static const std::vector<std::string> errors{"ENOMEM", "ENOBUFS", "EPERM",
                                               "EIO",    "ENOSPC",  "EINTR"};
  std::vector<Fault> faults;
  std::string before;
  for (const auto& call : calls) {
    const bool again = call.reads() && call.place == before;
    before = call.place;
    if (!again) faults.push_back({call.name, call.nth, "signal=KILL"});
    if (again || which == Errors::one) {
      faults.push_back({call.name, call.nth, "error=" + errors[faults.size() / 2 % errors.size()]});
      continue;
    }
    for (const auto& error : errors)
      faults.push_back({call.name, call.nth, "error=" + error});
  }
  return faults;
}

}  // namespace saspd::test
