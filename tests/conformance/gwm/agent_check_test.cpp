// SPDX-License-Identifier: Apache-2.0
// The agent-check protocol is what HAProxy makes of it: a real HAProxy and our AgentState are given
// the same answers, and have to come to the same view of the server.
#include "controller/gwm/agent_check.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/program.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using test::eventually;

// Answers every connection with the same text and closes it.
class Agent {
 public:
  Agent() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, generic, size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    EXPECT_EQ(::getsockname(listener_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  ~Agent() {
    ended_ = true;
    thread_.join();
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }

  // Returns when a client that asks once at a time has understood it: it came for more.
  bool answers(std::string text) {
    int before = 0;
    {
      const std::lock_guard lock(mutex_);
      text_ = std::move(text);
      before = answered_;
    }
    // The first one may have been on its way with the text before.
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return answered_ >= before + 3;
    });
  }

 private:
  void serve() {
    while (!ended_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, 50) <= 0) continue;
      const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) continue;
      const std::lock_guard lock(mutex_);
      EXPECT_EQ(::send(peer, text_.data(), text_.size(), MSG_NOSIGNAL), std::ssize(text_));
      ::close(peer);
      ++answered_;
    }
  }

  int listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::string text_ = "ready up 100%\n";
  int answered_ = 0;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

// What both can tell of a server. HAProxy has no health of one in maintenance, and no more than
// weight 256; the server's own weight is 100.
std::string view_of(const AgentState& state) {
  const auto weight = std::min<std::uint16_t>(state.percent, 256);
  if (state.admin == AgentAdmin::maint) return fmt::format("maint {}", weight);
  return fmt::format("{} {} {}", name(state.admin), state.health.up() ? "up" : "down", weight);
}

class AgentCheck : public testing::Test {
 protected:
  AgentCheck() {
    std::string pattern = "/tmp/saspd-agent-check-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    std::ofstream(folder + "/haproxy.cfg") << fmt::format(
        "global\n"
        "  stats socket {}/stats level admin\n"
        "defaults\n"
        "  mode tcp\n"
        "  timeout connect 10s\n"
        "  timeout client 10s\n"
        "  timeout server 10s\n"
        "  timeout check 10s\n"
        "backend servers\n"
        "  balance roundrobin\n"  // weights may change
        "  server s 127.0.0.1:1 weight 100 agent-check agent-port {} agent-inter 50ms\n",
        folder, agent.port());
    haproxy.emplace(test::Arguments{"/usr/sbin/haproxy", "-db", "-f", folder + "/haproxy.cfg"},
                    log());
  }
  ~AgentCheck() override {
    if (HasFailure()) test::show_logs({log()});
    haproxy.reset();
    std::filesystem::remove_all(folder);
  }
  void SetUp() override {
    ASSERT_TRUE(eventually([&] { return !ask("show version").empty() || haproxy->wait(0ms); }));
    ASSERT_FALSE(haproxy->wait(0ms)) << "haproxy does not run; is it installed?";
    ASSERT_TRUE(agent.answers("ready up 100%\n"));
    ASSERT_TRUE(eventually([&] { return haproxy_view() == "ready up 100"; }));
  }
  std::string log() const { return folder + "/haproxy.log"; }

  std::string ask(const std::string& command) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder + "/stats";
    std::copy(path.begin(), path.end(), address.sun_path);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::string answer;
    const std::string line = command + "\n";
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) == std::ssize(line)) {
      std::array<char, 4096> buffer{};
      for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;) {
        answer.append(buffer.data(), static_cast<std::size_t>(n));
      }
    }
    ::close(fd);
    return answer;
  }

  // Line 2 has the names of the fields behind a '#', line 3 their values for the only server.
  std::string haproxy_view() const {
    std::istringstream lines(ask("show servers state servers"));
    std::string version;
    std::string names;
    std::string values;
    std::getline(lines, version);
    std::getline(lines, names);
    std::getline(lines, values);
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    std::map<std::string, std::string> fields;
    std::string name;
    std::string value;
    name_words >> name;
    while (name_words >> name && value_words >> value)
      fields[name] = value;
    const std::string weight = fields["srv_uweight"];
    const unsigned admin = static_cast<unsigned>(std::stoul("0" + fields["srv_admin_state"]));
    if ((admin & 0x01U) != 0) return "maint " + weight;
    return ((admin & 0x08U) != 0 ? "drain " : "ready ") +
           std::string(fields["srv_op_state"] == "2" ? "up " : "down ") + weight;
  }

  // What we make of the answer: `state` afterwards.
  void we_hear(const std::string& answer) {
    const auto report = parse_agent_answer(answer);
    if (report) state.apply(*report);
  }

  std::string folder;
  Agent agent;
  std::optional<test::Program> haproxy;
  AgentState state;
};

TEST_F(AgentCheck, MeansTheSameToHaproxyAndToUs) {
  const std::vector<std::string> answers = {
      "75%\n",
      "down\n",
      "50%\n",  // leaves it down
      "up\r\n",
      "fail #broken\n",
      "maxconn:30\n",
      "up drain\n",
      "stopped # for an upgrade, up 100%\n",
      "ready\n",  // still stopped
      " ,\tUP,\t25% ,\n",
      "Maint,75%,DOWN\n",
      "ready\n",  // down since then
      "up down 10% 20% drain up\n",
      "maint\n",
      "drain 256%\n",
      "ready 257%\n",
      "30000%\n",
      "0%\n",
      "99999999999999999999999%\n",
      "007%\n",
      "up\rdown\n",
      "80%\ndown\n",
      "down #a # b\n",
      "up #down\n",
      // Neither takes anything from these.
      "\n",
      "# 50% down\n",
      "hello\n",
      "42\n",
      "%\n",
      "50%%\n",
      "-5%\n",
      "7.5%\n",
      "maxconn:x\n",
      "downdrain\n",
  };
  std::set<std::string> views;
  for (const auto& answer : answers) {
    we_hear(answer);
    ASSERT_TRUE(agent.answers(answer)) << "haproxy does not ask";
    EXPECT_TRUE(eventually([&] { return haproxy_view() == view_of(state); }))
        << "after '" << answer << "' haproxy has " << haproxy_view() << ", we have "
        << view_of(state);
    views.insert(haproxy_view());
  }
  EXPECT_GE(views.size(), 15U) << "the answers change something";
}

// Where agent_check.hpp says that we differ, and how.
TEST_F(AgentCheck, DiffersWhereWeSaySo) {
  struct Case {
    std::string answer;  // each from a server that is ready, up, 100
    std::string haproxy;
    std::string ours;
  };
  const std::vector<Case> cases = {
      {"drain 40% cpu:10\n", "drain up 40", "ready up 100"},  // nothing of a bad answer is taken
      {"down 75%%\n", "ready down 100", "ready up 100"},
      {"down", "ready up 100", "ready down 100"},  // the connection ends the line
      {"failed\n", "ready up 100", "ready down 100"},
      {"down#broken\n", "ready up 100", "ready down 100"},
  };
  for (const auto& [answer, haproxys, ours] : cases) {
    we_hear("ready up 100%\n");
    ASSERT_TRUE(agent.answers("ready up 100%\n"));
    ASSERT_TRUE(eventually([&] { return haproxy_view() == "ready up 100"; }));
    we_hear(answer);
    ASSERT_TRUE(agent.answers(answer));
    EXPECT_TRUE(eventually([&] { return haproxy_view() == haproxys; }))
        << answer << ": " << haproxy_view();
    EXPECT_EQ(view_of(state), ours) << answer;
  }
}

}  // namespace
}  // namespace saspd::gwm
