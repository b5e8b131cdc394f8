// SPDX-License-Identifier: Apache-2.0
// A scenario as plain text, a step a line, in the order of time. Members are counted from 1.
//
//   # comment
//   option push              before the start: a setting of Options, "option servers=3"
//   kernel is 40 30 20       before the start: the weights that the service has; - where there is no server
//   start | stop | kill | reboot        saspd; a reboot brings back the rules that are there
//   kill at call 3           saspd is killed at the third system call from now on, and started again
//   refuse write 2           the kernel refuses the second write from now on
//   lose answer 1            that one is done, but its answer is lost
//   gwm says 40 q ? down     the weights of all members: quiesced, not known, without contact
//   gwm 2 says …             the second GWM; without a number: all of them
//   gwm dies | dies forgetful | starts | hangs | goes on | refuses | answers
//   somebody sets 2 to 0 | edits 2 | removes 2 | adds 2 with 5 | saves | clears | restores
//   keepalived fails 2 | finds 2
//   undrain 2                the operator takes a zero back
//   wait 30                  seconds
//   kernel has 40 0 20 10    within a minute, and half a minute later still
//   never 0 0 0 0            at no time from here on
//   healthy | unhealthy      what saspctl status --check says
//   clients reach 1 3
#pragma once

#include <string>

#include "tests/simulation/options.hpp"
#include "tests/support/story.hpp"

namespace saspd::simulation {

class World;

class Story {
 public:
  // What is wrong with its text is wrong with it.
  static Story read(const std::string& path);
  // Empty: all is as told.
  std::string tell(bool trace) const;

 private:
  using Line = test::StoryText::Line;
  std::string carry_out(World& world, const Line& line) const;
  std::string of_gwm(World& world, const Line& line) const;
  std::string of_somebody(World& world, const Line& line) const;

  test::StoryText text_;
  Options options_;
};

}  // namespace saspd::simulation
