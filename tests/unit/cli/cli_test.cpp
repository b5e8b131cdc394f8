// SPDX-License-Identifier: Apache-2.0
// A program's command line and config file as its users meet them: text in, values or an exit code
// out.
#include "controller/cli/cli.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/cli/parsers.hpp"

namespace saspd::cli {
namespace {

enum class Mode { pull, push };

struct Options {
  std::vector<HostPort> gwms;
  std::vector<std::string> members;
  std::chrono::seconds interval{60};
  std::string uid = "host";
  Mode mode = Mode::pull;
  bool dry_run = false;
};

struct Outcome {
  std::optional<ExitCode> end;
  std::string out;
  std::string err;
  Options options;
  std::string config;  // as --print-config shows it
  Verb verb = Verb::run;
};

class CliTest : public testing::Test {
 protected:
  CliTest() { std::filesystem::create_directories(folder_); }
  ~CliTest() override { std::filesystem::remove_all(folder_); }

  Outcome run(std::vector<std::string> arguments) {
    Outcome result;
    Cli cli("prog", "Does things.", "Example: prog --gwm h");
    cli.with_config_file();
    cli.section("Peers");
    cli.list("--gwm", "HOST[:PORT]", result.options.gwms, host_port(3860),
             "where the advice comes from");
    cli.shown_default("none");
    cli.commands({{"run", "does things"}, {"why THING", "says why"}});
    cli.option("--interval", "SECONDS", result.options.interval, seconds(1, 3600), "how often");
    cli.option("--mode", "pull|push", result.options.mode,
               one_of<Mode>({{"pull", Mode::pull}, {"push", Mode::push}}), "who speaks first");
    cli.option("--lb-uid", "UID", result.options.uid, text(1, 64), "our name");
    cli.list("--member", "TEXT", result.options.members, text(0, 255), "a member");
    cli.flag("--dry-run", result.options.dry_run, "write nothing");
    cli.verb("--check", Verb::check, "check and exit");
    cli.not_built_yet({"--tls-ca", "--trust"});
    arguments.insert(arguments.begin(), "prog");
    std::vector<const char*> argv;
    for (const auto& argument : arguments)
      argv.push_back(argument.c_str());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    result.end = cli.parse(static_cast<int>(argv.size()), argv.data());
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    result.config = cli.config_text();
    result.verb = cli.verb();
    return result;
  }

  Outcome run_with_config(std::string_view text, std::vector<std::string> arguments = {}) {
    std::ofstream(file_) << text;
    arguments.insert(arguments.begin(), {"--config", file_});
    return run(std::move(arguments));
  }

