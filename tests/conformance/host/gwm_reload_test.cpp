// SPDX-License-Identifier: Apache-2.0
// A reload of sasp-gwm: who is connected and what is registered stays, while everything around it
// changes.
#include "controller/sasp/names.hpp"
#include "tests/conformance/host/scene.hpp"
#include "tests/support/sasp_client.hpp"

namespace saspd::test {
namespace {

using testing::SaspClient;

std::unique_ptr<Machine> machine;

class OneMachine : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::geteuid() == 0) machine = std::make_unique<Machine>();
  }
  void TearDown() override { machine.reset(); }
};
const auto* const one_machine = ::testing::AddGlobalTestEnvironment(new OneMachine);

class GwmReload : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!machine) GTEST_SKIP() << "this is for root";
    scene_.emplace(*machine);
    scene_->start_with_config("sasp-gwm", "listen = 127.0.0.1:3860\ninterval = 7\n");
    ASSERT_TRUE(scene_->tells("READY=1\n"));
    client_.emplace(std::uint16_t{3860});
    sasp::RegistrationRequest request;
    request.groups.push_back(
        {{"lb1", "web"}, {sasp::MemberData::of(*sasp::parse_member("tcp:127.0.0.1:9"))}});
    EXPECT_EQ(client_->answer_to<sasp::RegistrationReply>(request).code,
              sasp::ReturnCode::successful);
  }
  // Exit code of the reload.
  int reload(const std::string& config) {
    scene_->given_config(config);
    auto& helper = scene_->helper("saspctl", {"--of", "sasp-gwm", "reload"});
    const int code = helper.wait(Scene::patience).value_or(-1);
    said_ = helper.log();
    return code;
  }
  sasp::GetWeightsReply weights() {
    sasp::GetWeightsRequest request;
    request.groups.push_back({"lb1", ""});
    return client_->answer_to<sasp::GetWeightsReply>(request);
  }
  int flags() {
    const auto reply = weights();
    if (reply.groups.size() != 1 || reply.groups.front().items.size() != 1) return -1;
    return reply.groups.front().items.front().flags;
  }

  std::optional<Scene> scene_;
  std::optional<SaspClient> client_;
  std::string said_;
};

TEST_F(GwmReload, ChangesTheAdviceOverTheSameConnection) {
  EXPECT_EQ(weights().interval, 7);
  EXPECT_NE(flags() & sasp::weight_flag::contact, 0) << "nothing is known";
  EXPECT_EQ(reload("listen = 127.0.0.1:3860\ninterval = 9\nprobe = tcp\nprobe-interval = 1\n"), 0)
      << said_;
  EXPECT_EQ(weights().interval, 9);
  // Nobody listens at its port.
  EXPECT_TRUE(eventually([&] { return (flags() & sasp::weight_flag::contact) == 0; }));
  EXPECT_EQ(reload("listen = 127.0.0.1:3860\ninterval = 9\n"), 0) << said_;
  EXPECT_TRUE(eventually([&] { return (flags() & sasp::weight_flag::contact) != 0; }));
}

TEST_F(GwmReload, ListensElsewhereAndKeepsWhoIsConnected) {
  EXPECT_EQ(reload("listen = 127.0.0.1:3861\ninterval = 7\n"), 0) << said_;
  EXPECT_EQ(said_, "- listen = 127.0.0.1:3860\n+ listen = 127.0.0.1:3861\n");
  EXPECT_EQ(weights().groups.size(), 1U) << "over the connection to the old address";
  EXPECT_TRUE(eventually([] { return !SaspClient().connects(3860); }));
  EXPECT_TRUE(SaspClient().connects(3861));
}

TEST_F(GwmReload, OfAnAddressThatIsTakenIsRefusedAsAWhole) {
  const SilentListener taken(std::uint16_t{3862});
  EXPECT_EQ(reload("listen = 127.0.0.1:3860\nlisten = 127.0.0.1:3861\nlisten = 127.0.0.1:3862\n"
                   "interval = 9\n"),
            78);
  EXPECT_NE(said_.find("127.0.0.1:3862"), std::string::npos) << said_;
  EXPECT_EQ(weights().interval, 7);
  EXPECT_TRUE(eventually([] { return !SaspClient().connects(3861); }));
  EXPECT_TRUE(SaspClient().connects(3860));
}

// saspd takes over how it speaks with its GWM: at once, over the same connection.
TEST(SaspdReload, SaysWhatIsDifferentOverTheSameConnection) {
  if (!machine) GTEST_SKIP() << "this is for root";
  Scene scene(*machine);
  auto& gwm = scene.helper("sasp-gwm", {"--control", scene.path("gwm")});
  scene.start_with_config("saspd", "mode = pull\ntrust = false\ninterval = 3600\n");
  const auto lbs = [&] {
    auto& ctl = scene.helper("saspctl", {"--socket", scene.path("gwm"), "--json", "lbs"});
    ctl.wait(Scene::patience);
    return ctl.log();
  };
  const auto shows = [&](const std::string& text) {
    return eventually([&] { return lbs().find(text) != std::string::npos; });
  };
  EXPECT_TRUE(shows(R"("mode":"pull")")) << lbs();
  EXPECT_TRUE(shows(R"("trust":false)")) << lbs();
  scene.given_config("mode = push\ntrust = true\nno-change = true\ninterval = 3600\n");
  scene.subject().send(SIGHUP);
  EXPECT_TRUE(shows(R"("mode":"push")")) << lbs();
  EXPECT_TRUE(shows(R"("trust":true)")) << lbs();
  EXPECT_TRUE(shows(R"("no_change":true)")) << lbs();
  scene.given_config("mode = pull\ntrust = false\ninterval = 3600\n");
  scene.subject().send(SIGHUP);
  EXPECT_TRUE(shows(R"("mode":"pull")")) << lbs();
  EXPECT_TRUE(shows(R"("trust":false)")) << lbs();
  EXPECT_TRUE(shows(R"("no_change":false)")) << lbs();
  EXPECT_EQ(gwm.times_logged("connected from"), 1U);
}

}  // namespace
}  // namespace saspd::test
