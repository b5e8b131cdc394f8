// SPDX-License-Identifier: Apache-2.0
// The command line and the config file of a program, which are one thing: every flag is a key.
// CLI11 reads the arguments and prints the help; this class knows where a value came from, and
// names the place in errors.
//
//   Cli cli("saspd", "Turns a GWM's advice into weights.", "Exit codes: ...");
//   cli.with_config_file();
//   cli.section("Advice");
//   cli.list("--gwm", "HOST[:PORT]", options.gwms, host_port(3860), "where the advice comes from");
//   cli.option("--retry-min", "SECONDS", options.retry_min, seconds(1, 300), "...");
//   if (const auto end = cli.parse(argc, argv)) return static_cast<int>(*end);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/exit_codes.hpp"
#include "controller/cli/parsers.hpp"
#include "controller/cli/settings.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace saspd::cli {

struct ConfigLine;

// A command in the help: what is typed, and what it means.
struct HelpEntry {
  std::string usage;  // "why MEMBER"
  std::string help;
};

// What a run of a program is for. One run has one of them; those that a program lacks are flags
// that it does not know.
enum class Verb : std::uint8_t { run, check, print_config, attach, reattach, detach };

class Cli {
 public:
  // Takes one value of a flag; an error names the value and the accepted form, without the flag.
  using Accept = std::function<Result<void>(std::string_view)>;

  Cli(std::string name, std::string description, std::string footer = {});
  Cli(const Cli&) = delete;
  Cli& operator=(const Cli&) = delete;
  ~Cli();

  // Heading in --help for what follows.
  void section(std::string title);

  // The commands of the program, one per line, before the rest of the footer.
  void commands(std::vector<HelpEntry> entries) { commands_ = std::move(entries); }

  // A flag with one value; given twice is an error. `parser` is text -> Result<something that can
  // be assigned to target>. The default is what the target holds when it is declared, if the parser
  // can write it as text (parsers.hpp); --help and --print-config show it. Targets outlive the Cli.
  template <class T, class Parse>
  void option(std::string flag, std::string placeholder, T& target, Parse parser,
              std::string help) {
    auto by_default = text_of(std::as_const(target), parser);
    add_option(std::move(flag), std::move(placeholder), assign_to(target, std::move(parser)),
               std::move(help), std::move(by_default));
  }

  // A flag that may be repeated and takes exactly one value each time.
  template <class T, class Parse>
  void list(std::string flag, std::string placeholder, std::vector<T>& target, Parse parser,
            std::string help) {
    add_list(std::move(flag), std::move(placeholder), append_to(target, std::move(parser)),
             std::move(help));
  }

  // The same for values that must be checked against earlier ones: flags are taken in the order in
  // which they were added here, and the values of one flag in the order given. `by_default`: a value
  // as text, taken when none is given; "" is none.
  void add_option(std::string flag, std::string placeholder, Accept accept, std::string help,
                  std::string by_default = {});
  void add_list(std::string flag, std::string placeholder, Accept accept, std::string help);

  // What --help shows as the default of the flag that was added last, where that is not a value to
  // be taken.
  void shown_default(std::string text);

  // A switch: "--dry-run", "--dry-run=false"; in a config file "dry-run = true".
  void flag(std::string flag, bool& target, std::string help);
  // A switch for this one run, which is not a key of the config file.
  void action(std::string flag, bool& target, std::string help);
  // An action that selects what this run does, in place of Verb::run. Two are a usage error, so that
  // a question never starts something.
  void verb(std::string flag, Verb verb, std::string help);

  // An argument that is not a flag, by its place; empty if it is not given.
  void positional(std::string placeholder, std::optional<std::string>& target, std::string help);

  // Flags whose keys a running program takes over when the config file is read again. All others
  // need a restart. They were added before.
  void live(std::initializer_list<std::string_view> flags);

  // Documented flags that do nothing yet. Using one is an error, so that no user relies on an
  // effect that does not exist.
  void not_built_yet(std::initializer_list<std::string_view> flags);

  // Adds --config FILE and --print-config.
  void with_config_file();

