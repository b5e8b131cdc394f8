// SPDX-License-Identifier: Apache-2.0
// sasp-gwm is ended, in order or not, and started again, beside servers that register themselves by
// sasp-member: what load balancers are told must not change by that. The servers are sockets here,
// the load balancer is a peer that asks again and again, and all that it is told is looked at.

#include <filesystem>
#include <fstream>
#include <list>
#include <map>

#include <fmt/format.h>

#include "tests/conformance/gwm/registry_fixture.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/kinds_of_end.hpp"
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
constexpr int servers = 6;
constexpr auto patience = 120s;  // for what a loaded machine does in a few seconds

// It listens; nobody accepts.
class Server {
 public:
  Server() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size);
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    ::listen(fd_.get(), 4096);
  }
  std::uint16_t port() const { return port_; }
  std::string name() const { return fmt::format("127.0.0.1:{}", port_); }

 private:
  Descriptor fd_;
  std::uint16_t port_ = 0;
};

class Restart : public ::testing::Test {
 protected:
  Restart() {
    std::string directory = ::testing::TempDir() + "gwm-restart.XXXXXX";
    directory_ = ::mkdtemp(directory.data());
  }
  ~Restart() override {
    if (HasFailure()) test::show_logs({path("gwm.log"), path("member0.log"), path("once.log")});
    agents_.clear();
    gwm_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string kept() const {
    std::ifstream file(path("state"));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void start_gwm() {
    if (port_ == 0) port_ = free_port();
    Arguments arguments{programs + "/sasp-gwm",
                        "--listen",
                        fmt::format("127.0.0.1:{}", port_),
                        "--control",
                        path("control"),
                        "--metrics",
                        "off",
                        "--probe",
                        "tcp",
                        "--probe-interval",
                        "1",
                        "--start-grace",
                        grace_};
    arguments.insert(arguments.end(), more_.begin(), more_.end());
    gwm_.emplace(arguments, path("gwm.log"));
    ASSERT_TRUE(eventually([&] { return SaspClient().connects(port_); }, patience)) << gwm_->log();
  }
  void end_gwm(int signal) {
    gwm_->send(signal);
    ASSERT_TRUE(gwm_->wait(patience));
    gwm_.reset();
  }
  // The load balancer comes as a new connection.
  void connect() {
    lb_.emplace(port_);
    ASSERT_EQ(lb_->answer_to<SetLbStateReply>(lb_state("lb1", lb_flag::trust)).code,
              ReturnCode::successful);
  }
  Arguments agent(const Arguments& command, const Server& server) const {
    Arguments all{programs + "/sasp-member"};
    all.insert(all.end(), command.begin(), command.end());
    for (const std::string& flag :
         {std::string("--gwm"), fmt::format("127.0.0.1:{}", port_), std::string("--retry-min"),
          std::string("1"), std::string("--lb-uid"), std::string("lb1"), std::string("--group"),
          std::string("web"), std::string("--member"), "tcp:" + server.name()})
      all.push_back(flag);
    return all;
  }
  void start_agent(const Server& server) {
    agents_.emplace_back(agent({"run"}, server), path(fmt::format("member{}.log", agents_.size())));
  }
  void once(const std::string& command, const Server& server) {
    Program program(agent({command}, server), path("once.log"));
    ASSERT_EQ(program.wait(patience), 0) << program.log();
  }
  std::string saspctl(const Arguments& words) {
    Arguments all{programs + "/saspctl", "--of", "sasp-gwm", "--socket", path("control")};
    all.insert(all.end(), words.begin(), words.end());
    std::filesystem::remove(path("ctl.log"));
    Program program(all, path("ctl.log"));
    program.wait(patience);
    return program.log();
  }

  // Six servers that register themselves and are probed.
  void given_farm(const Arguments& more) {
    more_ = more;
    start_gwm();
    connect();
    for (int n = 0; n < servers; ++n)
      start_agent(*servers_.emplace(servers_.end()));
    ASSERT_TRUE(eventually([&] { return told() == all_known(); }, patience)) << text(told());
  }
  Server& server(int n) { return *std::next(servers_.begin(), n); }

  using Entries = std::map<std::string, std::pair<int, int>>;  // flags and weight by member
  Entries told() {
    Entries entries;
    const auto reply = lb_->answer_to<GetWeightsReply>(asks({{"lb1", ""}}));
    for (const auto& group : reply.groups) {
      for (const auto& entry : group.items)
        entries[fmt::format("127.0.0.1:{}", entry.member.port)] = {entry.flags, entry.weight};
    }
    return entries;
  }
  Entries all_known() {
    Entries entries;
    for (const Server& server : servers_)
      entries[server.name()] = {weight_flag::contact | weight_flag::confident, 64};
    return entries;
  }
  static std::string text(const Entries& entries) {
    std::string text;
    for (const auto& [name, what] : entries)
      text += fmt::format("{}: flags {:x} weight {}\n", name, what.first, what.second);
    return text;
  }
  static std::size_t confident(const Entries& entries) {
    return static_cast<std::size_t>(std::count_if(
        entries.begin(), entries.end(),
        [](const auto& entry) { return (entry.second.first & weight_flag::confident) != 0; }));
  }
  bool is_confirmed() {
    const auto status = saspctl({"status", "--json"});
    return status.find("\"lbs_unconfirmed\":0") != std::string::npos &&
           status.find("\"members_unconfirmed\":0") != std::string::npos;
  }
  // Nothing that was last registered or found is lost by a SIGKILL now.
  bool is_kept() const {
    const std::string text = kept();
    return std::all_of(servers_.begin(), servers_.end(), [&](const Server& server) {
      return text.find(fmt::format("\"port\":{},", server.port())) != std::string::npos &&
             text.find(fmt::format("\"endpoint\":\"{}\"", server.name())) != std::string::npos;
    });
  }
  // Until all agents are back, every answer is this.
  void expect_always(const Entries& expected) {
    connect();
    const bool returned = eventually(
        [&] {
          EXPECT_EQ(text(told()), text(expected));
          return HasFailure() || is_confirmed();
        },
        patience);
    EXPECT_TRUE(returned) << saspctl({"status"});
  }

  std::string directory_;
  Arguments more_;
  std::string grace_ = "0";
  std::uint16_t port_ = 0;
  std::optional<Program> gwm_;
  std::list<Program> agents_;
  std::list<Server> servers_;
  std::optional<SaspClient> lb_;
};

// faults-found 2.5: six servers fell to one.
TEST_F(Restart, NoServerLosesItsWeightByIt) {
  given_farm({"--state", path("state")});
  const Entries expected = told();
  for (const int signal : test::kinds_of_end()) {
    ASSERT_TRUE(eventually([&] { return is_kept(); }, patience)) << kept();
    end_gwm(signal);
    start_gwm();
    expect_always(expected);
    if (HasFailure()) return;
  }
}

// faults-found 2.6: the drain of an operator, the quiesce of a server whose agent is not running, and
// that of an agent that is.
TEST_F(Restart, NoDrainAndNoQuiesceIsLiftedByIt) {
  given_farm({"--state", path("state")});
  servers_.emplace_back();
  once("register", server(6));
  ASSERT_TRUE(eventually([&] { return told() == all_known(); }, patience)) << text(told());
  once("quiesce", server(6));
  ASSERT_TRUE(eventually(
      [&] { return kept().find("\"quiesced_by_member\":true") != std::string::npos; }, patience))
      << kept();
  const auto answer = saspctl({"drain", server(0).name()});
  EXPECT_NE(answer.find("no new connections, until undrain\n"), std::string::npos) << answer;

  Entries expected = all_known();
  expected[server(0).name()] = expected[server(6).name()] = {
      weight_flag::contact | weight_flag::confident | weight_flag::quiesce, 0};
  EXPECT_EQ(text(told()), text(expected));
  for (const int signal : test::kinds_of_end()) {
    ASSERT_TRUE(eventually([&] { return is_kept(); }, patience)) << kept();
    end_gwm(signal);
    start_gwm();
    connect();
    for (int n = 0; n < 20; ++n)
      EXPECT_EQ(text(told()), text(expected)) << signal;
    if (HasFailure()) return;
  }
  const auto status = saspctl({"status"});
  EXPECT_NE(status.find("drained by the operator: " + server(0).name()), std::string::npos)
      << status;
  EXPECT_NE(saspctl({"undrain", server(0).name()}).find("no longer drained"), std::string::npos);
  once("resume", server(6));
  EXPECT_EQ(text(told()), text(all_known()));
}

// A server that was down stays down, and one that is gone meanwhile is found by the probes.
TEST_F(Restart, WhatTheProbesKnewCountsUntilTheyKnowBetter) {
  given_farm({"--state", path("state")});
  const std::string dead = server(3).name();
  servers_.erase(std::next(servers_.begin(), 3));
  Entries expected = all_known();
  expected[dead] = {weight_flag::contact | weight_flag::confident, 0};
  const auto is_down = [&] {
    const auto now = told();
    return now.size() == servers && (now.at(dead).first & weight_flag::contact) == 0;
  };
  ASSERT_TRUE(eventually(is_down, patience)) << text(told());
  expected[dead] = told().at(dead);
  end_gwm(SIGTERM);
  start_gwm();
  expect_always(expected);

  const std::string next = server(0).name();
  end_gwm(SIGTERM);
  servers_.pop_front();
  start_gwm();
  connect();
  EXPECT_TRUE(eventually(
      [&] {
        const auto now = told();
        EXPECT_EQ(now.size(), std::size_t{servers});
        return (now.at(next).first & weight_flag::contact) == 0;
      },
      patience))
      << text(told());
}

// --state off, or a first start: nobody is known until all had the time to return.
TEST_F(Restart, WithoutAStateItDividesNoGroup) {
  given_farm({"--state", "off"});
  grace_ = "3600";
  end_gwm(SIGKILL);
  start_gwm();
  connect();
  const bool returned = eventually(
      [&] {
        const auto now = told();
        EXPECT_EQ(confident(now), 0U) << text(now);
        return HasFailure() || now.size() == std::size_t{servers};
      },
      patience);
  EXPECT_TRUE(returned) << text(told());
  EXPECT_NE(saspctl({"status"}).find("no state of an earlier life"), std::string::npos);
}

TEST_F(Restart, ADamagedStateIsPutAsideAndSaid) {
  given_farm({"--state", path("state")});
  end_gwm(SIGTERM);
  const std::string whole = kept();
  for (const auto& text :
       {whole.substr(0, whole.size() / 2), std::string(), "sasp-gwm-state 2" + whole.substr(16),
        std::string("\x7f"
                    "ELF")}) {
    std::ofstream(path("state")) << text;
    start_gwm();
    EXPECT_NE(gwm_->log().find("; it is now " + path("state.bad")), std::string::npos)
        << gwm_->log();
    std::ifstream bad(path("state.bad"));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(bad), {}), text);
    end_gwm(SIGTERM);
    EXPECT_EQ(kept().find("sasp-gwm-state 1\n"), 0U) << "the next one is written as always";
  }
}

