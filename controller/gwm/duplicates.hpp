// SPDX-License-Identifier: Apache-2.0
// Detects two load balancers that use the same LB UID. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/clock.hpp"

namespace saspd::gwm {

// A new connection replaces the old one of its LB UID (RFC 4678 9.1, sasp-interop row 36). For a
// load balancer whose old connection broke unnoticed, that is right, and rare. Two live ones
// replace each other for ever, each at its next retry.
class Duplicates {
 public:
  static constexpr std::size_t enough = 3;  // that many replacements within
  static constexpr Duration within = std::chrono::minutes{15};
  static constexpr std::size_t most_uids =
      1024;  // UIDs that are watched, limited because peers choose them

  // Records that a connection from `by` replaced a live one from `old`.
  void replaced(const std::string& lb_uid, const Endpoint& old, const Endpoint& by, TimePoint now);

  struct Suspicion {
    std::string lb_uid;
    Endpoint one;
    Endpoint other;
    std::size_t replacements = 0;  // within that time
  };
  std::vector<Suspicion> suspected(TimePoint now) const;

 private:
  struct Replacement {
    TimePoint at;
    Endpoint old;
    Endpoint by;
  };
  void forget(TimePoint now);

  std::map<std::string, std::deque<Replacement>, std::less<>> replacements_;  // by LB UID
};

// In words, for the operator who must find them.
std::string text(const Duplicates::Suspicion& suspicion);

}  // namespace saspd::gwm
