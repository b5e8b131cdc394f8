// SPDX-License-Identifier: Apache-2.0

#include "controller/base/text.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

namespace saspd {
namespace {

struct Control {
  std::uint16_t code;
  std::size_t length;  // in bytes
};

// U+2028 and U+2029 end a line, U+202A to U+202E and U+2066 to U+2069 turn the text that follows
// round: what is shown would not be what is there.
bool is_line_or_order_mark(std::string_view bytes) {
  const auto third = bytes.size() < 3 ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[2]);
  return (bytes.starts_with("\xE2\x80") && third >= 0xA8 && third <= 0xAE) ||
         (bytes.starts_with("\xE2\x81") && third >= 0xA6 && third <= 0xA9);
}

// Length of the clean character at the front of `bytes`, 0 if there is none (RFC 3629 section 4).
std::size_t clean_character(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || bytes.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong_or_beyond =
      (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ||
      (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F);
  const bool c1_control = lead == 0xC2 && byte(1) < 0xA0;
  return overlong_or_beyond || c1_control || is_line_or_order_mark(bytes) ? 0 : length;
}

// The control character or mark at the front of `bytes`, which is not clean; empty for bytes that
// are not UTF-8. Those of C1 have two bytes, 0xC2 and their number.
std::optional<Control> control_at_front(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  if (byte(0) < 0x80) return Control{byte(0), 1};
  if (bytes.size() >= 2 && byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0)
    return Control{byte(1), 2};
  if (is_line_or_order_mark(bytes))
    return Control{static_cast<std::uint16_t>(0x2000 + ((byte(1) & 0x3F) << 6) + (byte(2) & 0x3F)),
                   3};
  return std::nullopt;
}

}  // namespace

bool is_clean_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = clean_character(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = clean_character(bytes);
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(bytes[0]));
    } else if (bytes[0] == '\\') {
      out += "\\\\";
    } else {
      out += bytes.substr(0, length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string printable_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    std::size_t length = clean_character(json);
    if (length > 0) {
      out += json.substr(0, length);
    } else if (const auto control = control_at_front(json)) {
      out += fmt::format("\\u{:04x}", control->code);
      length = control->length;
    } else {
      out += "\\ufffd";
      length = 1;
    }
    json.remove_prefix(length);
  }
  return out;
}

}  // namespace saspd
