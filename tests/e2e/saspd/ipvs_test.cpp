// SPDX-License-Identifier: Apache-2.0
// saspd, sasp-gwm and saspctl as an operator runs them, on real IPVS with real connections. What is
// promised in the README is looked at from outside: with ipvsadm, with clients, with exit codes.

#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <cmath>

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::test {
namespace {

using kernel::Connection;

TEST_F(SaspdOnIpvs, BringsTheAdviceToTheKernelAndSaysWhy) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  // One of the two that may serve is unknown: more than a third, so it goes on.
  advise({"40", "quiesce", "down", "unknown"});
  ASSERT_TRUE(comes_to("40 0 0 10"));
  EXPECT_EQ(member(2).at("reason").as_string(), "quiesced");
  EXPECT_EQ(member(3).at("reason").as_string(), "no_contact");
  EXPECT_EQ(member(4).at("reason").as_string(), "not_confident");
  EXPECT_EQ(member(1).at_pointer("/advice/weight").as_int64(), 40);
  EXPECT_TRUE(member(1).at_pointer("/advice/flags/registered_by_lb").as_bool());
  EXPECT_EQ(status().at("lb_uid").as_string(), "e2e");
  EXPECT_EQ(status().at("schema_version").as_int64(), 1);
  advise({"1", "2", "3", "4"});
  ASSERT_TRUE(comes_to("1 2 3 4"));

  std::string text;
  EXPECT_EQ(ends_with({programs + "/saspctl", "--socket", path("control")}, &text), 0);
  EXPECT_NE(text.find("established"), std::string::npos) << text;
  EXPECT_EQ(
      ends_with({programs + "/saspctl", "--socket", path("control"), "why", "web/10.9.1.3:80"},
                &text),
      0);
  EXPECT_NE(text.find("advises weight 3"), std::string::npos) << text;
}

// No two alike, so that what is lost or exchanged is seen.
constexpr std::string_view four_different =
    "-A -t 10.9.0.10:80 -s wrr -p 300 -M 255.255.255.0\n"
    "-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 10 -x 5000 -y 4000\n"
    "-a -t 10.9.0.10:80 -r 10.9.1.2:80 -g -w 10 -x 600 -y 5\n"
    "-a -t 10.9.0.10:80 -r 10.9.1.3:80 -i --tun-type gue --tun-port 6080 --tun-csum -w 10 -x 7\n"
    "-a -t 10.9.0.10:80 -r 10.9.1.4:80 -i -w 10\n";

TEST_F(SaspdOnIpvs, WritesNothingButWeights) {
  Ipvsadm::run(four_different);
  const std::string before = everything_but_weights();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(comes_to("40 30 20 10"));
  advise({"1", "quiesce", "3", "4"});
  ASSERT_TRUE(comes_to("1 0 3 4"));
  advise({"1", "2", "3", "4"});
  ASSERT_TRUE(comes_to("1 2 3 4"));
  EXPECT_EQ(everything_but_weights(), before);
}

// What others do between the last listing and the next change of a weight.
TEST_F(SaspdOnIpvs, KeepsAnEditOfAnyAttributeSinceItsLastListing) {
  start_listing_once(four_different);
  Ipvsadm::run(
      "-E -t 10.9.0.10:80 -s wrr -p 60\n"
      "-e -t 10.9.0.10:80 -r 10.9.1.1:80 -g -w 40 -x 90 -y 10\n"
      "-e -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 30\n"
      "-e -t 10.9.0.10:80 -r 10.9.1.3:80 -i --tun-type gre --tun-csum -w 20\n"
      "-e -t 10.9.0.10:80 -r 10.9.1.4:80 -i --tun-type gue --tun-port 6081 --tun-remcsum -w 10 "
      "-x 8\n");
  const std::string edited = everything_but_weights();
  advise({"4", "3", "2", "1"});
  ASSERT_TRUE(comes_to("4 3 2 1"));
  EXPECT_EQ(everything_but_weights(), edited);
}

TEST_F(SaspdOnIpvs, DoesNotRaiseAZeroSinceItsLastListing) {
  start_listing_once(four_different);
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.2:80 -g -w 0 -x 600 -y 5\n");
  advise({"4", "3", "2", "1"});
  ASSERT_TRUE(comes_to("4 0 2 1"));
  EXPECT_TRUE(eventually([&] { return member(2).at("reason").as_string() == "foreign_zero"; }))
      << "it was listed again at once";
  EXPECT_TRUE(stays("4 0 2 1"));
  EXPECT_TRUE(status().at("kernel_error").is_null()) << "to be overtaken is no error";
}

TEST_F(SaspdOnIpvs, OverwritesAForeignWeightSinceItsLastListing) {
  start_listing_once(four_different);
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.2:80 -g -w 99 -x 600 -y 5\n");
  advise({"4", "3", "2", "1"});
  EXPECT_TRUE(comes_to("4 3 2 1"));
}

TEST_F(SaspdOnIpvs, DistributesRawWeightsAsAdvisedFromTheFirstConnectionOn) {
  start({"60001", "40003", "20011", "10007"});
  ASSERT_TRUE(comes_to("100 67 33 17"));
  kernel::Servers servers({*Endpoint::parse("10.9.1.1:80"), *Endpoint::parse("10.9.1.2:80"),
                           *Endpoint::parse("10.9.1.3:80"), *Endpoint::parse("10.9.1.4:80")});
  std::vector<double> counts(4);
  for (int i = 0; i < 1000; ++i) {
    const auto connection = Connection::open(*Endpoint::parse("10.9.0.10:80"));
    ASSERT_TRUE(connection) << i;
    ++counts.at(connection->server());
  }
  const std::vector<double> advised{60001, 40003, 20011, 10007};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(counts[i] / 10, advised[i] * 100 / 130022, 3.0) << "server " << i + 1;
  }
}

