// SPDX-License-Identifier: Apache-2.0
// The command line of saspctl.
#include "controller/ctl/options.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace saspd::ctl {
namespace {

// Of one word, in the order of the help.
const std::string all_commands =
    "status, gwm, lbs, groups, members, why, watch, history, plan, reconcile, drain, undrain, "
    "set-weight, hold, release, export, trace, reload";

struct Parsed {
  std::variant<Options, ExitCode> result;
  std::string out, err;

  const Options* options() const { return std::get_if<Options>(&result); }
  ExitCode end() const { return options() != nullptr ? ExitCode::ok : std::get<ExitCode>(result); }
};

Parsed parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "saspctl");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  auto result = parse_options(static_cast<int>(arguments.size()), arguments.data());
  auto out = testing::internal::GetCapturedStdout();
  auto err = testing::internal::GetCapturedStderr();
  return {std::move(result), std::move(out), std::move(err)};
}

TEST(SaspctlOptions, AskForTheStatusWhenNothingIsSaid) {
  const auto parsed = parse({});
  ASSERT_NE(parsed.options(), nullptr) << parsed.err;
  EXPECT_EQ(parsed.options()->command, Command::status);
  EXPECT_EQ(parsed.options()->socket, saspd_socket);
  EXPECT_EQ(parsed.options()->timeout, std::chrono::seconds(5));
  EXPECT_FALSE(parsed.options()->json || parsed.options()->check);
  EXPECT_EQ(boost::json::serialize(request(*parsed.options())), R"({"command":"status"})");
}

TEST(SaspctlOptions, TakeFlagsOnBothSidesOfTheCommand) {
  const auto parsed = parse({"--json", "why", "--socket", "/tmp/x", "web/[2001:db8::1]:80"});
  ASSERT_NE(parsed.options(), nullptr) << parsed.err;
  EXPECT_TRUE(parsed.options()->json);
  EXPECT_EQ(parsed.options()->socket, "/tmp/x");
  EXPECT_EQ(boost::json::serialize(request(*parsed.options())),
            R"({"command":"why","member":"web/[2001:db8::1]:80"})");
}

TEST(SaspctlOptions, AskByTheNameOfTheCommand) {
  const std::vector<std::pair<const char*, Command>> commands{{"gwm", Command::gwm},
                                                              {"lbs", Command::lbs},
                                                              {"groups", Command::groups},
                                                              {"members", Command::members},
                                                              {"watch", Command::watch},
                                                              {"plan", Command::plan},
                                                              {"reconcile", Command::reconcile},
                                                              {"export", Command::export_rules}};
  for (const auto& [name, command] : commands) {
    const auto parsed = parse({name});
    ASSERT_NE(parsed.options(), nullptr) << parsed.err;
    EXPECT_EQ(parsed.options()->command, command);
    EXPECT_EQ(request(*parsed.options()), (boost::json::object{{"command", name}}));
  }
}

TEST(SaspctlOptions, TakeAMemberOrAGroup) {
  for (const char* command : {"why", "drain", "undrain"}) {
    const auto parsed = parse({command, "web/192.0.2.1:80"});
    ASSERT_NE(parsed.options(), nullptr) << parsed.err;
    EXPECT_EQ(request(*parsed.options()),
              (boost::json::object{{"command", command}, {"member", "web/192.0.2.1:80"}}));
  }
  const auto members = parse({"members", "web"});
  ASSERT_NE(members.options(), nullptr) << members.err;
  EXPECT_EQ(request(*members.options()),
            (boost::json::object{{"command", "members"}, {"group", "web"}}));
}

// operator 2: with sasp-gwm alone on the host, monitoring of a dead saspd was green.
TEST(SaspctlOptions, AskTheProgramThatIsMeantWhateverIsThere) {
  struct Case {
    std::vector<const char*> arguments;
    std::string program, socket;
  };
  const std::string of_saspd(saspd_socket);
  const std::string of_gwm(gwm_socket);
  for (const auto& [arguments, program, socket] :
       std::vector<Case>{{{}, "saspd", of_saspd},
                         {{"status", "--check"}, "saspd", of_saspd},
                         {{"drain", "10.0.0.1:80"}, "saspd", of_saspd},
                         {{"lbs"}, "sasp-gwm", of_gwm},
                         {{"--of", "sasp-gwm"}, "sasp-gwm", of_gwm},
                         {{"--of", "sasp-gwm", "drain", "10.0.0.1:80"}, "sasp-gwm", of_gwm},
                         {{"--of", "saspd", "lbs"}, "saspd", of_saspd},
                         {{"--of", "sasp-gwm", "--socket", "/tmp/x"}, "sasp-gwm", "/tmp/x"},
                         {{"--socket", "/tmp/x", "lbs"}, "", "/tmp/x"}}) {
    const auto parsed = parse(arguments);
    ASSERT_NE(parsed.options(), nullptr) << parsed.err;
    EXPECT_EQ(parsed.options()->program, program) << socket;
    EXPECT_EQ(parsed.options()->socket, socket) << program;
  }
}

