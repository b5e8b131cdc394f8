// SPDX-License-Identifier: Apache-2.0

#include "controller/base/misread.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "controller/base/text.hpp"

namespace saspd {
namespace {

constexpr std::array<std::string_view, 11> quotes{"\"",
                                                  "'",
                                                  "`",
                                                  "\xE2\x80\x9C",
                                                  "\xE2\x80\x9D",
                                                  "\xE2\x80\x9E",
                                                  "\xE2\x80\x98",
                                                  "\xE2\x80\x99",
                                                  "\xE2\x80\x9A",
                                                  "\xC2\xAB",
                                                  "\xC2\xBB"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> unseen{{
    {"\xC2\xA0", "a no-break space (U+00A0)"},
    {"\xE2\x80\xAF", "a narrow no-break space (U+202F)"},
    {"\xE3\x80\x80", "an ideographic space (U+3000)"},
    {"\xE2\x80\x8B", "a zero-width space (U+200B)"},
    {"\xEF\xBB\xBF", "a byte order mark (U+FEFF)"},
    {"\xC2\xAD", "a soft hyphen (U+00AD)"},
}};

std::size_t quote_in_front(std::string_view word) {
  for (const auto quote : quotes) {
    if (word.starts_with(quote)) return quote.size();
  }
  return 0;
}

std::size_t quote_at_end(std::string_view word) {
  for (const auto quote : quotes) {
    if (word.ends_with(quote)) return quote.size();
  }
  return 0;
}

}  // namespace

std::optional<std::string> without_quotes(std::string_view word) {
  const std::size_t front = quote_in_front(word);
  word.remove_prefix(front);
  const std::size_t end = quote_at_end(word);
  word.remove_suffix(end);
  if (front + end == 0) return {};
  return std::string(word);
}

Result<void> check_blanks(std::string_view text) {
  for (const auto& [bytes, name] : unseen) {
    const auto found = text.find(bytes);
    if (found == std::string_view::npos) continue;
    return fail(
        std::errc::invalid_argument,
        fmt::format("{} after '{}' looks like a blank or nothing; type a blank there, or remove it",
                    name, printable(text.substr(0, found))));
  }
  return {};
}

Result<void> check_encoding(std::string_view text) {
  if (!text.starts_with("\xFF\xFE") && !text.starts_with("\xFE\xFF")) return {};
  return fail(std::errc::invalid_argument, "the text is UTF-16; save it as UTF-8");
}

Result<void> check_whole(std::string_view text) {
  if (const auto ok = check_encoding(text); !ok) return fail(at("line 1", ok.error()));
  if (text.empty() || text.back() == '\n') return {};
  return fail(std::errc::invalid_argument,
              "the last line has no newline: either the file is still being written, or a line "
              "break is missing");
}

std::optional<std::string> decimal_of_hexadecimal(std::string_view text) {
  if (!text.starts_with("0x") && !text.starts_with("0X")) return {};
  text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (ec != std::errc{} || end != text.data() + text.size()) return {};
  return std::to_string(value);
}

}  // namespace saspd
