// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/render_events.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/ascii.hpp"
#include "controller/ctl/table.hpp"
#include "controller/report/json.hpp"

namespace saspd::ctl {
namespace {

using report::EventLevel;
using report::EventPhase;
using report::HealthState;

constexpr std::string_view unknown =
    "it does not report its health: it is older than this saspctl; restart it";

Color color_of(HealthState state) {
  return state == HealthState::ok         ? Color::good
         : state == HealthState::degraded ? Color::doubtful
                                          : Color::bad;
}

Color color_of(const report::Event& event) {
  return event.level == EventLevel::error     ? Color::bad
         : event.level == EventLevel::warning ? Color::doubtful
                                              : Color::none;
}

// Without the fraction of a second, which people do not read.
std::string clock_of(const std::string& time) {
  const auto dot = time.find('.');
  return dot == std::string::npos ? or_dash(time) : time.substr(0, dot) + "Z";
}

std::string subject_of(const report::Event& event) {
  if (event.member) return (event.group ? *event.group + "/" : "") + *event.member;
  if (event.gwm) return *event.gwm;
  return event.group.value_or("-");
}

}  // namespace

bool is_reported(const report::Health& health) {
  return !health.since.empty();
}

HealthState state_of(const report::Health& health) {
  if (!is_reported(health)) return HealthState::failed;
  return health.state.known().value_or(HealthState::failed);
}

std::string render(const report::Health& health, bool colors) {
  const auto state = state_of(health);
  if (!is_reported(health))
    return painted(fmt::format("UNKNOWN  {}\n", unknown), Color::bad, colors);
  std::string out =
      fmt::format("{} since {} ({})\n",
                  painted(ascii::upper_case(health.state.text()), color_of(state), colors),
                  clock_of(health.since), duration(health.since_s, "?"));
  for (const auto& problem : health.problems) {
    out +=
        fmt::format("  {} for {}: {}{}\n",
                    painted(or_dash(problem.health.text()),
                            color_of(problem.health.known().value_or(HealthState::failed)), colors),
                    duration(problem.since_s, "?"), or_dash(problem.text),
                    problem.help ? fmt::format("  [{}]", *problem.help) : "");
  }
  return out;
}

std::string nagios_line(const report::Health& health) {
  if (!is_reported(health)) return fmt::format("UNKNOWN - {}\n", unknown);
  const auto state = state_of(health);
  const std::string_view word = state == HealthState::ok         ? "OK"
                                : state == HealthState::degraded ? "WARNING"
                                                                 : "CRITICAL";
  if (health.problems.empty()) return fmt::format("{} - no problem\n", word);
  const auto& first = health.problems.front();
  return fmt::format(
      "{} - {}{}\n", word, or_dash(first.text),
      health.problems.size() > 1 ? fmt::format(" (and {} more)", health.problems.size() - 1) : "");
}

std::string render_overrides(const std::vector<report::Override>& overrides, bool colors) {
  std::string out;
  for (const auto& override : overrides) {
    const std::string of = override.member          ? override.group + "/" + *override.member
                           : override.group.empty() ? std::string("every group")
                                                    : "group " + override.group;
    const std::string what = override.weight ? fmt::format("weight {}", *override.weight)
                                             : std::string("nothing is written");
    out +=
        painted(fmt::format("override {}: {} by {}, {}{}", of, what, or_dash(override.by),
                            override.until ? "until " + clock_of(*override.until) : "no end",
                            override.reason ? ": " + *override.reason : ""),
                Color::doubtful, colors) +
        fmt::format("  [saspctl release{}{}]\n", override.group.empty() ? "" : " " + override.group,
                    override.member ? "/" + *override.member : "");
  }
  return out;
}

std::string render(const report::Event& event, bool colors) {
  std::string out =
      fmt::format("{}  {} {}  {}", clock_of(event.time),
                  painted(fmt::format("{:<7}", event.level.text()), color_of(event), colors),
                  subject_of(event), or_dash(event.text));
  if (event.reason) out += fmt::format(" ({})", *event.reason);
  if (event.origin && event.text.find(*event.origin) == std::string::npos)
    out += fmt::format(", by {}", *event.origin);
  return out + '\n';
}

std::string event_line(const report::Event& event, bool json, bool colors) {
  return json ? boost::json::serialize(report::to_json(event)) + '\n' : render(event, colors);
}

std::string render(const report::History& history, bool colors) {
  std::string out;
  if (history.left_out > 0)
    out += fmt::format("{} older events are left out: --limit N\n", history.left_out);
  for (const auto& event : history.events)
    out += render(event, colors);
  return out.empty() ? "nothing happened\n" : out;
}

}  // namespace saspd::ctl
