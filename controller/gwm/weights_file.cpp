#include "controller/gwm/weights_file.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/sasp/names.hpp"

namespace saspd::gwm {
namespace {

constexpr std::string_view line_form =
    "expected GROUP [tcp:|udp:|sctp:]ADDR[:PORT] WEIGHT|quiesce|down|unknown";
constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view without_comment(std::string_view line) {
  for (auto hash = line.find('#'); hash != std::string_view::npos;
       hash = line.find('#', hash + 1)) {
    if (hash == 0 || blanks.find(line[hash - 1]) != std::string_view::npos) {
      return line.substr(0, hash);
    }
  }
  return line;
}

// Cuts the last word off; empty when there is none.
std::string_view take_last_word(std::string_view& text) {
  text = trimmed(text);
  const auto blank = text.find_last_of(blanks);
  const auto start = blank == std::string_view::npos ? 0 : blank + 1;
  const std::string_view word = text.substr(start);
  text = trimmed(text.substr(0, start));
  return word;
}

std::optional<Advice> word_advice(std::string_view word) {
  if (word == "quiesce") return Advice{.confident = true, .quiesce = true};
  if (word == "down") return Advice{.contact = false, .confident = true};
  if (word == "unknown") return Advice{};
  return {};
}

Result<Advice> parse_advice(std::string_view word) {
  if (const auto advice = word_advice(word)) return *advice;
  const auto weight = parse_number(word, 0, 65535);
  if (!weight) {
    return fail(std::errc::invalid_argument,
                fmt::format("'{}' is not a weight from 0 to 65535, nor quiesce, down or unknown",
                            printable(word)));
  }
  return Advice{.confident = true, .weight = static_cast<std::uint16_t>(*weight)};
}

struct Line {
  std::string_view group;
  sasp::MemberKey member;
  Advice advice;
};

// `line` has something on it.
Result<Line> parse_line(std::string_view line) {
  const std::string_view advice_word = take_last_word(line);
  const std::string_view member_word = take_last_word(line);
  if (line.empty()) return fail(std::errc::invalid_argument, std::string(line_form));
  if (const auto ok = sasp::check_group_name(line); !ok) return fail(ok.error());
  const auto advice = parse_advice(advice_word);
  if (!advice) return fail(advice.error());
  const auto member = sasp::parse_member(member_word);
  if (!member) return fail(member.error());
  return Line{line, *member, *advice};
}

}  // namespace

Result<AdviceTable> parse_weights(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // written by an editor for Windows
  AdviceTable table;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(whole.size() + 1, text.size()));
    ++number;
    const std::string_view content = trimmed(without_comment(whole));
    if (content.empty()) continue;
    const auto line = parse_line(content);
    if (!line) return fail(at(fmt::format("line {}", number), line.error()));
    const auto [known, is_new] =
        table[std::string(line->group)].try_emplace(line->member, line->advice);
    if (!is_new) {
      return fail(std::errc::invalid_argument,
                  fmt::format("line {}: {} stands in group '{}' already", number,
                              line->member.text(), line->group));
    }
  }
  return table;
}

}  // namespace saspd::gwm
