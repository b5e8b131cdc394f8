// SPDX-License-Identifier: Apache-2.0
// What has changed between two answers to "watch". Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/report/saspd.hpp"

namespace saspd::ctl {

// What is watched and how it is, both printable.
using Watched = std::map<std::string, std::string>;
Watched watched(const report::Watch& answer);

struct WatchedChange {
  std::string name;
  std::optional<std::string> was;  // nothing: it is new
  std::optional<std::string> is;   // nothing: it is gone
  bool operator==(const WatchedChange&) const = default;
};
// In the order of names.
std::vector<WatchedChange> changes(const Watched& before, const Watched& now);

// A line, or a JSON object in one, that begins with the time given.
std::string watch_line(const WatchedChange& change, std::string_view time, bool json);

}  // namespace saspd::ctl
