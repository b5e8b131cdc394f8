// SPDX-License-Identifier: Apache-2.0
// sasp-gwm as it runs: real connections over loopback, real files, real signals. What goes over the
// wire is checked against bytes written by hand from RFC 4678 first, then with our codec.
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/conformance/gwm/registry_fixture.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/hex.hpp"
#include "tests/support/kernel_namespace.hpp"
#include "tests/support/privileges.hpp"
#include "tests/support/program.hpp"
#include "tests/support/sasp_client.hpp"
#include "tests/support/service_manager.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using saspd::testing::hex;
using saspd::testing::SaspClient;
using test::Arguments;
using test::eventually;
using test::free_port;
using test::Program;

const std::string sasp_gwm = PROGRAMS "/sasp-gwm";

class SaspGwm : public ::testing::Test {
 protected:
  SaspGwm() {
    std::string directory = ::testing::TempDir() + "sasp-gwm.XXXXXX";
    directory_ = ::mkdtemp(directory.data());
  }
  ~SaspGwm() override {
    if (HasFailure() && program_) std::cerr << program_->log();
    program_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  void write_file(const std::string& name, const std::string& text) const {
    std::ofstream(path(name + ".new")) << text;
    std::filesystem::rename(path(name + ".new"), path(name));
  }

  void given_gwm(const Arguments& more = {}) {
    bool listens = false;
    for (int tries = 0; tries < 5 && !listens; ++tries) {  // another program may take the port
      port = free_port();
      Arguments arguments = machine_;
      arguments.insert(arguments.end(), {sasp_gwm, "--listen", fmt::format("127.0.0.1:{}", port)});
      arguments.insert(arguments.end(), more.begin(), more.end());
      program_.emplace(arguments, path("log"));
      listens = eventually(
          [&] { return SaspClient().connects(port) || program_->wait(0ms).has_value(); });
      listens = listens && !program_->wait(0ms);
    }
    ASSERT_TRUE(listens) << program_->log();
  }
  void given_gwm_with_weights(const std::string& text) {
    write_file("weights", text);
    given_gwm({"--weights", path("weights")});
  }
  bool logs(const std::string& text) const {
    return eventually([&] { return program_->log().find(text) != std::string::npos; });
  }

  // The exit code of a run that ends by itself, and what it said.
  std::pair<int, std::string> ends(Arguments arguments) const {
    arguments.insert(arguments.begin(), sasp_gwm);
    std::filesystem::remove(path("end"));
    Program program(arguments, path("end"));
    const int code = program.wait(10s).value_or(-1);
    return {code, program.log()};
  }

  static ReturnCode registers_with(SaspClient& client, const std::string& lb_uid,
                                   std::vector<MemberData> members) {
    return client
        .answer_to<RegistrationReply>(registers({group(lb_uid, "web", std::move(members))}))
        .code;
  }
  static std::vector<int> weights_of(SaspClient& client) {
    std::vector<int> weights;
    const auto reply = client.answer_to<GetWeightsReply>(asks({{"lb1", ""}}));
    EXPECT_EQ(number(reply.code), 0);
    for (const auto& each : reply.groups) {
      for (const auto& entry : each.items)
        weights.push_back(entry.weight);
    }
    return weights;
  }

  std::optional<Program> program_;
  std::uint16_t port = 0;
  Arguments machine_;  // in front of the program: where_user()
  std::string directory_;
};

// RFC 4678 7.1, 7.3, 7.6, each byte by hand.
TEST_F(SaspGwm, SpeaksTheBytesOfTheRfc) {
  given_gwm_with_weights("GRP1 10.10.10.1:80 40\n");
  SaspClient client(port);
  const auto header = [](const std::string& length, const std::string& id) {
    return "20 10 00 0D 01 00 00 00 " + length + " 00 00 00 " + id + "\n";
  };
  const std::string group_data = "\n30 11 00 0D 03 4C 42 31 04 47 52 50 31\n";  // "LB1", "GRP1"
  const std::string member_data =
      "30 10 00 1A 06 00 50 00 00 00 00 00 00 00 00 00 00 00 00 0A 0A 0A 01 02 68 69\n";  // "hi"
  const auto exchange = [&](const std::string& request, const std::string& reply) {
    client.sends(hex(request));
    const auto bytes = client.receives_bytes();
    ASSERT_TRUE(bytes);
    EXPECT_EQ(*bytes, hex(reply));
  };
  exchange(header("17", "01") + "10 50 00 0A 03 4C 42 31 7F 02",  // trust
           header("12", "01") + "10 55 00 05 00");
  exchange(
      header("41", "02") + "10 10 00 07 01 00 01  40 10 00 06 00 01" + group_data + member_data,
      header("12", "02") + "10 15 00 05 00");
  exchange(
      header("41", "03") + "10 10 00 07 01 00 01  40 10 00 06 00 01" + group_data + member_data,
      header("12", "03") + "10 15 00 05 40");
  exchange(header("20", "04") + "10 30 00 06 00 01" + group_data,
           header("4B", "04") + "10 35 00 09 00 00 0A 00 01  40 11 00 06 00 01" + group_data +
               member_data + "30 12 00 08 00 0D 00 28");
  exchange(header("47", "05") + "10 60 00 07 01 00 01  40 12 00 06 00 01" + group_data +
               member_data + "30 13 00 06 32 01",
           header("12", "05") + "10 65 00 05 00");
  exchange(header("20", "06") + "10 30 00 06 00 01" + group_data,
           header("4B", "06") + "10 35 00 09 00 00 0A 00 01  40 11 00 06 00 01" + group_data +
               member_data + "30 12 00 08 32 0F 00 00");
  exchange(header("28", "07") + "10 20 00 08 01 01 00 01  40 10 00 06 00 00" + group_data,
           header("12", "07") + "10 25 00 05 00");
  exchange(header("20", "08") + "10 30 00 06 00 01" + group_data,
           header("16", "08") + "10 35 00 09 42 00 0A 00 00");
}

TEST_F(SaspGwm, FollowsItsWeightsFileAndKeepsTheOldWhenALineIsBad) {
  given_gwm_with_weights("web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\n");
  SaspClient client(port);
  EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1"), tcp("192.0.2.2")})), 0);
  EXPECT_EQ(weights_of(client), (std::vector{40, 30}));
  write_file("weights", "web 192.0.2.1:80 41\nweb 192.0.2.2:80 quiesce\n");
  EXPECT_TRUE(eventually([&] { return weights_of(client) == std::vector{41, 0}; }));
  write_file("weights", "web 192.0.2.1:80 1\nweb 192.0.2.2:80 manyfold\n");
  EXPECT_TRUE(logs(path("weights") + ": line 2: 'manyfold' is not a weight from 0 to 65535"));
  EXPECT_EQ(weights_of(client), (std::vector{41, 0}));
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(program_->times_logged("manyfold"), 1U);
  std::filesystem::remove(path("weights"));
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(weights_of(client), (std::vector{41, 0}));
  write_file("weights", "web 192.0.2.1:80 down\nweb 192.0.2.2:80 3\n");
  EXPECT_TRUE(eventually([&] { return weights_of(client) == std::vector{0, 3}; }));
}

// Opening a FIFO waits for its writer.
TEST_F(SaspGwm, DoesNotWaitForWhoeverWritesIntoAFifo) {
  for (const std::string name : {"weights", "authority"}) {
    SCOPED_TRACE(name);
    write_file("weights", "web 192.0.2.1:80 40\n");
    write_file("authority", "* lb=*\n");
    given_gwm({"--weights", path("weights"), "--authority", path("authority")});
    SaspClient client(port);
    EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1")})), 0);
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    std::filesystem::rename(path("fifo"), path(name));
    EXPECT_TRUE(
        logs("cannot read " + path(name) + ": it is a FIFO; put a regular file in its place; "));
    EXPECT_EQ(weights_of(client), std::vector{40});
    write_file(name, name == "weights" ? "web 192.0.2.1:80 41\n" : "* lb=* lb=lb2\n");
    EXPECT_TRUE(eventually([&] { return program_->times_logged(path(name) + ": 1 ") == 2; }));
    program_->send(SIGTERM);
    EXPECT_EQ(program_->wait(5s), 0);
    std::filesystem::remove(path("log"));
    const auto [code, text] = [&] {
      std::filesystem::remove(path(name));
      ::mkfifo(path(name).c_str(), 0600);
      return ends({"--" + name, path(name), "--check"});
    }();
    EXPECT_EQ(code, 66) << text;
    std::filesystem::remove(path(name));
  }
}

TEST_F(SaspGwm, ReadsItsWeightsFileOnSighup) {
  given_gwm_with_weights("web 192.0.2.1:80 40\n");
  std::filesystem::remove(path("weights"));
  program_->send(SIGHUP);
  EXPECT_TRUE(
      logs("cannot read " + path("weights") + ": No such file or directory; the old weights stay"));
  SaspClient client(port);
  EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1")})), 0);
  EXPECT_EQ(weights_of(client), std::vector{40});
  write_file("weights", "web 192.0.2.1:80 41\n");
  program_->send(SIGHUP);
  EXPECT_TRUE(eventually([&] { return weights_of(client) == std::vector{41}; }));
}

TEST_F(SaspGwm, EndsWhenToldSoRightBehindSighup) {
  given_gwm_with_weights("web 192.0.2.1:80 40\n");
  program_->send_at_once({SIGHUP, SIGTERM});
  EXPECT_EQ(program_->wait(5s), 0);
}

TEST_F(SaspGwm, TellsItsServiceManagerHowItIs) {
  test::ServiceManager manager(path("notify"));
  given_gwm_with_weights("web 192.0.2.1:80 40\n");
  EXPECT_TRUE(manager.hears("READY=1"));
  EXPECT_TRUE(manager.hears("STATUS=0 of 0 load balancers connected, 0 groups, 0 members\n"));
  EXPECT_TRUE(manager.hears("WATCHDOG=1\nWATCHDOG=1\n"));
  SaspClient client(port);
  EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1"), tcp("192.0.2.2")})), 0);
  EXPECT_TRUE(manager.hears("STATUS=1 of 1 load balancers connected, 1 groups, 2 members\n"));
  write_file("weights", "web 192.0.2.1:80 41\nweb 192.0.2.2:80 3\n");
  program_->send(SIGHUP);
  EXPECT_TRUE(eventually([&] { return weights_of(client) == std::vector{41, 3}; }));
  const std::string heard = manager.heard();
  const std::string reloading = "RELOADING=1\nMONOTONIC_USEC=";
  const auto time = std::min(heard.find(reloading), heard.size() - reloading.size());
  const auto end = heard.find_first_not_of("0123456789", time + reloading.size());
  EXPECT_NE(heard[time + reloading.size()], '0') << heard;
  EXPECT_EQ(heard.substr(std::min(end, heard.size()), 9), "\nREADY=1\n") << heard;
  program_->send(SIGTERM);
  EXPECT_TRUE(manager.hears("STOPPING=1"));
  EXPECT_EQ(program_->wait(60s), 0);
}

// ---- As root ------------------------------------------------------------------------------------

class StartedByRoot : public SaspGwm {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "this is for root";
  }
  void given_user(std::optional<int> number) {
    machine_ = test::where_user(directory_, "sasp-gwm", number);
  }
  // A file that was replaced is read again by whoever the program is now.
  void expect_that_it_follows_its_weights() {
    SaspClient client(port);
    EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1")})), 0);
    EXPECT_EQ(weights_of(client), std::vector{40});
    write_file("weights", "web 192.0.2.1:80 41\n");
    ASSERT_EQ(::chown(path("weights").c_str(), owner_, owner_), 0);
    EXPECT_TRUE(eventually([&] { return weights_of(client) == std::vector{41}; }));
  }
  uid_t owner_ = 0;
};

