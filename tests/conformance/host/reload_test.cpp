// SPDX-License-Identifier: Apache-2.0
// A reload, by SIGHUP and by saspctl, of each program: everything is checked first, all errors are
// shown, and it is taken over as a whole or not at all.
#include "tests/conformance/host/scene.hpp"

namespace saspd::test {
namespace {

std::unique_ptr<Machine> machine;

class OneMachine : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::geteuid() == 0) machine = std::make_unique<Machine>();
  }
  void TearDown() override { machine.reset(); }
};
const auto* const one_machine = ::testing::AddGlobalTestEnvironment(new OneMachine);

class Reload : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!machine) GTEST_SKIP() << "this is for root";
    scene_.emplace(*machine);
  }
  void start(const std::string& text) {
    scene_->start_with_config(GetParam(), text);
    ASSERT_TRUE(scene_->tells("READY=1\n"));
    scene_->forget_what_was_told();
  }
  bool has_socket() const { return GetParam() != "sasp-member run"; }

  // By the command too, if there is one; it ends with this code.
  void reload(int code) {
    hang_up();
    if (!has_socket()) return;
    EXPECT_EQ(ctl({"reload"}), code) << said_;
  }
  void hang_up() {
    scene_->forget_what_was_told();
    scene_->subject().send(SIGHUP);
    EXPECT_TRUE(scene_->tells("RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\nREADY=1\n"));
  }
  int ctl(const Arguments& arguments) {
    auto& helper = scene_->helper("saspctl", arguments);
    const auto code = helper.wait(Scene::patience);
    said_ = helper.log();
    return code.value_or(-1);
  }
  bool logged(const std::string& text) {
    return eventually([&] { return scene_->subject().times_logged(text) > 0; });
  }
  std::size_t times(const std::string& text) { return scene_->subject().times_logged(text); }
  void ends_well() {
    scene_->subject().send(SIGTERM);
    EXPECT_EQ(scene_->subject().wait(Scene::patience), 0);
  }

  std::optional<Scene> scene_;
  std::string said_;
};

TEST_P(Reload, TakesOverWhatIsDifferentAndSaysWhat) {
  start("log-level = info\n");
  EXPECT_EQ(times("reload: "), 0U);
  scene_->given_config("log-level = warning\n# nothing\n");
  hang_up();
  // What it would have logged about that is not logged any more.
  scene_->given_config("log-level = info\n");
  hang_up();
  EXPECT_TRUE(logged("reload: log-level: warning -> info\n"));
  if (has_socket()) {
    scene_->given_config("log-level = debug\n");
    EXPECT_EQ(ctl({"reload", "--dry-run"}), 0);
    EXPECT_EQ(said_, "log-level: info -> debug\ndry run: nothing was taken over\n");
    EXPECT_EQ(ctl({"reload", "--dry-run", "--json"}), 0);
    EXPECT_NE(said_.find(R"("changes":[{"key":"log-level","repeats":false,"removed":["info"],)"
                         R"("added":["debug"],"reordered":false}],"errors":[])"),
              std::string::npos)
        << said_;
    EXPECT_EQ(times("reload: log-level: info -> debug"), 0U);
    EXPECT_EQ(ctl({"reload"}), 0);
    EXPECT_EQ(said_, "log-level: info -> debug\n");
    EXPECT_TRUE(logged("reload: log-level: info -> debug\n"));
    EXPECT_EQ(ctl({"reload"}), 0);
    EXPECT_EQ(said_, scene_->path("conf") + ": nothing has changed\n");
  }
  ends_well();
}

