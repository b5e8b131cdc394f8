// SPDX-License-Identifier: Apache-2.0
// The commands of saspctl, a row each: what it takes, which program answers it and what right that
// needs. Parser, help, completion, dispatch and refusals come from here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace saspd::report {

enum class Command : std::uint8_t {
  status,
  gwm,
  lbs,
  groups,
  members,
  why,
  watch,
  plan,
  reconcile,
  drain,
  undrain,
  export_rules,
  trace,
  history,
  set_weight,
  hold,
  release,
  doctor,
  decode,
  reload,
  log_level,
};

enum class Program : std::uint8_t { saspd, sasp_gwm };
std::string_view name(Program program);  // as it is started: "sasp-gwm"

// What a program does about a command.
enum class Support : std::uint8_t {
  none,     // it is the other program's
  planned,  // not built yet
  reads,
  writes,  // for root, its own user and net::admin_group
};

struct Argument {
  std::string_view shown{};  // in the help: "[GROUP]" if it may be left out
  std::string_view key{};    // in the request

  bool is_optional() const { return shown.starts_with('['); }
};

struct CommandRow {
  Command command;
  std::string_view name;
  std::array<Argument, 2> arguments;
  std::string_view needs;          // the arguments in words, when there are too few
  std::array<Support, 2> support;  // of saspd, of sasp-gwm
  std::string_view help;

  Support of(Program program) const { return support.at(static_cast<std::size_t>(program)); }
  bool is_built() const;  // in one of the programs
  std::size_t min_arguments() const;
  std::size_t max_arguments() const;
  std::string usage() const;  // "why MEMBER"
};

std::span<const CommandRow> commands();
const CommandRow* find_command(std::string_view name);  // nullptr: there is none
const CommandRow& row_of(Command command);

// Why `program` does not do what the request names; nothing: it does.
std::optional<std::string> refusal(Program program, std::string_view command);
// Whether the command only looks. One that is not known counts as one that changes something.
bool only_reads(std::string_view command);

}  // namespace saspd::report