TEST_F(Restart, OfTwoProgramsOneHasTheState) {
  given_farm({"--state", path("state")});
  ASSERT_TRUE(eventually([&] { return is_kept(); }, patience)) << kept();
  Program second({programs + "/sasp-gwm", "--listen", fmt::format("127.0.0.1:{}", free_port()),
                  "--control", path("second"), "--metrics", "off", "--state", path("state")},
                 path("second.log"));
  EXPECT_TRUE(
      eventually([&] { return second.log().find(" listens on ") != std::string::npos; }, patience))
      << second.log();
  EXPECT_NE(second.log().find("in use by another sasp-gwm; each needs a --state PATH of its own"),
            std::string::npos)
      << second.log();
  Program status(
      {programs + "/saspctl", "--of", "sasp-gwm", "--socket", path("second"), "status", "--check"},
      path("second-status.log"));
  EXPECT_EQ(status.wait(patience), 1) << "not healthy";
  EXPECT_NE(status.log().find("the state is not kept"), std::string::npos) << status.log();
  second.send(SIGTERM);
  EXPECT_EQ(second.wait(patience), 0);
  EXPECT_TRUE(is_kept()) << "untouched: " << kept();
}

// --- the drains file

TEST_F(Restart, TheDrainsFileIsReadAgainAndABadLineKeepsTheOldDrains) {
  const auto write = [&](const std::string& text) {
    std::ofstream(path("drains.new")) << text;
    std::filesystem::rename(path("drains.new"), path("drains"));
  };
  write("# nothing yet\n");
  given_farm({"--state", path("state"), "--drains", path("drains")});
  const auto expected = [&](std::initializer_list<int> drained) {
    Entries entries = all_known();
    for (const int n : drained)
      entries[server(n).name()] = {
          weight_flag::contact | weight_flag::confident | weight_flag::quiesce, 0};
    return entries;
  };
  const auto becomes = [&](const Entries& entries) {
    return eventually([&] { return told() == entries; }, patience);
  };
  write(fmt::format("{}   # in every group\nweb/{}\nother/{}\n", server(0).name(), server(1).name(),
                    server(2).name()));
  EXPECT_TRUE(becomes(expected({0, 1}))) << text(told());

  write(fmt::format("{}\nweb/{}\n127.0.0.1:0x50\n", server(2).name(), server(3).name()));
  EXPECT_TRUE(eventually([&] { return gwm_->log().find("drains: line 3: ") != std::string::npos; },
                         patience))
      << gwm_->log();
  EXPECT_NE(gwm_->log().find("; the old drains stay"), std::string::npos);
  EXPECT_NE(saspctl({"status"}).find("; the old drains stay"), std::string::npos);
  EXPECT_EQ(text(told()), text(expected({0, 1})));

  const auto refused = saspctl({"undrain", server(0).name()});
  EXPECT_NE(refused.find("the drains file " + path("drains") + " drains"), std::string::npos)
      << refused;
  EXPECT_NE(saspctl({"status"})
                .find("drained by the drains file " + path("drains") + ": web/" + server(1).name()),
            std::string::npos);
  write("");
  EXPECT_TRUE(becomes(expected({}))) << text(told());

  // The file of the start counts before the first answer.
  end_gwm(SIGTERM);
  write(fmt::format("{}\n", server(5).name()));
  start_gwm();
  connect();
  EXPECT_EQ(text(told()), text(expected({5})));
}

}  // namespace
}  // namespace saspd::gwm
