// SPDX-License-Identifier: Apache-2.0
// Edits by somebody else, at every moment: none is undone by a write of ours. The kernel is judged
// by ipvsadm. mnl_socket_sendto() is wrapped (CMakeLists.txt), so that a test can act between any
// two of our calls, and hold others back in the one window that the kernel leaves open.
#include <gtest/gtest.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <mutex>
#include <random>
#include <regex>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "controller/base/clock.hpp"
#include "netlink/ipvs_codec.hpp"
#include "tests/kernel/ipvs/table_fixture.hpp"

namespace {
// What is done before and after each send of this thread, with the command of its first message.
using Hook = std::function<void(std::uint8_t)>;
thread_local Hook before_send;
thread_local Hook after_send;
}  // namespace

extern "C" ssize_t __real_mnl_socket_sendto(const mnl_socket* socket, const void* bytes,
                                            std::size_t size);
extern "C" ssize_t __wrap_mnl_socket_sendto(const mnl_socket* socket, const void* bytes,
                                            std::size_t size) {
  const auto* generic =
      static_cast<const genlmsghdr*>(mnl_nlmsg_get_payload(static_cast<const nlmsghdr*>(bytes)));
  if (before_send) before_send(generic->cmd);
  const ssize_t sent = __real_mnl_socket_sendto(socket, bytes, size);
  if (after_send) after_send(generic->cmd);
  return sent;
}

namespace saspd::netlink {
namespace {

std::string without_weights(const std::string& text) {
  return std::regex_replace(text, std::regex("-w [0-9]+"), "-w _");
}

// Everything that ipvsadm shows of destinations and services but weights.
std::string shown() {
  return without_weights(kernel::Ipvsadm::saved()) +
         std::regex_replace(kernel::Ipvsadm::thresholds(), std::regex(" +"), " ");
}

const std::string web = "tcp:10.0.0.1:80";
const std::string web6 = "tcp:[2001:db8::1]:80";
constexpr std::string_view two_services =
    "-A -t 10.0.0.1:80 -s wrr\n"
    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 10\n"
    "-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 10 -x 5000 -y 4000\n"
    "-A -t [2001:db8::1]:80 -s wlc\n"
    "-a -t [2001:db8::1]:80 -r [2001:db8:1::1]:80 -g -w 10\n"
    "-a -t [2001:db8::1]:80 -r 10.0.1.1:80 -i --tun-type gue --tun-port 6080 -w 10\n";

class EditOf : public IpvsTable, public testing::WithParamInterface<std::string_view> {};

// Ours is a new weight for every destination, decided before the edit.
TEST_P(EditOf, AnAttributeStays) {
  ipvsadm(two_services);
  const lb::Table before = list({web, web6});
  ipvsadm(GetParam());
  const std::string edited = shown();
  expect_applied(diff(before, with_new_weights(before)));
  EXPECT_EQ(shown(), edited);
  const lb::Table wanted = with_new_weights(before);
  for (const auto& [key, pool] : list({web, web6})) {
    for (const auto& [at, destination] : pool.destinations)
      EXPECT_EQ(destination.weight, wanted.at(key).destinations.at(at).weight);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Ipvsadm, EditOf,
    testing::Values("-e -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 10\n",
                    "-e -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 10 -x 90 -y 10\n",
                    "-e -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 10\n",  // takes its thresholds
                    "-e -t 10.0.0.1:80 -r 10.0.1.2:80 -g -w 10 -x 90 -y 10\n",
                    "-e -t 10.0.0.1:80 -r 10.0.1.1:80 -i --tun-type gre --tun-csum -w 10\n",
                    "-e -t [2001:db8::1]:80 -r 10.0.1.1:80 -i --tun-type gue --tun-port 7 -w 10\n",
                    "-e -t [2001:db8::1]:80 -r 10.0.1.1:80 -i -w 10\n",
                    "-e -t [2001:db8::1]:80 -r 10.0.1.1:80 -i --tun-type gue --tun-port 6080 "
                    "--tun-remcsum -w 10\n",
                    "-d -t 10.0.0.1:80 -r 10.0.1.2:80\n"
                    "-a -t 10.0.0.1:80 -r 10.0.1.2:80 -g -w 10 -x 7\n",
                    "-E -t 10.0.0.1:80 -s wrr -p 300 -M 255.255.255.0\n"
                    "-e -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 10\n"));

class Overtaken : public IpvsTable {
 protected:
  // What comes of changing the listed table to these weights of web, after `edit`.
  std::vector<lb::Failure> after(std::string_view edit, std::uint32_t first, std::uint32_t second) {
    ipvsadm(two_services);
    const lb::Table table = list({web});
    ipvsadm(edit);
    return apply(
        {change(table, web, "10.0.1.1:80", first), change(table, web, "10.0.1.2:80", second)});
  }
};

TEST_F(Overtaken, AZeroIsNotRaised) {
  const auto failures = after("-e -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 0\n", 40, 30);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].index, 0U);
  EXPECT_TRUE(failures[0].changed_meanwhile());
  EXPECT_FALSE(failures[0].outcome_unknown());
  EXPECT_EQ(failures[0].error.detail,
            "tcp:10.0.0.1:80 10.0.1.1:80 weight 10 -> 40: not written, because another program has "
            "changed it meanwhile: it has weight 0 and 0 connections");
  EXPECT_EQ(weight(web, "10.0.1.1:80"), 0U);
  EXPECT_EQ(weight(web, "10.0.1.2:80"), 30U) << "the rest goes on";
}

TEST_F(Overtaken, AWeightIsNotOverwritten) {
  const auto failures = after("-e -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 11\n", 40, 30);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].index, 1U);
  EXPECT_TRUE(failures[0].changed_meanwhile());
  EXPECT_EQ(weight(web, "10.0.1.1:80"), 40U);
  EXPECT_EQ(weight(web, "10.0.1.2:80"), 11U);
}

