// SPDX-License-Identifier: Apache-2.0
// saspd --attach --share beside other XDP programs: real ones of xdp-tools, loaded by libxdp, and
// real connections. In a guest whose kernel and libxdp suit each other.
#include <linux/capability.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <xdp/libxdp.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "bpf/attach.hpp"
#include "bpf/attachment.hpp"
#include "bpf/links.hpp"
#include "tests/e2e/saspd/sweep.hpp"
#include "tests/support/crowd.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/kernel_traffic.hpp"
#include "tests/support/program.hpp"
#include "tests/support/strace.hpp"

namespace saspd::test {
namespace {

using std::chrono::seconds;

const std::string programs = PROGRAMS;

class SaspdShares : public testing::Test {
 protected:
  SaspdShares() {
    if (::mount("bpf", "/sys/fs/bpf", "bpf", 0, "") != 0) kernel::give_up("/sys/fs/bpf");
    // Every new dispatcher waits for the kernel's grace periods.
    std::ofstream("/sys/kernel/rcu_expedited") << 1;
    for (std::size_t i = 0; i < network_.servers.size(); ++i) {
      network_.servers[i]->run([&] {
        servers_.push_back(
            std::make_unique<kernel::Servers>(std::vector<Endpoint>{at(80), at(81)}, 2 * i));
      });
    }
  }
  ~SaspdShares() override {
    saspd_.reset();
    servers_.clear();
    ::umount2("/sys/fs/bpf", MNT_DETACH);
  }

  static Endpoint at(std::uint16_t port) { return {*IpAddress::parse("192.0.2.10"), port}; }

  std::string in_director(const std::string& command) const {
    std::string output;
    network_.director.run([&] { output = kernel::output_of(command + " 2>&1"); });
    return output;
  }
  // Exit code and words of saspd.
  std::pair<int, std::string> saspd(Arguments arguments) const {
    arguments.insert(arguments.begin(), programs + "/saspd");
    arguments.insert(arguments.end(), {"--pins", pins_});
    std::pair<int, std::string> end{-1, ""};
    network_.director.run([&] {
      Program program(arguments, "/tmp/ctl.log");
      end.first = program.wait(seconds{100}).value_or(-1);
      end.second = program.log();
    });
    return end;
  }
  void attach() const {
    const auto [code, words] =
        saspd({"--attach", "--share", "--interface", "c0", "--xdp-mode", "native"});
    ASSERT_EQ(code, 0) << words;
    ASSERT_NE(words.find("c0: attached in native mode"), std::string::npos) << words;
  }
  // Exit code.
  int attach_under(const Strace& strace, const Arguments& more = {}) const {
    Arguments arguments = strace.in_front();
    arguments.insert(arguments.end(), {programs + "/saspd", "--attach", "--share", "--interface",
                                       "c0", "--xdp-mode", "native", "--pins", pins_});
    arguments.insert(arguments.end(), more.begin(), more.end());
    int code = -1;
    network_.director.run([&] {
      Program program(arguments, "/tmp/ctl.log");
      code = program.wait(seconds{300}).value_or(-1);
    });
    return code;
  }
  void reattach() const {
    const auto [code, words] = saspd({"--reattach"});
    ASSERT_EQ(code, 0) << words;
    ASSERT_NE(words.find("c0: attached in native mode"), std::string::npos) << words;
  }
  void serve() {
    Arguments arguments{programs + "/saspd",
                        "--backend",
                        "xdp",
                        "--pins",
                        pins_,
                        "--gwm",
                        "127.0.0.1",
                        "--lb-uid",
                        "d1",
                        "--retry-min",
                        "1",
                        "--control",
                        "/tmp/ctl.sock",
                        "--ledger",
                        "/tmp/ledger",
                        "--history",
                        "none",
                        "--overrides",
                        "none",
                        "--metrics",
                        "off"};
    for (const char* port : {"80", "81"}) {
      const std::string group = std::string("p") + port;
      arguments.insert(arguments.end(), {"--service", group + "=tcp:192.0.2.10:" + port});
      for (const char* server : {"10.0.1.2:", "10.0.2.2:"})
        arguments.insert(arguments.end(), {"--member", group + "=" + server + port});
    }
    network_.director.run([&] { saspd_.emplace(arguments, "/tmp/saspd.log"); });
  }
  // Which servers answer there within so many connections.
  std::set<unsigned> answering(const Endpoint& to, int connections) const {
    std::set<unsigned> numbers;
    network_.client.run([&] {
      for (int i = 0; i < connections; ++i) {
        if (const auto connection = kernel::Connection::open(to))
          numbers.insert(static_cast<unsigned>(connection->server()));
      }
    });
    return numbers;
  }
  bool both_answer() const {
    return eventually(
        [&] {
          return answering(at(80), 20) == std::set<unsigned>{0, 2};
        },
        seconds{100});
  }
  std::string sharing(const std::string& interface = "c0") const {
    return in_director("xdp-loader status " + interface);
  }
  // Programs of ours in the dispatcher.
  std::size_t ours(const std::string& interface = "c0") const {
    const std::string text = sharing(interface);
    std::size_t count = 0;
    for (auto i = text.find("balance"); i != std::string::npos; i = text.find("balance", i + 1))
      ++count;
    return count;
  }

