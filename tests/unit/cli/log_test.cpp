// SPDX-License-Identifier: Apache-2.0
// Log lines on real pipes and sockets, also when nobody reads them.
#include "controller/cli/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <utility>

#include "controller/cli/cli.hpp"

namespace saspd::cli {
namespace {

enum class Sink { pipe, socket };

class LogTest : public testing::Test {
 protected:
  void opens(Sink sink) {
    const int made = sink == Sink::pipe ? ::pipe2(ends_.data(), O_CLOEXEC)
                                        : ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data());
    ASSERT_EQ(made, 0);
  }
  ~LogTest() override {
    ::unsetenv("JOURNAL_STREAM");
    closes_the_reader();
    closes_the_writer();
  }
  void closes_the_reader() { ::close(std::exchange(ends_[0], -1)); }
  void closes_the_writer() { ::close(std::exchange(ends_[1], -1)); }
  int writer() const { return ends_[1]; }
  // All that was written so far.
  std::string read() const {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string text;
    std::array<char, 65536> buffer{};
    for (ssize_t n = 0; (n = ::read(ends_[0], buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return text;
  }

  std::array<int, 2> ends_{-1, -1};
};

TEST_F(LogTest, WritesALineWithTimeAndLevel) {
  opens(Sink::pipe);
  Log log({.level = Level::info, .format = LogFormat::text}, writer());
  log.info("listening on {}", "loopback");
  auto text = read();
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }, 'd');
  EXPECT_EQ(text, "dddd-dd-ddTdd:dd:dd.dddZ info: listening on loopback\n");
}

TEST_F(LogTest, WritesThePrioritiesOfTheJournal) {
  opens(Sink::pipe);
  Log log({.level = Level::debug, .format = LogFormat::journal}, writer());
  log.error("a");
  log.warning("b");
  log.info("c");
  log.debug("d");
  EXPECT_EQ(read(), "<3>a\n<4>b\n<6>c\n<7>d\n");
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  opens(Sink::pipe);
  Log log({.level = Level::warning, .format = LogFormat::journal}, writer());
  log.error("a");
  log.warning("b");
  log.info("c");
  log.debug("d");
  EXPECT_EQ(read(), "<3>a\n<4>b\n");
  EXPECT_TRUE(log.shows(Level::warning));
  EXPECT_FALSE(log.shows(Level::info));
}

TEST_F(LogTest, KeepsALineOneLineWhateverAPeerSent) {
  opens(Sink::pipe);
  Log log({.format = LogFormat::journal}, writer());
  log.info("label {}", "a\n<0>forged \x1b[2J\xff");
  EXPECT_EQ(read(), "<6>label a\\x0a<0>forged \\x1b[2J\\xff\n");
}

TEST_F(LogTest, KnowsTheJournalWhenItsStderrIsTheJournal) {
  opens(Sink::socket);
  struct stat status {};
  ASSERT_EQ(::fstat(writer(), &status), 0);
  const auto name = fmt::format("{}:{}", status.st_dev, status.st_ino);
  ::setenv("JOURNAL_STREAM", name.c_str(), 1);
  Log journal({}, writer());
  journal.info("a");
  EXPECT_EQ(read(), "<6>a\n");
  // Inherited, but our stderr is another file.
  ::setenv("JOURNAL_STREAM", "1:2", 1);
  Log text({}, writer());
  text.info("b");
  EXPECT_NE(read().find(" info: b\n"), std::string::npos);
}

TEST_F(LogTest, DropsAndCountsWhenNobodyReads) {
  for (const auto sink : {Sink::pipe, Sink::socket}) {
    opens(sink);
    Log log({.format = LogFormat::journal}, writer());
    for (int i = 0; i < 10'000; ++i)
      log.info("{:0100}", i);  // would block for ever
    EXPECT_GT(log.dropped(), 0U);
    const auto dropped = log.dropped();
    const auto first = read();
    EXPECT_GT(first.size(), 1000U);
    EXPECT_TRUE(first.ends_with('\n')) << "a line is written whole or not at all";
    log.info("again");
    EXPECT_EQ(read(), fmt::format("<4>{} log lines were lost here\n<6>again\n", dropped));
    EXPECT_EQ(log.dropped(), dropped);
    log.info("and again");
    EXPECT_EQ(read(), "<6>and again\n");
    closes_the_reader();
    closes_the_writer();
  }
}

TEST_F(LogTest, CutsALineThatNoPipeWouldTakeAtOnce) {
  opens(Sink::pipe);
  Log log({.format = LogFormat::journal}, writer());
  log.info("{}", std::string(100'000, 'x'));
  const auto text = read();
  EXPECT_EQ(text.size(), std::size_t{PIPE_BUF});
  EXPECT_TRUE(text.ends_with("x...\n"));
}

TEST_F(LogTest, OutlivesTheReaderAndAClosedStderr) {
  for (const auto sink : {Sink::pipe, Sink::socket}) {
    opens(sink);
    closes_the_reader();
    Log log({}, writer());  // SIGPIPE at its default would end this test
    log.info("a");
    EXPECT_EQ(log.dropped(), 1U);
    closes_the_writer();
    log.info("b");
    EXPECT_EQ(log.dropped(), 2U);
  }
}

TEST(LogOptions, AreTakenFromTheCommandLine) {
  const auto parse = [](std::vector<const char*> argv, LogOptions& options) {
    Cli cli("prog", "");
    add_log_options(cli, options);
    return cli.parse(static_cast<int>(argv.size()), argv.data());
  };
  LogOptions options;
  EXPECT_FALSE(parse({"prog", "--log-level", "debug", "--log-format=journal"}, options));
  EXPECT_EQ(options.level, Level::debug);
  EXPECT_EQ(options.format, LogFormat::journal);
  LogOptions defaults;
  EXPECT_FALSE(parse({"prog"}, defaults));
  EXPECT_EQ(defaults.level, Level::info);
  EXPECT_EQ(defaults.format, LogFormat::automatic);
  testing::internal::CaptureStderr();
  EXPECT_EQ(parse({"prog", "--log-format", "json"}, options), ExitCode::usage);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("json is not built yet"),
            std::string::npos);
}

}  // namespace
}  // namespace saspd::cli