// Whose it is decides the next listing: not we, because it was not us.
TEST_F(Overtaken, TheSameWeightIsNotClaimed) {
  const auto failures = after("-e -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 0\n", 40, 0);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_TRUE(failures[0].changed_meanwhile());
}

TEST_F(Overtaken, ADestinationThatIsWantedAgainIsNotRemoved) {
  ipvsadm(two_services);
  ipvsadm("-e -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 0\n");
  const lb::Table listed = list({web});
  lb::Table desired = listed;
  desired.at(service(web)).destinations.erase(endpoint("10.0.1.2:80"));
  const lb::Plan plan = diff(listed, desired);
  ipvsadm("-e -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 5\n");
  const auto failures = apply(plan);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_TRUE(failures[0].changed_meanwhile());
  EXPECT_EQ(weight(web, "10.0.1.2:80"), 5U);
}

TEST_F(Overtaken, ADestinationThatSomebodyElseAddedIsLeftAsItIs) {
  ipvsadm(two_services);
  const lb::Table listed = list({web});
  lb::Table desired = listed;
  const Endpoint at = endpoint("10.0.1.3:80");
  desired.at(service(web)).destinations[at] = lb::Destination{.endpoint = at, .weight = 3};
  const lb::Plan plan = diff(listed, desired);
  ipvsadm("-a -t 10.0.0.1:80 -r 10.0.1.3:80 -g -w 0 -x 5\n");
  const std::string edited = shown();
  const auto failures = apply(plan);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].error.code, std::errc::file_exists);
  EXPECT_EQ(shown(), edited);
  EXPECT_EQ(weight(web, "10.0.1.3:80"), 0U);
}