  // "not_attached c0", as root or as saspd, which may not look into dispatchers.
  std::vector<std::string> problems(bool as_root = true) const {
    std::vector<std::string> names;
    network_.director.run([&] {
      if (!as_root) drop_sys_admin();
      for (const auto& problem : bpf::attachment_problems(pins_))
        names.push_back(problem.name + " " + problem.subject);
    });
    return names;
  }
  static void drop_sys_admin() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) != 0) kernel::give_up("capget");
    data[0].effective &= ~(1U << CAP_SYS_ADMIN);
    if (::syscall(SYS_capset, &header, data) != 0) kernel::give_up("capset");
  }
  using Names = std::vector<std::string>;

  // The client goes on without ARP.
  void pin_gateway() const {
    std::string mac;
    std::istringstream words(in_director("ip -oneline link show c0"));
    for (std::string word; words >> word && word != "link/ether";) {
    }
    words >> mac;
    network_.client.ip("neigh replace 198.51.100.1 lladdr " + mac + " dev eth0 nud permanent\n");
  }
  // It runs after ours and drops whatever reaches it.
  void load_dropping_program() const {
    network_.director.run([] {
      auto* program = xdp_program__find_file("xdpfilt_dny_all.o", nullptr, nullptr);
      if (program == nullptr || libxdp_get_error(program) != 0)
        throw std::runtime_error("no xdp_filter");
      const int prio = xdp_program__set_run_prio(program, 60);
      const int error =
          xdp_program__attach(program, static_cast<int>(if_nametoindex("c0")), XDP_MODE_NATIVE, 0);
      xdp_program__close(program);
      if (prio != 0 || error != 0) throw std::runtime_error("xdp_filter is not attached");
    });
  }

  kernel::DirectorNetwork network_{2};
  std::vector<std::unique_ptr<kernel::Servers>> servers_;
  std::optional<Program> saspd_;
  const std::string pins_ = "/sys/fs/bpf/saspd";
};

TEST_F(SaspdShares, ForwardsBesideOthersAndLeavesThemBehind) {
  in_director("xdp-filter load --mode native --features tcp c0");
  in_director("xdp-filter port --mode dst --proto tcp 81");
  attach();
  serve();
  EXPECT_TRUE(both_answer()) << sharing();
  EXPECT_EQ(answering(at(81), 1), std::set<unsigned>{}) << "the filter before ours drops it";
  in_director("xdp-filter port --remove --mode dst --proto tcp 81");
  EXPECT_TRUE(eventually([&] { return answering(at(81), 20) == std::set<unsigned>{1, 3}; }));
  EXPECT_EQ(problems(), Names{});
  EXPECT_EQ(problems(false), Names{});

  std::unique_ptr<kernel::Servers> own;
  const Endpoint director = *Endpoint::parse("198.51.100.1:90");
  network_.director.run(
      [&] { own = std::make_unique<kernel::Servers>(std::vector<Endpoint>{director}, 9); });
  EXPECT_EQ(answering(director, 1), std::set<unsigned>{9});
  pin_gateway();
  load_dropping_program();
  EXPECT_EQ(answering(director, 1), std::set<unsigned>{}) << "the one after ours drops it";
  EXPECT_EQ(answering(at(80), 20), (std::set<unsigned>{0, 2})) << "and never sees this";

  const auto [code, words] = saspd({"--detach", "--force"});
  EXPECT_EQ(code, 0) << words;
  EXPECT_NE(words.find("c0: detached"), std::string::npos) << words;
  EXPECT_EQ(ours(), 0U);
  EXPECT_NE(sharing().find("xdpfilt_alw"), std::string::npos) << sharing();
  EXPECT_NE(sharing().find("xdpfilt_dny"), std::string::npos) << sharing();
  EXPECT_FALSE(std::filesystem::exists(pins_));
}

