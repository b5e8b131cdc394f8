// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/cli.hpp"

#include <algorithm>
#include <climits>
#include <iostream>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>

#include "controller/base/lines.hpp"
#include "controller/base/misread.hpp"
#include "controller/base/nearest.hpp"
#include "controller/base/text.hpp"
#include "controller/base/version.hpp"
#include "controller/cli/config_file.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::cli {
namespace {

std::string key_of(std::string_view flag) {
  return std::string(flag.substr(2));
}

std::string_view without_dashes(std::string_view key) {
  return key.substr(std::min(key.find_first_not_of('-'), key.size()));
}

std::string not_built_text(std::string_view name) {
  return fmt::format("{} is not built yet in this version ({})", name, program_version);
}

Result<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "false") return text == "true";
  return fail(std::errc::invalid_argument, fmt::format("'{}' is not true or false", text));
}

// Undoes what a word processor does to a copied flag: an en or em dash for two hyphens.
std::string with_hyphens(std::string_view argument) {
  for (const std::string_view dash : {"\xE2\x80\x93", "\xE2\x80\x94"}) {
    if (argument.starts_with(dash)) return "--" + std::string(argument.substr(dash.size()));
  }
  return std::string(argument);
}

// Works on constant and on mutable options.
template <class Options>
auto find_in(Options& options, std::string_view flag) -> decltype(options.data()) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const auto& option) { return option.flag == flag; });
  return found == options.end() ? nullptr : &*found;
}

}  // namespace

Cli::~Cli() = default;

void Cli::section(std::string title) {
  section_ = std::move(title);
}

void Cli::add_option(std::string flag, std::string placeholder, Accept accept, std::string help,
                     std::string by_default) {
  Option& option = add(std::move(flag), std::move(placeholder), std::move(accept), std::move(help));
  option.by_default = std::move(by_default);
  shown_default(option.by_default);
}

void Cli::shown_default(std::string text) {
  options_.back().shown_default = std::move(text);
  describe(options_.back());
}

void Cli::add_list(std::string flag, std::string placeholder, Accept accept, std::string help) {
  Option& option = add(std::move(flag), std::move(placeholder), std::move(accept), std::move(help));
  option.is_list = true;
  describe(option);
}

void Cli::flag(std::string flag, bool& target, std::string help) {
  add(std::move(flag), {}, assign_to(target, parse_bool), std::move(help)).by_default =
      target ? "true" : "false";
}

void Cli::action(std::string flag, bool& target, std::string help) {
  add(std::move(flag), {}, assign_to(target, parse_bool), std::move(help)).is_action = true;
}

void Cli::verb(std::string flag, Verb verb, std::string help) {
  const auto accept = [](std::string_view text) -> Result<void> {
    const auto given = parse_bool(text);
    return given ? Result<void>() : fail(given.error());
  };
  Option& option = add(std::move(flag), {}, accept, std::move(help));
  option.is_action = true;
  option.verb = verb;
}

// An option without a placeholder is a switch.
Cli::Option& Cli::add(std::string flag, std::string placeholder, Accept accept, std::string help) {
  Option& option = options_.emplace_back();
  option.flag = std::move(flag);
  option.placeholder = std::move(placeholder);
  option.help = std::move(help);
  option.accept = std::move(accept);
  option.is_toggle = option.placeholder.empty();
  // One value per occurrence, taken literally: no lists in brackets, no following arguments.
  option.handle = option.is_toggle ? app_->add_flag(option.flag)
                                   : app_->add_option(option.flag, CLI::callback_t{})
                                         ->type_name(option.placeholder)
                                         ->expected(1)
                                         ->allow_extra_args(false);
  option.handle->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->group(section_);
  describe(option);
  return option;
}

void Cli::live(std::initializer_list<std::string_view> flags) {
  for (const auto flag : flags) {
    Option* option = find(flag);
    if (option == nullptr) throw std::logic_error(fmt::format("{} is not a flag", flag));
    option->is_live = true;
  }
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
      "Read flags from FILE: one 'key = value' per line (the flag without its dashes); '#' starts "
      "a comment line; a value may be quoted; a flag on the command line replaces the key")
      .is_action = true;
  verb("--print-config", Verb::print_config,
       "Print the effective values as a config file, and exit");
}

