// SPDX-License-Identifier: Apache-2.0
// sasp-member as it runs, with a real sasp-gwm over loopback. What the GWM knows is read as a load
// balancer reads it: by Get Weights.

#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "tests/support/free_port.hpp"
#include "tests/support/privileges.hpp"
#include "tests/support/program.hpp"
#include "tests/support/sasp_client.hpp"
#include "tests/support/service_manager.hpp"

namespace saspd::member {
namespace {

using namespace sasp;
using namespace std::chrono_literals;
using saspd::testing::SaspClient;
using test::Arguments;
using test::eventually;
using test::free_port;
using test::Program;

const std::string programs = PROGRAMS;

// A peer that takes connections and never answers.
class SilentPeer {
 public:
  SilentPeer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    ::listen(fd_, 16);
  }
  SilentPeer(const SilentPeer&) = delete;
  SilentPeer& operator=(const SilentPeer&) = delete;
  ~SilentPeer() { ::close(fd_); }
  std::uint16_t port() const { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

class SaspMember : public ::testing::Test {
 protected:
  SaspMember() {
    std::string directory = ::testing::TempDir() + "sasp-member.XXXXXX";
    directory_ = ::mkdtemp(directory.data());
    std::ofstream(path("weights")) << "web 10.0.0.1:80 40\n";
  }
  ~SaspMember() override {
    if (HasFailure()) test::show_logs({path("gwm.log"), path("member.log"), path("once.log")});
    member_.reset();
    gwm_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  // At the same port as before, if there was one.
  void given_gwm() {
    if (port_ == 0) port_ = free_port();
    gwm_.emplace(
        Arguments{programs + "/sasp-gwm", "--listen", fmt::format("127.0.0.1:{}", port_),
                  "--control", path("control"), "--metrics", "off", "--weights", path("weights")},
        path("gwm.log"));
    ASSERT_TRUE(eventually([&] { return SaspClient().connects(port_); })) << gwm_->log();
  }
  void given_lb(std::uint8_t flags = lb_flag::trust) {
    lb_.emplace(port_);
    EXPECT_EQ(lb_->answer_to<SetLbStateReply>(SetLbStateRequest{"lb1", max_lb_health, flags}).code,
              ReturnCode::successful);
  }

  Arguments arguments(const Arguments& command, std::uint16_t port) const {
    Arguments all = machine_;
    all.push_back(programs + "/sasp-member");
    all.insert(all.end(), command.begin(), command.end());
    for (const std::string& flag :
         {std::string("--gwm"), fmt::format("127.0.0.1:{}", port), std::string("--retry-min"),
          std::string("1"), std::string("--lb-uid"), std::string("lb1"), std::string("--group"),
          std::string("web"), std::string("--member"), std::string("tcp:10.0.0.1:80")})
      all.push_back(flag);
    return all;
  }
  void given_member(const Arguments& more = {}) {
    Arguments command{"run", "--report", "7", "--label", "first"};
    command.insert(command.end(), more.begin(), more.end());
    member_.emplace(arguments(command, port_), path("member.log"));
  }
  // Exit code of a one-shot command, and what it said.
  int ends(const Arguments& command, std::string* said = nullptr) {
    return ends_at(port_, command, said);
  }
  int ends_at(std::uint16_t port, const Arguments& command, std::string* said = nullptr) {
    std::filesystem::remove(path("once.log"));
    Program program(arguments(command, port), path("once.log"));
    const int code = program.wait(15s).value_or(-1);
    if (said != nullptr) *said = program.log();
    return code;
  }

  // What the load balancer is told of the member; nothing: it is not registered.
  std::optional<WeightEntry> entry() {
    const auto reply = lb_->answer_to<GetWeightsReply>(GetWeightsRequest{.groups = {{"lb1", ""}}});
    for (const auto& group : reply.groups) {
      for (const auto& entry : group.items) {
        if (entry.member.key().text() == "tcp:10.0.0.1:80") return entry;
      }
    }
    return std::nullopt;
  }
  bool is_registered() { return entry().has_value(); }
  bool is_quiesced() {
    const auto now = entry();
    return now && (now->flags & weight_flag::quiesce) != 0;
  }
  bool becomes_registered() {
    return eventually([&] { return is_registered() && !is_quiesced(); });
  }
  bool logs(const std::string& text) const {
    return eventually([&] { return member_->log().find(text) != std::string::npos; });
  }

  std::uint16_t port_ = 0;
  std::optional<Program> gwm_;
  std::optional<Program> member_;
  std::optional<SaspClient> lb_;
  Arguments machine_;  // in front of the program: where_user()
  std::string directory_;
};

// ---- run ---------------------------------------------------------------------------------------

TEST_F(SaspMember, RegistersQuiescesAndDeregistersItsServer) {
  given_gwm();
  given_lb();
  given_member({"--drain", "6"});
  ASSERT_TRUE(becomes_registered());
  ASSERT_TRUE(eventually([&] { return entry()->state == 7; }));
  const auto registered = *entry();
  EXPECT_EQ(registered.member.label, "first");
  EXPECT_EQ(registered.flags & weight_flag::registered_by_lb, 0);
  EXPECT_EQ(registered.weight, 40);
  member_->send(SIGTERM);
  ASSERT_TRUE(eventually([&] { return is_quiesced(); }));
  EXPECT_EQ(entry()->weight, 0);
  EXPECT_EQ(entry()->state, 7) << "a quiesce changes no state";
  EXPECT_EQ(member_->wait(60s), 0);
  EXPECT_FALSE(is_registered());
}

TEST_F(SaspMember, ComesBackAfterTheGwmWasRestarted) {
  given_gwm();
  given_lb();
  given_member();
  ASSERT_TRUE(becomes_registered());
  gwm_->send(SIGKILL);
  gwm_->wait(5s);
  given_gwm();
  given_lb();
  EXPECT_TRUE(becomes_registered());
}

TEST_F(SaspMember, WaitsForALoadBalancerThatComesLater) {
  given_gwm();
  given_member();
  ASSERT_TRUE(logs("does not know load balancer 'lb1'"));
  given_lb();
  EXPECT_TRUE(becomes_registered());
}

TEST_F(SaspMember, SaysWhoMustAllowItWhenTrustIsOff) {
  given_gwm();
  given_lb(0);
  given_member();
  ASSERT_TRUE(logs("saspd --trust"));
  EXPECT_FALSE(is_registered());
  given_lb(lb_flag::trust);
  EXPECT_TRUE(becomes_registered());
}

TEST_F(SaspMember, RegistersAgainWhenItWasForgotten) {
  given_gwm();
  given_lb();
  given_member({"--heartbeat", "1"});
  ASSERT_TRUE(becomes_registered());
  ASSERT_TRUE(eventually([&] { return entry()->state == 7; }));
  EXPECT_EQ(lb_->answer_to<DeregistrationReply>(
                   DeregistrationRequest{.groups = {{{"lb1", "web"}, {entry()->member}}}})
                .code,
            ReturnCode::successful);
  EXPECT_TRUE(becomes_registered());
  EXPECT_TRUE(logs("has forgotten the member"));
}

TEST_F(SaspMember, EndsItsDrainAtASecondSignal) {
  given_gwm();
  given_lb();
  given_member({"--drain", "60"});
  ASSERT_TRUE(becomes_registered());
  member_->send(SIGTERM);
  ASSERT_TRUE(eventually([&] { return is_quiesced(); }));
  member_->send(SIGINT);
  EXPECT_EQ(member_->wait(30s), 0) << "and not after a minute";
  EXPECT_FALSE(is_registered());
}

TEST_F(SaspMember, EndsWhenToldSoRightBehindSighup) {
  given_gwm();
  given_lb();
  given_member({"--drain", "0"});
  ASSERT_TRUE(becomes_registered());
  member_->send_at_once({SIGHUP, SIGTERM});
  EXPECT_EQ(member_->wait(5s), 0);
  EXPECT_FALSE(is_registered());
}

// The bound of two seconds beyond --drain, and one for a busy machine.
TEST_F(SaspMember, EndsInTimeWhenTheGwmIsStuck) {
  given_gwm();
  given_lb();
  given_member({"--drain", "1"});
  ASSERT_TRUE(becomes_registered());
  gwm_->send(SIGSTOP);
  member_->send(SIGTERM);
  EXPECT_EQ(member_->wait(60s), 0);
  gwm_->send(SIGCONT);
}

TEST_F(SaspMember, EndsInTimeWhenTheGwmNeverAnswered) {
  const SilentPeer silent;
  port_ = silent.port();
  given_member({"--drain", "60"});
  ASSERT_TRUE(logs("sasp-member"));
  std::this_thread::sleep_for(300ms);
  member_->send(SIGTERM);
  EXPECT_EQ(member_->wait(30s), 0) << "nobody knows the member, so nobody has to be waited for";
}

TEST_F(SaspMember, LeavesADeadGwmAndComesBack) {
  given_gwm();
  given_lb();
  given_member({"--heartbeat", "1", "--timeout", "1"});
  ASSERT_TRUE(becomes_registered());
  gwm_->send(SIGSTOP);
  EXPECT_TRUE(logs("no set member state reply within 1 s"));
  gwm_->send(SIGCONT);
  EXPECT_TRUE(becomes_registered());
}

TEST_F(SaspMember, KeepsToTheGwmThatIsThere) {
  given_gwm();
  given_lb();
  given_member({"--gwm", fmt::format("127.0.0.1:{}", free_port()), "--report", "load"});
  EXPECT_EQ(member_->wait(3s), 64) << "--report is given twice";
  Arguments two = arguments(
      {"run", "--gwm", fmt::format("127.0.0.1:{}", free_port()), "--report", "load"}, port_);
  member_.emplace(two, path("member.log"));
  EXPECT_TRUE(becomes_registered());
  member_->send(SIGTERM);
  EXPECT_EQ(member_->wait(3s), 0);
  EXPECT_FALSE(is_registered());
}

// ---- root --------------------------------------------------------------------------------------

class StartedByRoot : public SaspMember {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "this is for root";
    given_gwm();
    given_lb();
  }
  void given_user(std::optional<int> number) {
    machine_ = test::where_user(directory_, "sasp-member", number);
  }
};

TEST_F(StartedByRoot, BecomesItsOwnUser) {
  given_user(4711);
  given_member();
  ASSERT_TRUE(becomes_registered());
  test::expect_only(member_->pid(), 4711, 0);
  EXPECT_NE(member_->log().find("info: "), std::string::npos) << "levels are named in another way";
  EXPECT_EQ(member_->log().find("warning: "), std::string::npos) << member_->log();
}

TEST_F(StartedByRoot, StaysRootWithoutCapabilitiesWhereThereIsNoUser) {
  given_user(std::nullopt);
  member_.emplace(arguments({"run", "--report", "load"}, port_), path("member.log"));
  ASSERT_TRUE(becomes_registered());
  test::expect_only(member_->pid(), 0, 0);
  EXPECT_TRUE(
      logs(" warning: there is no user sasp-member: staying root, without any capability\n"));
  std::string said;
  EXPECT_EQ(ends({"quiesce"}, &said), 0);
  EXPECT_EQ(said.find("staying root"), std::string::npos) << "it does not stay: " << said;
}

// ---- systemd -----------------------------------------------------------------------------------

class Supervised : public SaspMember {
 protected:
  // The GWM is not supervised.
  void given_gwm_and_manager() {
    given_gwm();
    manager_.emplace(path("notify"));
  }
  std::optional<test::ServiceManager> manager_;
};

TEST_F(Supervised, TellsItsServiceManagerHowItIs) {
  given_gwm_and_manager();
  given_member({"--drain", "1"});
  EXPECT_TRUE(manager_->hears("READY=1"))
      << "a load balancer that is late is no reason not to start";
  EXPECT_TRUE(manager_->hears(
      "STATUS=tcp:10.0.0.1:80 of group 'web' of 'lb1': registered with 0 of 1 GWM(s)"));
  given_lb();
  EXPECT_TRUE(manager_->hears("registered with 1 of 1 GWM(s)"));
  EXPECT_TRUE(manager_->hears("WATCHDOG=1\nWATCHDOG=1"));
  member_->send(SIGTERM);
  EXPECT_TRUE(manager_->hears("STOPPING=1\nEXTEND_TIMEOUT_USEC=6000000"));
  EXPECT_EQ(member_->wait(4s), 0);
}

TEST_F(Supervised, IsReadyWhenItIsRegisteredIfWanted) {
  given_gwm_and_manager();
  given_member({"--ready", "registered"});
  ASSERT_TRUE(logs("does not know load balancer"));
  EXPECT_TRUE(manager_->hears("STATUS="));
  EXPECT_EQ(manager_->heard().find("READY=1"), std::string::npos);
  given_lb();
  EXPECT_TRUE(manager_->hears("READY=1"));
}

// ---- one-shot commands -------------------------------------------------------------------------

TEST_F(SaspMember, DoesOneThingAtATime) {
  given_gwm();
  given_lb();
  std::string said;
  EXPECT_EQ(ends({"register", "--report", "3"}, &said), 0);
  EXPECT_EQ(said, fmt::format("127.0.0.1:{}: tcp:10.0.0.1:80 of group 'web' of 'lb1' registered\n",
                              port_));
  EXPECT_EQ(entry()->state, 3);
  EXPECT_EQ(ends({"quiesce"}), 0);
  EXPECT_TRUE(is_quiesced());
  EXPECT_EQ(ends({"resume"}), 0);
  EXPECT_FALSE(is_quiesced());
  EXPECT_EQ(ends({"state", "200"}), 0);
  EXPECT_EQ(entry()->state, 200);
  EXPECT_EQ(ends({"quiesce"}), 0);
  EXPECT_EQ(ends({"register"}), 0) << "already registered, and it is back";
  EXPECT_FALSE(is_quiesced());
  EXPECT_EQ(ends({"deregister"}), 0);
  EXPECT_FALSE(is_registered());
  EXPECT_EQ(ends({"deregister"}), 0) << "it is gone";
}

TEST_F(SaspMember, DeregistersAfterADrain) {
  given_gwm();
  given_lb();
  ASSERT_EQ(ends({"register"}), 0);
  {
    Program once(arguments({"deregister", "--drain", "6"}, port_), path("once.log"));
    EXPECT_TRUE(eventually([&] { return is_quiesced(); }));
    EXPECT_EQ(once.wait(60s), 0);
    EXPECT_FALSE(is_registered());
  }
  ASSERT_EQ(ends({"register"}), 0);
  {
    Program once(arguments({"deregister", "--drain", "60"}, port_), path("once.log"));
    EXPECT_TRUE(eventually([&] { return is_quiesced(); }));
    once.send(SIGTERM);
    EXPECT_EQ(once.wait(30s), 0) << "a signal ends the drain";
    EXPECT_FALSE(is_registered());
  }
  EXPECT_EQ(ends({"deregister", "--drain", "60"}), 0) << "nothing to drain";
}

TEST_F(SaspMember, EndsWithACodeForScripts) {
  std::string said;
  EXPECT_EQ(ends_at(free_port(), {"register"}, &said), 69);
  EXPECT_NE(said.find("Connection refused"), std::string::npos) << said;
  const SilentPeer silent;
  EXPECT_EQ(ends_at(silent.port(), {"register", "--timeout", "1"}, &said), 75);
  EXPECT_NE(said.find("no answer in time"), std::string::npos) << said;

  given_gwm();
  for (const Arguments& command :
       {Arguments{"register"}, {"quiesce"}, {"resume"}, {"state", "1"}}) {
    EXPECT_EQ(ends(command, &said), 75);
    EXPECT_NE(said.find("does not know load balancer 'lb1'"), std::string::npos) << said;
  }
  given_lb(0);
  for (const Arguments& command :
       {Arguments{"register"}, {"deregister"}, {"quiesce"}, {"resume"}, {"state", "1"}}) {
    EXPECT_EQ(ends(command, &said), 77);
    EXPECT_NE(said.find("saspd --trust"), std::string::npos) << said;
  }
  given_lb();
  EXPECT_EQ(ends({"quiesce"}, &said), 75);
  EXPECT_NE(said.find("register the member first"), std::string::npos) << said;
  EXPECT_EQ(ends({"register", "--gwm", fmt::format("127.0.0.1:{}", free_port())}, &said), 69);
  EXPECT_NE(said.find("'lb1' registered\n"), std::string::npos) << said;
  EXPECT_NE(said.find("not registered: cannot connect"), std::string::npos) << said;
  Arguments system = arguments({"register"}, port_);
  system.back() = "10.0.0.9";
  Program mixed(system, path("mixed.log"));
  EXPECT_EQ(mixed.wait(10s), 78) << "applications stand in that group";
  EXPECT_NE(mixed.log().find("need groups of their own"), std::string::npos) << mixed.log();
  EXPECT_EQ(ends({"flee"}), 64);
}

TEST_F(SaspMember, TriesAgainForAsLongAsItIsTold) {
  const std::uint16_t port = free_port();
  port_ = port;
  Program once(arguments({"register", "--wait", "30"}, port_), path("once.log"));
  std::this_thread::sleep_for(300ms);
  given_gwm();
  std::this_thread::sleep_for(300ms);
  given_lb();
  EXPECT_EQ(once.wait(20s), 0);
  EXPECT_TRUE(is_registered());
  EXPECT_EQ(ends_at(free_port(), {"register", "--wait", "1"}), 69);
}

}  // namespace
}  // namespace saspd::member