// While somebody else unloads the dispatcher nothing is routed back, and afterwards all is as
// before.
TEST_F(SaspdShares, KeepsABlackholeForItsServices) {
  const std::string before = in_director("ip rule; ip -brief link");
  in_director("xdp-filter load --mode native --features udp c0");
  const auto [code, words] =
      saspd({"--attach", "--share", "--blackhole", "--interface", "c0", "--xdp-mode", "native"});
  ASSERT_EQ(code, 0) << words;
  serve();
  ASSERT_TRUE(eventually([&] { return problems() == Names{"blackhole_incomplete "}; }));
  const auto mended = saspd({"--reattach"});
  ASSERT_EQ(mended.first, 0) << mended.second;
  EXPECT_EQ(problems(), Names{});
  EXPECT_TRUE(both_answer()) << sharing();
  in_director("xdp-loader unload --all c0");
  EXPECT_EQ(problems(), Names{"not_attached c0"});
  const std::string way = in_director("ip route get 192.0.2.10 from 198.51.100.2 iif c0");
  EXPECT_NE(way.find("dev saspd-drop"), std::string::npos) << way;
  EXPECT_EQ(answering(at(80), 1), std::set<unsigned>{});
  reattach();
  EXPECT_EQ(problems(), Names{});
  EXPECT_TRUE(both_answer()) << sharing();
  const auto ended = saspd({"--detach", "--force"});
  EXPECT_EQ(ended.first, 0) << ended.second;
  EXPECT_EQ(in_director("ip rule; ip -brief link"), before);
}

TEST_F(SaspdShares, WhatOthersDoToTheDispatcherIsNoticed) {
  attach();
  in_director("xdp-filter load --mode native c0");
  EXPECT_EQ(problems(), Names{}) << "root sees that it is there";
  EXPECT_EQ(problems(false), Names{"shared_changed c0"});
  reattach();
  EXPECT_EQ(problems(false), Names{});
  EXPECT_EQ(ours(), 1U) << "the new program, not the old one beside it\n" << sharing();

  in_director("xdp-loader unload --all c0");
  EXPECT_EQ(problems(), Names{"not_attached c0"});
  EXPECT_EQ(problems(false), Names{"not_attached c0"});
  in_director("xdp-filter load --mode native c0");
  EXPECT_EQ(problems(), Names{"not_attached c0"}) << "the other program alone";
  EXPECT_EQ(problems(false), Names{"shared_changed c0"});
  reattach();
  EXPECT_EQ(problems(), Names{});
  EXPECT_EQ(ours(), 1U) << sharing();
}

// Whatever call of an attach is the last one: packets go by the old program or by the new one, and
// the next attach leaves one of them.
TEST_F(SaspdShares, AnAttachThatIsKilledHarmsNobody) {
  in_director("xdp-filter load --mode native --features tcp c0");
  attach();
  serve();
  ASSERT_TRUE(both_answer()) << sharing();
  const std::string calls = "bpf,mkdir,rmdir,unlink,rename";
  const Strace without(calls, std::nullopt, "/tmp/calls");
  ASSERT_EQ(attach_under(without), 0);
  auto seen = distinct(without.calls());
  ASSERT_GT(seen.size(), 60U);
  constexpr std::size_t last = 50;  // what comes before vanishes with the process
  seen.erase(seen.begin(), seen.end() - last);
  std::vector<Fault> kills;
  for (const auto& call : seen)
    kills.push_back({call.name, call.nth, "signal=KILL"});
  const auto faults = Sweep::asked_for().of(kills, 6);
  kernel::Crowd crowd(at(80), &network_.client);
  std::size_t done = 0, killed = 0;
  for (const auto& fault : faults) {
    SCOPED_TRACE(fault.text());
    Sweep::tell(++done, faults.size(), fault);
    killed += attach_under({calls, fault, "/tmp/calls"}) == 128 + SIGKILL ? 1 : 0;
    EXPECT_EQ(answering(at(80), 20), (std::set<unsigned>{0, 2})) << sharing();
    EXPECT_GE(ours(), 1U) << sharing();
    attach();
    EXPECT_EQ(problems(), Names{});
    EXPECT_EQ(ours(), 1U) << sharing();
    EXPECT_NE(sharing().find("xdpfilt_alw"), std::string::npos) << sharing();
    ASSERT_EQ(crowd.failed, 0) << "of " << crowd.worked;
  }
  crowd.go_home();
  std::cout << killed << " killed, " << crowd.worked << " connections\n";
  EXPECT_GE(killed, 1U);
  EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
}

