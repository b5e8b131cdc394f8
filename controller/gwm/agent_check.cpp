// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/agent_check.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "controller/base/ascii.hpp"
#include "controller/base/text.hpp"

namespace saspd::gwm {
namespace {

constexpr std::string_view line_ends = "\r\n";
constexpr std::string_view separators = " \t,";
constexpr std::string_view blanks = " \t";
constexpr std::string_view maxconn_prefix = "maxconn:";
constexpr std::size_t max_shown_word = 40;

constexpr std::array health_words{
    std::pair{std::string_view{"up"}, AgentHealth::Word::up},
    std::pair{std::string_view{"down"}, AgentHealth::Word::down},
    std::pair{std::string_view{"fail"}, AgentHealth::Word::fail},
    std::pair{std::string_view{"failed"}, AgentHealth::Word::fail},
    std::pair{std::string_view{"stopped"}, AgentHealth::Word::stopped},
};
constexpr std::array admin_words{
    std::pair{std::string_view{"ready"}, AgentAdmin::ready},
    std::pair{std::string_view{"drain"}, AgentAdmin::drain},
    std::pair{std::string_view{"maint"}, AgentAdmin::maint},
};

template <class Words>
auto find_word(const Words& words, std::string_view text) {
  return std::find_if(words.begin(), words.end(),
                      [&](const auto& entry) { return entry.first == text; });
}

template <class Words, class Value>
std::string_view find_name(const Words& words, Value value) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [&](const auto& entry) { return entry.second == value; });
  return found == words.end() ? "unknown" : found->first;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// `digits` is one or more digits.
std::uint16_t percent_of(std::string_view digits) {
  std::uint16_t value = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return ec == std::errc{} ? std::min(value, max_agent_percent) : max_agent_percent;
}

// False: not a word of the protocol.
bool take_word(std::string_view original, AgentReport& report) {
  const std::string word = ascii::lower_case(original);
  const auto health = find_word(health_words, word);
  if (health != health_words.end()) {
    report.health = AgentHealth{health->second, {}};
    return true;
  }
  const auto admin = find_word(admin_words, word);
  if (admin != admin_words.end()) {
    report.admin = admin->second;
    return true;
  }
  const std::string_view view = word;
  if (view.ends_with('%') && is_number(view.substr(0, view.size() - 1))) {
    report.percent = percent_of(view.substr(0, view.size() - 1));
    return true;
  }
  // SASP has no notion of how many connections a server takes.
  return view.starts_with(maxconn_prefix) && is_number(view.substr(maxconn_prefix.size()));
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// All words, or the first one that is none.
Result<AgentReport> parse_words(std::string_view words) {
  AgentReport report;
  bool any = false;
  for (;;) {
    const auto start = words.find_first_not_of(separators);
    if (start == std::string_view::npos) break;
    words.remove_prefix(start);
    const std::string_view word = words.substr(0, words.find_first_of(separators));
    words.remove_prefix(word.size());
    if (!take_word(word, report)) {
      return fail(
          std::errc::bad_message,
          fmt::format("the agent answered '{}', which is not a word of the agent-check protocol",
                      printable(word.substr(0, max_shown_word))));
    }
    any = true;
  }
  if (!any) return fail(std::errc::bad_message, "the agent's answer has no word in it");
  return report;
}

}  // namespace

std::string_view name(AgentHealth::Word word) {
  return find_name(health_words, word);
}
std::string_view name(AgentAdmin admin) {
  return find_name(admin_words, admin);
}

bool has_agent_line(std::string_view bytes) {
  return bytes.find_first_of(line_ends) != std::string_view::npos;
}

Result<AgentReport> parse_agent_answer(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, bytes.find_first_of(line_ends));
  if (line.size() >= max_agent_answer) {
    return fail(std::errc::message_size,
                fmt::format("the agent's line does not end within {} bytes", max_agent_answer));
  }
  const std::string_view words = line.substr(0, line.find('#'));
  auto report = parse_words(words);
  if (!report || words.size() == line.size() || !report->health || report->health->up()) {
    return report;
  }
  report->health->description = printable(trimmed(line.substr(words.size() + 1)));
  return report;
}

void AgentState::apply(const AgentReport& report) {
  if (report.percent) percent = *report.percent;
  if (report.health) health = *report.health;
  if (report.admin) admin = *report.admin;
}

}  // namespace saspd::gwm
