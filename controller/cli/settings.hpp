// SPDX-License-Identifier: Apache-2.0
// All that a program was configured with, as text, and what is different when it is read again.
// Pure.
#pragma once

#include <string>
#include <vector>

namespace saspd::cli {

// A key of the config file with its effective values.
struct Setting {
  std::string key;
  std::vector<std::string> values;
  bool is_list = false;
  bool is_live = false;   // a running program takes another value over
  bool is_given = false;  // else it has its default
};
// The settings of all keys, in the order in which the program declares them.
using Settings = std::vector<Setting>;

struct Change {
  std::string key;
  bool is_list = false;
  bool is_live = false;
  std::vector<std::string> removed;
  std::vector<std::string> added;
  bool reordered = false;  // values that stay have another order

  // As an operator reads it, one line each: "interval: 10 -> 5"; of a list "+ member = ...".
  std::vector<std::string> lines() const;
};

// What `after` has otherwise than `before`, key by key; both are of the same program.
std::vector<Change> difference(const Settings& before, const Settings& after);

// The keys that cannot be taken over: "backend, control". Empty: all can.
std::string needing_restart(const std::vector<Change>& changes);

}  // namespace saspd::cli
