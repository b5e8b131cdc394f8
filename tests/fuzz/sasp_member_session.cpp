// SPDX-License-Identifier: Apache-2.0
// Whatever a GWM sends a member, all that the member says in return reads strictly, and while the
// connection lasts the member either waits for something or has what it wants. The input is cut by
// size bytes: a zero lets time pass to the next deadline, a one makes the next byte the goal.
#include <algorithm>

#include "controller/sasp/member_session.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd::sasp;
using saspd::fuzz::check;

namespace {

constexpr MemberGoal first_goal{.presence = Presence::registered};

MemberSession session() {
  MemberSessionConfig config;
  config.lb_uid = "lb1";
  config.group = "web";
  config.max_message = 4096;
  for (const char* address : {"10.0.0.1:80", "[2001:db8::1]:80"}) {
    const auto endpoint = saspd::Endpoint::parse(address);
    config.members.push_back(MemberData::of({endpoint->address, 6, endpoint->port}, "label"));
  }
  return {config, first_goal};
}

MemberGoal goal_of(std::uint8_t byte) {
  return {.presence = static_cast<Presence>(byte % 3),
          .state = static_cast<std::uint8_t>(byte >> 6),
          .quiesced = (byte & 4) != 0,
          .reason = static_cast<std::uint8_t>((byte >> 3) & 1)};
}

// Returns whether the goal was reached.
bool check_step(const MemberStep& step) {
  Framer framer;
  framer.append(step.send);
  auto next = framer.next();
  for (; next && next->has_value(); next = framer.next()) {
    check(decode(**next, {.accept_trailing = false, .accept_long_components = false}).has_value());
  }
  check(next.has_value() && !framer.partial());
  check(!step.close || step.send.empty());
  return std::any_of(step.events.begin(), step.events.end(),
                     [](const auto& event) { return std::holds_alternative<GoalReached>(event); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  MemberSession member = session();
  MemberGoal goal = first_goal;
  saspd::TimePoint now{};
  bool reached = check_step(member.connected(now));
  ByteView input(data, size);
  bool closed = false;
  while (!closed && !input.empty()) {
    const std::size_t announced = input[0];
    const ByteView part = input.subspan(1, std::min(announced, input.size() - 1));
    input = input.subspan(1 + part.size());
    MemberStep step;
    if (announced == 0) {
      now = std::max(now, member.deadline().value_or(now));
      step = member.handle_timeout(now);
    } else if (announced == 1 && !part.empty()) {
      reached = reached && goal_of(part[0]) == goal;
      goal = goal_of(part[0]);
      step = member.want(goal, now);
    } else {
      step = member.handle_bytes(Bytes(part.begin(), part.end()), now);
    }
    reached = check_step(step) || reached;
    closed = step.close.has_value();
    check(closed ? !member.deadline() : member.deadline() || reached);
  }
  return 0;
}
