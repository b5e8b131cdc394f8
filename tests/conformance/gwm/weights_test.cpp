// SPDX-License-Identifier: Apache-2.0
// The weights file as people and scripts write it, and what a real sasp-gwm makes of it: for a load
// balancer, for the log, and for saspctl.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "tests/conformance/gwm/registry_fixture.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/program.hpp"
#include "tests/support/sasp_client.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using saspd::testing::SaspClient;
using test::Arguments;
using test::eventually;
using test::free_port;
using test::Program;

const std::string programs = PROGRAMS;

class Weights : public ::testing::Test {
 protected:
  Weights() {
    std::string directory = ::testing::TempDir() + "sasp-gwm.XXXXXX";
    directory_ = ::mkdtemp(directory.data());
  }
  ~Weights() override {
    if (HasFailure() && program_) std::cerr << program_->log();
    program_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  void replace(const std::string& text) const {
    std::ofstream(path("weights.new")) << text;
    std::filesystem::rename(path("weights.new"), path("weights"));
  }
  void write_in_place(const std::string& text) const { std::ofstream(path("weights")) << text; }
  void append(const std::string& text) const {
    std::ofstream(path("weights"), std::ios::app) << text;
  }

  void given_gwm(const Arguments& more = {}) {
    for (int tries = 0; tries < 5; ++tries) {  // another program may take a port
      const auto port = free_port();
      metrics_ = {*IpAddress::parse("127.0.0.1"), free_port()};
      Arguments arguments{programs + "/sasp-gwm",
                          "--listen",
                          fmt::format("127.0.0.1:{}", port),
                          "--control",
                          path("control"),
                          "--metrics",
                          metrics_.text(),
                          "--weights",
                          path("weights")};
      arguments.insert(arguments.end(), more.begin(), more.end());
      program_.emplace(arguments, path("log"));
      if (eventually([&] { return SaspClient().connects(port) || program_->wait(0ms); }) &&
          !program_->wait(0ms)) {
        lb_.emplace(port);
        return;
      }
    }
    FAIL() << "sasp-gwm does not start: " << program_->log();
  }
  void given_members(int count, const std::string& name = "web") {
    std::vector<MemberData> members;
    for (int n = 1; n <= count; ++n)
      members.push_back(tcp("192.0.2." + std::to_string(n)));
    given_group(name, std::move(members));
  }
  void given_group(const std::string& name, std::vector<MemberData> members) {
    group_ = name;
    ASSERT_EQ(
        lb_->answer_to<RegistrationReply>(registers({group("lb1", name, std::move(members))})).code,
        ReturnCode::successful);
  }
  std::vector<int> weights() {
    std::vector<int> weights;
    const auto reply = lb_->answer_to<GetWeightsReply>(asks({{"lb1", group_}}));
    for (const auto& each : reply.groups) {
      for (const auto& entry : each.items)
        weights.push_back(entry.weight);
    }
    return weights;
  }
  bool becomes(const std::vector<int>& wanted) {
    return eventually([&] { return weights() == wanted; }, 60s);
  }
  bool logs(const std::string& text) const {
    return eventually([&] { return program_->log().find(text) != std::string::npos; }, 60s);
  }
  // The weights at every moment of this time.
  bool stay(const std::vector<int>& wanted, std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      if (weights() != wanted) return false;
      std::this_thread::sleep_for(50ms);
    }
    return true;
  }

