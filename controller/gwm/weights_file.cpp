// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/weights_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "controller/base/lines.hpp"
#include "controller/base/misread.hpp"
#include "controller/base/nearest.hpp"
#include "controller/base/text.hpp"
#include "controller/sasp/names.hpp"

namespace saspd::gwm {
namespace {

constexpr std::string_view line_form =
    "expected GROUP [tcp:|udp:|sctp:]ADDR[:PORT] WEIGHT|quiesce|down|unknown";

// What other programs call it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> other_words{{
    {"drain", "quiesce"},
    {"draining", "quiesce"},
    {"maint", "quiesce"},
    {"maintenance", "quiesce"},
    {"disabled", "quiesce"},
    {"standby", "quiesce"},
    {"off", "down"},
    {"failed", "down"},
    {"stopped", "down"},
    {"offline", "down"},
    {"unhealthy", "down"},
}};

std::optional<Advice> word_advice(std::string_view word) {
  if (word == "quiesce") return Advice{.confident = true, .quiesce = true};
  if (word == "down") return Advice{.contact = false, .confident = true};
  if (word == "unknown") return Advice{};
  return {};
}

// What was probably meant; empty if unknown.
std::string meant_advice(std::string_view word) {
  if (const auto decimal = decimal_of_hexadecimal(word)) return *decimal;
  if (const auto bare = without_quotes(word)) return *bare;
  constexpr std::array<std::string_view, 3> ours{"quiesce", "down", "unknown"};
  if (const auto near = nearest(word, ours); !near.empty()) return std::string(near);
  std::vector<std::string_view> others;
  for (const auto& [other, meaning] : other_words)
    others.push_back(other);
  const auto near = nearest(word, others);
  const auto is_near = [&](const auto& other) { return other.first == near; };
  const auto* other = std::find_if(other_words.begin(), other_words.end(), is_near);
  return other == other_words.end() ? std::string() : std::string(other->second);
}

Result<Advice> parse_advice(std::string_view word) {
  if (const auto advice = word_advice(word)) return *advice;
  const auto weight = parse_number(word, 0, 65535);
  if (weight) return Advice{.confident = true, .weight = static_cast<std::uint16_t>(*weight)};
  std::string error = fmt::format(
      "'{}' is not a weight from 0 to 65535, nor quiesce, down or unknown", printable(word));
  if (const auto meant = meant_advice(word); !meant.empty())
    error += fmt::format("; did you mean '{}'?", printable(meant));
  return fail(std::errc::invalid_argument, std::move(error));
}

// Everything before the member of a line is the group, so a mistake after it could create a group
// that no load balancer has.
Result<void> check_group(std::string_view group) {
  if (const auto ok = sasp::check_group_name(group); !ok) return ok;
  if (const auto bare = without_quotes(group)) {
    return fail(std::errc::invalid_argument,
                fmt::format("quotes would be part of the group's name; write {}", *bare));
  }
  std::string_view rest = group;
  take_first_word(rest);  // with --adopt a group may be called tcp:192.0.2.10:80
  while (!rest.empty()) {
    const auto word = take_first_word(rest);
    if (!sasp::parse_member(word)) continue;
    return fail(
        std::errc::invalid_argument,
        fmt::format(
            "the group would be '{}', with the member {} in its name: write one member per line",
            group, word));
  }
  return {};
}

Result<sasp::MemberKey> parse_member_word(std::string_view word) {
  const auto bare = without_quotes(word);
  if (!bare || !sasp::parse_member(*bare)) return sasp::parse_member(word);
  return fail(std::errc::invalid_argument, fmt::format("a member is not quoted; write {}", *bare));
}

struct Line {
  std::string_view group;
  sasp::MemberKey member;
  Advice advice;
};

// `line` has something on it.
Result<Line> parse_line(std::string_view line) {
  if (const auto ok = check_blanks(line); !ok) return fail(ok.error());
  const std::string_view advice_word = take_last_word(line);
  const std::string_view member_word = take_last_word(line);
  if (line.empty()) return fail(std::errc::invalid_argument, std::string(line_form));
  const auto advice = parse_advice(advice_word);
  if (!advice) return fail(advice.error());
  const auto member = parse_member_word(member_word);
  if (!member) return fail(member.error());
  if (const auto ok = check_group(line); !ok) return fail(ok.error());
  return Line{line, *member, *advice};
}

bool is_system(const std::pair<const sasp::MemberKey, Advice>& member) {
  return member.first.protocol == 0;
}

}  // namespace

Result<AdviceTable> parse_weights(std::string_view text) {
  if (const auto ok = check_whole(text); !ok) return fail(ok.error());
  AdviceTable table;
  const auto read = for_each_line(text, [&](std::string_view content) -> Result<void> {
    const auto line = parse_line(content);
    if (!line && content.find('#') != std::string_view::npos) {
      return fail(line.error().code, line.error().detail + "; a comment begins with a blank and #");
    }
    if (!line) return fail(line.error());
    const auto [known, is_new] =
        table[std::string(line->group)].try_emplace(line->member, line->advice);
    if (is_new) return {};
    return fail(std::errc::invalid_argument,
                fmt::format("{} is already in group '{}'", line->member.text(), line->group));
  });
  if (!read) return fail(read.error());
  return table;
}

std::vector<std::string> doubts_about(const AdviceTable& table) {
  std::vector<std::string> doubts;
  for (const auto& [group, members] : table) {
    const auto system = std::find_if(members.begin(), members.end(), is_system);
    const auto application = std::find_if_not(members.begin(), members.end(), is_system);
    if (system == members.end() || application == members.end()) continue;
    doubts.push_back(
        fmt::format("group '{}' names the system {} and the application {}, but holds one kind "
                    "only (RFC 4678 5.1): is a port missing?",
                    group, system->first.text(), application->first.text()));
  }
  return doubts;
}

}  // namespace saspd::gwm
