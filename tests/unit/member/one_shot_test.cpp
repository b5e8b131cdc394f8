// SPDX-License-Identifier: Apache-2.0
// The commands of sasp-member that end by themselves: when, and with what.
#include "controller/member/one_shot.hpp"

#include "tests/unit/member/scene.hpp"

namespace saspd::member {
namespace {

using namespace std::chrono_literals;
using sasp::ReturnCode;
using sasp::Type;
using test::Scene;
using Asked = std::vector<Type>;

Options command(Command command, std::chrono::seconds drain = 0s, std::chrono::seconds wait = 0s) {
  Options options;
  options.command = command;
  options.drain = drain;
  options.wait = wait;
  return options;
}

std::string printed(const Scene& scene, const Machine::Outcome& outcome) {
  std::string text = scene.ended ? "" : "still running\n";
  for (const auto& line : outcome.lines)
    text += line.text + '\n';
  return text;
}
std::string printed(Scene& scene) {
  return printed(scene, scene.machine().outcome());
}

TEST(OneShot, RegistersAtEveryGwm) {
  Scene scene(command(Command::register_once), 2);
  scene.starts();
  EXPECT_EQ(printed(scene),
            "gwm0:3860: tcp:10.0.0.1:80 of group 'web' of 'lb1' registered\n"
            "gwm1:3860: tcp:10.0.0.1:80 of group 'web' of 'lb1' registered\n");
  EXPECT_EQ(scene.machine().outcome().code, ExitCode::ok);
  EXPECT_TRUE(scene.gwms[0].is_registered && scene.gwms[1].is_registered);
}

TEST(OneShot, ReportsTheLoadOrTheState) {
  auto options = command(Command::resume);
  options.state.reset();
  Scene by_load(options);
  by_load.starts();
  EXPECT_EQ(by_load.gwms[0].state, Scene::load);
  options.command = Command::state;
  options.state = std::uint8_t{5};
  Scene by_state(options);
  by_state.starts();
  EXPECT_EQ(by_state.gwms[0].state, 5);
  EXPECT_EQ(by_state.gwms[0].asked, Asked{Type::set_member_state_request});
  EXPECT_EQ(printed(by_state), "gwm0:3860: tcp:10.0.0.1:80 of group 'web' of 'lb1' state 5\n");
}

TEST(OneShot, DeregistersAfterADrain) {
  Scene scene(command(Command::deregister, 20s));
  scene.gwms[0].is_registered = true;
  scene.starts();
  EXPECT_TRUE(scene.gwms[0].is_quiesced);
  scene.passes(19s);
  EXPECT_TRUE(scene.gwms[0].is_registered);
  scene.passes(1s);
  EXPECT_FALSE(scene.gwms[0].is_registered);
  EXPECT_TRUE(scene.ended);
  EXPECT_EQ(scene.age(), 20s);
}

TEST(OneShot, ASignalEndsTheDrain) {
  Scene scene(command(Command::deregister, 20s));
  scene.gwms[0].is_registered = true;
  scene.starts();
  scene.is_signalled();
  EXPECT_FALSE(scene.gwms[0].is_registered);
  EXPECT_TRUE(scene.ended);
  EXPECT_EQ(scene.age(), 0s);
}

TEST(OneShot, HasNoDrainWhereNobodyHeardOfIt) {
  Scene scene(command(Command::deregister, 20s));
  scene.gwms[0].is_there = false;
  scene.starts();
  EXPECT_TRUE(scene.ended);
  EXPECT_EQ(scene.age(), 0s);
  EXPECT_EQ(scene.machine().outcome().code, ExitCode::unavailable);
}

TEST(OneShot, GivesUpAGwmThatIsSilent) {
  Scene scene(command(Command::quiesce));
  scene.gwms[0].answers = false;
  scene.starts();
  scene.passes(9s);
  EXPECT_FALSE(scene.ended);
  scene.passes(1s);
  EXPECT_TRUE(scene.ended);
  EXPECT_NE(scene.machine().outcome().code, ExitCode::ok);
}

TEST(OneShot, EndsWithTheCodeThatNeedsSomebodyFirst) {
  Scene scene(command(Command::register_once), 3);
  scene.gwms[0].is_there = false;
  scene.gwms[2].code = ReturnCode::not_accepted;
  scene.starts();
  EXPECT_TRUE(scene.ended);
  const auto outcome = scene.machine().outcome();
  EXPECT_EQ(outcome.code, ExitCode::no_permission);
  ASSERT_EQ(outcome.lines.size(), 3);
  EXPECT_EQ(outcome.lines[0].code, ExitCode::unavailable);
  EXPECT_EQ(outcome.lines[1].code, ExitCode::ok);
  EXPECT_EQ(outcome.lines[2].code, ExitCode::no_permission);
}

TEST(OneShot, KeepsTryingForAsLongAsItIsTold) {
  Scene scene(command(Command::register_once, 0s, 100s));
  scene.gwms[0].code = ReturnCode::unknown_lb_uid;
  scene.starts();
  scene.passes(50s);
  EXPECT_FALSE(scene.ended);
  scene.gwms[0].code = ReturnCode::successful;
  scene.passes(49s);
  EXPECT_EQ(printed(scene), "gwm0:3860: tcp:10.0.0.1:80 of group 'web' of 'lb1' registered\n");
}

TEST(OneShot, DoesNotWaitForWhatOnlyAnOperatorCanMend) {
  Scene scene(command(Command::register_once, 0s, 100s));
  scene.gwms[0].code = ReturnCode::invalid_group;
  scene.starts();
  EXPECT_TRUE(scene.ended);
  EXPECT_EQ(scene.machine().outcome().code, ExitCode::configuration);
}

}  // namespace
}  // namespace saspd::member