TEST_F(SaspdOnIpvs, LosesNoConnectionWhileItQuiesces) {
  kernel::Servers servers({*Endpoint::parse("10.9.1.1:80"), *Endpoint::parse("10.9.1.2:80"),
                           *Endpoint::parse("10.9.1.3:80"), *Endpoint::parse("10.9.1.4:80")});
  start({"10", "10", "10", "11"});
  ASSERT_TRUE(comes_to("10 10 10 11"));
  std::vector<Connection> old;
  for (int i = 0; i < 8; ++i)
    old.push_back(*Connection::open(*Endpoint::parse("10.9.0.10:80")));
  std::atomic<bool> stop = false;
  std::atomic<int> failed = 0;
  std::atomic<int> opened = 0;
  std::thread clients([&] {
    while (!stop) {
      const auto connection = Connection::open(*Endpoint::parse("10.9.0.10:80"));
      ++(connection && connection->works() ? opened : failed);
    }
  });
  advise({"10", "quiesce", "10", "11"});
  EXPECT_TRUE(comes_to("10 0 10 11"));
  advise({"quiesce", "10", "10", "11"});
  EXPECT_TRUE(comes_to("0 10 10 11"));
  for (int i = 0; i < 100; ++i) {
    const auto connection = Connection::open(*Endpoint::parse("10.9.0.10:80"));
    EXPECT_TRUE(connection && connection->server() != 0) << "a new connection to a quiesced server";
  }
  stop = true;
  clients.join();
  EXPECT_EQ(failed, 0) << "of " << opened;
  EXPECT_GT(opened, 50);
  for (const auto& connection : old)
    EXPECT_TRUE(connection.works()) << "server " << connection.server();
}

TEST_F(SaspdOnIpvs, StartsAgainAfterASigkill) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  saspd_->send(SIGKILL);
  EXPECT_EQ(saspd_->wait(seconds{5}), 128 + SIGKILL);
  advise({"1", "30", "20", "10"});
  start_saspd();  // the socket file of the killed one is stale, and is replaced
  EXPECT_TRUE(comes_to("1 30 20 10"));
}

TEST_F(SaspdOnIpvs, EndsWithinASecondAndChangesNothing) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  const std::string before = Ipvsadm::saved();
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{1}), 0);
  EXPECT_EQ(Ipvsadm::saved(), before);
  EXPECT_FALSE(std::filesystem::exists(path("control")));
}

