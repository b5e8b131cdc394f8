// SPDX-License-Identifier: Apache-2.0
// What a service manager hears, by a socket as it has one.

#include "controller/net/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/program.hpp"

namespace saspd::net {
namespace {

using std::chrono::milliseconds;

class ServiceManager {
 public:
  explicit ServiceManager(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name_[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0) << name_;
  }
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;
  ~ServiceManager() { ::close(fd_); }

  const std::string& name() const { return name_; }
  std::string hears() const {
    char buffer[4096];
    const ssize_t size = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(buffer, static_cast<std::size_t>(size));
  }

 private:
  std::string name_;
  int fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

std::string unique(const std::string& prefix) {
  return prefix + "saspd-notify-" + std::to_string(::getpid());
}

TEST(Notifier, SpeaksToAPathAndToAnAbstractName) {
  for (const std::string& prefix : {::testing::TempDir(), std::string("@")}) {
    const ServiceManager manager(unique(prefix));
    const Notifier notifier(manager.name());
    notifier.ready();
    EXPECT_EQ(manager.hears(), "READY=1") << prefix;
    notifier.status("two\nlines");
    EXPECT_EQ(manager.hears(), "STATUS=two lines") << "a line of its own would be another message";
    EXPECT_EQ(manager.hears(), "");
  }
  std::filesystem::remove(unique(::testing::TempDir()));
}

TEST(Notifier, TellsWhatItsServiceManagerActsOn) {
  const ServiceManager manager(unique("@acts"));
  const Notifier notifier(manager.name());
  notifier.stopping();
  EXPECT_EQ(manager.hears(), "STOPPING=1");
  notifier.stopping(std::chrono::seconds{35});
  EXPECT_EQ(manager.hears(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000");
}

// READY=1 must not get lost behind what comes again.
TEST(Notifier, WaitsForRoomForWhatMatters) {
  const ServiceManager manager(unique("@busy"));
  const Notifier notifier(manager.name());
  for (int i = 0; i < 5000; ++i)
    notifier.alive();
  std::thread ready([&] { notifier.ready(); });
  EXPECT_TRUE(test::eventually([&] {
    std::string heard = manager.hears();
    while (!heard.empty() && heard != "READY=1")
      heard = manager.hears();
    return heard == "READY=1";
  }));
  ready.join();
}

TEST(Notifier, NeedsNobodyWhoListens) {
  Notifier("").ready();
  Notifier("/nowhere/to/be/found").ready();
  Notifier(std::string(500, 'x')).ready();
  const ServiceManager manager(unique("@full"));
  const Notifier notifier(manager.name());
  for (int i = 0; i < 5000; ++i)  // more than it keeps: no wait, no signal
    notifier.alive();
  EXPECT_EQ(manager.hears(), "WATCHDOG=1");
}

class Environment : public ::testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
      ::unsetenv(name);
  }
};

TEST_F(Environment, TellsWhomToNotify) {
  const ServiceManager manager(unique("@env"));
  ::setenv("NOTIFY_SOCKET", manager.name().c_str(), 1);
  Notifier::from_environment().ready();
  EXPECT_EQ(manager.hears(), "READY=1");
  EXPECT_EQ(Notifier::from_environment().watchdog(), std::nullopt);
}

TEST_F(Environment, TellsTheWatchdogOfThisProcessOnly) {
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  EXPECT_EQ(Notifier::from_environment().watchdog(), std::chrono::seconds{3});
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(Notifier::from_environment().watchdog(), std::chrono::seconds{3});
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(Notifier::from_environment().watchdog(), std::nullopt);
  ::unsetenv("WATCHDOG_PID");
  for (const char* wrong : {"", "0", "-1", "soon"}) {
    ::setenv("WATCHDOG_USEC", wrong, 1);
    EXPECT_EQ(Notifier::from_environment().watchdog(), std::nullopt) << wrong;
  }
}

TEST(Watchdog, IsFedTwicePerPeriod) {
  const ServiceManager manager(unique("@dog"));
  const Notifier notifier(manager.name(), milliseconds{20});
  boost::asio::io_context io;
  Watchdog watchdog(io, notifier);
  watchdog.start();
  EXPECT_EQ(manager.hears(), "WATCHDOG=1");
  io.run_one();
  io.run_one();
  EXPECT_EQ(manager.hears(), "WATCHDOG=1");
  EXPECT_EQ(manager.hears(), "WATCHDOG=1");
  EXPECT_EQ(manager.hears(), "");

  const Notifier unwatched(manager.name());
  boost::asio::io_context idle;
  Watchdog none(idle, unwatched);
  none.start();
  EXPECT_EQ(idle.run(), 0U);
  EXPECT_EQ(manager.hears(), "");
}

TEST(Notifier, SaysWhenAReloadBegan) {
  const ServiceManager manager(unique("@reload"));
  const auto usec = [] {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  };
  const auto before = usec();
  Notifier(manager.name()).reloading();
  const std::string said = manager.hears();
  const std::string start = "RELOADING=1\nMONOTONIC_USEC=";
  ASSERT_EQ(said.substr(0, start.size()), start);
  const long began = std::stol(said.substr(start.size()));
  EXPECT_LE(before, began);
  EXPECT_LE(began, usec());
}

TEST(StatusLine, IsToldWhenItChanges) {
  const ServiceManager manager(unique("@status"));
  const Notifier notifier(manager.name());
  boost::asio::io_context io;
  std::string text = "one";
  StatusLine line(io, notifier, [&] { return text; });
  line.start(milliseconds{1});
  EXPECT_EQ(manager.hears(), "STATUS=one");
  io.run_one();
  EXPECT_EQ(manager.hears(), "");
  text = "two";
  EXPECT_EQ(manager.hears(), "") << "not before its time";
  io.run_one();
  EXPECT_EQ(manager.hears(), "STATUS=two");
  line.stop();
  io.run();
  EXPECT_EQ(manager.hears(), "");

  const Notifier nobody("");
  boost::asio::io_context idle;
  StatusLine unheard(idle, nobody, [] { return ADD_FAILURE(), std::string(); });
  unheard.start();
  EXPECT_EQ(idle.run(), 0U);
}

// Nothing repeats it, so it is not over when there was no room.
TEST(StatusLine, IsSentOnceThereIsRoom) {
  const ServiceManager manager(unique("@late"));
  const Notifier notifier(manager.name());
  for (int i = 0; i < 5000; ++i)
    notifier.alive();
  boost::asio::io_context io;
  StatusLine line(io, notifier, [] { return std::string("1 of 1 GWMs up"); });
  line.start(milliseconds{5});
  while (!manager.hears().empty()) {
  }
  EXPECT_TRUE(test::eventually([&] {
    io.run_one();
    return manager.hears() == "STATUS=1 of 1 GWMs up";
  }));
  io.run_one();
  EXPECT_EQ(manager.hears(), "") << "and once only";
}

}  // namespace
}  // namespace saspd::net