TEST_F(StartedByRoot, BecomesItsOwnUser) {
  given_user(4711);
  std::filesystem::permissions(path(""), std::filesystem::perms(0711));
  write_file("weights", "web 192.0.2.1:80 40\n");
  given_gwm({"--weights", path("weights"), "--control", path("control")});
  test::expect_only(program_->pid(), 4711, 0);
  expect_that_it_follows_its_weights();
  struct stat socket {};
  ASSERT_EQ(::stat(path("control").c_str(), &socket), 0);
  EXPECT_EQ(socket.st_uid, 4711U);
  EXPECT_NE(program_->log().find("info: "), std::string::npos) << "levels are named in another way";
  EXPECT_EQ(program_->log().find("warning: "), std::string::npos) << program_->log();
}

TEST_F(StartedByRoot, StaysRootWithoutCapabilitiesWhereThereIsNoUser) {
  given_user(std::nullopt);
  given_gwm_with_weights("web 192.0.2.1:80 40\n");
  test::expect_only(program_->pid(), 0, 0);
  expect_that_it_follows_its_weights();
  EXPECT_TRUE(logs(" warning: there is no user sasp-gwm: staying root, without any capability\n"));
}

TEST_F(StartedByRoot, StaysRootWhereItsUserCannotReadTheWeights) {
  given_user(4711);
  given_gwm_with_weights("web 192.0.2.1:80 40\n");  // in a folder of mode 0700
  test::expect_only(program_->pid(), 0, 0);
  expect_that_it_follows_its_weights();
  EXPECT_TRUE(logs(fmt::format(
      "user sasp-gwm cannot open {}: staying root, without any capability\n", path("weights"))));
}