// An attach that has given one of two interfaces its program is undone, not completed by taking the
// program of before from the other. The attach after it fails, so that what it found is seen.
TEST_F(SaspdShares, AnAttachThatIsKilledBetweenTwoInterfacesLeavesBothAProgram) {
  in_director("ip link add c1 type veth peer name c2; ip link set c1 up; ip link set c2 up");
  const Arguments both{"--interface", "c1"};
  // libxdp reads its dispatcher from a file for each interface.
  const std::string calls = "openat";
  ASSERT_EQ(attach_under({calls, std::nullopt, "/tmp/calls"}, both), 0);
  const Strace without(calls, std::nullopt, "/tmp/calls");
  ASSERT_EQ(attach_under(without, both), 0) << "again, which makes other calls";
  const auto seen = without.calls();
  bool is_between = false;
  for (auto call = seen.rbegin(); call != seen.rend() && !is_between; ++call) {
    if (call->place.find("xdp-dispatcher.o") == std::string::npos) continue;
    const Fault fault{call->name, call->nth, "signal=KILL"};
    SCOPED_TRACE(fault.text());
    if (attach_under({calls, fault, "/tmp/calls"}, both) != 128 + SIGKILL) continue;
    is_between = ours("c0") == 2 && ours("c1") == 1;
    const auto [code, words] =
        saspd({"--attach", "--share", "--interface", "c0", "--max-services", "1"});
    EXPECT_NE(code, 0) << "fewer services than there are places";
    EXPECT_EQ(ours("c0"), 1U) << sharing("c0");
    EXPECT_EQ(ours("c1"), 1U) << sharing("c1");
  }
  EXPECT_TRUE(is_between) << "no kill was between the two";
}

TEST_F(SaspdShares, IsNotBesideAProgramWithoutADispatcher) {
  const auto alone = saspd({"--attach", "--interface", "c0"});
  ASSERT_EQ(alone.first, 0) << alone.second;
  const auto own = saspd({"--attach", "--share", "--interface", "c0"});
  EXPECT_NE(own.first, 0);
  EXPECT_NE(own.second.find("--detach"), std::string::npos) << own.second;
  EXPECT_EQ(problems(), Names{});
}

TEST_F(SaspdShares, SaysWhichCapabilityIsMissing) {
  std::thread([this] {
    if (::prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) != 0) kernel::give_up("prctl");
    Program program(
        {programs + "/saspd", "--attach", "--share", "--interface", "lo", "--pins", pins_},
        "/tmp/ctl.log");
    EXPECT_EQ(program.wait(seconds{100}).value_or(-1), 77);
    EXPECT_NE(program.log().find("CAP_SYS_ADMIN"), std::string::npos) << program.log();
  }).join();
  EXPECT_FALSE(std::filesystem::exists(pins_));
}

// Only in a guest whose kernel is too new for its libxdp.
TEST_F(SaspdShares, DISABLED_IsRefusedWhereTheKernelRefuses) {
  const auto [code, words] = saspd({"--attach", "--share", "--interface", "c0"});
  EXPECT_EQ(code, 78) << words;
  EXPECT_NE(words.find("libxdp before 1.5.5"), std::string::npos) << words;
  EXPECT_FALSE(std::filesystem::exists(pins_));
  EXPECT_EQ(sharing().find("xdp_dispatcher"), std::string::npos) << sharing();
  in_director("xdp-filter load --mode native c0");
  const std::string before = sharing();
  EXPECT_EQ(saspd({"--attach", "--share", "--interface", "c0"}).first, 78);
  EXPECT_EQ(sharing(), before) << "whoever was there is left as it was";
}

}  // namespace
}  // namespace saspd::test
