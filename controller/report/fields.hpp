// SPDX-License-Identifier: Apache-2.0
// What the fields of answers are made of, beside plain values. A std::optional without a value is
// null in JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>

#include "controller/base/clock.hpp"

namespace saspd::report {

// Without a value its key is left out.
template <class Value>
struct Maybe : std::optional<Value> {
  using std::optional<Value>::optional;
};

// A struct whose keys stand among those around it; without one they are left out.
template <class Struct>
struct Merged : std::optional<Struct> {
  using std::optional<Struct>::optional;
};

// Keys that are no part of our vocabulary, in the order given.
template <class Value>
using Dictionary = std::vector<std::pair<std::string, Value>>;

inline std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}
inline std::int64_t seconds_between(TimePoint from, TimePoint to) {
  return std::chrono::floor<std::chrono::seconds>(to - from).count();
}

inline constexpr std::int64_t schema_version = 1;

// The answer of either program to what it does not do.
struct Refusal {
  std::optional<std::string> error;
  std::int64_t exit_code = 0;  // with which saspctl ends
};
BOOST_DESCRIBE_STRUCT(Refusal, (), (error, exit_code))

// From a weight entry, RFC 4678 5.3.
struct Flags {
  bool contact = false;
  bool quiesce = false;
  bool registered_by_lb = false;
  bool confident = false;
};
BOOST_DESCRIBE_STRUCT(Flags, (), (contact, quiesce, registered_by_lb, confident))

}  // namespace saspd::report
