// SPDX-License-Identifier: Apache-2.0
// Each way to say it, right and wrong: exit code, and an error with the flag, the value and the
// accepted form.

#include "controller/member/options.hpp"

#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>

namespace saspd::member {
namespace {

using std::chrono::seconds;

struct Parsed {
  std::optional<Options> options;
  int code = 0;
  std::string out;
  std::string err;
};

Parsed parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "sasp-member");
  std::vector<const char*> argv;
  for (const auto& argument : arguments)
    argv.push_back(argument.c_str());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  auto result = parse_options(static_cast<int>(argv.size()), argv.data());
  std::fflush(stdout);
  Parsed parsed;
  parsed.out = ::testing::internal::GetCapturedStdout();
  parsed.err = ::testing::internal::GetCapturedStderr();
  if (auto* options = std::get_if<Options>(&result)) {
    parsed.options = std::move(*options);
  } else {
    parsed.code = static_cast<int>(std::get<ExitCode>(result));
  }
  return parsed;
}

// Good flags with more behind them.
Parsed parse_more(std::vector<std::string> more) {
  std::vector<std::string> arguments{"--gwm",   "127.0.0.1", "--lb-uid", "d1",
                                     "--group", "web",       "--member", "tcp:10.0.0.1:80"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return parse(arguments);
}

TEST(MemberOptions, HaveDefaults) {
  const auto parsed = parse_more({"run"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  const Options& options = *parsed.options;
  EXPECT_EQ(options.command, Command::run);
  EXPECT_EQ(options.gwms.at(0).text(), "127.0.0.1:3860");
  EXPECT_EQ(options.state, 0);
  EXPECT_EQ(options.drain, seconds{0});
  EXPECT_EQ(options.heartbeat, seconds{30});
  EXPECT_EQ(options.timeout, seconds{10});
  EXPECT_EQ(options.wait, seconds{0});
  EXPECT_EQ(options.retry_min, seconds{20});
  EXPECT_FALSE(options.ready_when_registered);
  EXPECT_EQ(options.subject(), "tcp:10.0.0.1:80 of group 'web' of 'd1'");
}

TEST(MemberOptions, TakeEveryCommand) {
  const std::pair<const char*, Command> commands[] = {{"run", Command::run},
                                                      {"register", Command::register_once},
                                                      {"deregister", Command::deregister},
                                                      {"quiesce", Command::quiesce},
                                                      {"resume", Command::resume}};
  for (const auto& [word, command] : commands) {
    const auto parsed = parse_more({word});
    ASSERT_TRUE(parsed.options) << word << parsed.err;
    EXPECT_EQ(parsed.options->command, command);
  }
  const auto state = parse_more({"state", "255"});
  ASSERT_TRUE(state.options) << state.err;
  EXPECT_EQ(state.options->command, Command::state);
  EXPECT_EQ(state.options->state, 255);
}

TEST(MemberOptions, TakeMembersOfEveryKind) {
  const auto parsed = parse({"register", "--gwm", "[::1]:4000", "--gwm", "localhost", "--lb-uid",
                             "d1", "--group", "a b", "--label", "first, and last", "--member",
                             "udp:[2001:db8::1]:53", "--member", "sctp:10.0.0.1:2905"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->gwms.size(), 2U);
  const auto& members = parsed.options->members;
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[0].key().text(), "udp:[2001:db8::1]:53");
  EXPECT_EQ(members[0].label, "first, and last");
  EXPECT_EQ(members[1].key().text(), "sctp:10.0.0.1:2905");
  EXPECT_EQ(parsed.options->subject(), "udp:[2001:db8::1]:53 and 1 more of group 'a b' of 'd1'");

  const auto system =
      parse({"register", "--gwm", "::1", "--lb-uid", "d", "--group", "g", "--member", "10.0.0.1"});
  EXPECT_EQ(system.code, 64) << "a bare IPv6 address has no brackets";
  const auto whole = parse({"register", "--gwm", "[::1]", "--lb-uid", "d", "--group", "g",
                            "--member", "10.0.0.1", "--report", "load"});
  ASSERT_TRUE(whole.options) << whole.err;
  EXPECT_EQ(whole.options->members[0].protocol, 0);
  EXPECT_EQ(whole.options->state, std::nullopt);
}

TEST(MemberOptions, ComeFromAFileToo) {
  const std::string path = ::testing::TempDir() + "sasp-member.conf";
  std::ofstream(path) << "# a server\ngwm = 127.0.0.1\nlb-uid = d1\ngroup = web\n"
                         "member = tcp:10.0.0.1:80\ndrain = 30\nreport = 7\n";
  const auto parsed = parse({"deregister", "--config", path, "--drain", "5"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->drain, seconds{5});
  EXPECT_EQ(parsed.options->state, 7);
  const auto printed = parse({"run", "--config", path, "--print-config"});
  EXPECT_EQ(printed.code, 0);
  EXPECT_NE(printed.out.find("member = tcp:10.0.0.1:80\n"), std::string::npos) << printed.out;
  std::ofstream(path) << "gwm = 127.0.0.1\nnonsense = 1\n";
  const auto wrong = parse({"run", "--config", path});
  EXPECT_EQ(wrong.code, 78);
  EXPECT_NE(wrong.err.find(":2: unknown key 'nonsense'"), std::string::npos) << wrong.err;
  EXPECT_EQ(parse_more({"run", "--check"}).code, 0);
  const auto both = parse_more({"run", "--check", "--print-config"});
  EXPECT_EQ(both.code, 64);
  EXPECT_NE(both.err.find("--print-config and --check at once"), std::string::npos) << both.err;
  std::ofstream(path) << "gwm = 127.0.0.1\n";
  const auto incomplete = parse({"run", "--config", path, "--print-config"});
  EXPECT_EQ(incomplete.code, 64) << "it is checked before it is shown";
  EXPECT_EQ(incomplete.out, "");
}

struct Bad {
  std::vector<std::string> flags;
  int code;
  std::string said;
};

TEST(MemberOptions, AreRefusedWithTheirReason) {
  const Bad cases[] = {
      {{}, 64, "no command: run, register, deregister, quiesce, resume or state N"},
      {{"drain"}, 64, "unknown command 'drain'"},
      {{"run", "now"}, 64, "run takes no argument, got 'now'"},
      {{"state"}, 64, "state N: "},
      {{"state", "256"}, 64, "'256'"},
      {{"run", "--report", "busy"}, 64, "--report: 'busy'"},
      {{"run", "--member", "10.0.0.2:0"}, 64, "--member: '10.0.0.2:0' is not a member"},
      {{"run", "--member", "tcp:0.0.0.0:80"},
       64,
       "--member: 0.0.0.0 is the unspecified address; write the server's own"},
      {{"run", "--member", "ff02::1"}, 64, "--member: ff02::1 is a multicast address"},
      {{"run", "--member", "tcp:10.0.0.1:80"}, 64, "'tcp:10.0.0.1:80' was given before"},
      {{"run", "--member", "10.0.0.2"}, 78, "systems (ADDR) or applications"},
      {{"run", "--gwm", "127.0.0.1:3860"}, 64, "was given before"},
      {{"run", "--gwm", "192.0.2.1"}, 78, "--gwm 192.0.2.1:3860: 192.0.2.1 is not loopback"},
      {{"run", "--gwm", "192.0.2.1", "--insecure-plaintext", "--retry-min", "19"},
       64,
       "--retry-min 19: less than 20 s"},
      {{"run", "--drain", "-1"}, 64, "--drain: '-1' is not a whole number of seconds"},
      {{"run", "--heartbeat", "0"}, 64, "--heartbeat: '0'"},
      {{"run", "--label", std::string(256, 'x')}, 64, "has 256 bytes, expected 0 to 255"},
      {{"run", "--ready", "soon"}, 64, "'soon' is not one of: start, registered"},
      {{"run", "--tls-cert", "x"}, 78, "--tls-cert needs --tls-key"},
      {{"run", "--tls-min", "1.3"}, 78, "TLS needs --tls-ca"},
  };
  for (const auto& bad : cases) {
    const auto parsed = parse_more(bad.flags);
    EXPECT_EQ(parsed.code, bad.code) << bad.said;
    EXPECT_NE(parsed.err.find(bad.said), std::string::npos) << parsed.err;
  }
  const std::vector<std::string> all{"run",     "--gwm", "127.0.0.1", "--lb-uid",       "d1",
                                     "--group", "web",   "--member",  "tcp:10.0.0.1:80"};
  for (const std::size_t left_out : {1U, 3U, 5U, 7U}) {
    auto flags = all;
    const std::string flag = flags[left_out];
    flags.erase(flags.begin() + left_out, flags.begin() + left_out + 2);
    const auto parsed = parse(flags);
    EXPECT_EQ(parsed.code, 64);
    EXPECT_NE(parsed.err.find("no " + flag), std::string::npos) << parsed.err;
  }
  EXPECT_NE(parse({"run", "--lb-uid", std::string(65, 'x')}).err.find("has 65 bytes"),
            std::string::npos);
  EXPECT_NE(parse({"run", "--group", ""}).err.find("--group: "), std::string::npos);
}

}  // namespace
}  // namespace saspd::member