  // Call it once. Empty: continue. Otherwise the program exits with this code, with everything
  // already printed: ok (help, its table or version, on stdout), usage (the command line), no_input (no such
  // config file), configuration (its lines; all wrong ones are named), io (stdout could not be
  // written).
  std::optional<ExitCode> parse(int argc, const char* const* argv);

  // For a running program that reads its config file again: what is wrong is added to `errors` in
  // place of being printed, and a config file that is not a regular file is refused.
  void collect(std::vector<std::string>& errors) { errors_ = &errors; }

  // After parse: what this run is for; the path of the config file (empty: none); every effective
  // value; and what --print-config prints of that, a config file.
  Verb verb() const { return verb_; }
  const std::string& config_path() const { return config_path_; }
  Settings settings() const;
  std::string config_text() const;

  // "NAME: text" on stderr (and where help is, for a usage error), for checks that need more than
  // one flag. Returns the code.
  ExitCode refuse(ExitCode code, std::string_view text) const;
  // One of several errors: the same without help.
  void complain(std::string_view text) const;

  // The help for programs (--help=table, which --help does not show): a line for each flag and each
  // command, with the fields of a line separated by tabs, some of them empty:
  //   flag     FLAG  PLACEHOLDER  HELP  DEFAULT  "repeats", if it may be repeated
  //   command  NAME  ARGUMENTS    HELP
  std::string help_rows() const;

  // Text on stdout. Returns ok, or io after saying that it could not be written.
  ExitCode show(std::string_view text) const;

  // For what this layer does not offer.
  CLI::App& app() { return *app_; }

 private:
  struct Value {
    std::size_t line = 0;  // of the config file; 0 is the command line
    std::string text;
  };
  struct Option {
    std::string flag;  // with its dashes
    std::string placeholder;
    std::string help;
    Accept accept;           // of one value
    std::string by_default;  // a value
    std::string shown_default;
    bool is_toggle = false;  // true or false, and true without a value
    bool is_list = false;    // may be repeated
    bool is_action = false;  // command line only
    bool is_live = false;
    std::optional<Verb> verb;  // of which a run has one
    CLI::Option* handle = nullptr;
    std::vector<Value> values;
  };
  struct End {
    ExitCode code;
    std::string text;
    std::size_t line = 0;  // of the config file
  };

  template <class T, class Parse>
  static Accept assign_to(T& target, Parse parser) {
    return [&target, parser = std::move(parser)](std::string_view text) -> Result<void> {
      auto value = parser(text);
      if (!value) return fail(value.error());
      target = std::move(*value);
      return {};
    };
  }
  template <class T, class Parse>
  static Accept append_to(std::vector<T>& target, Parse parser) {
    return [&target, parser = std::move(parser)](std::string_view text) -> Result<void> {
      auto value = parser(text);
      if (!value) return fail(value.error());
      target.push_back(std::move(*value));
      return {};
    };
  }

  Option& add(std::string flag, std::string placeholder, Accept accept, std::string help);
  void describe(Option& option);
  std::string footer() const;
  std::optional<End> read_command_line(std::vector<std::string> arguments);
  std::optional<End> prepare(std::vector<std::string>& arguments) const;
  std::optional<End> check_command_line();
  std::optional<End> take_verb();
  std::vector<End> read_config_file();
  std::optional<std::string> take_line(const ConfigLine& line);
  std::string correction(std::string_view line) const;
  std::vector<End> take_values() const;
  std::optional<End> take(const Option& option, const Value& value) const;
  std::vector<std::string_view> flags() const;
  std::vector<std::string_view> keys() const;
  ExitCode refuse_all(std::vector<End> ends) const;
  const Option* find(std::string_view flag) const;
  Option* find(std::string_view flag);
  std::string version() const;

  std::string name_;
  std::string footer_;
  std::vector<HelpEntry> commands_;
  std::unique_ptr<CLI::App> app_;
  std::string section_ = "Options";
  std::vector<Option> options_;
  std::vector<std::string> not_built_;
  std::vector<std::pair<CLI::Option*, std::optional<std::string>*>> positionals_;
  std::string config_path_;
  bool has_config_file_ = false;
  Verb verb_ = Verb::run;
  std::vector<std::string>* errors_ = nullptr;  // of the caller of collect()
};

}  // namespace saspd::cli
