#include "controller/gwm/weights_file.hpp"

#include <fmt/format.h>

#include "controller/base/lines.hpp"
#include "controller/base/text.hpp"
#include "controller/sasp/names.hpp"

namespace saspd::gwm {
namespace {

constexpr std::string_view line_form =
    "expected GROUP [tcp:|udp:|sctp:]ADDR[:PORT] WEIGHT|quiesce|down|unknown";

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
  AdviceTable table;
  const auto read = for_each_line(text, [&](std::string_view content) -> Result<void> {
    const auto line = parse_line(content);
    if (!line) return fail(line.error());
    const auto [known, is_new] =
        table[std::string(line->group)].try_emplace(line->member, line->advice);
    if (is_new) return {};
    return fail(std::errc::invalid_argument,
                fmt::format("{} stands in group '{}' already", line->member.text(), line->group));
  });
  if (!read) return fail(read.error());
  return table;
}

}  // namespace saspd::gwm