// sudo in somebody's home.
TEST_F(StartedByRoot, ReadsTheWeightsOfAnotherUser) {
  given_user(4711);
  owner_ = 4712;
  ASSERT_EQ(::chown(path("").c_str(), owner_, owner_), 0);
  given_gwm_with_weights("web 192.0.2.1:80 40\n");
  test::expect_only(program_->pid(), 0, test::cap_dac_read_search);
  expect_that_it_follows_its_weights();
  EXPECT_TRUE(logs("staying root, with no capability but CAP_DAC_READ_SEARCH\n"));
}

TEST_F(StartedByRoot, ListensWhereOnlyRootMay) {
  given_user(4711);
  std::filesystem::permissions(path(""), std::filesystem::perms(0711));
  given_gwm({"--listen", fmt::format("127.0.0.1:{}", 700 + ::getpid() % 300)});
  test::expect_only(program_->pid(), 4711, 0);
}

// ------------------------------------------------------------------------------------------------

TEST_F(SaspGwm, AdvisesNothingItDoesNotKnow) {
  given_gwm();
  SaspClient client(port);
  EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1")})), 0);
  const auto reply = client.answer_to<GetWeightsReply>(asks({{"lb1", "web"}}));
  ASSERT_EQ(reply.groups.size(), 1U);
  EXPECT_EQ(reply.groups[0].items[0].flags, weight_flag::contact | weight_flag::registered_by_lb);
}

