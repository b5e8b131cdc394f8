// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/table.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace saspd::ctl {

namespace {

// Characters of clean UTF-8; that some take two columns is left to the reader.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::string or_dash(const std::optional<std::string>& text) {
  return text ? or_dash(*text) : "-";
}

std::string painted(std::string_view text, Color color, bool colors) {
  if (!colors || color == Color::none) return std::string(text);
  const int code = color == Color::bold       ? 1
                   : color == Color::good     ? 32
                   : color == Color::doubtful ? 33
                                              : 31;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string table(const std::vector<Row>& rows, bool colors) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width(row[i].text));
  }
  std::string out;
  for (const auto& row : rows) {
    out += "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += painted(row[i].text, row[i].color, colors);
      if (i + 1 < row.size()) out.append(widths[i] - width(row[i].text) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string duration(std::optional<std::int64_t> seconds, std::string_view otherwise) {
  if (!seconds) return std::string(otherwise);
  const auto s = *seconds;
  if (s < 120) return fmt::format("{} s", s);
  if (s < 7200) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 172'800) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} d {} h", s / 86'400, s % 86'400 / 3600);
}

std::string age(std::optional<std::int64_t> seconds) {
  return seconds ? duration(seconds, "") + " ago" : "never";
}

std::string member_name(const std::string& address, std::uint16_t port) {
  if (port == 0) return or_dash(address);
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", port);
}

}  // namespace saspd::ctl
