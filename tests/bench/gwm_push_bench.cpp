// SPDX-License-Identifier: Apache-2.0
// 1 000 load balancers with 100 members each register with one sasp-gwm, are silent, and get a push
// each second: what that costs it, as processor time of one core. The floor of the pushes is a loop that
// writes the same bytes, made beforehand, to as many connections; the ratio is what deciding and encoding
// costs on top.
//
//   bench-gwm-push [LBS [MEMBERS [SECONDS]]]        needs sasp-gwm beside it, in the build folder
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include <fmt/format.h>

#include "controller/base/clock.hpp"
#include "controller/sasp/framer.hpp"
#include "tests/support/program.hpp"

namespace saspd {
namespace {

using namespace std::chrono_literals;
using namespace sasp;

[[noreturn]] void give_up(const std::string& what) {
  fmt::print(stderr, "bench-gwm-push: {}\n", what);
  std::exit(1);
}

struct Plan {
  int lbs = 1000;
  int members = 100;
  int seconds = 10;
};

MemberData member(int n) {
  const std::array<std::uint8_t, 4> address{10, 0, static_cast<std::uint8_t>(n / 250),
                                            static_cast<std::uint8_t>(n % 250 + 1)};
  return MemberData::of({IpAddress::v4(address), 6, 80});
}

// A load balancer, as far as it listens.
struct Lb {
  int fd = -1;
  Framer framer;
  std::size_t replies = 0;
  std::size_t pushes = 0;
  std::size_t members = 0;
};
constexpr std::size_t requests = 2;  // of each

void send_all(int fd, const Bytes& bytes) {
  if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    give_up("cannot write to the gwm");
  }
}

class Farm {
 public:
  Farm(const Plan& plan, std::uint16_t port) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    lbs_.resize(static_cast<std::size_t>(plan.lbs));
    for (std::size_t i = 0; i < lbs_.size(); ++i)
      connect(lbs_[i], i, plan, port);
  }
  ~Farm() {
    for (const auto& lb : lbs_)
      ::close(lb.fd);
    ::close(epoll_);
  }
  Farm(const Farm&) = delete;
  Farm& operator=(const Farm&) = delete;

  // Reads what comes until then.
  void listen_until(TimePoint end) {
    std::array<epoll_event, 256> events{};
    for (TimePoint now = Clock::now(); now < end; now = Clock::now()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now).count();
      const int n = ::epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(left));
      for (int i = 0; i < n; ++i)
        read(lbs_[events[static_cast<std::size_t>(i)].data.u64]);
    }
  }

  // Reads until all are registered.
  void await_replies() {
    const auto is_registered = [](const Lb& lb) { return lb.replies == requests; };
    while (!std::all_of(lbs_.begin(), lbs_.end(), is_registered))
      listen_until(Clock::now() + 10ms);
  }

  std::size_t pushes() const { return sum(&Lb::pushes); }
  std::size_t members() const { return sum(&Lb::members); }
  std::size_t fewest_pushes() const {
    return std::min_element(lbs_.begin(), lbs_.end(),
                            [](const Lb& a, const Lb& b) { return a.pushes < b.pushes; })
        ->pushes;
  }
  void reset() {
    for (auto& lb : lbs_)
      lb.pushes = lb.members = 0;
  }

 private:
  void connect(Lb& lb, std::size_t i, const Plan& plan, std::uint16_t port) {
    lb.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = {htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    if (::connect(lb.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      give_up("cannot connect to the gwm");
    }
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, lb.fd, &event);
    const std::string uid = fmt::format("lb{}", i);
    send_all(lb.fd, *encode({1, SetLbStateRequest{uid, max_lb_health, lb_flag::push}}));
    GroupOfMemberData group{{uid, "web"}, {}};
    for (int n = 0; n < plan.members; ++n)
      group.items.push_back(member(n));
    send_all(lb.fd, *encode({2, RegistrationRequest{.groups = {group}}}));
  }

  static void read(Lb& lb) {
    std::array<std::uint8_t, 65536> buffer{};
    const ssize_t n = ::recv(lb.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n <= 0) give_up("the gwm closed a connection");
    lb.framer.append(ByteView(buffer).first(static_cast<std::size_t>(n)));
    for (auto frame = lb.framer.next(); frame && *frame; frame = lb.framer.next()) {
      const auto decoded = decode(**frame);
      if (!decoded) give_up(decoded.error().detail);
      const auto* push = std::get_if<SendWeights>(&decoded->frame.message);
      if (push == nullptr) {
        ++lb.replies;
        continue;
      }
      ++lb.pushes;
      lb.members += push->groups.at(0).items.size();
    }
  }

  std::size_t sum(std::size_t Lb::*count) const {
    return std::accumulate(lbs_.begin(), lbs_.end(), std::size_t{0},
                           [&](std::size_t n, const Lb& lb) { return n + lb.*count; });
  }

  int epoll_;
  std::vector<Lb> lbs_;
};

