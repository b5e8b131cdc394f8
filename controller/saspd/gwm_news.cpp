// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/gwm_news.hpp"

#include <utility>

#include <fmt/format.h>

namespace saspd::director {

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