TEST_F(SaspGwm, ClosesAPeerThatSendsGarbageAndGoesOnWithTheOthers) {
  given_gwm();
  SaspClient good(port);
  EXPECT_EQ(number(registers_with(good, "lb1", {tcp("192.0.2.1")})), 0);
  SaspClient bad(port);
  const std::string garbage = "GET / HTTP/1.1\r\n\r\n";
  bad.sends(Bytes(garbage.begin(), garbage.end()));
  EXPECT_TRUE(bad.is_closed());
  EXPECT_TRUE(logs("header type 0x4745"));
  EXPECT_EQ(weights_of(good).size(), 1U);
}

TEST_F(SaspGwm, GivesAMessageTenSeconds) {
  given_gwm();
  SaspClient client(port);
  const Bytes bytes = *encode({1, lb_state("lb1")});
  const auto begin = Clock::now();
  client.sends(ByteView(bytes).first(bytes.size() - 1));
  EXPECT_TRUE(client.is_closed(60s));
  EXPECT_GE(Clock::now() - begin, 10s);
}

// RFC 4678 9.1, sasp-interop row 36.
TEST_F(SaspGwm, LetsANewConnectionOfAnLbReplaceTheOld) {
  given_gwm_with_weights("web 192.0.2.1:80 40\n");
  SaspClient old(port);
  EXPECT_EQ(number(registers_with(old, "lb1", {tcp("192.0.2.1")})), 0);
  SaspClient young(port);
  EXPECT_EQ(weights_of(young), std::vector{40});
  EXPECT_TRUE(old.is_closed());
  EXPECT_TRUE(logs("which is closed (replacement 1)"));
  EXPECT_EQ(weights_of(young), std::vector{40});
}

TEST_F(SaspGwm, KeepsWhatALostLbHasRegisteredAndForgetsItInTime) {
  given_gwm({"--retention", "2"});
  {
    SaspClient client(port);
    EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1")})), 0);
  }
  EXPECT_TRUE(logs("LB 'lb1' disconnected"));
  {
    SaspClient client(port);
    EXPECT_EQ(weights_of(client).size(), 1U);
  }
  EXPECT_TRUE(logs("LB 'lb1' forgotten"));
  SaspClient client(port);
  EXPECT_EQ(number(client.answer_to<GetWeightsReply>(asks({{"lb1", ""}})).code), 0x43);
}

// Row 37: an LB is told of all its groups, so it may speak only while it may for all of them.
TEST_F(SaspGwm, ClosesTheConnectionOfAnLbThatHasMoreGroupsThanItMay) {
  write_file("authority", "* from=127.0.0.1 lb=lb1\n* from=127.0.0.1 lb=lb2\n");
  given_gwm({"--authority", path("authority")});
  SaspClient narrowed(port);
  const auto two = registers({group("lb1", "web", {tcp("192.0.2.1")}), group("lb1", "mail")});
  EXPECT_EQ(number(narrowed.answer_to<RegistrationReply>(two).code), 0);
  SaspClient other(port);
  EXPECT_EQ(number(registers_with(other, "lb2", {tcp("192.0.2.1")})), 0);
  write_file("authority", "* from=127.0.0.1 lb=lb1 group=web\n* from=127.0.0.1 lb=lb2 group=web\n");
  EXPECT_TRUE(narrowed.is_closed(15s));
  EXPECT_TRUE(logs("LB 'lb1' disconnected from "));
  EXPECT_TRUE(logs("may no longer speak as it"));
  const auto ask = asks({{"lb2", ""}});
  EXPECT_EQ(number(other.answer_to<GetWeightsReply>(ask).code), 0) << "it has what it may have";
  SaspClient again(port);
  EXPECT_EQ(number(again.answer_to<GetWeightsReply>(asks({{"lb1", "web"}})).code), 0x11);
}

