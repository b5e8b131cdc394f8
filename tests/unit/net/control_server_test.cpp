// SPDX-License-Identifier: Apache-2.0
// The control socket against real clients on a real Unix socket, the hostile ones among them.
#include "controller/net/control_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>

#include "controller/net/spawn.hpp"

namespace saspd::net {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;

// A client that does as it is told, byte by byte.
class Peer {
 public:
  explicit Peer(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
        << path;
    const timeval timeout{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { ::close(fd_); }

  void sends(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the server has had enough
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void stops_sending() { ::shutdown(fd_, SHUT_WR); }
  // Without the line break; nothing if the server closes first, or is silent for 5 s.
  std::optional<std::string> line() {
    for (;;) {
      const auto end = input_.find('\n');
      if (end != std::string::npos) {
        auto line = input_.substr(0, end);
        input_.erase(0, end + 1);
        return line;
      }
      std::array<char, 65536> buffer{};
      const auto n = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (n <= 0) return std::nullopt;
      input_.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  std::int64_t exit_code() {
    const auto answer = line();
    if (!answer) return -1;
    const auto value = json::parse(*answer);
    const auto* code = value.as_object().if_contains("exit_code");
    return code == nullptr ? 0 : code->as_int64();
  }
  bool is_closed() {
    std::array<char, 1> byte{};
    const auto n = ::recv(fd_, byte.data(), byte.size(), 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }

 private:
  int fd_;
  std::string input_;
};

// A program with a control socket: an event loop in a thread of its own.
class Program {
 public:
  using Handler = std::function<json::object(const json::object&, const ControlPeer&)>;
  Program(const std::string& path, Handler handler, ControlLimits limits = {},
          std::string_view admins = report::admin_group)
      : Program(path, ControlServer::Callbacks{std::move(handler)}, limits, admins) {}
  Program(const std::string& path, ControlServer::Callbacks callbacks, ControlLimits limits = {},
          std::string_view admins = report::admin_group) {
    server_ = std::make_unique<ControlServer>(io_, path, std::move(callbacks), limits, admins);
    const auto opened = server_->open();
    EXPECT_TRUE(opened) << opened.error().detail;
    thread_ = std::thread([this] { serve(); });
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    io_.stop();
    thread_.join();
  }
  // How often something came out of the event loop: a program of ours would have ended.
  int failures() const { return failures_; }

 private:
  void serve() {
    while (!run(io_))
      ++failures_;
  }

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<ControlServer> server_;
  std::atomic<int> failures_ = 0;
  std::thread thread_;
};

class ControlServerTest : public testing::Test {
 protected:
  ControlServerTest() { std::filesystem::create_directories(folder_); }
  ~ControlServerTest() override { std::filesystem::remove_all(folder_); }

  static json::object echo(const json::object& request, const ControlPeer&) {
    return {{"echo", request}};
  }
  static Result<void> open(asio::io_context& io, const std::string& path) {
    return ControlServer(io, path, {echo}).open();
  }
  mode_t mode() const {
    struct stat status {};
    EXPECT_EQ(::stat(path_.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  const std::string folder_ =
      testing::TempDir() + "control_server_test." + std::to_string(::getpid());
  const std::string path_ = folder_ + "/control";
};

TEST_F(ControlServerTest, AnswersEachLineWithOneLine) {
  const Program program(path_, echo);
  Peer peer(path_);
  peer.sends("{\"command\":\"a\"}\n{\"comm");
  EXPECT_EQ(peer.line(), R"({"echo":{"command":"a"}})");
  peer.sends("and\":\"b\\n\"}\r\n");
  EXPECT_EQ(peer.line(), R"({"echo":{"command":"b\n"}})");
}

TEST_F(ControlServerTest, AnswersAClientThatHasNothingMoreToSay) {
  const Program program(path_, echo);
  Peer peer(path_);
  peer.sends("{}\n");
  peer.stops_sending();
  EXPECT_EQ(peer.line(), R"({"echo":{}})");
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(ControlServerTest, RefusesWhatIsNoRequestAndListensOn) {
  const Program program(path_, echo);
  Peer peer(path_);
  const std::vector<std::string> requests{
      "",
      "status",
      "[]",
      "null",
      "\"status\"",
      "{\"command\":\"a\"} x",
      "{\"command\":",
      std::string("{\"command\":\"a\0\"}", 16),
      std::string(100, '\0'),
      "\xff\xfe{}",
      "{\"a\":\"\xc3\x28\"}",
      "{\"a\":" + std::string(8, '[') + std::string(8, ']') + "}",
      "{\"a\":" + std::string(60'000, '['),
      std::string(60'000, '{'),
      "{\"a\":1e99999999999}x",
  };
  for (const auto& request : requests) {
    peer.sends(request + "\n");
    EXPECT_EQ(peer.exit_code(), 64) << request.substr(0, 40);
  }
  peer.sends("{\"a\":" + std::string(7, '[') + std::string(7, ']') + "}\n");
  EXPECT_EQ(peer.exit_code(), 0);
}

TEST_F(ControlServerTest, TakesARequestOf64KibibytesAndRefusesOneMoreByte) {
  const Program program(path_, echo);
  const std::string frame = "{\"a\":\"\"}\n";
  std::string request = "{\"a\":\"" + std::string((64 << 10) - frame.size(), 'x') + "\"}\n";
  Peer peer(path_);
  peer.sends(request);
  EXPECT_EQ(peer.exit_code(), 0);
  request.insert(6, 1, 'x');
  peer.sends(request);
  EXPECT_EQ(peer.exit_code(), 64);
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(ControlServerTest, RefusesALineWithoutEnd) {
  const Program program(path_, echo);
  Peer peer(path_);
  peer.sends(std::string(1 << 20, 'x'));
  EXPECT_EQ(peer.exit_code(), 64);
}

TEST_F(ControlServerTest, ClosesAClientThatDoesNotFinishItsLine) {
  const Program program(path_, echo, {.patience = 200ms});
  Peer silent(path_);
  Peer half(path_);
  half.sends("{\"command\":");
  Peer slow(path_);
  const std::jthread drip([&slow](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      slow.sends(" ");
      std::this_thread::sleep_for(20ms);
    }
  });
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(half.is_closed());
  EXPECT_TRUE(slow.is_closed());
}

TEST_F(ControlServerTest, IsNotHeldUpByAClientThatNeverReads) {
  const std::string big(2 << 20, 'x');  // more than the kernel takes
  std::atomic<int> handled = 0;
  const Program program(
      path_,
      [&](const json::object& request, const ControlPeer&) {
        ++handled;
        return request.contains("big") ? json::object{{"text", big}} : json::object{};
      },
      {.patience = 2s});
  Peer deaf(path_);
  for (int i = 0; i < 100; ++i)
    deaf.sends("{\"big\":1}\n");
  Peer other(path_);
  other.sends("{}\n");
  EXPECT_EQ(other.line(), "{}");
  EXPECT_LE(handled, 2);  // the next request waits for the answer to be read
  std::this_thread::sleep_for(2500ms);
  EXPECT_EQ(deaf.line(), std::nullopt);  // part of an answer, then the end
  EXPECT_LE(handled, 2);
}

TEST_F(ControlServerTest, SaysThatAnAnswerIsTooLarge) {
  const Program program(path_,
                        [](const json::object&, const ControlPeer&) {
                          return json::object{{"a", std::string(1000, 'x')}};
                        },
                        {.max_answer = 1000});
  Peer peer(path_);
  peer.sends("{}\n");
  EXPECT_EQ(peer.exit_code(), 70);
}

TEST_F(ControlServerTest, KeepsToItsNumberOfClients) {
  const Program program(path_, echo, {.max_clients = 2});
  auto first = std::make_unique<Peer>(path_);
  Peer second(path_);
  second.sends("{}\n");
  EXPECT_EQ(second.exit_code(), 0);
  Peer third(path_);
  EXPECT_EQ(third.exit_code(), 75);
  EXPECT_TRUE(third.is_closed());
  first.reset();
  // The server learns of the end of the first when it gets round to it.
  for (int i = 0; i < 100; ++i) {
    Peer next(path_);
    next.sends("{}\n");
    if (next.exit_code() == 0) return;
    std::this_thread::sleep_for(10ms);
  }
  ADD_FAILURE() << "the place of a client that left stays taken";
}

// A handler that throws costs its client the connection, and nobody else anything: more throw than
// there are places, bad_alloc among it.
TEST_F(ControlServerTest, FreesThePlaceOfAClientWhoseAnswerThrows) {
  std::atomic<int> told = 0;
  ControlServer::Callbacks callbacks;
  callbacks.answer = [](const json::object& request, const ControlPeer&) -> json::object {
    if (request.contains("no memory")) throw std::bad_alloc();
    if (request.contains("throw")) throw std::runtime_error("cannot \x1b count");
    return {{"well", true}};
  };
  callbacks.on_exception = [&](const json::object&, const std::exception_ptr& failure) {
    if (!reason(failure).empty()) ++told;
  };
  const ControlLimits limits{.max_clients = 4};
  const Program program(path_, std::move(callbacks), limits);
  for (int i = 0; i < 100; ++i) {
    Peer peer(path_);
    peer.sends(i % 2 == 0 ? "{\"throw\":1}\n" : "{\"no memory\":1}\n");
    const auto answer = peer.line();
    ASSERT_TRUE(answer) << i;
    EXPECT_NE(
        answer->find(i % 2 == 0 ? "internal error: cannot" : "internal error: std::bad_alloc"),
        std::string::npos)
        << *answer;
    EXPECT_NE(answer->find("\"exit_code\":70"), std::string::npos) << *answer;
    EXPECT_TRUE(peer.is_closed()) << i;
  }
  EXPECT_EQ(told, 100);
  EXPECT_EQ(program.failures(), 0);
  Peer last(path_);
  last.sends("{}\n");
  EXPECT_EQ(last.line(), "{\"well\":true}");
}

// What the owner does not take comes out of the event loop, and even then no place is kept.
TEST_F(ControlServerTest, LetsOutWhatTheOwnerDoesNotTake) {
  ControlServer::Callbacks callbacks;
  callbacks.answer = [](const json::object& request, const ControlPeer&) -> json::object {
    if (request.contains("throw")) throw std::runtime_error("a bug");
    return {{"well", true}};
  };
  const ControlLimits limits{.max_clients = 4};
  const Program program(path_, std::move(callbacks), limits);
  for (int i = 0; i < 100; ++i) {
    Peer peer(path_);
    peer.sends("{\"throw\":1}\n");
    EXPECT_TRUE(peer.is_closed()) << i;
  }
  Peer last(path_);
  last.sends("{}\n");
  EXPECT_EQ(last.line(), "{\"well\":true}");
  EXPECT_EQ(program.failures(), 100);
}

TEST_F(ControlServerTest, WaitsInsteadOfSpinningWhenItHasNoFileDescriptorLeft) {
  const Program program(path_, echo);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<std::unique_ptr<Peer>> peers;
  peers.push_back(std::make_unique<Peer>(path_));
  peers.back()->sends("{}\n");
  EXPECT_EQ(peers.back()->exit_code(), 0);

  const int next = ::dup(0);
  ::close(next);
  rlimit tight = before;
  tight.rlim_cur =
      static_cast<rlim_t>(next) + 1;  // for the peer's own end, and none for the server's
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const auto cpu_before = std::clock();
  Peer peer(path_);
  peer.sends("{}\n");
  std::this_thread::sleep_for(500ms);
  const auto cpu = std::clock() - cpu_before;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(cpu, CLOCKS_PER_SEC / 10);
  EXPECT_EQ(peer.exit_code(), 0);
}

TEST_F(ControlServerTest, GivesTheSocketToOwnerAndGroupWhateverTheUmask) {
  for (const mode_t mask : {0, 022, 0777}) {
    asio::io_context io;
    const auto before = ::umask(mask);
    ControlServer server(io, path_, {echo});
    const auto opened = server.open();
    EXPECT_EQ(::umask(before), mask) << "it is as it was";
    ASSERT_TRUE(opened) << opened.error().detail;
    EXPECT_EQ(mode(), 0660U) << mask;
  }
}

TEST_F(ControlServerTest, ReplacesASocketFileOnWhichNobodyListens) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  const int killed = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(killed, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(killed);
  const Program program(path_, echo);
  Peer peer(path_);
  peer.sends("{}\n");
  EXPECT_EQ(peer.exit_code(), 0);
}

TEST_F(ControlServerTest, LeavesALiveSocketToItsOwner) {
  const Program program(path_, echo);
  asio::io_context io;
  const auto second = open(io, path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, std::errc::address_in_use);
  EXPECT_EQ(second.error().detail, "another program listens on the control socket " + path_);
  Peer peer(path_);
  peer.sends("{}\n");
  EXPECT_EQ(peer.exit_code(), 0);
}

TEST_F(ControlServerTest, LeavesAFileThatIsNoSocket) {
  std::ofstream(path_) << "precious";
  asio::io_context io;
  const auto server = open(io, path_);
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().detail.find(path_), std::string::npos);
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(ControlServerTest, NamesTheDirectoryThatIsMissing) {
  asio::io_context io;
  const auto server = open(io, folder_ + "/none/control");
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().detail, "cannot create the control socket " + folder_ +
                                       "/none/control: there is no directory " + folder_ + "/none");
}

TEST_F(ControlServerTest, RefusesAPathThatNoSocketCanHave) {
  asio::io_context io;
  EXPECT_FALSE(open(io, ""));
  EXPECT_FALSE(open(io, folder_ + "/" + std::string(108, 'x')));
}

TEST_F(ControlServerTest, RemovesItsFileAtTheEnd) {
  asio::io_context io;
  {
    ControlServer server(io, path_, {echo});
    ASSERT_TRUE(server.open());
    EXPECT_TRUE(std::filesystem::exists(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ControlServerTest, LeavesTheFileOfItsSuccessor) {
  asio::io_context io;
  std::optional<ControlServer> first(std::in_place, io, path_, ControlServer::Callbacks{echo});
  ASSERT_TRUE(first->open());
  std::filesystem::rename(path_, path_ + ".old");
  const Program second(path_, echo);
  first.reset();
  Peer peer(path_);
  peer.sends("{}\n");
  EXPECT_EQ(peer.exit_code(), 0);
}

// As after something cleaned its directory up. What it reports, and how often.
class LostSocket : public ControlServerTest {
 protected:
  LostSocket() {
    ControlServer::Callbacks callbacks{echo};
    callbacks.on_listen = [this](const Result<void>& listening) {
      reports_.push_back(listening ? "listens" : listening.error().detail);
    };
    server_.emplace(io_, path_, std::move(callbacks), ControlLimits{.look = 5ms});
  }
  void looks_a_few_times() {
    io_.restart();
    io_.run_for(100ms);
  }
  void reports(std::size_t times) {
    for (int wait = 0; wait < 1000 && reports_.size() < times; ++wait) {
      io_.restart();
      io_.run_for(10ms);
    }
    ASSERT_EQ(reports_.size(), times);
  }
  // Served by a thread meanwhile.
  std::int64_t exit_code() {
    io_.restart();
    std::thread thread([this] { io_.run(); });
    Peer peer(path_);
    peer.sends("{}\n");
    const auto code = peer.exit_code();
    io_.stop();
    thread.join();
    return code;
  }

  using Reports = std::vector<std::string>;
  asio::io_context io_{1};
  Reports reports_;
  std::optional<ControlServer> server_;
};

TEST_F(LostSocket, ComesBack) {
  ASSERT_TRUE(server_->open());
  looks_a_few_times();
  EXPECT_EQ(reports_, Reports{});
  std::filesystem::remove(path_);
  reports(1);
  EXPECT_EQ(reports_, Reports{"listens"});
  EXPECT_EQ(exit_code(), 0);
  EXPECT_EQ(mode(), 0660U);
}

TEST_F(LostSocket, KeepsTheClientsThatItHas) {
  ASSERT_TRUE(server_->open());
  Peer before(path_);
  looks_a_few_times();
  std::filesystem::remove(path_);
  reports(1);
  before.sends("{}\n");
  looks_a_few_times();
  EXPECT_EQ(before.exit_code(), 0);
}

TEST_F(LostSocket, WaitsForItsDirectory) {
  ASSERT_TRUE(server_->open());
  std::filesystem::remove_all(folder_);
  reports(1);
  looks_a_few_times();
  EXPECT_NE(reports_[0].find("there is no directory"), std::string::npos) << reports_[0];
  std::filesystem::create_directories(folder_);
  reports(2);
  EXPECT_EQ(reports_.back(), "listens");
  EXPECT_EQ(exit_code(), 0);
}

TEST_F(LostSocket, ComesWhenWhatStoodInItsWayIsGone) {
  std::ofstream(path_) << "precious";
  ASSERT_FALSE(server_->open());
  EXPECT_FALSE(server_->is_open());
  looks_a_few_times();
  EXPECT_EQ(reports_, Reports{}) << "what open() returned is not reported again";
  std::filesystem::remove(path_);
  reports(1);
  EXPECT_EQ(reports_, Reports{"listens"});
  EXPECT_EQ(exit_code(), 0);
}

TEST_F(LostSocket, IsLeftToAProgramThatTookItsPlace) {
  ASSERT_TRUE(server_->open());
  std::filesystem::remove(path_);
  {
    const Program other(path_, echo);
    reports(1);
    EXPECT_EQ(reports_, Reports{"another program listens on the control socket " + path_});
    Peer peer(path_);
    peer.sends("{}\n");
    EXPECT_EQ(peer.exit_code(), 0);
  }
  reports(2);
  EXPECT_EQ(reports_.back(), "listens");
}

TEST_F(ControlServerTest, ClosesItsClientsAtTheEndAndHandlesNothingMore) {
  asio::io_context io;
  int handled = 0;
  ControlServer::Callbacks callbacks;
  callbacks.answer = [&](const json::object&, const ControlPeer&) {
    ++handled;
    return json::object{};
  };
  std::optional<ControlServer> server(std::in_place, io, path_, std::move(callbacks));
  ASSERT_TRUE(server->open());
  Peer asked(path_);
  Peer idle(path_);
  io.run_for(50ms);
  asked.sends("{}\n");
  server.reset();
  io.restart();
  io.run_for(1s);
  EXPECT_TRUE(io.stopped()) << "something of the server is left";
  EXPECT_EQ(handled, 0);
  EXPECT_TRUE(asked.is_closed());
  EXPECT_TRUE(idle.is_closed());
}

TEST_F(ControlServerTest, HandlesNoRequestThatWasReadBeforeTheEnd) {
  asio::io_context io;
  int handled = 0;
  std::optional<ControlServer> server;
  ControlServer::Callbacks callbacks;
  callbacks.answer = [&](const json::object&, const ControlPeer&) {
    ++handled;
    // The end comes when the second request is in the buffer and its read has been called done.
    asio::post(io, [&] { asio::post(io, [&] { server.reset(); }); });
    return json::object{};
  };
  server.emplace(io, path_, std::move(callbacks));
  ASSERT_TRUE(server->open());
  Peer peer(path_);
  peer.sends("{}\n{}\n");
  io.run_for(1s);
  EXPECT_EQ(handled, 1);
}

// What a process of another user is told by `program`. Between fork and the end only system calls.
std::string asked_as(const std::string& path, uid_t uid, gid_t group,
                     const std::vector<gid_t>& more) {
  std::array<int, 2> answer{};
  EXPECT_EQ(::pipe2(answer.data(), O_CLOEXEC), 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool changed = ::setgroups(more.size(), more.data()) == 0 &&
                         ::setresgid(group, group, group) == 0 && ::setresuid(uid, uid, uid) == 0;
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (!changed || ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::write(fd, "{}\n", 3) != 3)
      ::_exit(1);
    std::array<char, 256> line{};
    const auto size = ::read(fd, line.data(), line.size());
    ::_exit(size > 0 && ::write(answer[1], line.data(), static_cast<std::size_t>(size)) == size
                ? 0
                : 1);
  }
  ::close(answer[1]);
  std::array<char, 256> line{};
  const auto size = ::read(answer[0], line.data(), line.size());
  ::close(answer[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 && size > 0 ? std::string(line.data(), static_cast<std::size_t>(size)) : "";
}

TEST_F(ControlServerTest, KnowsWhoMayWrite) {
  const group* daemons = ::getgrnam("daemon");
  if (::geteuid() != 0 || daemons == nullptr) GTEST_SKIP() << "needs root, and a group 'daemon'";
  const gid_t admins = daemons->gr_gid;
  const auto who = [](const json::object&, const ControlPeer& peer) -> json::object {
    return {{"uid", peer.uid}, {"write", peer.may_write}};
  };
  constexpr uid_t nobody = 65534;
  {
    const Program program(path_, who, {}, "daemon");
    // Group 0 is that of the socket.
    EXPECT_EQ(asked_as(path_, 0, 0, {}), "{\"uid\":0,\"write\":true}\n");
    EXPECT_EQ(asked_as(path_, nobody, 0, {}), "{\"uid\":65534,\"write\":false}\n");
    EXPECT_EQ(asked_as(path_, nobody, 0, {10, admins}), "{\"uid\":65534,\"write\":true}\n");
    EXPECT_EQ(asked_as(path_, nobody, admins, {0}), "{\"uid\":65534,\"write\":true}\n");
    EXPECT_EQ(asked_as(path_, nobody, admins, {}), "") << "the socket is for its group";
    std::vector<gid_t> many(500, 10);
    EXPECT_EQ(asked_as(path_, nobody, 0, many), "{\"uid\":65534,\"write\":false}\n");
    many.back() = admins;
    EXPECT_EQ(asked_as(path_, nobody, 0, many), "{\"uid\":65534,\"write\":true}\n");
  }
  const Program program(path_, who, {}, "no such group");
  EXPECT_EQ(asked_as(path_, nobody, 0, {admins}), "{\"uid\":65534,\"write\":false}\n");
  EXPECT_EQ(asked_as(path_, 0, admins, {}), "{\"uid\":0,\"write\":true}\n");
}

}  // namespace
}  // namespace saspd::net
