// SPDX-License-Identifier: Apache-2.0
// What all answers have in common when they are shown: cells, colours and tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saspd::ctl {

// "-" for none.
std::string or_dash(const std::string& text);
std::string or_dash(const std::optional<std::string>& text);

enum class Color { none, bold, good, doubtful, bad };
std::string painted(std::string_view text, Color color, bool colors);

struct Cell {
  std::string text;
  Color color = Color::none;
};
using Row = std::vector<Cell>;
// Columns as wide as their widest cell; the first row is the heading, and as long as any.
std::string table(const std::vector<Row>& rows, bool colors);

std::string duration(std::optional<std::int64_t> seconds, std::string_view otherwise);
std::string age(std::optional<std::int64_t> seconds);

// "192.0.2.1:80", "[2001:db8::1]:80"; a system member has no port (RFC 4678 5.1): "192.0.2.1".
std::string member_name(const std::string& address, std::uint16_t port);
// RFC 4678 5.3: ", quiesced, no contact": of the flags only what an operator should look at.
template <class Flags>
std::string doubts(const Flags& flags) {
  std::string out;
  if (flags.quiesce) out += ", quiesced";
  if (!flags.contact) out += ", no contact";
  if (!flags.confident) out += ", not confident";
  return out;
}

}  // namespace saspd::ctl