TEST(SaspctlOptions, TakeAFlowToTrace) {
  const auto parsed = parse({"trace", "198.51.100.1:4000", "tcp:192.0.2.10:80"});
  ASSERT_NE(parsed.options(), nullptr) << parsed.err;
  EXPECT_EQ(
      boost::json::serialize(request(*parsed.options())),
      R"({"command":"trace","source":"198.51.100.1:4000","destination":"tcp:192.0.2.10:80"})");
}

TEST(SaspctlOptions, TakeACommandOfTwoWords) {
  const auto parsed = parse({"gwm", "retry", "gwm.example.net:3861"});
  ASSERT_NE(parsed.options(), nullptr) << parsed.err;
  EXPECT_EQ(boost::json::serialize(request(*parsed.options())),
            R"({"command":"gwm retry","gwm":"gwm.example.net:3861"})");
}

TEST(SaspctlOptions, RefuseWhatMakesNoSense) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> refusals{
      {{"stauts"},
       "unknown command 'stauts', expected one of " + all_commands + "; did you mean 'status'?"},
      {{"drian", "x"},
       "unknown command 'drian', expected one of " + all_commands + "; did you mean 'drain'?"},
      {{"--of", "gwm"}, "--of: 'gwm' is not one of: saspd, sasp-gwm"},
      {{""}, "unknown command '', expected one of " + all_commands},
      {{"gwm", "retry"}, "gwm retry needs a GWM of saspd: HOST or HOST:PORT"},
      {{"gwm", "try"}, "gwm takes no argument, got 'try'"},
      {{"why"}, "why needs a member: ADDR:PORT or GROUP/ADDR:PORT"},
      {{"why", "--check", "192.0.2.1:80"}, "--check is for status only"},
      {{"reconcile", "--check"}, "--check is for status only"},
      {{"status", "web"}, "status takes no argument, got 'web'"},
      {{"export", "x"}, "export takes no argument, got 'x'"},
      {{"why", "a", "b"}, "why takes one argument, got 'b'"},
      {{"trace", "10.0.0.1:1", "tcp:10.0.0.2:2", "c"}, "unexpected argument 'c'"},
      {{"trace", "10.0.0.1:1"},
       "trace needs the client's ADDR:PORT and the service, tcp:ADDR:PORT"},
      {{"--timeout", "0"}, "--timeout: '0' is not a whole number of seconds from 1 to 3600"},
      {{"--socket", ""}, "--socket: '' has 0 bytes, expected 1 to 107"},
      {{"drain"}, "drain needs a member: ADDR:PORT or GROUP/ADDR:PORT"},
      {{"members", "a", "b"}, "members takes one argument, got 'b'"},
      {{"lbs", "--check"}, "--check is for status only"},
      {{"status", "--dry-run"}, "--dry-run is for reload only"},
      {{"doctor"}, "doctor is not built yet in this version (0.1.0)"},
      {{"log-level"}, "log-level is not built yet in this version (0.1.0)"},
  };
  for (const auto& [arguments, says] : refusals) {
    const auto parsed = parse(arguments);
    EXPECT_EQ(parsed.end(), ExitCode::usage) << says;
    EXPECT_EQ(parsed.err, "saspctl: " + says + "\nTry 'saspctl --help'.\n");
    EXPECT_EQ(parsed.out, "");
  }
}

TEST(SaspctlOptions, NameEveryCommandOfTheFaceInTheHelp) {
  const auto parsed = parse({"--help"});
  EXPECT_EQ(parsed.end(), ExitCode::ok);
  for (const auto* command : {"status",
                              "gwm",
                              "lbs",
                              "groups",
                              "gwm retry HOST[:PORT]",
                              "members [GROUP]",
                              "why MEMBER",
                              "history",
                              "watch",
                              "plan",
                              "drain MEMBER",
                              "undrain MEMBER",
                              "set-weight",
                              "hold",
                              "release",
                              "reconcile",
                              "trace",
                              "doctor",
                              "export",
                              "decode",
                              "reload",
                              "log-level"}) {
    EXPECT_NE(parsed.out.find(command), std::string::npos) << command;
  }
}

}  // namespace
}  // namespace saspd::ctl