TEST_F(SaspdOnIpvs, KeepsTheWeightsWhenTheGwmIsLostAndFollowsItWhenItIsBack) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  gwm_->send(SIGKILL);
  gwm_.reset();
  EXPECT_TRUE(gwm_becomes("down_trying"));
  EXPECT_TRUE(stays("40 30 20 10"));
  advise({"4", "3", "2", "1"});
  start_gwm();
  EXPECT_TRUE(comes_to("4 3 2 1"));
}

TEST_F(SaspdOnIpvs, TakesTheAdviceOfTheSecondGwmWhileTheFirstIsLost) {
  write_weights("web 10.9.1.1:80 1\nweb 10.9.1.2:80 2\nweb 10.9.1.3:80 3\nweb 10.9.1.4:80 4\n");
  std::filesystem::copy_file(path("weights"), path("weights2"));
  Program second({programs + "/sasp-gwm", "--listen", "127.0.0.1:3861", "--interval", "1",
                  "--weights", path("weights2")},
                 path("gwm2.log"));
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd({"--gwm", "127.0.0.1:3861"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  gwm_.reset();
  EXPECT_TRUE(comes_to("1 2 3 4"));
  EXPECT_EQ(status().at_pointer("/groups/0/gwm").as_string(), "127.0.0.1:3861");
  start_gwm();
  EXPECT_TRUE(comes_to("40 30 20 10"));
  EXPECT_EQ(status().at_pointer("/groups/0/gwm").as_string(), "127.0.0.1:3860");
}

// After good advice: with it alone there is something to lose.
TEST_F(SaspdOnIpvs, KeepsTheWeightsWhenTheGwmSendsGarbage) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  gwm_.reset();
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const kernel::SocketAddress address(*Endpoint::parse("127.0.0.1:3860"));
  ASSERT_EQ(::bind(listener.get(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(listener.get(), 5), 0);
  for (int errors = 1; errors <= 2; ++errors) {
    const Descriptor connection(::accept(listener.get(), nullptr, nullptr));
    const std::string garbage = "HTTP/1.1 400 Bad Request\r\n\r\n";
    ASSERT_EQ(::send(connection.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(garbage.size()));
    EXPECT_TRUE(eventually(
        [&] { return status().at_pointer("/gwm/0/protocol_errors").as_int64() == errors; }));
  }
  EXPECT_NE(status().at_pointer("/gwm/0/last_error").as_string().find("header type 0x4854"),
            json::string::npos);
  EXPECT_TRUE(stays("40 30 20 10"));
}

TEST_F(SaspdOnIpvs, StaysUpWhenTheGwmCannotBeResolved) {
  given_service();
  Arguments arguments = saspd_arguments({"--insecure-plaintext"});
  *std::next(std::find(arguments.begin(), arguments.end(), "--gwm")) = "gwm.invalid";
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--retry-min"),
                  std::find(arguments.begin(), arguments.end(), "--reconcile-interval"));
  saspd_.emplace(arguments, path("saspd.log"));
  EXPECT_TRUE(gwm_becomes("trying"));
  EXPECT_NE(
      status().at_pointer("/gwm/0/last_error").as_string().find("cannot resolve 'gwm.invalid'"),
      json::string::npos);
  EXPECT_EQ(saspd_->wait(seconds{1}), std::nullopt);
}

TEST_F(SaspdOnIpvs, EndsWithinASecondAlsoWhileADnsServerIsSilent) {
  const kernel::SocketAddress dns(*Endpoint::parse("127.0.0.1:53"));
  const Descriptor silent(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(silent.get(), dns.get(), dns.size), 0);
  const timeval patience{10, 0};
  ::setsockopt(silent.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::ofstream(path("resolv.conf")) << "nameserver 127.0.0.1\noptions timeout:30\n";
  kernel::output_of("mount --bind " + path("resolv.conf") + " /etc/resolv.conf");
  given_service();
  Arguments arguments = saspd_arguments({"--insecure-plaintext"});
  *std::next(std::find(arguments.begin(), arguments.end(), "--gwm")) = "gwm.example";
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--retry-min"),
                  std::find(arguments.begin(), arguments.end(), "--reconcile-interval"));
  saspd_.emplace(arguments, path("saspd.log"));
  char query[512];
  EXPECT_GT(::recv(silent.get(), query, sizeof query, 0), 0) << "no lookup is under way";
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{1}), 0);
  EXPECT_FALSE(std::filesystem::exists(path("control")));
  kernel::output_of("umount /etc/resolv.conf");
}

TEST_F(SaspdOnIpvs, KeepsTheOldWeightsWhenTheFileIsBad) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  write_weights("web 10.9.1.1:80 1\nweb 10.9.1.2:80 many\n");
  ASSERT_TRUE(eventually([&] { return gwm_->log().find("line 2:") != std::string::npos; }))
      << "the line is not named";
  std::this_thread::sleep_for(seconds{3});
  EXPECT_EQ(kernel_weights(), "40 30 20 10");
}