// A managed service: SET_SERVICE replaces all of it, and takes what is left out off.
TEST_F(Overtaken, AServiceKeepsWhatOthersMadeOfTheRest) {
  ipvsadm("-A -u 10.0.0.3:5060 -s rr\n-a -u 10.0.0.3:5060 -r 10.0.1.1:5060 -m -w 1\n");
  const std::string sip = "udp:10.0.0.3:5060";
  const lb::Table listed = list({sip});
  lb::Table desired = listed;
  desired.at(service(sip)).scheduler = "mh";
  desired.at(service(sip)).flags |= lb::service_flag::fallback;
  const lb::Plan plan = diff(listed, desired);
  ipvsadm("-E -u 10.0.0.3:5060 -s rr -p 60 -M 255.255.255.0 --pe sip -o -b flag-3\n");
  expect_applied(plan);
  EXPECT_NE(
      kernel::Ipvsadm::saved().find("-s mh -p 60 -M 255.255.255.0 --pe sip -o -b mh-fallback"),
      std::string::npos)
      << kernel::Ipvsadm::saved();
  // ipvsadm does not name it beside a flag of mh.
  EXPECT_NE(list({sip}).at(service(sip)).flags & lb::service_flag::sched3, 0U);
}

TEST_F(Overtaken, AServiceThatIsSoAlreadyIsNotWritten) {
  ipvsadm("-A -t 10.0.0.1:80 -s rr\n");
  const lb::Table listed = list({web});
  lb::Table desired = listed;
  desired.at(service(web)).scheduler = "wrr";
  ipvsadm("-E -t 10.0.0.1:80 -s wrr -p 60\n");
  std::set<int> commands;
  before_send = [&](std::uint8_t command) { commands.insert(command); };
  expect_applied(diff(listed, desired));
  before_send = nullptr;
  EXPECT_EQ(commands, std::set<int>{IPVS_CMD_GET_SERVICE});
  EXPECT_NE(kernel::Ipvsadm::saved().find("-p 60"), std::string::npos);
}

// An operator who never sleeps, with a socket of his own. He knows what he made of each
// destination, and looks whether it is still so before he edits it again.
class Operator {
 public:
  Operator(std::mutex& gate, std::vector<lb::Destination> destinations)
      : gate_(gate), made_(std::move(destinations)) {}

  void edit() {
    const std::lock_guard locked(gate_);
    lb::Destination& made = made_[below(made_.size())];
    const auto destinations = ipvs_->list(std::array{service_});
    if (!destinations) return;
    const lb::Destination now = destinations->at(service_).destinations.at(made.endpoint);
    lb::Destination expected = made;
    expected.weight = now.weight;
    ++edits;
    if (now != expected) ++undone;
    made.weight = now.weight;
    switch (below(6)) {
      case 0: made.forward = lb::Forward::masquerade; break;
      case 1: made.forward = lb::Forward::route; break;
      case 2: made.forward = lb::Forward::tunnel; break;
      case 3: made.upper_threshold = 2000 + below(1000); break;
      case 4: made.lower_threshold = below(1000); break;
      default:
        made.tunnel = {static_cast<std::uint8_t>(below(2)),
                       static_cast<std::uint16_t>(1 + below(9000)),
                       static_cast<std::uint16_t>(below(2))};
    }
    made.lower_threshold = std::min(made.lower_threshold, made.upper_threshold);  // else ERANGE
    if (made.forward != lb::Forward::tunnel || made.tunnel.type == 0) made.tunnel = {};
    Requests request(1);
    nlmsghdr& message = request.add(family_, IPVS_GENL_VERSION, IPVS_CMD_SET_DEST);
    put_service(message, service_);
    put_destination(message, made);
    for (const auto& failed : socket_.write(request))
      ADD_FAILURE() << failed.error.detail;
  }

  std::size_t edits = 0;
  std::size_t undone = 0;

 private:
  std::uint32_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(
        0, static_cast<std::uint32_t>(limit) - 1)(chance_);
  }

  std::mutex& gate_;
  std::vector<lb::Destination> made_;
  const lb::ServiceKey service_ = *lb::parse_service(web);
  std::unique_ptr<Ipvs> ipvs_ = std::move(*Ipvs::open());
  GenlSocket socket_;
  std::uint16_t family_ = *socket_.resolve(IPVS_GENL_NAME);
  std::mt19937 chance_{4678};
};

class Storm : public IpvsTable {
 protected:
  static constexpr std::size_t rounds = 1000;

