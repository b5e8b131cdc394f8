// SPDX-License-Identifier: Apache-2.0
// sasp-member around a real nginx: servers register themselves, and one that is
// stopped as its unit would stop it loses no request. A client, a director with
// sasp-gwm and saspd, and two servers, in namespaces of tests/support/farm. Run
// with IPVS in the guest, with XDP on this machine's kernel.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/kernel_namespace.hpp"
#include "tests/support/program.hpp"

namespace saspd::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string programs = PROGRAMS;
const std::string farm = SUPPORT "/farm";
const std::string vip = "192.0.2.10";
constexpr int servers = 2;

enum class Backend { ipvs, xdp };

// 0, or why not. An interrupted connect() goes on, and must not be called again.
int connects(int fd, const sockaddr_in& address) {
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
  if (errno != EINTR) return errno;
  pollfd wait{fd, POLLOUT, 0};
  int ready = 0;
  while ((ready = ::poll(&wait, 1, 5000)) < 0 && errno == EINTR) {
  }
  if (ready != 1) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

// Who answers one request on a connection of its own; empty: it failed, and
// `why` says how.
std::string request(std::string& why) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  ::inet_pton(AF_INET, vip.c_str(), &address.sin_addr);
  constexpr std::string_view get = "GET / HTTP/1.0\r\n\r\n";
  std::string answer;
  why.clear();
  if (const int error = connects(fd, address); error != 0) {
    why = fmt::format("connect: {}", std::strerror(error));
  } else if (::send(fd, get.data(), get.size(), MSG_NOSIGNAL) < 0) {
    why = fmt::format("send: {}", std::strerror(errno));
  } else {
    std::array<char, 4096> buffer{};
    ssize_t n = 0;
    while ((n = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0 || (n < 0 && errno == EINTR))
      answer.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0) why = fmt::format("receive: {}", std::strerror(errno));
  }
  ::close(fd);
  const auto body = answer.find("\r\n\r\n");
  if (!why.empty()) return {};
  if (!answer.starts_with("HTTP/1.1 200") || body == std::string::npos) {
    why = fmt::format("answer of {} bytes", answer.size());
    return {};
  }
  return answer.substr(body + 4, 2);
}