// User and system time of a process so far, proc(5).
double cpu_seconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i)
    fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double peak_megabytes(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
  }
  return 0;
}

void write_weights(const std::string& path, const Plan& plan, int round) {
  std::ofstream file(path + ".new");
  for (int n = 0; n < plan.members; ++n)
    file << "web " << member(n).key().text() << " " << (n * 7 + round * 13) % 64 + 1 << "\n";
  file.close();
  std::filesystem::rename(path + ".new", path);
}

// Processor time of writing the same bytes once: to as many connections, as far as descriptors last,
// and as often.
double floor_seconds(const Plan& plan) {
  GroupOfWeightEntries group{{"lb000", "web"}, {}};
  for (int n = 0; n < plan.members; ++n)
    group.items.push_back({member(n), 0, 13, 7});
  const Bytes bytes = *encode({1, SendWeights{{group}}});
  const int connections = std::min(plan.lbs, 1000);
  std::vector<std::array<int, 2>> pairs(static_cast<std::size_t>(connections));
  for (auto& pair : pairs) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
      give_up("socketpair");
  }
  std::vector<std::uint8_t> sink(bytes.size());
  double cpu = 0;
  for (int round = 0; round < plan.seconds; ++round) {
    rusage before{};
    rusage after{};
    ::getrusage(RUSAGE_SELF, &before);
    for (const auto& pair : pairs)
      send_all(pair[0], bytes);
    ::getrusage(RUSAGE_SELF, &after);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    cpu += seconds(after.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_utime) -
           seconds(before.ru_stime);
    for (const auto& pair : pairs)
      (void)::recv(pair[1], sink.data(), sink.size(), MSG_WAITALL);
  }
  for (const auto& pair : pairs) {
    ::close(pair[0]);
    ::close(pair[1]);
  }
  return cpu / connections / plan.seconds;
}

void run(const Plan& plan, const std::string& programs) {
  std::string directory = "/tmp/bench-gwm-push.XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) give_up("mkdtemp");
  const std::string weights = directory + "/weights";
  write_weights(weights, plan, 0);
  constexpr std::uint16_t port = 38601;
  {
    test::Program gwm({programs + "/sasp-gwm", "--listen", fmt::format("127.0.0.1:{}", port),
                       "--interval", "1", "--weights", weights, "--log-level", "warning",
                       "--max-lbs", "100000", "--max-connections", "100000"},
                      directory + "/log");
    std::this_thread::sleep_for(1s);
    const TimePoint began = Clock::now();
    Farm farm(plan, port);
    farm.await_replies();
    const double registered_in = std::chrono::duration<double>(Clock::now() - began).count();
    const double cpu_to_register = cpu_seconds(gwm.pid());
    farm.listen_until(Clock::now() + 3s);
    const double cpu_before_rest = cpu_seconds(gwm.pid());
    farm.listen_until(Clock::now() + plan.seconds * 1s);
    const double cpu_at_rest = cpu_seconds(gwm.pid()) - cpu_before_rest;
    farm.reset();
    const double cpu_before = cpu_seconds(gwm.pid());
    const TimePoint start = Clock::now();
    for (int round = 1; round <= plan.seconds; ++round) {
      write_weights(weights, plan, round);
      farm.listen_until(start + round * 1s);
    }
    // The weights of the last second are on their way: the file is looked at twice a second, and
    // read when it is the same twice.
    farm.listen_until(Clock::now() + 1500ms);
    const double wall = std::chrono::duration<double>(Clock::now() - start).count();
    const double cpu = cpu_seconds(gwm.pid()) - cpu_before;
    const double floor = floor_seconds(plan);
    const auto pushes = static_cast<double>(farm.pushes());
    fmt::print(
        "{} load balancers, {} members each, {} s, new weights every second\n"
        "  registered in {:.2f} s, {:.0f} us of processor time each\n"
        "  at rest    {:.1f} % of one core\n"
        "  pushes     {:.0f} per second, {} members each; the fewest of one load balancer: {}\n"
        "  sasp-gwm   {:.1f} % of one core, {:.1f} us per push, {:.0f} MB at most\n"
        "  floor      {:.1f} us per write of the same bytes\n"
        "  ratio      {:.1f}\n",
        plan.lbs, plan.members, plan.seconds, registered_in, 1e6 * cpu_to_register / plan.lbs,
        100 * cpu_at_rest / plan.seconds, pushes / plan.seconds,
        farm.pushes() == 0 ? 0 : farm.members() / farm.pushes(), farm.fewest_pushes(),
        100 * cpu / wall, 1e6 * cpu / pushes, peak_megabytes(gwm.pid()), 1e6 * floor,
        cpu / pushes / floor);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace saspd

int main(int argc, char** argv) {
  saspd::Plan plan;
  if (argc > 1) plan.lbs = std::atoi(argv[1]);
  if (argc > 2) plan.members = std::atoi(argv[2]);
  if (argc > 3) plan.seconds = std::atoi(argv[3]);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  saspd::run(plan, self.parent_path().parent_path().string());
}