// Row 37: what a member says does not take its LB's groups away.
TEST_F(SaspGwm, LetsNoMemberLockAnLbOut) {
  write_file("authority", "* lb=lb1 group=web\n* member=*\n");
  given_gwm({"--authority", path("authority"), "--interval", "1"});
  SaspClient lb(port);
  const auto flags = lb_flag::push | lb_flag::trust;
  EXPECT_EQ(number(lb.answer_to<SetLbStateReply>(lb_state("lb1", flags)).code), 0);
  SaspClient member(port);
  const auto join = [&](const std::string& name) {
    const auto request = by_member(registers({group("lb1", name, {tcp("192.0.2.1")})}));
    return number(member.answer_to<RegistrationReply>(request).code);
  };
  EXPECT_EQ(join("x"), 0x11);
  EXPECT_TRUE(logs("unauthorized: 127.0.0.1:"));
  EXPECT_TRUE(logs("may not register in group 'x' of 'lb1'"));
  EXPECT_EQ(join("web"), 0);
  const auto pushed = lb.receives();
  ASSERT_TRUE(pushed && std::holds_alternative<SendWeights>(pushed->message));
  EXPECT_EQ(std::get<SendWeights>(pushed->message).groups.at(0).group.name, "web");
}

// ---- Flags that limit what peers cost

TEST_F(SaspGwm, HasNoMoreConnectionsThanItsFlagSays) {
  given_gwm({"--max-connections", "2"});
  std::vector<SaspClient> served;
  // That of given_gwm() may not be gone yet.
  EXPECT_TRUE(eventually([&] {
    SaspClient client(port);
    client.sends(1, asks({{"lb1", ""}}));
    if (client.receives()) served.push_back(std::move(client));
    return served.size() == 2;
  }));
  SaspClient third(port);
  EXPECT_TRUE(third.is_closed());
  EXPECT_TRUE(logs("2 connections are open, closing a new one"));
}

TEST_F(SaspGwm, AnswersNoMoreRequestsThanItsFlagSays) {
  given_gwm({"--max-request-rate", "5"});
  SaspClient client(port);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint32_t id = 1; id <= 20; ++id)
    client.sends(id, asks({{"lb1", ""}}));
  for (std::uint32_t id = 1; id <= 20; ++id)
    ASSERT_TRUE(client.receives());
  // One second's worth and one at once, the others one by one.
  EXPECT_GE(std::chrono::steady_clock::now() - start, 2800ms);
}

TEST_F(SaspGwm, ReadsNoLongerMessagesThanItsFlagSays) {
  given_gwm({"--max-message", "2000"});
  const auto request = [](std::size_t label) {
    std::vector<MemberData> members;
    for (std::uint16_t n = 1; n <= 8; ++n)
      members.push_back(tcp("192.0.2.1", n, std::string(label, 'l')));
    return registers({group("lb1", "web", std::move(members))});
  };
  SaspClient client(port);
  EXPECT_EQ(number(client.answer_to<RegistrationReply>(request(200)).code), 0);  // 1.9 kB
  client.sends(2, request(255));                                                 // 2.3 kB
  EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(logs("2000"));
}

// This machine itself is excepted, so it has another address here.
TEST_F(SaspGwm, TakesNoMoreNewConnectionsThanItsFlagSays) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is for root";
  const kernel::NetNamespace network;
  kernel::ip_batch("address add 192.0.2.1/32 dev lo\n");
  const std::uint16_t outside = free_port();
  given_gwm({"--listen", fmt::format("192.0.2.1:{}", outside), "--insecure-plaintext",
             "--max-connection-rate", "2"});
  std::vector<SaspClient> clients(20);
  for (auto& client : clients)
    EXPECT_TRUE(client.connects("192.0.2.1", outside));
  EXPECT_TRUE(logs("more than 2 new connections a second from 192.0.2.1"));
}

