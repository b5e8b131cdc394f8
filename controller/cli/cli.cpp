#include "controller/cli/cli.hpp"

#include <algorithm>
#include <climits>
#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "controller/base/text.hpp"
#include "controller/base/version.hpp"
#include "controller/cli/config_file.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::cli {
namespace {

constexpr std::size_t help_column = 34;
constexpr std::size_t help_width = 100;

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

std::string key_of(std::string_view flag) {
  return std::string(flag.substr(2));
}

std::string not_built_text(std::string_view name) {
  return fmt::format("{} is not built yet in this version ({})", name, program_version);
}

Result<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "false") return text == "true";
  return fail(std::errc::invalid_argument, fmt::format("'{}' is not true or false", text));
}

// What a line of a config file cannot hold is no value on the command line either, so that
// --print-config always says all.
Result<void> fits_a_line(std::string_view value) {
  constexpr std::string_view blanks = " \t\r";
  const bool blank_ends = !value.empty() && (blanks.find(value.front()) != std::string_view::npos ||
                                             blanks.find(value.back()) != std::string_view::npos);
  if (!blank_ends && value.find('\n') == std::string_view::npos) return {};
  return fail(std::errc::invalid_argument,
              fmt::format("'{}' has a line break, or a blank at an end", value));
}

// In constant or changeable options.
template <class Options>
auto find_in(Options& options, std::string_view flag) -> decltype(options.data()) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const auto& option) { return option.flag == flag; });
  return found == options.end() ? nullptr : &*found;
}

}  // namespace

Cli::Cli(std::string name, std::string description, std::string footer)
    : name_(std::move(name)),
      footer_(std::move(footer)),
      app_(std::make_unique<CLI::App>(std::move(description), name_)) {
  app_->get_formatter()->column_width(help_column);
  app_->set_help_flag("-h,--help", "Print this help and exit");
  app_->set_version_flag(
      "--version", [this] { return version(); },
      "Print the version and how it was built, and exit");
  // Whatever is left over is reported by check_command_line in our words.
  app_->allow_extras();
  app_->footer([this] {
    if (not_built_.empty()) return footer_;
    const auto names = fmt::format("Not built yet: {}", fmt::join(not_built_, " "));
    return footer_ + (footer_.empty() ? "" : "\n\n") + wrapped(names, help_width);
  });
}

Cli::~Cli() = default;

void Cli::section(std::string title) {
  section_ = std::move(title);
}

void Cli::add_option(std::string flag, std::string placeholder, Accept accept, std::string help,
                     std::string by_default) {
  if (!by_default.empty()) help += fmt::format(" [{}]", by_default);
  add(std::move(flag), std::move(placeholder), std::move(accept), std::move(help)).by_default =
      std::move(by_default);
}

void Cli::add_list(std::string flag, std::string placeholder, Accept accept, std::string help) {
  add(std::move(flag), std::move(placeholder), std::move(accept),
      std::move(help) + "; may be repeated")
      .is_list = true;
}

void Cli::flag(std::string flag, bool& target, std::string help) {
  add(std::move(flag), {}, assign_to(target, parse_bool), std::move(help)).by_default =
      target ? "true" : "false";
}

void Cli::action(std::string flag, bool& target, std::string help) {
  add(std::move(flag), {}, assign_to(target, parse_bool), std::move(help)).is_action = true;
}

void Cli::add_verb(std::string flag, std::function<void()> choose, std::string help) {
  const auto accept = [choose = std::move(choose)](std::string_view text) -> Result<void> {
    const auto given = parse_bool(text);
    if (!given) return fail(given.error());
    if (*given) choose();
    return {};
  };
  Option& option = add(std::move(flag), {}, accept, std::move(help));
  option.is_action = true;
  option.is_verb = true;
}

// A switch is what has no placeholder.
Cli::Option& Cli::add(std::string flag, std::string placeholder, Accept accept, std::string help) {
  Option& option = options_.emplace_back();
  option.accept = std::move(accept);
  option.is_toggle = placeholder.empty();
  help = wrapped(help, help_width - help_column);
  // One value per occurrence, taken literally: no lists in brackets, no following arguments.
  option.handle = option.is_toggle ? app_->add_flag(flag)->description(std::move(help))
                                   : app_->add_option(flag, CLI::callback_t{}, std::move(help))
                                         ->type_name(std::move(placeholder))
                                         ->expected(1)
                                         ->allow_extra_args(false);
  option.handle->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->group(section_);
  option.flag = std::move(flag);
  return option;
}

