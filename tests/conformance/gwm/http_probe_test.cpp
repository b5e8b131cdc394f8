// SPDX-License-Identifier: Apache-2.0
// An HTTP server is up where others find it up: a table of servers, good and sloppy and bad, is
// asked by curl, by HAProxy's `option httpchk` and by our probe.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "controller/programs/sasp_gwm/prober.hpp"
#include "tests/support/haproxy.hpp"
#include "tests/support/program.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using programs::Prober;
using test::Arguments;
using test::eventually;
using test::Program;

// How a server goes on when it has said what it says.
enum class End { closes, resets, stays, closes_before_request };

struct Responder {
  const char* name;
  std::string says;
  End end = End::closes;
  bool byte_by_byte = false;
};

// Answers every request with the same bytes.
class Server {
 public:
  explicit Server(Responder responder)
      : responder_(std::move(responder)),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, generic, size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    EXPECT_EQ(::getsockname(listener_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    ended_ = true;
    thread_.join();
    for (const int peer : kept_)
      ::close(peer);
    ::close(listener_);
  }
  std::uint16_t port() const { return port_; }

 private:
  void serve() {
    while (!ended_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, 50) <= 0) continue;
      const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer >= 0) answer(peer);
    }
  }
  void answer(int peer) {
    if (responder_.end != End::closes_before_request) read_request(peer);
    const std::size_t piece = responder_.byte_by_byte ? 1 : responder_.says.size();
    for (std::size_t at = 0; at < responder_.says.size(); at += piece) {
      const auto sent = ::send(peer, responder_.says.data() + at, piece, MSG_NOSIGNAL);
      if (sent != std::ssize(responder_.says.substr(at, piece))) break;
      if (responder_.byte_by_byte) std::this_thread::sleep_for(500us);
    }
    if (responder_.end == End::stays) return kept_.push_back(peer);
    if (responder_.end == End::resets) {
      const linger at_once{1, 0};
      ::setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(peer);
      return;
    }
    // With bytes of the request unread, a close would reset what was sent.
    ::shutdown(peer, SHUT_WR);
    std::array<char, 4096> rest{};
    timeval patience{1, 0};
    ::setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (::read(peer, rest.data(), rest.size()) > 0) {
    }
    ::close(peer);
  }
  static void read_request(int peer) {
    std::string request;
    std::array<char, 4096> buffer{};
    while (request.find("\r\n\r\n") == std::string::npos) {
      const auto n = ::read(peer, buffer.data(), buffer.size());
      if (n <= 0) return;
      request.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }

  Responder responder_;
  int listener_;
  std::uint16_t port_ = 0;
  std::deque<int> kept_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

std::string lines(int count, const std::string& line) {
  std::string all;
  for (int i = 0; i < count; ++i)
    all += line;
  return all;
}

const std::vector<Responder>& responders() {
  static const std::string ok = "HTTP/1.1 200 OK\r\n";
  static const std::string empty = "Content-Length: 0\r\n\r\n";
  static const std::vector<Responder> all{
      // Well-formed and well.
      {"200", ok + empty},
      {"200, no length", ok + "\r\nhello"},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n"},
      {"206", "HTTP/1.1 206 Partial Content\r\n" + empty},
      {"299", "HTTP/1.1 299 Odd\r\n" + empty},
      {"301", "HTTP/1.1 301 Moved\r\nLocation: /x\r\n" + empty},
      {"304", "HTTP/1.1 304 Not Modified\r\n\r\n"},
      {"399", "HTTP/1.1 399 Odd\r\n" + empty},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello"},
      {"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
      {"keeps the connection", ok + empty, End::stays},
      {"byte by byte", ok + empty, End::closes, true},
      {"answers before it is asked", ok + empty, End::closes_before_request},
      {"folded header", ok + "X-A: one\r\n two\r\n" + empty},
      {"Latin-1 header", ok + "X-A: caf\xE9\r\n" + empty},
      {"empty header value", ok + "X-A:\r\n" + empty},
      // Sloppy, as shell scripts and old servers are.
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
      {"bare LF, HTTP/1.0, body", "HTTP/1.0 200 OK\nContent-Type: text/plain\n\nok\n"},
      {"LF and CR LF mixed", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\n"},
      {"no phrase", "HTTP/1.0 200\r\n\r\n"},
      {"no phrase, a blank", "HTTP/1.1 200 \r\n" + empty},
      {"no phrase, bare LF", "HTTP/1.0 200\n\n"},
      {"long phrase", "HTTP/1.1 200 " + std::string(500, 'x') + "\r\n" + empty},
      {"Latin-1 phrase", "HTTP/1.1 200 Tr\xE8s bien\r\n" + empty},
      {"12 kB of cookies", ok + lines(60, "Set-Cookie: " + std::string(190, 'c') + "\r\n") + empty},
      {"13 kB in a header", ok + "X-A: " + std::string(13000, 'a') + "\r\n" + empty},
      {"60 headers", ok + lines(60, "X-A: b\r\n") + empty},
      {"equal lengths", ok + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"},
      {"short body", ok + "Content-Length: 50\r\n\r\nshort"},
      {"long body", ok + "Content-Length: 200000\r\n\r\n" + std::string(200000, 'b')},
      {"wrong version", "HTTP/1.7 200 OK\r\n" + empty},
      {"several blanks", "HTTP/1.1  200 OK\r\n" + empty},
      {"blank line first", "\r\n" + ok + empty},
      {"blank before the colon", ok + "X-A : b\r\n" + empty},
      {"no blank behind the colon", ok + "X-A:b\r\n" + empty},
      // Interim answers.
      {"100, then 200", "HTTP/1.1 100 Continue\r\n\r\n" + ok + empty},
      {"103, then 200", "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n" + ok + empty},
      {"100 twice, then 204",
       lines(2, "HTTP/1.1 100 Continue\r\n\r\n") + "HTTP/1.1 204 No Content\r\n\r\n"},
      {"100, then 503", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\n" + empty},
      {"100 alone", "HTTP/1.1 100 Continue\r\n\r\n"},
      {"101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"},
      // Well-formed and not well.
      {"400", "HTTP/1.1 400 Bad\r\n" + empty},
      {"401", "HTTP/1.1 401 Unauthorized\r\n" + empty},
      {"404", "HTTP/1.1 404 Not Found\r\n" + empty},
      {"500", "HTTP/1.1 500 Oops\r\n" + empty},
      {"503", "HTTP/1.1 503 Busy\r\n" + empty},
      {"503, bare LF, no phrase", "HTTP/1.0 503\n\n"},
      {"599", "HTTP/1.1 599 X\r\n" + empty},
      {"600", "HTTP/1.1 600 X\r\n" + empty},
      // Not HTTP.
      {"nothing", ""},
      {"nothing, and stays", "", End::stays},
      {"nothing, and resets", "", End::resets},
      {"half a header", ok + "X-A: b"},
      {"a header without its end", ok + "X-A: b\r\n"},
      {"a status line alone", "HTTP/1.0 200 OK\r\n"},
      {"half a status line", "HTTP/1.1 20"},
      {"status line, no end, stays", ok, End::stays},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n"},
      {"SMTP", "220 mail.example.org ESMTP\r\n"},
      {"HTML", "<html><body>200 OK</body></html>\r\n\r\n"},
      {"two digits", "HTTP/1.1 20 OK\r\n" + empty},
      {"four digits", "HTTP/1.1 2000 OK\r\n" + empty},
      {"letters", "HTTP/1.1 2xx OK\r\n" + empty},
      {"000", "HTTP/1.1 000 X\r\n" + empty},
      {"no status", "HTTP/1.1\r\n" + empty},
      {"no version", "HTTP/ 200 OK\r\n" + empty},
      {"lower case", "http/1.1 200 OK\r\n" + empty},
      {"ICY", "ICY 200 OK\r\n" + empty},
      {"a line without colon", ok + "nonsense\r\n" + empty},
      {"a NUL in a header", ok + std::string("X-A: b\0c\r\n", 10) + empty},
      {"a NUL in a name", ok + std::string("X\0A: b\r\n", 8) + empty},
      {"unequal lengths", ok + "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"},
      {"length of letters", ok + "Content-Length: many\r\n\r\n"},
      {"negative length", ok + "Content-Length: -1\r\n\r\n"},
      {"a colon without name", ok + ": b\r\n" + empty},
      {"CR in a header", ok + "X-A: b\rc\r\n" + empty},
      {"80 kB of header", ok + lines(10, "X-A: " + std::string(8000, 'a') + "\r\n") + empty},
      {"endless header", ok + "X-A: " + std::string(300000, 'a')},
  };
  return all;
}

// Up for curl and us, and down for HAProxy 2.6, which takes an interim answer for the final one:
// RFC 9110 15.2 wants a client to read past it.
const std::set<std::string>& interim() {
  static const std::set<std::string> names{"100, then 200", "103, then 200", "100 twice, then 204"};
  return names;
}

class HttpProbe : public testing::Test {
 protected:
  HttpProbe() {
    std::string pattern = "/tmp/saspd-http-probe-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    for (const Responder& responder : responders())
      servers_.push_back(std::make_unique<Server>(responder));
  }
  ~HttpProbe() override { std::filesystem::remove_all(folder_); }

  // By 2xx and 3xx.
  std::vector<bool> by_curl() const {
    std::vector<bool> up;
    for (const auto& server : servers_) {
      const std::string out = folder_ + "/curl";
      std::filesystem::remove(out);
      Program curl({"curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
                    "--max-time", "3", fmt::format("http://127.0.0.1:{}/health", server->port())},
                   out);
      const auto code = curl.wait(60s);
      const std::string status = curl.log();
      up.push_back(code == 0 && status.size() == 3 && (status[0] == '2' || status[0] == '3'));
    }
    return up;
  }

  std::vector<bool> by_haproxy() const {
    std::string config = "backend servers\n  option httpchk GET /health\n";
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      config += fmt::format("  server s{} 127.0.0.1:{} check inter 300ms fall 2 rise 1\n", i,
                            servers_[i]->port());
    }
    const test::Haproxy haproxy(folder_, config);
    std::map<std::string, std::map<std::string, std::string>> rows;
    // "* L7OK" while the next one is on its way.
    const auto is_decided = [&](std::size_t i) {
      const auto& row = rows[fmt::format("s{}", i)];
      if (!row.contains("status")) return false;
      return row.at("status") == "DOWN" || row.at("check_status").find("L7OK") != std::string::npos;
    };
    EXPECT_TRUE(eventually(
        [&] {
          rows = haproxy.servers();
          for (std::size_t i = 0; i < servers_.size(); ++i) {
            if (!is_decided(i)) return false;
          }
          return true;
        },
        120s))
        << haproxy.log();
    std::vector<bool> up;
    for (std::size_t i = 0; i < servers_.size(); ++i)
      up.push_back(rows[fmt::format("s{}", i)]["status"] == "UP");
    return up;
  }

  std::vector<bool> by_us() const {
    boost::asio::io_context io{1};
    std::map<ProbeTarget, std::string> details;
    Prober prober(io, {.interval = 200ms, .timeout = 10s},
                  [](const ProbeTarget&, const Health&) {});
    std::set<ProbeTarget> targets;
    const auto target = [&](std::size_t i) {
      return ProbeTarget{{ProbeSpec::Kind::http, "/health", 0},
                         {*IpAddress::parse("127.0.0.1"), servers_[i]->port()}};
    };
    for (std::size_t i = 0; i < servers_.size(); ++i)
      targets.insert(target(i));
    prober.set_targets(targets);
    const auto is_unknown = [&](const ProbeTarget& one) {
      return prober.health(one)->state() == Health::State::unknown;
    };
    const auto end = std::chrono::steady_clock::now() + 120s;
    while (std::any_of(targets.begin(), targets.end(), is_unknown) &&
           std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_for(50ms);
    }
    std::vector<bool> up;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      EXPECT_FALSE(is_unknown(target(i))) << responders()[i].name;
      up.push_back(prober.health(target(i))->state() == Health::State::up);
    }
    return up;
  }

 private:
  std::string folder_;
  std::vector<std::unique_ptr<Server>> servers_;
};

TEST_F(HttpProbe, FindsUpWhatOthersFindUpAndDownWhatOthersFindDown) {
  const auto curl = by_curl();
  const auto haproxy = by_haproxy();
  const auto ours = by_us();
  ASSERT_GE(responders().size(), 40U);
  std::size_t up = 0;
  for (std::size_t i = 0; i < responders().size(); ++i) {
    const std::string name = responders()[i].name;
    const auto word = [](bool is_up) { return is_up ? "up" : "down"; };
    const std::string all = fmt::format("{}: curl {}, HAProxy {}, ours {}", name, word(curl[i]),
                                        word(haproxy[i]), word(ours[i]));
    up += haproxy[i] ? 1 : 0;
    if (interim().contains(name)) {
      EXPECT_TRUE(curl[i] && ours[i]) << all;
      EXPECT_FALSE(haproxy[i]) << all << ": it is no difference any more";
      continue;
    }
    if (curl[i] && haproxy[i]) {
      EXPECT_TRUE(ours[i]) << all;
    }
    if (!haproxy[i]) {
      EXPECT_FALSE(ours[i]) << all;
    }
    if (curl[i] != haproxy[i] || haproxy[i] != ours[i]) std::cout << all << "\n";
  }
  EXPECT_GE(up, 20U) << "HAProxy has an opinion";
  EXPECT_GE(responders().size() - up, 20U);
}

}  // namespace
}  // namespace saspd::gwm