  const std::string folder_ = testing::TempDir() + "cli_test." + std::to_string(::getpid());
  const std::string file_ = folder_ + "/prog.conf";
};

TEST_F(CliTest, GoesOnWithTheDefaultsWhenNothingIsGiven) {
  const auto result = run({});
  EXPECT_FALSE(result.end);
  EXPECT_EQ(result.options.interval, std::chrono::seconds(60));
  EXPECT_EQ(result.options.uid, "host");
  EXPECT_EQ(result.out + result.err, "");
}

TEST_F(CliTest, TakesValuesInBothForms) {
  const auto result =
      run({"--interval=5", "--mode", "push", "--dry-run", "--gwm", "h", "--gwm=[::1]:99"});
  ASSERT_FALSE(result.end) << result.err;
  EXPECT_EQ(result.options.interval, std::chrono::seconds(5));
  EXPECT_EQ(result.options.mode, Mode::push);
  EXPECT_TRUE(result.options.dry_run);
  EXPECT_EQ(result.options.gwms, (std::vector<HostPort>{{"h", 3860}, {"::1", 99}}));
}

TEST_F(CliTest, TakesEveryValueLiterally) {
  const std::vector<std::string> values{"-x",    "--dry-run", "--member=", "",      "a,b",
                                        "[a,b]", "{}",        "a=b",       "\"q\"", "a b",
                                        "--",    "++",        "%%",        "/h"};
  std::vector<std::string> arguments;
  for (const auto& value : values)
    arguments.insert(arguments.end(), {"--member", value});
  auto result = run(arguments);
  ASSERT_FALSE(result.end) << result.err;
  EXPECT_EQ(result.options.members, values);

  arguments.clear();
  for (const auto& value : values)
    arguments.push_back("--member=" + value);
  result = run(arguments);
  ASSERT_FALSE(result.end) << result.err;
  EXPECT_EQ(result.options.members, values);
}

TEST_F(CliTest, LetsASwitchBeTurnedOff) {
  EXPECT_FALSE(run({"--dry-run=false"}).options.dry_run);
  EXPECT_TRUE(run({"--dry-run=true"}).options.dry_run);
}

struct Refusal {
  std::vector<std::string> arguments;
  std::string says;
};

TEST_F(CliTest, RefusesABadCommandLineWithOneClearLine) {
  const std::vector<Refusal> refusals{
      {{"--interval", "0"}, "--interval: '0' is not a whole number of seconds from 1 to 3600"},
      {{"--lb-uid", "d1\xC2\xA0"},
       "--lb-uid: a no-break space (U+00A0) after 'd1' looks like a blank or nothing; "
       "type a blank there, or remove it"},
      {{"--interval", "2h"}, "--interval: '2h' is not a whole number of seconds from 1 to 3600"},
      {{"--interval="}, "--interval: '' is not a whole number of seconds from 1 to 3600"},
      {{"--interval"}, "--interval needs a value: SECONDS"},
      {{"--interval", "5", "--interval", "5"}, "--interval is given 2 times, expected once"},
      {{"--mode", "pul"}, "--mode: 'pul' is not one of: pull, push; did you mean 'pull'?"},
      {{"--dry-run", "--dry-run"}, "--dry-run is given 2 times, expected once"},
      {{"--dry-run=yes"}, "--dry-run: 'yes' is not true or false"},
      {{"--dry-run="}, "--dry-run: '' is not true or false"},
      {{"--dry-run={}"}, "--dry-run: '{}' is not true or false"},
      {{"--lb-uid", ""}, "--lb-uid: '' has 0 bytes, expected 1 to 64"},
      {{"--lb-uid", " a"}, "--lb-uid: ' a' has a line break, or a blank at an end"},
      {{"--lb-uid", "a\nb"}, "--lb-uid: 'a\\x0ab' has a line break, or a blank at an end"},
      {{"--gwm", "a:1", "b:2"}, "unexpected argument 'b:2'"},
      {{"--gwm", "a:1:2"}, "--gwm: port of 'a:1:2': '1:2' is not a whole number from 1 to 65535"},
      {{"--nonsense"}, "unknown flag '--nonsense'"},
      {{"--nonsense=1"}, "unknown flag '--nonsense=1'"},
      {{"-x"}, "unknown flag '-x'"},
      {{"--dry"}, "unknown flag '--dry'; did you mean '--dry-run'?"},
      {{"--gvm=h"}, "unknown flag '--gvm=h'; did you mean '--gwm'?"},
      {{"-gwm", "h"}, "unknown flag '-gwm'; did you mean '--gwm'?"},
      {{"\xE2\x80\x93gwm", "h"}, "unknown flag '\xE2\x80\x93gwm'; did you mean '--gwm'?"},
      {{"--lb_uid", "h"}, "unknown flag '--lb_uid'; did you mean '--lb-uid'?"},
      {{"--vresion"}, "unknown flag '--vresion'; did you mean '--version'?"},
      {{"--lb-uid", "\"a' # b"},
       "--lb-uid: '\"a' # b' needs quotes in a config file, but contains both kinds"},
      {{"--"}, ""},
      {{"--", "--dry-run"}, "unknown flag '--dry-run'; did you mean '--dry-run'?"},
      {{"++", "--nonsense"}, "unexpected argument '++'"},
      {{""}, "unexpected argument ''"},
      {{"--config", "a", "--config", "b"}, "--config is given 2 times, expected once"},
      {{"--tls-ca", "file"}, "--tls-ca is not built yet in this version (0.1.0)"},
      {{"--tls-ca=file"}, "--tls-ca is not built yet in this version (0.1.0)"},
      {{"--trust"}, "--trust is not built yet in this version (0.1.0)"},
      {{"--\x1b[2J"}, "unknown flag '--\\x1b[2J'"},
  };
  for (const auto& [arguments, says] : refusals) {
    const auto result = run(arguments);
    if (says.empty()) {
      EXPECT_FALSE(result.end) << result.err;
      continue;
    }
    EXPECT_EQ(result.end, ExitCode::usage) << says;
    EXPECT_EQ(result.err, "prog: " + says + "\nTry 'prog --help'.\n");
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(CliTest, ReadsAConfigFileAsItStands) {
  const auto result = run_with_config(
      "# a comment\n"
      "\n"
      "  gwm = [2001:db8::1]:3860  \r\n"
      "gwm=gwm.example\n"
      "\t# another = comment\n"
      "member = web=192.0.2.1:80,weight=3,label=\"a b\"#1\n"
      "member = \"web=192.0.2.1:80,label=rack #4\"\n"
      "lb-uid = 'director-1'\n"
      "member =\n"
      "interval = 7\n"
      "dry-run = true");
  ASSERT_FALSE(result.end) << result.err;
  EXPECT_EQ(result.options.gwms,
            (std::vector<HostPort>{{"2001:db8::1", 3860}, {"gwm.example", 3860}}));
  EXPECT_EQ(result.options.members,
            (std::vector<std::string>{"web=192.0.2.1:80,weight=3,label=\"a b\"#1",
                                      "web=192.0.2.1:80,label=rack #4", ""}));
  EXPECT_EQ(result.options.uid, "director-1");
  EXPECT_EQ(result.options.interval, std::chrono::seconds(7));
  EXPECT_TRUE(result.options.dry_run);
}

TEST_F(CliTest, LetsTheCommandLineReplaceAKeyCompletely) {
  const auto result =
      run_with_config("gwm = a\ngwm = b\ninterval = 9999\ndry-run = true\nmode = push\n",
                      {"--gwm", "c", "--interval", "5", "--dry-run=false"});
  ASSERT_FALSE(result.end) << result.err;
  EXPECT_EQ(result.options.gwms, (std::vector<HostPort>{{"c", 3860}}));
  EXPECT_EQ(result.options.interval, std::chrono::seconds(5));
  EXPECT_FALSE(result.options.dry_run);
  EXPECT_EQ(result.options.mode, Mode::push);
}

TEST_F(CliTest, RefusesABadConfigLineWithItsNumber) {
  const std::vector<std::pair<std::string, std::string>> refusals{
      {"interval = 5\nfoo = 1\n", "2: unknown key 'foo'"},
      {"--interval = 5\n", "1: unknown key '--interval'; did you mean 'interval'?"},
      {"Interval = 5\n", "1: unknown key 'Interval'; did you mean 'interval'?"},
      {"lb_uid = 5\n", "1: unknown key 'lb_uid'; did you mean 'lb-uid'?"},
      {"\n\nmode pull\n", "3: 'mode pull' is not 'key = value'; write 'mode = pull'"},
      {"mode\n", "1: 'mode' is not 'key = value'; write 'mode = pull|push'"},
      {"mode: pull\n", "1: 'mode: pull' is not 'key = value'; write 'mode = pull'"},
      {"--mode pull\n", "1: '--mode pull' is not 'key = value'; write 'mode = pull'"},
      {"dri-run\n", "1: 'dri-run' is not 'key = value'; write 'dry-run = true'"},
      {"[prog]\n", "1: '[prog]' is not 'key = value'; there are no sections: leave it out"},
      {"; mode\n", "1: '; mode' is not 'key = value'; a comment line begins with '#'"},
      {"// mode\n", "1: '// mode' is not 'key = value'; a comment line begins with '#'"},
      {"= 5\n", "1: '= 5' is not 'key = value'"},
      {"mode = pull # or push\n",
       "1: '# or push' follows the value; a comment needs a line of its own: 'mode = "
       "pull', and if it belongs to the value, quote that"},
      {"mode = \"pull\" # or push\n",
       "1: '# or push' follows the value; a comment needs a line of its own"},
      {"lb-uid = \"a\n", "1: the quote before 'a' is not closed"},
      {"lb-uid = 'a' b\n", "1: 'b' follows the quote that closes the value"},
      {"lb-uid = \xE2\x80\x9C"
       "a\xE2\x80\x9D\n",
       "1: the value begins with a typographic quote; write \""},
      {"lb-uid = \xC2\xA0"
       "a\n",
       "1: the value begins or ends with a no-break space (U+00A0)"},
      {"member = web\xC2\xA0=a\n",
       "1: member: a no-break space (U+00A0) after 'web' looks like a blank or "
       "nothing; "
       "type a blank there, or remove it"},
      {"lb-uid = \"a\xE2\x80\x8B\"\n",
       "1: lb-uid: a zero-width space (U+200B) after 'a' looks like a blank or "
       "nothing; "
       "type a blank there, or remove it"},
      {"mode = pull\rdry-run = true\n",
       "1: the line contains a carriage return; lines end with LF or CR LF"},
      {std::string("\xFF\xFEm\0o\0", 6), "1: the file is UTF-16; save it as UTF-8"},
      {"#\ninterval = 0\n", "2: interval: '0' is not a whole number of seconds from 1 to 3600"},
      {"interval =\n", "1: interval: '' is not a whole number of seconds from 1 to 3600"},
      {"interval = 1\ngwm = a\ninterval = 2\n", "3: interval is given twice, first in line 1"},
      {"gwm = a\ngwm = b c\n",
       "2: gwm: 'b c' is not HOST or HOST:PORT (write an IPv6 address in brackets)"},
      {"dry-run = 1\n", "1: dry-run: '1' is not true or false"},
      {"dry-run\n", "1: 'dry-run' is not 'key = value'; write 'dry-run = true'"},
      {"check = true\n", "1: --check works on the command line only"},
      {"config = x\n", "1: --config works on the command line only"},
      {"help = true\n", "1: unknown key 'help'"},
      {"tls-ca = x\n", "1: tls-ca is not built yet in this version (0.1.0)"},
      {std::string("lb-uid = a\0b\n", 13), "1: the line has a NUL byte"},
      {"\x1b[2J = 1\n", "1: unknown key '\\x1b[2J'"},
  };
  for (const auto& [text, says] : refusals) {
    const auto result = run_with_config(text);
    EXPECT_EQ(result.end, ExitCode::configuration) << says;
    EXPECT_EQ(result.err, "prog: " + file_ + ":" + says + "\n");
  }
}

TEST_F(CliTest, NamesEveryBadLineOfAConfigFileInItsOrder) {
  const auto result = run_with_config(
      "interval = 0\n"
      "gwm = a:0\n"
      "nonsense = 1\n"
      "mode\n"
      "dry-run = yes\n");
  EXPECT_EQ(result.end, ExitCode::configuration);
  const auto at = "prog: " + file_ + ":";
  EXPECT_EQ(result.err, at + "1: interval: '0' is not a whole number of seconds from 1 to 3600\n" +
                            at +
                            "2: gwm: port of 'a:0': '0' is not a whole number from 1 to 65535\n" +
                            at + "3: unknown key 'nonsense'\n" + at +
                            "4: 'mode' is not 'key = value'; write 'mode = pull|push'\n" + at +
                            "5: dry-run: 'yes' is not true or false\n");
  const auto both = run_with_config("mode = shove\n", {"--interval", "0"});
  EXPECT_EQ(both.end, ExitCode::usage);
  EXPECT_NE(both.err.find("prog: --interval: "), std::string::npos) << both.err;
  EXPECT_NE(both.err.find(file_ + ":1: mode: "), std::string::npos) << both.err;
}

TEST_F(CliTest, ReadsAConfigFileOfAnEditorForWindows) {
  const auto result =
      run_with_config("\xEF\xBB\xBFlb-uid = \"director-1\"\r\n\tmode\t=\tpush\t\r\n");
  ASSERT_FALSE(result.end) << result.err;
  EXPECT_EQ(result.options.uid, "director-1");
  EXPECT_EQ(result.options.mode, Mode::push);
}

TEST_F(CliTest, SaysThatTheConfigFileIsMissing) {
  auto result = run({"--config", file_});
  EXPECT_EQ(result.end, ExitCode::no_input);
  EXPECT_EQ(result.err, "prog: --config: cannot read " + file_ + ": No such file or directory\n");
  EXPECT_EQ(run({"--config", folder_}).end, ExitCode::no_input);  // a folder
  EXPECT_EQ(run({"--config="}).end, ExitCode::no_input);
}

TEST_F(CliTest, RefusesAnEndlessConfigFile) {
  EXPECT_EQ(run({"--config", "/dev/zero"}).end, ExitCode::no_input);
}

TEST_F(CliTest, PrintsAConfigThatMeansTheSame) {
  const auto first =
      run({"--print-config", "--member", "a,b=[c] \"d\" # e", "--member=", "--member", "\"q\"",
           "--member", "#", "--member", "a#b", "--dry-run", "--gwm=[::1]:99", "--interval=5"});
  ASSERT_FALSE(first.end);
  EXPECT_EQ(first.verb, Verb::print_config);
  EXPECT_EQ(first.config,
            "gwm = [::1]:99\n"
            "interval = 5\n"
            "mode = pull\n"
            "lb-uid = host\n"
            "member = 'a,b=[c] \"d\" # e'\n"
            "member =\n"
            "member = '\"q\"'\n"
            "member = \"#\"\n"
            "member = a#b\n"
            "dry-run = true\n");
  const auto second = run_with_config(first.config);
  ASSERT_FALSE(second.end) << second.err;
  EXPECT_EQ(second.config, first.config);
  EXPECT_EQ(second.options.members, first.options.members);
  EXPECT_EQ(second.verb, Verb::run);
}

TEST_F(CliTest, PrintsHelpOnStdoutWithEveryFlagDefaultAndWhatIsMissing) {
  const auto result = run({"--gwm", "a", "--help"});
  EXPECT_EQ(result.end, ExitCode::ok);
  EXPECT_EQ(result.err, "");
  for (const auto* part :
       {"Does things.", "Peers:", "--gwm HOST[:PORT]", "may be repeated", "[60]", "--config FILE",
        "where the advice comes from [none]; may be", "Commands:", "why THING ",
        "Example: prog --gwm h", "Not built yet: --tls-ca --trust"}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " in\n" << result.out;
  }
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(line.size(), 100U) << line;
}

// What completions and the check of the man pages are made from.
TEST_F(CliTest, PrintsTheHelpAsATableForPrograms) {
  const auto result = run({"--gwm", "a", "--help=table", "--unknown"});
  EXPECT_EQ(result.end, ExitCode::ok);
  EXPECT_EQ(result.err, "");
  for (const auto* line : {"flag\t--help\t\tPrint this help and exit\t\t\n",
                           "flag\t--gwm\tHOST[:PORT]\twhere the advice comes from\tnone\trepeats\n",
                           "flag\t--interval\tSECONDS\thow often\t60\t\n",
                           "flag\t--mode\tpull|push\twho speaks first\tpull\t\n",
                           "flag\t--dry-run\t\twrite nothing\t\t\n",
                           "command\trun\t\tdoes things\n", "command\twhy\tTHING\tsays why\n"}) {
    EXPECT_NE(result.out.find(line), std::string::npos) << line << " in\n" << result.out;
  }
  EXPECT_EQ(result.out.find("--tls-ca"), std::string::npos) << "not built yet";
  EXPECT_NE(run({"--", "--help=table"}).end, ExitCode::ok);
}

TEST_F(CliTest, PrintsItsVersionAndHowItWasBuilt) {
  const auto result = run({"--version"});
  EXPECT_EQ(result.end, ExitCode::ok);
  EXPECT_EQ(result.out.find("prog " SASPD_VERSION "\nbuilt with "), 0U) << result.out;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2);
}

TEST(Cli, TakesPositionalsByTheirPlaceBetweenFlags) {
  struct Words {
    std::optional<std::string> command, member;
    bool json = false;
    std::optional<ExitCode> end;
  };
  const auto parse = [](std::vector<const char*> argv) {
    Words words;
    Cli cli("prog", "");
    cli.flag("--json", words.json, "");
    cli.positional("COMMAND", words.command, "what to do");
    cli.positional("MEMBER", words.member, "with whom");
    words.end = cli.parse(static_cast<int>(argv.size()), argv.data());
    return words;
  };
  auto words = parse({"prog", "why", "--json", "[x,y]"});
  EXPECT_FALSE(words.end);
  EXPECT_TRUE(words.json);
  EXPECT_EQ(words.command, "why");
  EXPECT_EQ(words.member, "[x,y]");
  words = parse({"prog", "--", "-x"});
  EXPECT_FALSE(words.end);
  EXPECT_EQ(words.command, "-x");
  EXPECT_EQ(words.member, std::nullopt);
  EXPECT_EQ(parse({"prog", ""}).command, "");
  EXPECT_EQ(parse({"prog", "a", "b", "c"}).end, ExitCode::usage);
}

TEST(Cli, TakesFlagsInTheOrderOfTheirDefinition) {
  std::string seen;
  const auto note = [&](std::string name) {
    return [&seen, name](std::string_view value) -> Result<void> {
      seen += name + std::string(value) + " ";
      return {};
    };
  };
  Cli cli("prog", "");
  cli.add_list("--service", "S", note("service"), "");
  cli.add_list("--member", "M", note("member"), "");
  const std::array argv{"prog", "--member", "1", "--service", "2", "--member", "3"};
  EXPECT_FALSE(cli.parse(argv.size(), argv.data()));
  EXPECT_EQ(seen, "service2 member1 member3 ");
}

}  // namespace
}  // namespace saspd::cli
