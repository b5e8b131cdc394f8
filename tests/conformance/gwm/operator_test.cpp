// SPDX-License-Identifier: Apache-2.0
// sasp-gwm's operator: saspctl and Prometheus on the running program.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/conformance/gwm/registry_fixture.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/privileges.hpp"
#include "tests/support/program.hpp"
#include "tests/support/sasp_client.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using saspd::testing::SaspClient;
using test::Arguments;
using test::eventually;
using test::free_port;
using test::Program;

const std::string programs = PROGRAMS;

class GwmOperator : public ::testing::Test {
 protected:
  GwmOperator() {
    std::string directory = ::testing::TempDir() + "gwm-operator.XXXXXX";
    directory_ = ::mkdtemp(directory.data());
    std::ofstream(path("weights")) << "web 192.0.2.1:80 40\nweb 192.0.2.2:80 down\n";
  }
  ~GwmOperator() override {
    if (HasFailure()) test::show_logs({path("log"), path("answer")});
    program_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  Arguments arguments() {
    port_ = free_port();
    metrics_.port = free_port();
    return {programs + "/sasp-gwm",
            "--listen",
            fmt::format("127.0.0.1:{}", port_),
            "--weights",
            path("weights"),
            "--control",
            path("control"),
            "--metrics",
            metrics_.text()};
  }
  void given_gwm() {
    for (int tries = 0; tries < 5; ++tries) {  // another program may take the port
      program_.emplace(arguments(), path("log"));
      const bool listens = eventually(
          [&] { return SaspClient().connects(port_) || program_->wait(0ms).has_value(); });
      if (listens && !program_->wait(0ms)) return;
    }
    FAIL() << "sasp-gwm does not start";
  }
  // A load balancer with two members that stays connected.
  void given_lb(SaspClient& lb) {
    EXPECT_EQ(lb.answer_to<SetLbStateReply>(lb_state("lb1")).code, ReturnCode::successful);
    const auto both = group("lb1", "web", {tcp("192.0.2.1"), tcp("192.0.2.2")});
    EXPECT_EQ(lb.answer_to<RegistrationReply>(registers({both})).code, ReturnCode::successful);
  }
  static std::vector<WeightEntry> weights(SaspClient& lb) {
    const auto reply = lb.answer_to<GetWeightsReply>(asks({{"lb1", "web"}}));
    return reply.groups.empty() ? std::vector<WeightEntry>{} : reply.groups[0].items;
  }

  struct Answer {
    int code = -1;
    std::string text;
  };
  // `as`: in front of saspctl, test::as_somebody_in().
  Answer ask(Arguments words, const Arguments& as = {}) const {
    words.insert(words.begin(), {programs + "/saspctl", "--socket", path("control")});
    words.insert(words.begin(), as.begin(), as.end());
    std::filesystem::remove(path("answer"));
    Program saspctl(words, path("answer"));
    const int code = saspctl.wait(10s).value_or(-1);
    return {code, saspctl.log()};
  }

  std::optional<Program> program_;
  std::uint16_t port_ = 0;
  Endpoint metrics_ = *Endpoint::parse("127.0.0.1:1");

 private:
  std::string directory_;
};

TEST_F(GwmOperator, SeesLoadBalancersGroupsAndMembers) {
  given_gwm();
  SaspClient lb(port_);
  given_lb(lb);
  const auto status = ask({});
  EXPECT_EQ(status.code, 0);
  EXPECT_NE(status.text.find("members  2: 1 available, 1 no contact\n"), std::string::npos)
      << status.text;
  EXPECT_NE(ask({"lbs"}).text.find("  lb1     127.0.0.1:"), std::string::npos);
  EXPECT_NE(ask({"groups"}).text.find("  web    lb1     2: 1 available, 1 no contact\n"),
            std::string::npos);
  EXPECT_NE(ask({"members", "web"}).text.find("  192.0.2.1:80  tcp       -      40      available"),
            std::string::npos)
      << ask({"members", "web"}).text;
  EXPECT_NE(ask({"why", "192.0.2.2:80"}).text.find("not in contact: the weights file says down"),
            std::string::npos);
  const auto none = ask({"why", "192.0.2.9:80"});
  EXPECT_EQ(none.code, 65);
  EXPECT_EQ(none.text, "saspctl: no member '192.0.2.9:80'\n");
  EXPECT_EQ(ask({"plan"}).text, "saspctl: plan is for saspd, this is sasp-gwm\n");

  lb.hang_up();
  EXPECT_TRUE(eventually([&] { return ask({"status", "--check"}).code == 1; }));
}

TEST_F(GwmOperator, DrainsAMemberForAllLoadBalancers) {
  given_gwm();
  SaspClient lb(port_);
  given_lb(lb);
  const auto drained = ask({"drain", "web/192.0.2.1:80"});
  EXPECT_EQ(drained.code, 0);
  EXPECT_EQ(drained.text,
            "web/192.0.2.1:80 is drained in 1 group: no new connections, until undrain or a "
            "restart of sasp-gwm\n");
  EXPECT_EQ(weights(lb)[0].flags & weight_flag::quiesce, weight_flag::quiesce);
  EXPECT_EQ(weights(lb)[0].weight, 0);
  EXPECT_NE(ask({"why", "192.0.2.1:80"}).text.find("quiesced by the operator"), std::string::npos);
  EXPECT_NE(program_->log().find(
                fmt::format("web/192.0.2.1:80 drained, 1 member(s), by uid {}", ::geteuid())),
            std::string::npos);

  EXPECT_EQ(ask({"undrain", "web/192.0.2.1:80"}).code, 0);
  EXPECT_EQ(weights(lb)[0].weight, 40);
  EXPECT_EQ(ask({"undrain", "web/192.0.2.1:80"}).code, 65);
}

// The socket's group may ask; to change something takes root, our own user or saspd-admin.
TEST_F(GwmOperator, ChangesNothingWithoutTheRightTo) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is for root";
  given_gwm();
  SaspClient lb(port_);
  given_lb(lb);
  std::filesystem::permissions(path(""), std::filesystem::perms(0711));
  struct stat socket {};
  ASSERT_EQ(::stat(path("control").c_str(), &socket), 0);
  const auto reader = test::as_somebody_in(socket.st_gid);
  EXPECT_EQ(ask({"status"}, reader).code, 0);
  for (const std::string command : {"drain", "undrain"}) {
    const auto [code, text] = ask({command, "web/192.0.2.1:80"}, reader);
    EXPECT_EQ(code, 77) << text;
    EXPECT_NE(text.find("saspd-admin"), std::string::npos) << text;
  }
  EXPECT_EQ(weights(lb)[0].weight, 40);
  EXPECT_EQ(ask({"status"}, test::as_somebody_in(4713)).code, 77);
}

