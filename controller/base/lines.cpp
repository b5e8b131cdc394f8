// SPDX-License-Identifier: Apache-2.0

#include "controller/base/lines.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace saspd {
namespace {

constexpr std::string_view blanks = " \t\r";

std::string_view without_comment(std::string_view line) {
  for (auto hash = line.find('#'); hash != std::string_view::npos;
       hash = line.find('#', hash + 1)) {
    if (hash == 0 || blanks.find(line[hash - 1]) != std::string_view::npos) {
      return line.substr(0, hash);
    }
  }
  return line;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view take_first_word(std::string_view& text) {
  text = trimmed(text);
  const std::string_view word = text.substr(0, text.find_first_of(blanks));
  text = trimmed(text.substr(word.size()));
  return word;
}

std::string_view take_last_word(std::string_view& text) {
  text = trimmed(text);
  const auto blank = text.find_last_of(blanks);
  const auto start = blank == std::string_view::npos ? 0 : blank + 1;
  const std::string_view word = text.substr(start);
  text = trimmed(text.substr(0, start));
  return word;
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

Result<void> for_each_line(std::string_view text,
                           const std::function<Result<void>(std::string_view)>& each) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // written by an editor for Windows
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view content = trimmed(without_comment(take_line(text)));
    if (content.empty()) continue;
    if (const auto done = each(content); !done)
      return fail(at(fmt::format("line {}", number), done.error()));
  }
  return {};
}

}  // namespace saspd