// Requests all the time, from the client's namespace.
class Crowd {
 public:
  explicit Crowd(const std::string& network) {
    for (int i = 0; i < 3; ++i)
      threads_.emplace_back([this, network] { keep_asking(network); });
  }
  ~Crowd() { stop(); }
  void stop() {
    stopped_ = true;
    for (auto& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  std::map<std::string, int> answers() const {
    const std::lock_guard lock(mutex_);
    return answers_;
  }
  std::vector<std::string> failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  void keep_asking(const std::string& network) {
    const int fd = ::open(network.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) std::abort();
    ::close(fd);
    while (!stopped_) {
      std::string why;
      const std::string who = request(why);
      const std::lock_guard lock(mutex_);
      if (who.empty()) {
        failures_.push_back(why);
      } else {
        ++answers_[who];
      }
      std::this_thread::sleep_for(milliseconds{3});
    }
  }

  mutable std::mutex mutex_;
  std::atomic<bool> stopped_ = false;
  std::map<std::string, int> answers_;
  std::vector<std::string> failures_;
  std::vector<std::thread> threads_;
};

class Nginx : public testing::Test {
 protected:
  void SetUp() override {
    backend_ =
        std::string_view(std::getenv("SASPD_BACKEND")) == "xdp" ? Backend::xdp : Backend::ipvs;
    char name[] = "/tmp/saspd-member-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    ASSERT_EQ(shell(fmt::format("'{}' up {} {}", farm, name_, servers)), 0);
    if (backend_ == Backend::xdp) prepare_xdp();
    gwm_ = within("director",
                  {"sasp-gwm", "--listen", "10.0.0.1:3860", "--listen", "127.0.0.1:3860",
                   "--insecure-plaintext", "--interval", "1", "--start-grace", "0", "--probe",
                   "tcp", "--probe-interval", "1"},
                  "gwm.log");
    Arguments saspd{"saspd",     "--gwm",         "127.0.0.1", "--lb-uid",    "director",
                    "--trust",   "--mode",        "push",      "--retry-min", "1",
                    "--control", path("control"), "--metrics", "off",         "--service"};
    if (backend_ == Backend::ipvs) {
      saspd.push_back("web=tcp:" + vip + ":80,manage,scheduler=rr,forward=masquerade");
    } else {
      saspd.insert(saspd.end(), {"web=tcp:" + vip + ":80,manage", "--backend", "xdp", "--pins",
                                 pins(), "--ledger", path("ledger"), "--history", path("history"),
                                 "--overrides", path("overrides")});
    }
    saspd_ = within("director", saspd, "saspd.log");
    // A member that comes before its load balancer tries again after 20 s (RFC
    // 4678 9.2).
    ASSERT_TRUE(eventually(
        [&] { return gwm_->log().find("trusts its members") != std::string::npos; }, seconds{20}));
    for (int n = 1; n <= servers; ++n)
      members_.push_back(start_member(n));
  }
  void TearDown() override {
    if (HasFailure())
      show_logs({path("gwm.log"), path("saspd.log"), path("member1.log"), path("member2.log")});
    members_.clear();
    saspd_.reset();
    gwm_.reset();
    shell(fmt::format("'{}' down {}", farm, name_));
    if (backend_ == Backend::xdp) ::umount2(path("bpf").c_str(), MNT_DETACH);
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string pins() const { return path("bpf/saspd"); }
  std::string network(const std::string& host) const {
    return fmt::format("/run/netns/{}-{}", name_, host);
  }
  static int shell(const std::string& command) { return std::system(command.c_str()); }
  void in(const std::string& host, const std::string& command) const {
    ASSERT_EQ(shell(fmt::format("nsenter --net={} -- {}", network(host), command)), 0) << command;
  }
  std::unique_ptr<Program> within(const std::string& host, Arguments arguments,
                                  const std::string& log) const {
    arguments[0] = programs + "/" + arguments[0];
    arguments.insert(arguments.begin(), {"nsenter", "--net=" + network(host), "--"});
    return std::make_unique<Program>(arguments, path(log));
  }
  std::unique_ptr<Program> start_member(int n) const {
    return within(
        fmt::format("s{}", n),
        {"sasp-member", "run", "--gwm", "10.0.0.1", "--insecure-plaintext", "--lb-uid", "director",
         "--group", "web", "--member", fmt::format("tcp:10.0.0.1{}:80", n), "--drain", "3"},
        fmt::format("member{}.log", n));
  }
  void stop_server(int n) const { shell(fmt::format("'{}' stop {} s{}", farm, name_, n)); }

  // Direct Server Return through a director that routes the answers, as
  // packaging/demo-run has it.
  void prepare_xdp() const {
    const std::string unchecked =
        "sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter "
        "/proc/sys/net/ipv4/conf/*/"
        "send_redirects; do echo 0 >$f; done'";
    in("director", "ip address delete " + vip + "/32 dev lo");
    in("director", unchecked);
    in("client", "ethtool --offload eth0 tx off >/dev/null");
    for (int n = 1; n <= servers; ++n) {
      const auto server = fmt::format("s{}", n);
      in(server, "ip address add " + vip + "/32 dev lo");
      in(server, unchecked);
      in(server, "ethtool --offload eth0 gro on >/dev/null");
    }
    std::filesystem::create_directory(path("bpf"));
    ASSERT_EQ(::mount("bpf", path("bpf").c_str(), "bpf", 0, ""), 0);
    in("director", fmt::format("{}/saspd --attach --interface client --pins {} --user root "
                               ">/dev/null",
                               programs, pins()));
  }

  // Both servers have registered themselves, and the director knows them.
  void given_both_serve(const Crowd& crowd) const {
    ASSERT_TRUE(eventually([&] { return crowd.answers().size() == servers; }, seconds{30}));
  }

  Backend backend_ = Backend::ipvs;
  std::string name_ = fmt::format("member-{}", ::getpid());
  std::string directory_;
  std::unique_ptr<Program> gwm_;
  std::unique_ptr<Program> saspd_;
  std::vector<std::unique_ptr<Program>> members_;
};

TEST_F(Nginx, LosesNoRequestWhenItIsStoppedBehindItsMember) {
  std::optional<Crowd> crowd(network("client"));
  ASSERT_NO_FATAL_FAILURE(given_both_serve(*crowd));
  crowd.emplace(network("client"));  // what failed before anybody served does not count
  std::this_thread::sleep_for(seconds{2});
  members_[0]->send(SIGTERM);
  EXPECT_EQ(members_[0]->wait(seconds{8}), 0) << "after --drain";
  const int before = crowd->answers()["s1"];
  EXPECT_GT(before, 10);
  stop_server(1);
  std::this_thread::sleep_for(seconds{2});
  crowd->stop();
  EXPECT_EQ(crowd->failures(), std::vector<std::string>{});
  EXPECT_EQ(crowd->answers()["s1"], before) << "nobody was sent to it any more";
  EXPECT_GT(crowd->answers()["s2"], before);
}

// The same without the member's word is what the test above is about.
TEST_F(Nginx, LosesRequestsWhenItIsStoppedWithoutAWord) {
  std::optional<Crowd> crowd(network("client"));
  ASSERT_NO_FATAL_FAILURE(given_both_serve(*crowd));
  crowd.emplace(network("client"));
  std::this_thread::sleep_for(seconds{1});
  stop_server(1);
  std::this_thread::sleep_for(seconds{2});
  crowd->stop();
  EXPECT_FALSE(crowd->failures().empty());
}

}  // namespace
}  // namespace saspd::test