  // Advice without end beside the operator. `holds_him_back`: in the window between our read of a
  // destination and our write.
  void rages(bool holds_him_back) {
    std::string lines = "-A -t 10.0.0.1:80 -s wlc\n";
    for (int i = 1; i <= 8; ++i)
      lines += fmt::format("-a -t 10.0.0.1:80 -r 10.0.1.{}:80 -m -w 10\n", i);
    ipvsadm(lines);
    std::vector<lb::Destination> destinations;
    const lb::Table made = list({web});
    for (const auto& [at, destination] : made.at(service(web)).destinations)
      destinations.push_back(destination);
    Operator editor(gate_, std::move(destinations));
    std::atomic<bool> ended = false;
    std::thread thread([&] {
      while (!ended) {
        editor.edit();
        std::this_thread::yield();
      }
    });
    std::unique_lock window(gate_, std::defer_lock);
    for (std::size_t round = 0; round < rounds; ++round) {
      const lb::Table listed = list({web});
      std::this_thread::yield();
      before_send = [&](std::uint8_t command) {
        std::this_thread::yield();
        if (holds_him_back && command == IPVS_CMD_GET_DEST) window.lock();
      };
      after_send = [&](std::uint8_t command) {
        if (window.owns_lock() && command == IPVS_CMD_SET_DEST) window.unlock();
      };
      for (const auto& failure : apply(diff(listed, with_new_weights(listed)))) {
        EXPECT_TRUE(failure.changed_meanwhile()) << failure.error.detail;
        ++overtaken_;
      }
      before_send = after_send = nullptr;
      if (window.owns_lock()) window.unlock();
      ++written_;
    }
    ended = true;
    thread.join();
    edits_ = editor.edits;
    undone_ = editor.undone;
    std::printf("%zu edits beside %zu writes: %zu undone, %zu changes overtaken\n", edits_,
                written_, undone_, overtaken_);
  }

  std::mutex gate_;
  std::size_t edits_ = 0;
  std::size_t undone_ = 0;
  std::size_t written_ = 0;
  std::size_t overtaken_ = 0;
};

TEST_F(Storm, UndoesNoEditOutsideTheWindow) {
  rages(true);
  EXPECT_EQ(undone_, 0U);
  EXPECT_GT(edits_, rounds / 4) << "too few edits: this test shows nothing";
}

// A figure for the header of Ipvs. It may be lost what came within the window.
TEST_F(Storm, TellsHowManyEditsTheWindowCosts) {
  rages(false);
  EXPECT_GT(edits_, rounds / 4);
}

TEST_F(IpvsTable, LeavesAWindowThatIsMeasured) {
  for (const std::size_t size : {1UL, 10UL, 100UL, 1000UL}) {
    kernel::output_of("ipvsadm -C");
    std::string lines = "-A -t 10.0.0.1:80 -s wlc\n";
    for (std::size_t i = 0; i < size; ++i)
      lines += fmt::format("-a -t 10.0.0.1:80 -r 10.1.{}.{}:80 -g -w 1\n", i / 250, i % 250 + 1);
    ipvsadm(lines);
    TimePoint read;
    Duration window = std::chrono::seconds(1);
    for (int round = 0; round < 20; ++round) {
      const lb::Table listed = list({web});
      Duration took{};
      before_send = [&](std::uint8_t command) {
        if (command == IPVS_CMD_GET_DEST) read = Clock::now();
      };
      after_send = [&](std::uint8_t command) {
        if (command == IPVS_CMD_SET_DEST) took = std::max(took, Clock::now() - read);
      };
      lb::Plan plan = diff(listed, with_new_weights(listed));
      plan.resize(std::min<std::size_t>(plan.size(), 100));
      expect_applied(plan);
      before_send = after_send = nullptr;
      window = std::min(window, took);
    }
    std::printf("%zu destinations: window of at most %.0f us for %zu changes\n", size,
                std::chrono::duration<double, std::micro>(window).count(),
                std::min<std::size_t>(size, 100));
    EXPECT_GT(window, Duration::zero());
  }
}

}  // namespace
}  // namespace saspd::netlink