TEST_F(GwmOperator, WatchesWhatChanges) {
  given_gwm();
  Program watch({programs + "/saspctl", "--socket", path("control"), "watch"}, path("watch"));
  const auto sees = [&](const std::string& text) {
    return eventually([&] { return watch.log().find(text) != std::string::npos; }) ||
           (ADD_FAILURE() << text << " is not in " << watch.log(), false);
  };
  SaspClient lb(port_);
  given_lb(lb);
  ASSERT_TRUE(sees("  lb lb1: connected\n"));
  ASSERT_TRUE(sees("  tcp:192.0.2.1:80 of lb1/web: weight 40\n"));
  ask({"drain", "192.0.2.1:80"});
  ASSERT_TRUE(sees("  tcp:192.0.2.1:80 of lb1/web: weight 40 -> weight 0, quiesced\n"));
  lb.answer_to<DeregistrationReply>(deregisters({group("lb1", "web", {tcp("192.0.2.2")})}));
  ASSERT_TRUE(sees("  tcp:192.0.2.2:80 of lb1/web: gone, was weight 0, no contact\n"));
  program_.reset();
  ASSERT_TRUE(sees("saspctl: " + path("control") + ": "));
  EXPECT_FALSE(watch.wait(0ms)) << "it waits for the program to come back";
}

TEST_F(GwmOperator, IsShownTheWeightsByPrometheus) {
  given_gwm();
  SaspClient lb(port_);
  given_lb(lb);
  std::string text;
  EXPECT_TRUE(eventually([&] {
    text = test::http_get(metrics_, "/metrics");
    return text.find(
               "sasp_gwm_member_weight{lb_uid=\"lb1\",group=\"web\",remote_address=\"192.0."
               "2.1\",remote_port=\"80\",proto=\"TCP\"} 40\n") != std::string::npos;
  })) << text;
  EXPECT_NE(text.find("sasp_gwm_requests_total{type=\"registration\",code=\"0x00\"} 1\n"),
            std::string::npos);
  EXPECT_NE(text.find("process_open_fds "), std::string::npos);
}

TEST_F(GwmOperator, KeepsTheSocketOfTheOneThatRuns) {
  given_gwm();
  Program second({programs + "/sasp-gwm", "--listen", fmt::format("127.0.0.1:{}", free_port()),
                  "--control", path("control"), "--metrics", "off"},
                 path("second"));
  EXPECT_EQ(second.wait(10s), 75);
  EXPECT_EQ(ask({}).code, 0);
  program_->send(SIGTERM);
  EXPECT_EQ(program_->wait(10s), 0);
  EXPECT_FALSE(std::filesystem::exists(path("control")));
  EXPECT_EQ(ask({}).code, 69);
}

}  // namespace
}  // namespace saspd::gwm
