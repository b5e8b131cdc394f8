// SPDX-License-Identifier: Apache-2.0

#include "controller/events/history.hpp"

#include <chrono>
#include <cstdio>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/lines.hpp"
#include "controller/base/member_name.hpp"
#include "controller/report/json.hpp"

namespace saspd::events {

namespace json = boost::json;

std::string time_text(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds);
  return fmt::format("{:%FT%T}.{:03}Z", seconds, ms.count());
}

std::optional<WallTime> parse_time(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned ms = 0;
  const std::string whole(text);
  if (std::sscanf(whole.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u.%3uZ", &year, &month, &day, &hour,
                  &minute, &second, &ms) != 7)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                         std::chrono::day{day}};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days{date} + std::chrono::hours{hour} +
                  std::chrono::minutes{minute} + std::chrono::seconds{second} +
                  std::chrono::milliseconds{ms});
}

bool fits(const report::Event& event, const Filter& filter) {
  if (!filter.group.empty() && event.group != filter.group) return false;
  if (!filter.member.empty() && event.member != filter.member) return false;
  return event.time >= filter.since;
}

Result<Filter> parse_filter(const json::object& request, WallTime now) {
  Filter filter;
  const auto number = [&request](std::string_view key, std::uint64_t otherwise) {
    const auto* value = request.if_contains(key);
    boost::system::error_code ec;
    const auto found = value != nullptr ? value->to_number<std::uint64_t>(ec) : otherwise;
    return ec ? otherwise : found;
  };
  filter.after = number("after", 0);
  filter.limit = static_cast<std::size_t>(number("limit", filter.limit));
  if (const auto since = number("since_s", 0); since > 0 && since < 1'000'000'000)
    filter.since = time_text(now - std::chrono::seconds{since});
  const auto* of = request.if_contains("of");
  if (of == nullptr || of->is_null()) return filter;
  if (!of->is_string()) return fail(std::errc::invalid_argument, "'of' is not a text");
  const std::string wanted(of->get_string());
  if (const auto member = MemberName::parse(wanted)) {
    filter.group = member->group.value_or("");
    filter.member = member_text(member->endpoint);
  } else {
    filter.group = wanted;
  }
  return filter;
}

std::string line_of(const report::Event& event) {
  return json::serialize(report::to_json(event)) + '\n';
}

std::deque<report::Event> parse_lines(std::string_view text) {
  std::deque<report::Event> events;
  std::uint64_t last = 0;
  text = text.substr(0, text.rfind('\n') + 1);  // a line that does not end was cut off
  while (!text.empty()) {
    boost::system::error_code ec;
    const auto value = json::parse(take_line(text), ec);
    if (ec || !value.is_object()) continue;
    auto event = report::from_json<report::Event>(value.get_object());
    if (event.number <= last || !parse_time(event.time)) continue;
    last = event.number;
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace saspd::events
