// SPDX-License-Identifier: Apache-2.0
// What happens to one load balancer costs the same whatever others there are, and where nothing
// happens, nothing is done. The sources of the workload manager are compiled into this program with a
// call to __sanitizer_cov_trace_pc in every basic block; this counts them, and every allocation.
#include <functional>

#include "tests/conformance/gwm/registry_fixture.hpp"
#include "tests/support/counted_memory.hpp"
#include "tests/support/counted_steps.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using saspd::testing::allocations;
using saspd::testing::steps;

struct Work {
  std::size_t steps = 0;
  std::size_t allocations = 0;
};

Work work_of(const std::function<void()>& event) {
  const Work before{steps, allocations};
  event();
  return {steps - before.steps, allocations - before.allocations};
}

enum class Groups { shared, of_their_own };

// Load balancers in push mode, each with one group, all of which have been sent everything.
class Farm : RegistryFixture {
 public:
  Farm(int lbs, int members, Groups groups)
      : RegistryFixture({.retention = 5s, .max_lbs = 100'000}, probes()),
        members_(members),
        groups_(groups) {
    for (int lb = 1; lb <= lbs; ++lb)
      connect(lb);
    for (int member = 1; member <= members_; ++member)
      probed(3, member, {.state = Reading::State::passing});
    now += 1min;
    work();
  }

  // What the program does whenever something has happened; returns how many were sent something.
  std::size_t work() {
    manager.forget_expired(now);
    const auto pushes = manager.due(now, [](ConnectionId) { return true; });
    (void)manager.deadline();
    return pushes.size();
  }
  void pass(Duration time) { now += time; }
  void says_the_file(std::uint16_t weight) {
    std::map<MemberKey, Advice> lines;
    for (int member = 1; member <= members_; ++member)
      lines[data(1, member).key()] = {.confident = true, .weight = weight++};
    manager.use({{name(1), std::move(lines)}}, now);
  }

  void connect(int lb) {
    given(lb_state(uid(lb), lb_flag::push), connection(lb));
    std::vector<MemberData> all;
    for (int member = 1; member <= members_; ++member)
      all.push_back(data(lb, member));
    given(registers({group(uid(lb), name(lb), all)}), connection(lb));
  }
  void disconnect(int lb) { manager.disconnected(connection(lb), now); }
  void asks_for_weights(int lb) { given(asks({{uid(lb), name(lb)}}), connection(lb)); }
  void says_its_state(int lb) { given(lb_state(uid(lb), lb_flag::push), connection(lb)); }
  void quiesces(int lb, bool on) {
    given(sets({states(uid(lb), name(lb), {state(data(lb, 1), on)})}), connection(lb));
  }
  void registers_one_more(int lb) {
    given(registers({group(uid(lb), "more", {tcp("192.0.2.1")})}), connection(lb));
  }
  void deregisters_it(int lb) { given(deregisters({group(uid(lb), "more")}), connection(lb)); }
  void probed(int lb, int member, const Reading& reading) {
    manager.learn(target(lb, member), reading, now);
  }

 private:
  static ProbePlan probes() {
    ProbePlan plan;
    EXPECT_TRUE(plan.add("tcp"));
    return plan;
  }
  static std::string uid(int lb) { return fmt::format("lb{}", lb); }
  static ConnectionId connection(int lb) { return static_cast<ConnectionId>(lb); }
  std::string name(int lb) const {
    return groups_ == Groups::shared ? "web" : fmt::format("web{}", lb);
  }
  MemberData data(int lb, int member) const {
    const int of_lb = groups_ == Groups::shared ? 0 : lb;
    return tcp(fmt::format("10.{}.{}.{}", of_lb / 250, of_lb % 250, member));
  }

  ProbeTarget target(int lb, int member) const {
    const MemberKey key = data(lb, member).key();
    return {{ProbeSpec::Kind::tcp, {}, 0}, {key.address, key.port}};
  }

  int members_;
  Groups groups_;
};

struct Event {
  const char* what;
  std::function<void(Farm&)> happens;
};

// One after the other, in one farm. Load balancer 3 stands for any.
const std::vector<Event> events = {
    {"nothing", [](Farm&) {}},
    {"a millisecond", [](Farm& farm) { farm.pass(1ms); }},
    {"get weights", [](Farm& farm) { farm.asks_for_weights(3); }},
    {"set LB state", [](Farm& farm) { farm.says_its_state(3); }},
    {"quiesce", [](Farm& farm) { farm.quiesces(3, true); }},
    {"resume", [](Farm& farm) { farm.quiesces(3, false); }},
    {"register", [](Farm& farm) { farm.registers_one_more(3); }},
    {"deregister", [](Farm& farm) { farm.deregisters_it(3); }},
    {"a probe that changes nothing",
     [](Farm& farm) { farm.probed(3, 1, {.state = Reading::State::passing}); }},
    {"disconnect", [](Farm& farm) { farm.disconnect(3); }},
    {"return", [](Farm& farm) { farm.says_its_state(3); }},
    {"disconnect again", [](Farm& farm) { farm.disconnect(3); }},
    {"forget", [](Farm& farm) { farm.pass(5s); }},
};

std::vector<Work> work_among(int lbs, Groups groups) {
  constexpr int members = 10;
  Farm farm(lbs, members, groups);
  std::vector<Work> work;
  for (const Event& event : events) {
    work.push_back(work_of([&] {
      event.happens(farm);
      farm.work();
    }));
  }
  return work;
}

constexpr int few = 10;
constexpr int many = 10'000;
// Among a thousand times as many, each look-up in a tree takes ten steps more; a walk takes ten thousand.
constexpr std::size_t for_look_ups = 3'000;

void expect_same_work(Groups groups) {
  const auto of_few = work_among(few, groups);
  const auto of_many = work_among(many, groups);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_LE(of_many[i].steps, of_few[i].steps + for_look_ups) << events[i].what;
    EXPECT_LE(of_many[i].allocations, of_few[i].allocations + 4) << events[i].what;
  }
}

TEST(Work, IsTheSameAmongManyWithTheSameGroup) {
  expect_same_work(Groups::shared);
}

TEST(Work, IsTheSameAmongManyWithGroupsOfTheirOwn) {
  expect_same_work(Groups::of_their_own);
}

// Steps for each load balancer.
std::size_t steps_of_idle_look(int members) {
  constexpr int lbs = 100;
  Farm farm(lbs, members, Groups::of_their_own);
  farm.pass(10s);
  return work_of([&] { EXPECT_EQ(farm.work(), 0U); }).steps / lbs;
}

TEST(Work, OfALookWhereNothingHappenedDoesNotDependOnTheMembers) {
  EXPECT_LE(steps_of_idle_look(100), steps_of_idle_look(10) + 50);
}

// Steps for each member of each load balancer.
std::size_t steps_of_a_push(int lbs) {
  constexpr int members = 100;
  Farm farm(lbs, members, Groups::shared);
  farm.says_the_file(1);
  farm.pass(1min);
  EXPECT_EQ(farm.work(), static_cast<std::size_t>(lbs));
  farm.says_the_file(2);
  farm.pass(1min);
  const auto work = work_of([&] { EXPECT_EQ(farm.work(), static_cast<std::size_t>(lbs)); });
  return work.steps / static_cast<std::size_t>(lbs * members);
}

TEST(Work, OfWeighingAGroupIsSharedByAllThatHaveIt) {
  const std::size_t alone = steps_of_a_push(1);
  const std::size_t together = steps_of_a_push(1'000);
  EXPECT_LE(together, alone / 3) << alone << " steps for each member of a single load balancer";
}

}  // namespace
}  // namespace saspd::gwm