std::optional<ExitCode> Cli::parse(int argc, const char* const* argv) {
  const auto stop = [&](const End& end) { return refuse(end.code, end.text); };
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  const auto flags_end = std::find(arguments.begin(), arguments.end(), "--");
  if (std::find(arguments.begin(), flags_end, "--help=table") != flags_end) {
    return show(help_rows());
  }
  try {
    if (const auto end = read_command_line(std::move(arguments))) return stop(*end);
  } catch (const CLI::CallForHelp&) {
    return show(app_->help());
  } catch (const CLI::CallForVersion& call) {
    return show(fmt::format("{}\n", call.what()));
  }
  auto wrong = read_config_file();
  for (auto& end : take_values())
    wrong.push_back(std::move(end));
  if (wrong.empty()) return std::nullopt;
  return refuse_all(std::move(wrong));
}

// Reports errors of the command line first, then those of the config file in the order of its
// lines.
ExitCode Cli::refuse_all(std::vector<End> ends) const {
  std::stable_sort(ends.begin(), ends.end(),
                   [](const End& a, const End& b) { return a.line < b.line; });
  for (auto end = ends.begin(); end + 1 != ends.end(); ++end)
    complain(end->text);
  refuse(ends.back().code, ends.back().text);
  return ends.front().code;
}

std::vector<std::string_view> Cli::flags() const {
  std::vector<std::string_view> names{"--help", "--version"};
  for (const auto& option : options_)
    names.push_back(option.flag);
  return names;
}

std::vector<std::string_view> Cli::keys() const {
  std::vector<std::string_view> names;
  for (const auto& option : options_) {
    if (!option.is_action) names.push_back(std::string_view(option.flag).substr(2));
  }
  return names;
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
    const auto typed = with_hyphens(argument);
    const bool is_flag = typed.starts_with('-') && typed.size() > 1;
    if (!is_flag) return usage(fmt::format("unexpected argument '{}'", argument));
    const auto name = std::string_view(typed).substr(0, typed.find('='));
    // Another dash looks like a hyphen.
    const auto meant = find(name) != nullptr ? fmt::format("; did you mean '{}'?", name)
                                             : did_you_mean(name, flags());
    return usage(fmt::format("unknown flag '{}'{}", argument, meant));
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
  return take_verb();
}

