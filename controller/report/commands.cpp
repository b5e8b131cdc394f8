// SPDX-License-Identifier: Apache-2.0

#include "controller/report/commands.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controller/base/version.hpp"

namespace saspd::report {

namespace {

using enum Support;

constexpr std::array rows{
#define SASPD_ROW(command, name, arguments, saspd, gwm, help) \
  CommandRow{Command::command, name, arguments, {saspd, gwm}, help},
    SASPD_COMMANDS(SASPD_ROW)
#undef SASPD_ROW
};

Program other(Program program) {
  return program == Program::saspd ? Program::sasp_gwm : Program::saspd;
}

bool does(const CommandRow& row, Program program) {
  return row.of(program) == reads || row.of(program) == writes;
}

}  // namespace

std::string_view name(Program program) {
  return program == Program::saspd ? "saspd" : "sasp-gwm";
}

bool CommandRow::is_built() const {
  return does(*this, Program::saspd) || does(*this, Program::sasp_gwm);
}

std::size_t CommandRow::max_arguments() const {
  return static_cast<std::size_t>(std::count_if(takes.each.begin(), takes.each.end(),
                                                [](const auto& one) { return !one.key.empty(); }));
}

std::size_t CommandRow::min_arguments() const {
  return static_cast<std::size_t>(
      std::count_if(takes.each.begin(), takes.each.end(),
                    [](const auto& one) { return !one.key.empty() && !one.is_optional(); }));
}

std::string CommandRow::usage() const {
  std::string text(name);
  for (std::size_t i = 0; i < max_arguments(); ++i)
    text += fmt::format(" {}", takes.each.at(i).shown);
  return text;
}

std::span<const CommandRow> commands() {
  return rows;
}

const CommandRow* find_command(std::string_view name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

const CommandRow& row_of(Command command) {
  return *std::find_if(rows.begin(), rows.end(),
                       [&](const auto& row) { return row.command == command; });
}

std::optional<std::string> refusal(Program program, std::string_view command) {
  const auto* row = find_command(command);
  if (row == nullptr || !row->is_built())
    return fmt::format("unknown command '{}'; this is {}", command, name(program));
  if (does(*row, program)) return std::nullopt;
  if (row->of(program) == none) {
    return fmt::format("{} is for {}, this is {}", command, name(other(program)), name(program));
  }
  return fmt::format("{} is not built yet in {} of this version ({}); for {}: saspctl --of {} {}",
                     command, name(program), program_version, name(other(program)),
                     name(other(program)), row->usage());
}

bool only_reads(std::string_view command) {
  const auto* row = find_command(command);
  if (row == nullptr) return false;
  const auto any = [row](Support wanted) {
    return std::find(row->support.begin(), row->support.end(), wanted) != row->support.end();
  };
  return any(reads) && !any(writes);
}

}  // namespace saspd::report
