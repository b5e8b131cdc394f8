#include "controller/ctl/watch.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "controller/base/text.hpp"
#include "controller/ctl/table.hpp"

namespace saspd::ctl {

namespace json = boost::json;

Watched watched(const json::object& answer) {
  Watched items;
  const auto* object = object_at(answer, "items");
  if (object == nullptr) return items;
  for (const auto& [name, state] : *object)
    items[printable(name)] = text(state);
  return items;
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
    const auto value = [](const std::optional<std::string>& text) {
      return text ? json::value(*text) : json::value(nullptr);
    };
    return json::serialize(json::object{
               {"time", time}, {"name", name}, {"was", value(was)}, {"is", value(is)}}) +
           '\n';
  }
  if (!is) return fmt::format("{}  {}: gone, was {}\n", time, name, *was);
  if (!was) return fmt::format("{}  {}: {}\n", time, name, *is);
  return fmt::format("{}  {}: {} -> {}\n", time, name, *was, *is);
}

}  // namespace saspd::ctl