TEST_P(Reload, OfABadFileNamesAllErrorsAndChangesNothing) {
  start("log-level = info\n");
  scene_->given_config("log-level = debug\nfrobnicate = 1\nmetrics: off\nretry-max = 7\n");
  reload(78);
  for (const std::string line : {"frobnicate = 1", "metrics: off", "retry-max = 7"}) {
    const auto error =
        fmt::format("reload refused: {}:{}: ", scene_->path("conf"), scene_->line_of(line));
    EXPECT_TRUE(logged(error)) << error;
    if (has_socket()) {
      EXPECT_NE(said_.find(error), std::string::npos) << error << said_;
    }
  }
  EXPECT_EQ(times("log-level: "), 0U) << "the good line of a bad file";
  if (has_socket()) {
    EXPECT_EQ(ctl({"reload", "--json"}), 78);
    EXPECT_NE(said_.find("\"errors\":[\""), std::string::npos) << said_;
    EXPECT_EQ(ctl({"status", "--check"}), 1);
    EXPECT_NE(said_.find("the last reload was refused: "), std::string::npos) << said_;
  }
  scene_->given_config("log-level = debug\n");
  reload(0);
  EXPECT_TRUE(logged("reload: log-level: info -> debug\n"));
  if (has_socket()) {
    ctl({"status", "--check"});
    EXPECT_EQ(said_.find("the last reload was refused"), std::string::npos) << said_;
  }
  ends_well();
}

TEST_P(Reload, OfWhatNeedsARestartIsRefusedAsAWhole) {
  start("log-level = info\nlog-format = text\nmetrics = off\n");
  scene_->given_config("log-level = debug\nlog-format = journal\nmetrics = 127.0.0.1:9999\n");
  reload(78);
  EXPECT_TRUE(logged("reload refused: needs a restart: metrics, log-format\n"));
  EXPECT_EQ(times("log-level: "), 0U);
  ends_well();
}

TEST_P(Reload, OfAFileThatCannotBeReadChangesNothing) {
  start("log-level = info\n");
  std::filesystem::remove(scene_->path("conf"));
  reload(78);
  EXPECT_TRUE(logged("conf: No such file or directory\n"));
  ASSERT_EQ(::mkfifo(scene_->path("conf").c_str(), 0600), 0);
  reload(78);
  EXPECT_TRUE(logged("conf: it is a FIFO; put a regular file in its place\n"));
  std::filesystem::remove(scene_->path("conf"));
  scene_->given_config("log-level = debug\n");
  reload(0);
  EXPECT_TRUE(logged("reload: log-level: info -> debug\n"));
  ends_well();
}

// Of a program that connects to GWMs.
TEST_P(Reload, ConnectsToAGwmThatIsAddedAndLeavesOneThatIsGone) {
  if (GetParam() == "sasp-gwm") GTEST_SKIP() << "it is one";
  SilentListener first(std::uint16_t{3860});
  SilentListener added(std::uint16_t{3861});
  start("");
  ASSERT_TRUE(first.takes_client());
  scene_->given_config("gwm = 127.0.0.1:3861\n");
  hang_up();
  EXPECT_TRUE(logged("reload: + gwm = 127.0.0.1:3861\n"));
  EXPECT_TRUE(added.takes_client());
  scene_->given_config("");
  hang_up();
  if (GetParam() == "saspd") {
    EXPECT_TRUE(added.is_left());
    EXPECT_EQ(times("127.0.0.1:3860: "), 0U) << "nothing happened to the other one";
  } else {
    EXPECT_TRUE(logged("reload refused: needs a restart: gwm, since the members are to be"));
  }
  ends_well();
}

// Whoever may look only.
TEST_P(Reload, IsNotForEverybody) {
  if (!has_socket()) GTEST_SKIP() << "it has no control socket";
  start("log-level = info\n");
  scene_->given_config("log-level = debug\n");
  std::filesystem::permissions(scene_->path(""), std::filesystem::perms(0711));
  Program reader({"setpriv", "--reuid=4712", "--regid=4712", "--groups=0", PROGRAMS "/saspctl",
                  "--socket", scene_->control(), "reload"},
                 scene_->path("reader.log"));
  EXPECT_EQ(reader.wait(Scene::patience), 77) << reader.log();
  EXPECT_EQ(times("log-level"), 0U);
  ends_well();
}

INSTANTIATE_TEST_SUITE_P(Program, Reload, ::testing::Values("saspd", "sasp-gwm", "sasp-member run"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace saspd::test
