// SPDX-License-Identifier: Apache-2.0
// Asking over a control socket, and every way in which there is no answer.
#include "controller/net/control_client.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace saspd::net {
namespace {

using namespace std::chrono_literals;

class ControlClientTest : public testing::Test {
 protected:
  ControlClientTest() { std::filesystem::create_directories(folder_); }
  ~ControlClientTest() override {
    if (listener_ >= 0) ::close(listener_);
    std::filesystem::remove_all(folder_);
  }

  sockaddr_un address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  void listens(int queue = 16) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto at = address();
    ASSERT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(::listen(listener_, queue), 0);
  }
  // A server that reads one line, says `bytes`, and closes.
  std::jthread says(std::string bytes) {
    listens();
    return std::jthread([this, bytes = std::move(bytes)] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      std::array<char, 4096> buffer{};
      EXPECT_GT(::recv(fd, buffer.data(), buffer.size(), 0), 0);
      asked_ = buffer.data();
      ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ::close(fd);
    });
  }
  Result<boost::json::object> asks(std::chrono::milliseconds timeout = 5s) const {
    return control_request(path_, {{"command", "status"}}, timeout);
  }

  const std::string folder_ =
      testing::TempDir() + "control_client_test." + std::to_string(::getpid());
  const std::string path_ = folder_ + "/control";
  int listener_ = -1;
  std::string asked_;
};

TEST_F(ControlClientTest, ReturnsTheAnswer) {
  auto server = says("{\"schema_version\":1}\n");
  const auto answer = asks();
  server.join();
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->at("schema_version").as_int64(), 1);
  EXPECT_EQ(asked_, "{\"command\":\"status\"}\n");
}

TEST_F(ControlClientTest, KeepsBytesThatAreNoUtf8ForWhoeverShowsThem) {
  auto server = says("{\"label\":\"\xff\"}\n");
  const auto answer = asks();
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->at("label").as_string(), "\xff");
}

TEST_F(ControlClientTest, SaysWhyThereIsNoAnswer) {
  EXPECT_EQ(asks().error().code, std::errc::no_such_file_or_directory);
  EXPECT_EQ(asks().error().detail, path_ + ": No such file or directory");

  listens();
  const auto silence = asks(100ms);
  ASSERT_FALSE(silence);
  EXPECT_EQ(silence.error().code, std::errc::timed_out);
  EXPECT_EQ(silence.error().detail, path_ + ": no answer within 100 ms");

  ::close(std::exchange(listener_, -1));
  EXPECT_EQ(asks().error().code, std::errc::connection_refused);
}

TEST_F(ControlClientTest, RefusesAnAnswerThatIsNoObject) {
  for (const auto* answer : {"hello\n", "[]\n", "{\"a\":\n"}) {
    auto server = says(answer);
    EXPECT_EQ(asks().error().code, std::errc::bad_message) << answer;
    server.join();
    ::close(std::exchange(listener_, -1));
    std::filesystem::remove(path_);
  }
}

TEST_F(ControlClientTest, SaysThatTheServerClosed) {
  for (const auto* answer : {"", "{\"half\":"}) {
    auto server = says(answer);
    EXPECT_EQ(asks().error().code, std::errc::connection_reset) << answer;
    server.join();
    ::close(std::exchange(listener_, -1));
    std::filesystem::remove(path_);
  }
}

TEST_F(ControlClientTest, DoesNotWaitForAServerWhoseQueueIsFull) {
  listens(0);
  std::vector<int> waiting;
  const auto at = address();
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    (void)::connect(waiting.back(), reinterpret_cast<const sockaddr*>(&at), sizeof at);
  }
  EXPECT_EQ(asks().error().code, std::errc::resource_unavailable_try_again);
  for (const int fd : waiting)
    ::close(fd);
}

TEST_F(ControlClientTest, RefusesAPathThatNoSocketCanHave) {
  EXPECT_FALSE(control_request("", {}, 1s));
  EXPECT_FALSE(control_request("/" + std::string(107, 'x'), {}, 1s));
}

}  // namespace
}  // namespace saspd::net
