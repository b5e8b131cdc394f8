// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/gwm_news.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/cli/parsers.hpp"

namespace saspd::director {
namespace {

constexpr std::size_t max_groups_named = 5;

std::string named(const std::vector<std::size_t>& numbers, const std::vector<std::string>& gwms) {
  std::vector<std::string_view> names;
  for (const std::size_t gwm : numbers)
    names.push_back(gwms.at(gwm));
  return fmt::format("{}", fmt::join(names, " and "));
}

std::string_view because(GwmChange::Cause cause) {
  switch (cause) {
    case GwmChange::Cause::first: break;
    case GwmChange::Cause::lost: return ", which is not connected";
    case GwmChange::Cause::silent: return ", which gives no weights any more";
    case GwmChange::Cause::ignorant: return ", which knows the group's servers no longer";
    case GwmChange::Cause::joined: return "";
  }
  return "";
}

// "group web", or "5 groups (a, b, ...)".
std::string named(const std::vector<std::string>& groups) {
  if (groups.size() == 1) return "group " + groups.front();
  const auto shown = std::min(groups.size(), max_groups_named);
  return fmt::format(
      "{} groups ({}{})", groups.size(),
      fmt::join(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      groups.size() > shown ? ", ..." : "");
}

}  // namespace

Result<std::size_t> gwm_named(std::string_view wanted, const std::vector<std::string>& gwms) {
  const auto exact = std::find(gwms.begin(), gwms.end(), wanted);
  if (exact != gwms.end()) return static_cast<std::size_t>(exact - gwms.begin());
  const auto parsed = cli::host_port(sasp::default_port)(wanted);
  if (!parsed) return fail(parsed.error());
  std::vector<std::size_t> at_host;
  for (std::size_t i = 0; i < gwms.size(); ++i) {
    if (gwms[i] == parsed->text()) return i;
    const auto known = cli::host_port(sasp::default_port)(gwms[i]);
    if (known && known->host == parsed->host) at_host.push_back(i);
  }
  const bool names_a_port = parsed->text() == wanted;
  if (at_host.size() == 1 && !names_a_port) return at_host.front();
  return fail(
      std::errc::no_such_device_or_address,
      fmt::format("'{}' is no --gwm of this saspd; there is {}", wanted, fmt::join(gwms, " and ")));
}

std::vector<GwmNews::Line> followed_lines(const std::vector<GwmChange>& changes,
                                          const std::vector<std::string>& gwms) {
  using Same = std::tuple<std::vector<std::size_t>, std::vector<std::size_t>, GwmChange::Cause>;
  std::map<Same, std::vector<std::string>> groups;
  for (const auto& change : changes)
    groups[{change.before, change.now, change.cause}].push_back(change.group);
  std::vector<GwmNews::Line> lines;
  for (const auto& [same, of] : groups) {
    const auto& [before, now, cause] = same;
    std::string text = fmt::format("{}: the advice of {} counts now", named(of), named(now, gwms));
    if (!before.empty())
      text += fmt::format(", no longer that of {}{}", named(before, gwms), because(cause));
    lines.push_back({cause != GwmChange::Cause::first && cause != GwmChange::Cause::joined, text});
  }
  return lines;
}

std::optional<GwmNews::Line> GwmNews::notice(const sasp::Notice& notice, TimePoint now) {
  using Kind = sasp::Notice::Kind;
  if (notice.kind == Kind::information) return Line{false, notice.text};
  if (notice.kind == Kind::fault) return Line{true, notice.text};
  const auto [entry, first] = repeated_.try_emplace(notice.kind);
  Repeated& repeated = entry->second;
  ++repeated.all;
  ++repeated.unsaid;
  if (!first && now - repeated.said < pause) return std::nullopt;
  repeated.said = now;
  const auto count = std::exchange(repeated.unsaid, 0);
  if (count == 1) return Line{true, notice.text};
  return Line{true, fmt::format("{} ({} times since this was logged last)", notice.text, count)};
}

std::optional<GwmNews::Line> GwmNews::weights_received() {
  const auto refused = repeated_.extract(sasp::Notice::Kind::weights_refused);
  if (refused.empty()) return std::nullopt;
  return Line{false, fmt::format("weights arrive again, after {} refusals", refused.mapped().all)};
}

GwmNews::Line GwmNews::down(std::string_view text, TimePoint now) {
  const bool changed = !std::exchange(down_, true);
  const bool paused = warned_of_down_ && now - *warned_of_down_ < pause;
  if (!changed || paused) return {false, std::string(text)};
  warned_of_down_ = now;
  return {true, std::string(text)};
}

}  // namespace saspd::director
