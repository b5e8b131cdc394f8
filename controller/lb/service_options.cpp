// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/service_options.hpp"

#include "controller/base/seconds.hpp"

namespace saspd::lb {

std::string_view take_option(std::string_view& rest) {
  const auto comma = rest.find(',');
  const std::string_view option = rest.substr(0, comma);
  rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  return option;
}

std::string listed(std::span<const std::string_view> forms) {
  std::string text;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    if (i > 0) text += i + 1 == forms.size() ? " or " : ", ";
    text += forms[i];
  }
  return text;
}

Result<void> take_time(std::optional<std::chrono::seconds>& out, std::string_view name,
                       std::string_view value, std::uint64_t low) {
  constexpr std::uint64_t month = std::uint64_t{31} * 86'400;
  const auto time = parse_seconds(value, low, month);
  if (!time) {
    return fail(std::errc::invalid_argument, fmt::format("{}: {}", name, time.error().detail));
  }
  out = *time;
  return {};
}

}  // namespace saspd::lb
