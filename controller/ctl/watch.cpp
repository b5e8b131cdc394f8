// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/watch.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "controller/report/json.hpp"

namespace saspd::ctl {

Watched watched(const report::Watch& answer) {
  return {answer.items.begin(), answer.items.end()};
}

std::vector<WatchedChange> changes(const Watched& before, const Watched& now) {
  std::vector<WatchedChange> found;
  auto old = before.begin();
  auto fresh = now.begin();
  while (old != before.end() || fresh != now.end()) {
    const bool gone = fresh == now.end() || (old != before.end() && old->first < fresh->first);
    const bool is_new = old == before.end() || (fresh != now.end() && fresh->first < old->first);
    if (gone) {
      found.push_back({old->first, old->second, {}});
    } else if (is_new) {
      found.push_back({fresh->first, {}, fresh->second});
    } else if (old->second != fresh->second) {
      found.push_back({fresh->first, old->second, fresh->second});
    }
    if (!is_new) ++old;
    if (!gone) ++fresh;
  }
  return found;
}

std::string watch_line(const WatchedChange& change, std::string_view time, bool as_json) {
  const auto& [name, was, is] = change;
  if (as_json) {
    const report::WatchEvent event{std::string(time), name, was, is};
    return boost::json::serialize(report::to_json(event)) + '\n';
  }
  if (!is) return fmt::format("{}  {}: gone, was {}\n", time, name, *was);
  if (!was) return fmt::format("{}  {}: {}\n", time, name, *is);
  return fmt::format("{}  {}: {} -> {}\n", time, name, *was, *is);
}

}  // namespace saspd::ctl
