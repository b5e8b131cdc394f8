// SPDX-License-Identifier: Apache-2.0
// What a program says about itself: --help, --help=table and --version.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "controller/base/version.hpp"
#include "controller/cli/cli.hpp"

namespace saspd::cli {
namespace {

constexpr std::size_t help_column = 34;
constexpr std::size_t help_width = 100;

constexpr std::string_view help_text = "Print this help and exit";
constexpr std::string_view version_text = "Print the version and how it was built, and exit";

// CLI11 prints a description as it is, so lines are broken here.
std::string wrapped(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool fits = column == 0 || column + 1 + word.size() <= width;
    if (column != 0) out += fits ? ' ' : '\n';
    column = (fits && column != 0 ? column + 1 : 0) + word.size();
    out += word;
  }
  return out;
}

std::string compiler() {
#ifdef __clang__
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

// Aligned with the flags in --help; ends with a line break.
std::string help_table(const std::vector<HelpEntry>& entries) {
  std::string out;
  for (const auto& [usage, help] : entries) {
    out += fmt::format("  {:<{}}", usage, help_column - 2);
    for (const char c : wrapped(help, help_width - help_column)) {
      out += c;
      if (c == '\n') out.append(help_column, ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace

Cli::Cli(std::string name, std::string description, std::string footer)
    : name_(std::move(name)),
      footer_(std::move(footer)),
      app_(std::make_unique<CLI::App>(std::move(description), name_)) {
  app_->get_formatter()->column_width(help_column);
  app_->set_help_flag("-h,--help", std::string(help_text));
  app_->set_version_flag(
      "--version", [this] { return version(); }, std::string(version_text));
  // check_command_line reports what is left over, in our words.
  app_->allow_extras();
  app_->footer([this] { return this->footer(); });
}

std::string Cli::footer() const {
  std::string text = footer_;
  if (!not_built_.empty()) {
    const auto names = fmt::format("Not built yet: {}", fmt::join(not_built_, " "));
    text += (text.empty() ? "" : "\n\n") + wrapped(names, help_width);
  }
  return commands_.empty() ? text : fmt::format("Commands:\n{}{}", help_table(commands_), text);
}

void Cli::positional(std::string placeholder, std::optional<std::string>& target,
                     std::string help) {
  auto* handle = app_->add_option(std::move(placeholder), CLI::callback_t{},
                                  wrapped(help, help_width - help_column))
                     ->expected(1)
                     ->allow_extra_args(false);
  positionals_.emplace_back(handle, &target);
}

void Cli::describe(Option& option) {
  std::string text = option.help;
  if (!option.shown_default.empty()) text += fmt::format(" [{}]", option.shown_default);
  if (option.is_list) text += "; may be repeated";
  option.handle->description(wrapped(text, help_width - help_column));
}

std::string Cli::help_rows() const {
  std::string rows =
      fmt::format("flag\t--help\t\t{}\t\t\nflag\t--version\t\t{}\t\t\n", help_text, version_text);
  for (const auto& option : options_) {
    rows += fmt::format("flag\t{}\t{}\t{}\t{}\t{}\n", option.flag, option.placeholder, option.help,
                        option.shown_default, option.is_list ? "repeats" : "");
  }
  for (const auto& [usage, help] : commands_) {
    const auto blank = std::min(usage.find(' '), usage.size());
    rows += fmt::format("command\t{}\t{}\t{}\n", usage.substr(0, blank),
                        usage.substr(std::min(blank + 1, usage.size())), help);
  }
  return rows;
}

std::string Cli::version() const {
  constexpr std::string_view sanitizers = SASPD_SANITIZERS;
  return fmt::format("{} {}\nbuilt with {}, build type {}{}{}{}{}", name_, program_version,
                     compiler(), SASPD_BUILD_TYPE, source_revision.empty() ? "" : ", source ",
                     source_revision, sanitizers.empty() ? "" : ", sanitizers ", sanitizers);
}

}  // namespace saspd::cli