std::optional<Cli::End> Cli::take_verb() {
  std::vector<std::string> given;
  for (const auto& option : options_) {
    if (!option.verb || option.values.empty()) continue;
    if (!*parse_bool(option.values.front().text)) continue;
    given.push_back(option.flag);
    verb_ = *option.verb;
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

std::vector<Cli::End> Cli::read_config_file() {
  if (!has_config_file_) return {};
  const auto& given = find("--config")->values;
  if (given.empty()) return {};
  config_path_ = given.front().text;
  const auto text =
      errors_ != nullptr ? read_regular_file(config_path_) : read_text_file(config_path_);
  if (!text) return {{ExitCode::no_input, "--config: " + text.error().detail}};
  std::vector<End> wrong;
  for (const auto& line : parse_config(*text)) {
    if (const auto error = take_line(line)) {
      wrong.push_back({ExitCode::configuration,
                       fmt::format("{}:{}: {}", config_path_, line.number, *error), line.number});
    }
  }
  return wrong;
}

// Checks a line and its key; take_values() checks its value once all keys are known.
std::optional<std::string> Cli::take_line(const ConfigLine& line) {
  if (!line.wrong.empty()) {
    return line.wrong + (line.text.find('=') == std::string::npos ? correction(line.text) : "");
  }
  const std::string flag = "--" + line.key;
  if (std::find(not_built_.begin(), not_built_.end(), flag) != not_built_.end()) {
    return not_built_text(line.key);
  }
  Option* option = find(flag);
  if (option == nullptr) {
    const auto name = without_dashes(line.key);
    const auto meant = name != line.key && find("--" + std::string(name)) != nullptr
                           ? fmt::format("; did you mean '{}'?", name)
                           : did_you_mean(name, keys());
    return fmt::format("unknown key '{}'{}", line.key, meant);
  }
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

// Suggests what to write in place of a line without '=', for the end of an error; empty if unknown.
std::string Cli::correction(std::string_view line) const {
  if (line.starts_with('[')) return "; there are no sections: leave it out";
  if (line.starts_with(';') || line.starts_with("//")) return "; a comment line begins with '#'";
  line = without_dashes(line);
  const auto end = std::min(line.find_first_of(" \t:"), line.size());
  const auto key = line.substr(0, end);
  auto rest = trimmed(line.substr(end));
  if (rest.starts_with(':')) rest = trimmed(rest.substr(1));
  const Option* option = find("--" + std::string(key));
  if (option == nullptr) option = find("--" + std::string(nearest(key, keys())));
  if (option == nullptr || option->is_action) return {};
  const auto missing = option->is_toggle ? std::string("true") : option->handle->get_type_name();
  return fmt::format("; write '{} = {}'", key_of(option->flag),
                     rest.empty() ? std::string_view(missing) : rest);
}

std::vector<Cli::End> Cli::take_values() const {
  std::vector<End> wrong;
  const auto take_one = [&](const Option& option, const Value& value) {
    if (auto end = take(option, value)) wrong.push_back(std::move(*end));
  };
  for (const auto& option : options_) {
    if (option.values.empty() && !option.by_default.empty()) {
      take_one(option, {.line = 0, .text = option.by_default});
    }
    for (const auto& value : option.values)
      take_one(option, value);
  }
  return wrong;
}

std::optional<Cli::End> Cli::take(const Option& option, const Value& value) const {
  // The command line accepts no value that a config file cannot hold, so that --print-config can
  // always print it. Nor may a name have invisible parts.
  const auto fits = config_value(value.text);
  auto taken = fits ? check_blanks(value.text) : Result<void>(fits.error());
  if (taken) taken = option.accept(value.text);
  if (taken) return std::nullopt;
  const auto& detail = taken.error().detail;
  if (value.line == 0) return End{ExitCode::usage, fmt::format("{}: {}", option.flag, detail)};
  return End{ExitCode::configuration,
             fmt::format("{}:{}: {}: {}", config_path_, value.line, key_of(option.flag), detail),
             value.line};
}

Settings Cli::settings() const {
  Settings settings;
  for (const auto& option : options_) {
    if (option.is_action) continue;
    auto& setting = settings.emplace_back(
        Setting{key_of(option.flag), {}, option.is_list, option.is_live, !option.values.empty()});
    if (option.values.empty() && !option.by_default.empty())
      setting.values.push_back(option.by_default);
    for (const auto& value : option.values)
      setting.values.push_back(value.text);
  }
  return settings;
}

std::string Cli::config_text() const {
  std::string text;
  for (const auto& setting : settings()) {
    for (const auto& value : setting.values) {
      const auto shown = config_value(value);
      if (!shown) continue;  // was refused
      text += fmt::format("{} ={}{}\n", setting.key, shown->empty() ? "" : " ", *shown);
    }
  }
  return text;
}

void Cli::complain(std::string_view text) const {
  if (errors_ != nullptr) return errors_->push_back(std::string(text));
  // Values stand in the text as they were given.
  std::cerr << name_ << ": " << printable(text) << '\n';
}

ExitCode Cli::refuse(ExitCode code, std::string_view text) const {
  complain(text);
  if (code == ExitCode::usage && errors_ == nullptr) std::cerr << "Try '" << name_ << " --help'.\n";
  return code;
}

ExitCode Cli::show(std::string_view text) const {
  std::cout << text << std::flush;
  return std::cout ? ExitCode::ok : refuse(ExitCode::io, "cannot write to stdout");
}

}  // namespace saspd::cli