TEST_F(SaspGwm, LetsNoAddressRegisterMoreByItselfThanItsFlagSays) {
  given_gwm({"--max-self-registered", "2"});
  SaspClient client(port);
  EXPECT_EQ(number(client.answer_to<SetLbStateReply>(lb_state("lb1", lb_flag::trust)).code), 0);
  const auto code = [&](const MemberData& member) {
    const auto request = by_member(registers({group("lb1", "web", {member})}));
    return number(client.answer_to<RegistrationReply>(request).code);
  };
  EXPECT_EQ(code(tcp("192.0.2.1")), 0);
  EXPECT_EQ(code(tcp("192.0.2.2")), 0);
  EXPECT_EQ(code(tcp("192.0.2.3")), 0x11) << "this machine may speak for any address";
  EXPECT_TRUE(
      logs("limit of 2 members that 127.0.0.1 may register by itself reached, see "
           "--max-self-registered"));
}

// All of them back at once after a restart.
TEST_F(SaspGwm, ServesAThousandLoadBalancersAtOnce) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  given_gwm({"--log-level", "warning", "--log-format", "text"});
  std::vector<SaspClient> clients(1000);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].connect(port);
    clients[i].sends(1, registers({group(fmt::format("lb{}", i), "web", {tcp("192.0.2.1")})}));
    clients[i].sends(2, asks({{fmt::format("lb{}", i), ""}}));
  }
  for (SaspClient& client : clients) {
    EXPECT_EQ(client.receives()->message, Message(RegistrationReply{}));
    EXPECT_EQ(std::get<GetWeightsReply>(client.receives()->message).groups.size(), 1U);
  }
}

TEST_F(SaspGwm, PushesWhatChanges) {
  write_file("weights", "web 192.0.2.1:80 40\nweb 192.0.2.2:80 20\n");
  given_gwm({"--weights", path("weights"), "--interval", "1"});
  SaspClient client(port);
  const auto flags = lb_flag::push | lb_flag::no_change;
  EXPECT_EQ(number(client.answer_to<SetLbStateReply>(lb_state("lb1", flags)).code), 0);
  EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1"), tcp("192.0.2.2")})), 0);
  const auto pushed = [&] {
    const auto frame = client.receives();
    const auto* message = frame ? std::get_if<SendWeights>(&frame->message) : nullptr;
    std::vector<int> weights;
    if (message == nullptr) return weights;
    for (const auto& entry : message->groups.at(0).items)
      weights.push_back(entry.weight);
    return weights;
  };
  EXPECT_EQ(pushed(), (std::vector<int>{40, 20}));
  write_file("weights", "web 192.0.2.1:80 40\nweb 192.0.2.2:80 30\n");
  EXPECT_EQ(pushed(), (std::vector<int>{30}));
}

// A server that is there, and then is not.
TEST_F(SaspGwm, ProbesServersAndTellsAtOnceWhenOneIsGone) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  ::bind(server, reinterpret_cast<const sockaddr*>(&address), size);
  ::listen(server, 16);
  ::getsockname(server, reinterpret_cast<sockaddr*>(&address), &size);
  given_gwm({"--probe", "tcp", "--probe-interval", "1", "--probe-fall", "2"});
  SaspClient client(port);
  EXPECT_EQ(number(client.answer_to<SetLbStateReply>(lb_state("lb1", lb_flag::push)).code), 0);
  EXPECT_EQ(number(registers_with(client, "lb1", {tcp("127.0.0.1", ntohs(address.sin_port))})), 0);
  const auto pushed_flags = [&] {
    const auto frame = client.receives();
    const auto* message = frame ? std::get_if<SendWeights>(&frame->message) : nullptr;
    return message == nullptr ? -1 : message->groups.at(0).items.at(0).flags;
  };
  EXPECT_EQ(pushed_flags(), 0b0101) << "not confident before two samples";
  EXPECT_EQ(pushed_flags(), 0b1101);
  ::close(server);
  EXPECT_EQ(pushed_flags(), 0b1100) << "no contact";
  EXPECT_TRUE(logs("down: connection refused"));
}

// --- Clients that misbehave, and one that does not and must not notice ---

class AmongOthers : public SaspGwm {
 protected:
  // A well-behaved load balancer is answered all the time, and knows what it knew.
  void given_a_good_one() {
    given_gwm_with_weights("web 192.0.2.1:80 7\n");
    good_.emplace(port);
    EXPECT_EQ(number(registers_with(*good_, "lb1", {tcp("192.0.2.1")})), 0);
  }
  void good_one_is_served() { EXPECT_EQ(weights_of(*good_), (std::vector<int>{7})); }

 private:
  std::optional<SaspClient> good_;
};

