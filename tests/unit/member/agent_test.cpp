// SPDX-License-Identifier: Apache-2.0
// sasp-member run from its start to its end, in no time.
#include "controller/member/agent.hpp"

#include "tests/unit/member/scene.hpp"

namespace saspd::member {
namespace {

using namespace std::chrono_literals;
using sasp::ReturnCode;
using sasp::Type;
using test::Scene;
using Asked = std::vector<Type>;

Options run(std::chrono::seconds drain = 0s) {
  Options options;
  options.command = Command::run;
  options.state = std::uint8_t{7};
  options.drain = drain;
  return options;
}

TEST(Agent, RegistersAndReportsItsState) {
  Scene scene(run());
  EXPECT_TRUE(scene.machine().is_ready());
  scene.starts();
  EXPECT_TRUE(scene.gwms[0].is_registered);
  EXPECT_EQ(scene.gwms[0].state, 7);
  EXPECT_TRUE(scene.logs("GWM gwm0:3860: registered"));
  EXPECT_EQ(scene.machine().status_line(),
            "tcp:10.0.0.1:80 of group 'web' of 'lb1': registered with 1 of 1 GWM(s)");
  scene.passes(600s);
  EXPECT_FALSE(scene.ended);
}

TEST(Agent, RegistersAgainWithAGwmThatComesBack) {
  Scene scene(run());
  scene.starts();
  scene.gwms[0].is_registered = false;
  scene.loses(0);
  EXPECT_EQ(scene.machine().status_line(),
            "tcp:10.0.0.1:80 of group 'web' of 'lb1': registered with 0 of 1 GWM(s)");
  scene.passes(60s);
  EXPECT_TRUE(scene.gwms[0].is_registered);
}

TEST(Agent, QuiescesWaitsAndLeaves) {
  Scene scene(run(30s));
  scene.starts();
  scene.is_signalled();
  EXPECT_TRUE(scene.gwms[0].is_quiesced);
  scene.passes(29s);
  EXPECT_TRUE(scene.gwms[0].is_registered);
  EXPECT_FALSE(scene.ended);
  scene.passes(1s);
  EXPECT_FALSE(scene.gwms[0].is_registered);
  EXPECT_TRUE(scene.ended);
  EXPECT_EQ(scene.age(), 30s);
}

TEST(Agent, ASecondSignalEndsTheDrainAndAThirdOneEverything) {
  Scene scene(run(30s));
  scene.starts();
  scene.is_signalled();
  scene.gwms[0].answers = false;
  scene.is_signalled();
  EXPECT_EQ(scene.gwms[0].asked.back(), Type::deregistration_request);
  EXPECT_FALSE(scene.ended);
  scene.is_signalled();
  EXPECT_TRUE(scene.ended);
  EXPECT_EQ(scene.age(), 0s);
}

TEST(Agent, HasNoDrainForAServerThatNobodyKnows) {
  Scene scene(run(30s));
  scene.gwms[0].code = ReturnCode::unknown_lb_uid;
  scene.starts();
  scene.is_signalled();
  EXPECT_TRUE(scene.ended);  // refused, which is an answer
  EXPECT_FALSE(scene.logs("quiescing"));
}

TEST(Agent, DoesNotWaitForAGwmThatIsSilent) {
  Scene scene(run());
  scene.starts();
  scene.gwms[0].answers = false;
  scene.is_signalled();
  scene.passes(1s);
  EXPECT_FALSE(scene.ended);
  scene.passes(1s);
  EXPECT_TRUE(scene.ended);
  EXPECT_TRUE(scene.logs("exiting without the answer of every GWM"));
}

TEST(Agent, LeavesEveryGwmThatIsThere) {
  Scene scene(run(), 3);
  scene.gwms[1].is_there = false;
  scene.starts();
  EXPECT_TRUE(scene.gwms[0].is_registered && scene.gwms[2].is_registered);
  scene.is_signalled();
  EXPECT_FALSE(scene.gwms[0].is_registered || scene.gwms[2].is_registered);
  EXPECT_TRUE(scene.ended);
  EXPECT_FALSE(scene.logs("exiting without"));
}

TEST(Agent, IsReadyWhenItIsRegisteredIfWanted) {
  auto options = run();
  options.ready_when_registered = true;
  Scene scene(options);
  scene.gwms[0].code = ReturnCode::not_accepted;
  scene.starts();
  EXPECT_FALSE(scene.machine().is_ready());
  EXPECT_TRUE(scene.logs("saspd --trust"));
  scene.gwms[0].code = ReturnCode::successful;
  scene.passes(60s);
  EXPECT_TRUE(scene.machine().is_ready());
  scene.loses(0);
  EXPECT_TRUE(scene.machine().is_ready());
}

TEST(Agent, ReportsALoadThatIsNewsAndOnlyWhileItServes) {
  auto options = run(30s);
  options.state.reset();
  Scene scene(options);
  scene.starts();
  scene.has_load(100);
  EXPECT_EQ(scene.gwms[0].state, 100);
  scene.has_load(103);
  EXPECT_EQ(scene.gwms[0].state, 100);
  scene.is_signalled();
  EXPECT_FALSE(scene.machine().wants_load());
  scene.machine().load(250, {});
  scene.passes(30s);
  EXPECT_EQ(scene.gwms[0].state, 100);
}

}  // namespace
}  // namespace saspd::member
