// SPDX-License-Identifier: Apache-2.0
// The agent-check protocol of HAProxy (its configuration manual 5.2, "agent-check"): an agent on a
// server answers a connection with one line of words about itself. Pure.
//
//   up 75% maxconn:30        the server is well and takes three quarters of its usual share
//   down #out of disk        it is not, and why
//   drain                    no new connections; "ready" ends it
//
// Differences from HAProxy 2.6 (tests/conformance/gwm/agent_check_test.cpp runs both), which
// carries out the words that it knows, and reports the rest:
//   - an answer with any other word changes nothing here, as every bad message; so does one without
//     any word, which HAProxy takes for "no change",
//   - the end of the connection ends the line as well: a truncated word is not another word,
//   - "failed" means "fail": the manual of HAProxy 1.5 called it that,
//   - the '#' of a description needs no blank before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd::gwm {

inline constexpr std::size_t max_agent_answer = 1024;
// A larger value counts as this, as in HAProxy. 100 is the server's usual share.
inline constexpr std::uint16_t max_agent_percent = 25600;

struct AgentHealth {
  // All but `up` mean down; which one it is matters only to people.
  enum class Word : std::uint8_t { up, down, fail, stopped };
  Word word = Word::up;
  std::string description;  // printable; only for a server that is down

  bool up() const { return word == Word::up; }
  bool operator==(const AgentHealth&) const = default;
};
std::string_view name(AgentHealth::Word word);

enum class AgentAdmin : std::uint8_t { ready, drain, maint };
std::string_view name(AgentAdmin admin);

// The content of one answer; of several words about the same thing, the last one counts.
struct AgentReport {
  std::optional<std::uint16_t> percent{};
  std::optional<AgentHealth> health{};
  std::optional<AgentAdmin> admin{};
  bool operator==(const AgentReport&) const = default;
};

// Whether what was read so far contains the end of the line.
bool has_agent_line(std::string_view bytes);

// `bytes` is what arrived before the connection ended, or its first max_agent_answer bytes, or
// bytes for which has_agent_line() is true. The error names the word that was not understood.
Result<AgentReport> parse_agent_answer(std::string_view bytes);

// What is known from all answers: what an answer does not mention stays as it was.
struct AgentState {
  std::uint16_t percent = 100;
  AgentHealth health;
  AgentAdmin admin = AgentAdmin::ready;

  void apply(const AgentReport& report);
  bool operator==(const AgentState&) const = default;
};

}  // namespace saspd::gwm