TEST_F(AmongOthers, HalfMessagesAndSlowBytesHurtNobodyElse) {
  given_a_good_one();
  const auto whole = *encode({1, registers({group("lb2", "web", {tcp("192.0.2.1")})})});
  std::vector<SaspClient> clients(200);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].connect(port);
    clients[i].sends(ByteView(whole).first(i % whole.size()));
  }
  good_one_is_served();
  for (std::size_t at = 0; at < whole.size(); at += 16) {
    for (std::size_t i = 0; i < clients.size(); i += 10)
      clients[i].sends(ByteView(whole).subspan(at, 1));
    good_one_is_served();
  }
  EXPECT_EQ(program_->times_logged("registered tcp:192.0.2.1:80 in group 'web' of 'lb1'"), 1U);
  EXPECT_EQ(program_->times_logged("registered tcp:192.0.2.1:80 in group 'web' of 'lb2'"), 0U);
}

TEST_F(AmongOthers, AFloodOfRequestsIsReadAtItsPace) {
  given_a_good_one();
  SaspClient flood(port);
  const auto one = *encode({1, asks({{"nobody", ""}})});
  Bytes many;
  for (int i = 0; i < 20'000; ++i)
    many.insert(many.end(), one.begin(), one.end());
  // More than the kernel's buffers hold is not taken, and must not be waited for.
  EXPECT_GT(::send(flood.fd(), many.data(), many.size(), MSG_DONTWAIT | MSG_NOSIGNAL), 0);
  for (int i = 0; i < 10; ++i)
    good_one_is_served();
  EXPECT_TRUE(flood.receives());
  EXPECT_EQ(program_->times_logged("request refused, 0x43"), 1U) << "told once";
}

TEST_F(AmongOthers, AStormOfReconnectsAndOneUidInManyHandsHurtNobodyElse) {
  given_a_good_one();
  const auto hello = *encode({1, lb_state("contested")});
  for (int round = 0; round < 10; ++round) {
    std::vector<SaspClient> clients(100);
    for (auto& client : clients) {
      client.connect(port);
      client.sends(hello);
    }
    good_one_is_served();
    // Whoever came last has the UID; the others are closed (RFC 4678 9.1).
    EXPECT_EQ(clients.back().receives()->message, Message(SetLbStateReply{}));
    std::size_t closed = 0;
    for (auto& client : clients)
      closed += client.is_closed(&client == &clients.back() ? 50ms : 2000ms) ? 1 : 0;
    EXPECT_EQ(closed, clients.size() - 1);
  }
  // A storm does not fill the log; what was left out is told with the next line that may be
  // written.
  EXPECT_GT(program_->times_logged("replaces that from"), 0U);
  EXPECT_LT(program_->times_logged("replaces that from"), 100U);
  std::this_thread::sleep_for(1100ms);
  SaspClient late(port);
  late.sends(hello);
  SaspClient later(port);
  later.sends(hello);
  EXPECT_TRUE(logs("lines were suppressed"));
}

TEST_F(SaspGwm, LogsTheSameRefusalOnceAndShowsNamesHarmlessly) {
  given_gwm();
  SaspClient client(port);
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.answer_to<GetWeightsReply>(asks({{"lb\n2026 forged", ""}}));
    EXPECT_EQ(number(reply.code), 0x10);
  }
  EXPECT_EQ(program_->times_logged("request refused, 0x10"), 1U);
  EXPECT_EQ(program_->times_logged("lb\\x0a2026 forged"), 1U);
  EXPECT_EQ(program_->times_logged("\n2026 forged"), 0U);
}

TEST_F(SaspGwm, EndsAtSigtermWhateverIsOpen) {
  given_gwm();
  SaspClient idle(port);
  SaspClient lb(port);
  EXPECT_EQ(number(registers_with(lb, "lb1", {tcp("192.0.2.1")})), 0);
  SaspClient half(port);
  half.sends(Bytes{0x20});
  program_->send(SIGTERM);
  EXPECT_EQ(program_->wait(60s), 0);
  EXPECT_TRUE(lb.is_closed());
}