void Cli::positional(std::string placeholder, std::optional<std::string>& target,
                     std::string help) {
  auto* handle = app_->add_option(std::move(placeholder), CLI::callback_t{},
                                  wrapped(help, help_width - help_column))
                     ->expected(1)
                     ->allow_extra_args(false);
  positionals_.emplace_back(handle, &target);
}

void Cli::not_built_yet(std::initializer_list<std::string_view> flags) {
  for (const auto flag : flags) {
    not_built_.emplace_back(flag);
    app_->add_flag(std::string(flag))
        ->group("")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

void Cli::with_config_file() {
  has_config_file_ = true;
  const auto path = text(0, PATH_MAX);
  add("--config", "FILE", assign_to(config_path_, path),
      "Read flags from FILE: one 'key = value' per line (the flag without its dashes), '#' starts "
      "a "
      "comment line; a flag on the command line replaces the key")
      .is_action = true;
  verb("--print-config", print_config_, true,
       "Print the effective values as a config file, and exit");
}

std::optional<ExitCode> Cli::parse(int argc, const char* const* argv) {
  const auto stop = [&](const End& end) { return refuse(end.code, end.text); };
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  try {
    if (const auto end = read_command_line(std::move(arguments))) return stop(*end);
  } catch (const CLI::CallForHelp&) {
    return show(app_->help());
  } catch (const CLI::CallForVersion& call) {
    return show(fmt::format("{}\n", call.what()));
  }
  if (const auto end = read_config_file()) return stop(*end);
  if (const auto end = take_values()) return stop(*end);
  return std::nullopt;
}

std::optional<Cli::End> Cli::read_command_line(std::vector<std::string> arguments) {
  if (auto end = prepare(arguments)) return end;
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app_->parse(arguments);
  } catch (const CLI::Success&) {
    throw;
  } catch (const CLI::ParseError& error) {
    return End{ExitCode::usage, error.what()};
  }
  return check_command_line();
}

// Brings every flag with a value into the form "--flag VALUE". CLI11 alone would take "--flag=" for
// a flag whose value is the next argument, and "--switch=" or "--switch={}" for true.
std::optional<Cli::End> Cli::prepare(std::vector<std::string>& arguments) const {
  const auto usage = [](std::string text) { return End{ExitCode::usage, std::move(text)}; };
  std::vector<std::string> prepared;
  for (auto next = arguments.begin(); next != arguments.end(); ++next) {
    if (*next == "--") {
      prepared.insert(prepared.end(), next, arguments.end());
      break;
    }
    const auto equals = next->find('=');
    const bool has_value = equals != std::string::npos;
    const auto value = has_value ? next->substr(equals + 1) : std::string{};
    const Option* option = find(std::string_view(*next).substr(0, equals));
    prepared.push_back(*next);
    if (option == nullptr) continue;
    if (option->is_toggle) {
      const auto parsed = parse_bool(has_value ? value : "true");
      if (!parsed) return usage(fmt::format("{}: {}", option->flag, parsed.error().detail));
      continue;
    }
    prepared.back() = option->flag;
    if (!has_value && ++next == arguments.end()) {
      return usage(
          fmt::format("{} needs a value: {}", option->flag, option->handle->get_type_name()));
    }
    prepared.push_back(has_value ? value : *next);
  }
  arguments = std::move(prepared);
  return std::nullopt;
}

std::optional<Cli::End> Cli::check_command_line() {
  const auto usage = [](std::string text) { return End{ExitCode::usage, std::move(text)}; };
  for (const auto& flag : not_built_) {
    if (app_->count(flag) > 0) return usage(not_built_text(flag));
  }
  for (const auto& argument : app_->remaining()) {
    if (argument == "--") continue;
    const bool is_flag = argument.starts_with('-') && argument.size() > 1;
    return usage(
        fmt::format("{} '{}'", is_flag ? "unknown flag" : "unexpected argument", argument));
  }
  for (auto& option : options_) {
    if (!option.is_list && option.handle->count() > 1) {
      return usage(
          fmt::format("{} is given {} times, expected once", option.flag, option.handle->count()));
    }
    for (const auto& text : option.handle->results())
      option.values.push_back({.line = 0, .text = text});
  }
  for (const auto& [handle, target] : positionals_) {
    if (handle->count() > 0) *target = handle->results().front();
  }
  return check_verbs();
}

std::optional<Cli::End> Cli::check_verbs() const {
  std::vector<std::string> given;
  for (const auto& option : options_) {
    const bool chosen =
        option.is_verb && !option.values.empty() && *parse_bool(option.values.front().text);
    if (chosen) given.push_back(option.flag);
  }
  if (given.size() < 2) return std::nullopt;
  return End{ExitCode::usage,
             fmt::format("{} at once: a run does one of them", fmt::join(given, " and "))};
}

const Cli::Option* Cli::find(std::string_view flag) const {
  return find_in(options_, flag);
}

Cli::Option* Cli::find(std::string_view flag) {
  return find_in(options_, flag);
}

std::optional<Cli::End> Cli::read_config_file() {
  if (!has_config_file_) return std::nullopt;
  const auto& given = find("--config")->values;
  if (given.empty()) return std::nullopt;
  config_path_ = given.front().text;
  const auto text = read_text_file(config_path_);
  if (!text) return End{ExitCode::no_input, "--config: " + text.error().detail};
  const auto lines = parse_config(config_path_, *text);
  if (!lines) return End{ExitCode::configuration, lines.error().detail};
  for (const auto& line : *lines) {
    if (const auto error = take_line(line)) {
      return End{ExitCode::configuration,
                 fmt::format("{}:{}: {}", config_path_, line.number, *error)};
    }
  }
  return std::nullopt;
}

// What is wrong with the key of a line; its value is looked at when all keys are known.
std::optional<std::string> Cli::take_line(const ConfigLine& line) {
  const std::string flag = "--" + line.key;
  if (std::find(not_built_.begin(), not_built_.end(), flag) != not_built_.end()) {
    return not_built_text(line.key);
  }
  Option* option = find(flag);
  if (option == nullptr) return fmt::format("unknown key '{}'", line.key);
  if (option->is_action) return fmt::format("{} works on the command line only", flag);
  auto& values = option->values;
  if (!values.empty() && values.front().line == 0)
    return std::nullopt;  // the command line replaces it
  if (!values.empty() && !option->is_list) {
    return fmt::format("{} is given twice, first in line {}", line.key, values.front().line);
  }
  values.push_back({.line = line.number, .text = line.value});
  return std::nullopt;
}

std::optional<Cli::End> Cli::take_values() const {
  for (const auto& option : options_) {
    if (option.values.empty() && !option.by_default.empty()) {
      if (auto end = take(option, {.line = 0, .text = option.by_default})) return end;
    }
    for (const auto& value : option.values) {
      if (auto end = take(option, value)) return end;
    }
  }
  return std::nullopt;
}

std::optional<Cli::End> Cli::take(const Option& option, const Value& value) const {
  auto taken = fits_a_line(value.text);
  if (taken) taken = option.accept(value.text);
  if (taken) return std::nullopt;
  const auto& detail = taken.error().detail;
  if (value.line == 0) return End{ExitCode::usage, fmt::format("{}: {}", option.flag, detail)};
  return End{ExitCode::configuration,
             fmt::format("{}:{}: {}: {}", config_path_, value.line, key_of(option.flag), detail)};
}

std::string Cli::config_text() const {
  std::string text;
  const auto add_line = [&](const Option& option, std::string_view value) {
    text += fmt::format("{} ={}{}\n", key_of(option.flag), value.empty() ? "" : " ", value);
  };
  for (const auto& option : options_) {
    if (option.is_action) continue;
    if (option.values.empty() && !option.by_default.empty()) add_line(option, option.by_default);
    for (const auto& value : option.values)
      add_line(option, value.text);
  }
  return text;
}

ExitCode Cli::refuse(ExitCode code, std::string_view text) const {
  // Values stand in the text as they were given.
  std::cerr << name_ << ": " << printable(text) << '\n';
  if (code == ExitCode::usage) std::cerr << "Try '" << name_ << " --help'.\n";
  return code;
}

std::string Cli::version() const {
  constexpr std::string_view sanitizers = SASPD_SANITIZERS;
  return fmt::format("{} {}\nbuilt with {}, build type {}{}{}{}{}", name_, program_version,
                     compiler(), SASPD_BUILD_TYPE, source_revision.empty() ? "" : ", source ",
                     source_revision, sanitizers.empty() ? "" : ", sanitizers ", sanitizers);
}

ExitCode Cli::show(std::string_view text) const {
  std::cout << text << std::flush;
  return std::cout ? ExitCode::ok : refuse(ExitCode::io, "cannot write to stdout");
}

}  // namespace saspd::cli