  struct Answer {
    int code = -1;
    std::string text;
  };
  Answer ask(Arguments words) const {
    words.insert(words.begin(), {programs + "/saspctl", "--socket", path("control")});
    std::filesystem::remove(path("answer"));
    Program saspctl(words, path("answer"));
    const int code = saspctl.wait(60s).value_or(-1);
    return {code, saspctl.log()};
  }
  // What a run that ends by itself says.
  Answer check(const Arguments& more = {}) const {
    Arguments arguments{programs + "/sasp-gwm", "--check", "--weights", path("weights")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::filesystem::remove(path("check"));
    Program program(arguments, path("check"));
    const int code = program.wait(60s).value_or(-1);
    return {code, program.log()};
  }

  std::optional<Program> program_;
  std::optional<SaspClient> lb_;
  std::string group_;
  Endpoint metrics_;

 private:
  std::string directory_;
};

// A writer that pauses in the middle of a number, of a line and of the file: 40 does not become 4,
// and nobody who is not written yet falls to 0.
TEST_F(Weights, OfAFileThatIsWrittenSlowlyAreTakenWhenItIsWhole) {
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\nweb 192.0.2.3:80 20\n");
  given_gwm();
  given_members(3);
  const std::vector<int> old{40, 30, 20};
  ASSERT_TRUE(becomes(old));
  {
    std::ofstream file(path("weights"));
    for (const char* part : {"", "web 192.0.2.1:80 4", "1\n", "web 192.0.2.2:80 3"}) {
      file << part << std::flush;
      EXPECT_TRUE(stay(old, 2500ms)) << "'" << part << "' was written last";
    }
    file << "1\nweb 192.0.2.3:80 21\n";
  }
  EXPECT_TRUE(becomes({41, 31, 21}));
}

// However long the pause is, the reason is said and seen.
TEST_F(Weights, OfAFileWithoutItsEndAreNotTaken) {
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\n");
  given_gwm();
  given_members(2);
  write_in_place("web 192.0.2.1:80 40\nweb 192.0.2.2:80 3");
  EXPECT_TRUE(logs("the last line has no newline: either the file is still being written"));
  EXPECT_EQ(weights(), (std::vector{40, 30}));
  const auto status = ask({"status", "--check"});
  EXPECT_EQ(status.code, 1);
  EXPECT_NE(status.text.find("the last line has no newline"), std::string::npos) << status.text;
  append("\n");
  EXPECT_TRUE(becomes({40, 3}));
  EXPECT_TRUE(eventually([&] { return ask({"status", "--check"}).code == 0; }));
  replace("web 192.0.2.1:80 40");
  const auto checked = check();
  EXPECT_EQ(checked.code, 65) << checked.text;
}

TEST_F(Weights, AreTakenFromALineThatIsAppended) {
  replace("web 192.0.2.1:80 40\n");
  given_gwm();
  given_members(2);
  append("web 192.0.2.2:80 30\n");
  EXPECT_TRUE(becomes({40, 30}));
  EXPECT_EQ(program_->times_logged("the last line has no newline"), 0U) << program_->log();
}

TEST_F(Weights, OfAMemberThatVanishedStayForAWhile) {
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\nweb 192.0.2.3:80 quiesce\n");
  given_gwm({"--weights-memory", "5"});
  given_members(3);
  replace("web 192.0.2.1:80 41\nweb 192.0.2.3:80 quiesce\n");
  ASSERT_TRUE(becomes({41, 30, 0}));
  EXPECT_TRUE(logs("no longer names web tcp:192.0.2.2:80: the last advice stays for 5 s"));
  EXPECT_NE(ask({"why", "192.0.2.2:80"})
                .text.find("the weights file said 30, no longer names it, and is remembered for"),
            std::string::npos);
  EXPECT_TRUE(becomes({41, 0, 0}));
  EXPECT_TRUE(
      logs("has not named web tcp:192.0.2.2:80 for 5 s: its last advice for them is forgotten"));
  EXPECT_TRUE(
      logs("alarm partly_known: group 'web' of lb1: the state of 1 of 3 members is not known"));
}

TEST_F(Weights, OfAFileThatLostMostOfItsMembersAreHeldBack) {
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\nweb 192.0.2.3:80 20\n");
  given_gwm({"--weights-memory", "2"});
  given_members(3);
  replace("web 192.0.2.1:80 1\n");
  EXPECT_TRUE(logs("2 of its 3 members are missing; is it complete?"));
  const auto status = ask({"status", "--check"});
  EXPECT_EQ(status.code, 1);
  EXPECT_NE(status.text.find("weights_shrunk: the weights file lacks 2 of the 3 members"),
            std::string::npos)
      << status.text;
  EXPECT_EQ(weights(), (std::vector{40, 30, 20}));
  EXPECT_NE(
      test::http_get(metrics_, "/metrics").find("sasp_gwm_alarms{alarm=\"weights_shrunk\"} 1"),
      std::string::npos);
  // Meant, says the operator.
  program_->send(SIGHUP);
  EXPECT_TRUE(becomes({1, 30, 20}));
  EXPECT_TRUE(becomes({1, 0, 0}));
  // Whole again before anybody was asked.
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\nweb 192.0.2.3:80 20\n");
  EXPECT_TRUE(becomes({40, 30, 20}));
  replace("# nothing\n");
  EXPECT_TRUE(logs("3 of its 3 members are missing"));
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\nweb 192.0.2.3:80 21\n");
  EXPECT_TRUE(becomes({40, 30, 21}));
  EXPECT_TRUE(eventually([&] { return ask({"status", "--check"}).code == 0; }));
}

TEST_F(Weights, OfAFileThatIsGoneStayAndThatIsSaid) {
  replace("web 192.0.2.1:80 40\n");
  given_gwm();
  given_members(1);
  std::filesystem::rename(path("weights"), path("elsewhere"));
  EXPECT_TRUE(
      logs("cannot read " + path("weights") + ": No such file or directory; the old weights"));
  EXPECT_EQ(ask({"status", "--check"}).code, 1);
  EXPECT_EQ(weights(), std::vector{40});
  std::filesystem::rename(path("elsewhere"), path("weights"));
  EXPECT_TRUE(eventually([&] { return ask({"status", "--check"}).code == 0; }, 60s));
}

// O 1: the first start of the README, without a probe.
TEST_F(Weights, OfSomeMembersOnlyRaiseAnAlarm) {
  replace("tcp:192.0.2.10:80 192.0.2.1:80 40\n");
  given_gwm();
  given_members(2, "tcp:192.0.2.10:80");
  EXPECT_EQ(weights(), (std::vector{40, 0}));
  EXPECT_TRUE(logs(
      "error: alarm partly_known: group 'tcp:192.0.2.10:80' of lb1: the state of 1 of 2 members"));
  const auto status = ask({"status", "--check"});
  EXPECT_EQ(status.code, 1);
  EXPECT_NE(status.text.find("not healthy: partly_known: "), std::string::npos) << status.text;
  EXPECT_NE(status.text.find("tcp:192.0.2.2:80 of group tcp:192.0.2.10:80 of lb1: not known"),
            std::string::npos)
      << status.text;
  EXPECT_NE(test::http_get(metrics_, "/metrics").find("sasp_gwm_alarms{alarm=\"partly_known\"} 1"),
            std::string::npos);
  append("tcp:192.0.2.10:80 192.0.2.2:80 20\n");
  EXPECT_TRUE(logs("alarm partly_known ended"));
  EXPECT_EQ(ask({"status", "--check"}).code, 0);
  EXPECT_EQ(program_->times_logged("error: alarm partly_known"), 1U);
  const auto checked = check();
  EXPECT_EQ(checked.code, 0);
  EXPECT_NE(checked.text.find("no probe covers 1 of its groups (tcp:192.0.2.10:80)"),
            std::string::npos)
      << checked.text;
}

// And as the packages start it: with a probe no line of the file takes a server away, whatever is
// wrong with it.
TEST_F(Weights, TakeNobodyAwayByASlipOfThePenWhereMembersAreProbed) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::listen(listener, 64), 0);
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size), 0);
  const auto server = ntohs(at.sin_port);
  replace("# nothing yet\n");
  // With a memory, that for the case before would hide what this one does.
  given_gwm({"--probe", "tcp", "--probe-interval", "1", "--weights-memory", "0"});
  given_group("tcp:192.0.2.10:80", {tcp("127.0.0.1", server), tcp("127.0.0.2", server)});
  ASSERT_TRUE(becomes({64, 64}));
  const auto on = [&](const std::string& line) {
    return fmt::format(fmt::runtime(line), fmt::arg("port", server), fmt::arg("group", group_));
  };
  struct Case {
    const char* line;
    std::vector<int> weights;
    const char* says;  // by `saspctl status`; empty: nothing
  };
  const std::vector<Case> cases{
      {"{group} 127.0.0.1:{port} 40", {40, 40}, ""},
      {"{group} 127.0.0.1:{port} 4", {4, 4}, ""},
      {"{group} 127.0.0.1:8 40", {64, 64}, "did you mean tcp:127.0.0.1:"},
      {"{group}80 127.0.0.1:{port} 40", {64, 64}, "did you mean tcp:192.0.2.10:80?"},
      {"tcp:192.0.2.11:80 127.0.0.1:{port} 40", {64, 64}, "did you mean tcp:192.0.2.10:80?"},
      {"{group} 127.0.0.11:{port} 40", {64, 64}, "did you mean tcp:127.0.0.1:"},
      {"{group} udp:127.0.0.1:{port} 40", {64, 64}, "did you mean tcp:127.0.0.1:"},
      {"{group} 127.0.0.1 40", {64, 64}, "did you mean tcp:127.0.0.1:"},
      {"\"{group}\" 127.0.0.1:{port} 40", {64, 64}, "quotes would be part"},
      {"{group} 127.0.0.1:{port} 0x28", {64, 64}, "did you mean '40'?"},
      {"{group} 127.0.0.1:{port}", {64, 64}, "expected GROUP"},
      {"127.0.0.1:{port} 40", {64, 64}, "expected GROUP"},
      {"{group} 127.0.0.1:{port} drain", {64, 64}, "did you mean 'quiesce'?"},
      {"{group} 127.0.0.1:{port} 40 127.0.0.2:{port} 20", {64, 64}, "write one member per line"},
  };
  for (const auto& [line, wanted, says] : cases) {
    replace("# nothing yet\n");
    ASSERT_TRUE(becomes({64, 64})) << line;
    ASSERT_TRUE(eventually([&] { return ask({"status", "--check"}).code == 0; }, 60s));
    replace(on(line) + "\n");
    if (*says == '\0') {
      EXPECT_TRUE(becomes(wanted)) << line;
      EXPECT_EQ(ask({"status", "--check"}).code, 0) << line;
    } else {
      EXPECT_TRUE(eventually(
          [&] {
            return ask({"status", "--check"}).text.find(says) != std::string::npos;
          },
          60s))
          << line << "\n"
          << ask({"status"}).text;
      EXPECT_EQ(ask({"status", "--check"}).code, 1) << line;
      EXPECT_EQ(weights(), wanted) << line;
    }
  }
  ::close(listener);
}

// O 16: what is down is named, and a whole group that is down is not healthy.
TEST_F(Weights, OfAWholeGroupThatIsDownAreNotHealthy) {
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2:80 down\n");
  given_gwm();
  given_members(2);
  const auto one = ask({"status", "--check"});
  EXPECT_EQ(one.code, 0) << one.text;
  EXPECT_NE(one.text.find("  tcp:192.0.2.2:80 of group web of lb1: not in contact: the weights "
                          "file says down\n"),
            std::string::npos)
      << one.text;
  replace("web 192.0.2.1:80 quiesce\nweb 192.0.2.2:80 down\n");
  EXPECT_TRUE(logs("error: alarm none_available: group 'web' of lb1: none of its 2 members"));
  EXPECT_EQ(ask({"status", "--check"}).code, 1);
}

TEST_F(Weights, OfBothKindsInAGroupAreDoubted) {
  replace("web 192.0.2.1:80 40\nweb 192.0.2.2 40\n");
  const auto checked = check();
  EXPECT_EQ(checked.code, 0);
  EXPECT_NE(checked.text.find("names the system 192.0.2.2 and the application tcp:192.0.2.1:80"),
            std::string::npos)
      << checked.text;
}

}  // namespace
}  // namespace saspd::gwm
