// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/overrides.hpp"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/lines.hpp"
#include "controller/base/member_name.hpp"
#include "controller/base/sealed_text.hpp"
#include "controller/events/history.hpp"
#include "controller/report/json.hpp"

namespace saspd::director {

namespace json = boost::json;

namespace {

constexpr Seal seal{"saspd-overrides", "1", "overrides"};

Error damaged() {
  return fail(std::errc::illegal_byte_sequence, "a line of the overrides cannot be read");
}

report::Override kept(const Act& act) {
  report::Override line;
  line.since = events::time_text(act.since);
  if (act.until_wall) line.until = events::time_text(*act.until_wall);
  line.by = act.by;
  line.reason = report::unless_empty(act.reason);
  return line;
}

Result<Act> act_of(const report::Override& line, TimePoint now, WallTime wall) {
  Act act;
  const auto since = events::parse_time(line.since);
  if (!since) return damaged();
  act.since = *since;
  act.by = line.by;
  act.reason = line.reason.value_or("");
  if (!line.until) return act;
  act.until_wall = events::parse_time(*line.until);
  if (!act.until_wall) return damaged();
  act.until = now + std::chrono::duration_cast<Duration>(*act.until_wall - wall);
  return act;
}

bool has_ended(const Act& act, TimePoint now) {
  return act.until && *act.until <= now;
}

template <class Map, class ActOf>
Map take_ended(Map& map, TimePoint now, ActOf act_of) {
  Map ended;
  for (auto each = map.begin(); each != map.end();) {
    const auto next = std::next(each);
    if (has_ended(act_of(each->second), now)) ended.insert(map.extract(each));
    each = next;
  }
  return ended;
}

}  // namespace

const Override* Overrides::find(const std::string& group, const Endpoint& endpoint) const {
  if (members_.empty()) return nullptr;
  const auto found = members_.find({group, endpoint});
  return found != members_.end() ? &found->second : nullptr;
}

bool Overrides::is_held(const std::string& group) const {
  return !holds_.empty() && (holds_.contains("") || holds_.contains(group));
}

std::optional<TimePoint> Overrides::next_end() const {
  std::optional<TimePoint> next;
  for (const auto& [member, override] : members_)
    next = earliest({next, override.act.until});
  for (const auto& [group, act] : holds_)
    next = earliest({next, act.until});
  return next;
}

Overrides::Ended Overrides::take_ended(TimePoint now) {
  return {director::take_ended(members_, now,
                               [](const Override& each) -> const Act& { return each.act; }),
          director::take_ended(holds_, now, [](const Act& each) -> const Act& { return each; })};
}

report::Override shown(const Overrides::Member& member, const Override& override) {
  auto line = kept(override.act);
  line.group = member.first;
  line.member = member_text(member.second);
  line.weight = override.weight;
  return line;
}

report::Override shown(const std::string& group, const Act& hold) {
  auto line = kept(hold);
  line.group = group;
  return line;
}

std::vector<report::Override> Overrides::shown() const {
  std::vector<report::Override> all;
  for (const auto& [member, override] : members_)
    all.push_back(director::shown(member, override));
  for (const auto& [group, act] : holds_)
    all.push_back(director::shown(group, act));
  return all;
}

std::string Overrides::text() const {
  std::string body;
  for (const auto& line : shown())
    body += json::serialize(report::to_json(line)) + '\n';
  return sealed(seal, body);
}

Result<Overrides> Overrides::parse(std::string_view text, TimePoint now, WallTime wall) {
  const auto body = unsealed(seal, text);
  if (!body) return fail(body.error());
  Overrides overrides;
  std::string_view rest = *body;
  while (!rest.empty()) {
    boost::system::error_code ec;
    const auto value = json::parse(take_line(rest), ec);
    if (ec || !value.is_object()) return damaged();
    const auto line = report::from_json<report::Override>(value.get_object());
    const auto act = act_of(line, now, wall);
    if (!act) return fail(act.error());
    if (!line.member) {
      overrides.hold(line.group, *act);
      continue;
    }
    const auto name = MemberName::parse(*line.member);
    if (!name || !line.weight) return damaged();
    overrides.set({line.group, name->endpoint}, {*line.weight, *act});
  }
  return overrides;
}

}  // namespace saspd::director