// faults-found 19: it was an abort. A message for which there is no memory, once no more can be
// had.
TEST_F(SaspGwm, EndsWithItsReasonWhenThereIsNoMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer ends the program by itself";
#endif
  given_gwm({"--control", path("control")});
  std::ifstream statm(fmt::format("/proc/{}/statm", program_->pid()));
  std::uint64_t pages = 0;
  ASSERT_TRUE(statm >> pages);
  const rlim_t limit = (pages + 256) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const rlimit memory{limit, limit};
  ASSERT_EQ(::prlimit(program_->pid(), RLIMIT_AS, &memory, nullptr), 0);
  SaspClient client(port);
  auto bytes = *encode({1, lb_state("lb1")});
  bytes[5] = 0;  // Message Length: 15 MiB, RFC 4678 4.1
  bytes[6] = 0xF0;
  bytes.resize(std::size_t{15} << 20);
  client.sends(bytes);
  EXPECT_EQ(program_->wait(60s), 70) << program_->log();
  EXPECT_EQ(program_->times_logged("error: internal error: std::bad_alloc"), 1U);
  EXPECT_FALSE(std::filesystem::exists(path("control"))) << "and it leaves in order";
}

TEST_F(SaspGwm, RefusesWhatItCannotDo) {
  write_file("weights", "web 192.0.2.1:80 1\nweb 192.0.2.1:80 2\n");
  write_file("config", "interval = 5\nlisten = nonsense\n");
  write_file("authority", "director-1 lb=lb1\ndirector-2 lb\n");
  struct Case {
    Arguments arguments;
    int code;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"--nonsense"}, 64, "--nonsense"},
      {{"--interval", "0"}, 64, "'0' is not a whole number of seconds from 1 to 3600"},
      {{"--retention", "-1"}, 64, "'-1' is not a whole number of seconds"},
      {{"--listen", "gwm.example:3860"}, 64, "names are not resolved here; give the address"},
      {{"--listen", ":3860"}, 64, "127.0.0.1:3860"},
      {{"--listen", "127.0.0.1:4000", "--listen", "127.0.0.1:4000"}, 64, "is given twice"},
      {{"--listen", "192.0.2.1:3860"}, 78, "--insecure-plaintext"},
      {{"--listen", "0.0.0.0:3860"}, 78, "--insecure-plaintext"},
      {{"--probe", "ping"}, 64, "'ping' is not [GROUP=]none|tcp|http:PATH|agent:PORT"},
      {{"--probe", "tcp", "--probe", "none"}, 64, "none"},
      {{"--probe", "agent:70000"}, 64, "70000"},
      {{"--max-weight", "0"}, 64, "--max-weight"},
      {{"--control", path("none/control")}, 74, "there is no directory " + path("none")},
      {{"--metrics", "on"}, 64, "or off"},
      {{"--tls-cert", path("cert")}, 78, "--tls-cert needs --tls-key"},
      {{"--tls-min", "1.3"}, 78, "TLS needs --tls-cert"},
      {{"--allow", "192.0.2.1/24"}, 64, "192.0.2.1/24 is an address in 192.0.2.0/24"},
      {{"--authority", path("none")}, 66, "cannot read " + path("none") + ": No such file"},
      {{"--authority", path("authority"), "--check"}, 65, path("authority") + ": line 2: lb: exp"},
      {{"--authority", path("authority"), "--allow-foreign-members"}, 78, "member=*"},
      {{"--weights", path("none")}, 66, "cannot read " + path("none") + ": No such file"},
      {{"--weights", path("weights")}, 65, path("weights") + ": line 2: tcp:192.0.2.1:80"},
      {{"--weights", path("weights"), "--check"}, 65, "line 2"},
      {{"--config", path("none")}, 66, path("none")},
      {{"--config", path("config")}, 78, "config:2"},
      {{"--probe", "none", "--check"}, 0, ""},
      {{"--help"}, 0, "--weights FILE"},
      {{"--version"}, 0, "sasp-gwm 0."},
  };
  for (const auto& [arguments, code, says] : cases) {
    const auto [got, text] = ends(arguments);
    EXPECT_EQ(got, code) << arguments.front() << ": " << text;
    EXPECT_NE(text.find(says), std::string::npos) << text;
  }
}

TEST_F(SaspGwm, SaysWhichAddressIsTaken) {
  given_gwm();
  const auto [code, text] = ends({"--listen", fmt::format("127.0.0.1:{}", port)});
  EXPECT_EQ(code, 74);
  EXPECT_NE(text.find(fmt::format("cannot listen on 127.0.0.1:{}: Address already in use", port)),
            std::string::npos)
      << text;
}

TEST_F(SaspGwm, ListensOnSeveralAddresses) {
  const std::uint16_t second = free_port();
  given_gwm({"--listen", fmt::format("[::1]:{}", second), "--listen",
             fmt::format("127.0.0.1:{}", second)});
  SaspClient client(second);
  EXPECT_EQ(number(registers_with(client, "lb1", {tcp("192.0.2.1")})), 0);
}

}  // namespace
}  // namespace saspd::gwm