TEST_F(SaspdOnIpvs, TakesUpAServiceThatWasDeletedAndCameBack) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  Ipvsadm::run("-D -t 10.9.0.10:80\n");
  ASSERT_TRUE(eventually([&] { return !status().at_pointer("/groups/0/bound").as_bool(); }));
  EXPECT_EQ(Ipvsadm::saved(), "") << "nothing is created";
  given_service();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

TEST_F(SaspdOnIpvs, OverwritesForeignWeightsButNotForeignZeros) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  const std::string before = everything_but_weights();
  Ipvsadm::run(
      "-e -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 99 -x 5000 -y 4000\n"
      "-e -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 0 -x 5000 -y 4000\n");
  EXPECT_TRUE(comes_to("40 0 20 10"));
  EXPECT_TRUE(eventually([&] { return member(2).at("reason").as_string() == "foreign_zero"; }));
  advise({"41", "31", "21", "11"});
  EXPECT_TRUE(comes_to("41 0 21 11"));
  EXPECT_TRUE(stays("41 0 21 11"));
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 1 -x 5000 -y 4000\n");
  EXPECT_TRUE(comes_to("41 31 21 11"));
  EXPECT_EQ(everything_but_weights(), before);
}

TEST_F(SaspdOnIpvs, HoldsBackAdviceThatLeavesNobody) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  advise({"down", "down", "down", "quiesce"});
  EXPECT_TRUE(comes_to("40 30 20 0"));
  EXPECT_TRUE(eventually([&] { return status().at_pointer("/groups/0/held").is_string(); }));
}

TEST_F(SaspdOnIpvs, WritesNothingInADryRun) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd({"--dry-run"});
  EXPECT_TRUE(
      eventually([&] { return saspd_->log().find("weight 10 -> 40") != std::string::npos; }));
  std::this_thread::sleep_for(seconds{2});
  EXPECT_EQ(kernel_weights(), "10 10 10 10");
}

TEST_F(SaspdOnIpvs, IsTheOnlyWriterOfItsNamespace) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  std::string text;
  Arguments second = saspd_arguments();
  EXPECT_EQ(ends_with(second, &text), 75) << text;
  *std::find(second.begin(), second.end(), path("control")) = path("control2");
  EXPECT_EQ(ends_with(second, &text), 75) << text;
  EXPECT_NE(text.find("another saspd"), std::string::npos) << text;
}

TEST_F(SaspdOnIpvs, LeavesALiveControlSocketToItsOwner) {
  given_service();
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("control").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 5), 0);
  std::string text;
  EXPECT_EQ(ends_with(saspd_arguments(), &text), 75) << text;
  EXPECT_NE(text.find(path("control")), std::string::npos) << text;
  ::close(listener);
}

TEST_F(SaspdOnIpvs, NamesTheCapabilityItLacks) {
  Arguments arguments{"setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"};
  for (const auto& argument : saspd_arguments())
    arguments.push_back(argument);
  std::string text;
  EXPECT_EQ(ends_with(arguments, &text), 77) << text;
  EXPECT_NE(text.find("CAP_NET_ADMIN"), std::string::npos) << text;
}

// Last: it takes IPVS out of the guest's kernel.
TEST_F(SaspdOnIpvs, SaysHowToLoadIpvsWhenTheKernelHasNone) {
  kernel::output_of(
      "echo /bin/false > /proc/sys/kernel/modprobe; rmmod $(lsmod | awk '/^ip_vs_/{print $1}') "
      "ip_vs");
  std::string text;
  EXPECT_EQ(ends_with(saspd_arguments(), &text), 69) << text;
  EXPECT_NE(text.find("modprobe ip_vs"), std::string::npos) << text;
}

}  // namespace
}  // namespace saspd::test
