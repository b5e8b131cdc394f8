// SPDX-License-Identifier: Apache-2.0
// Every scripted conversation of tests/conformance/sasp/member, fed whole, byte by byte, in odd
// pieces and cut at random. Besides what tests/support/transcript.hpp knows:
//
//   config member=tcp:10.1.1.1:80 heartbeat=30    member may be repeated
//   want registered|absent|untouched [state=N] [quiesced] [purposeful]
//   expect reached | refused REQUEST CODE for N s | refused REQUEST CODE

#include "controller/sasp/member_session.hpp"
#include "tests/support/transcript.hpp"

namespace saspd::test {
namespace {

class MemberRole {
 public:
  using Session = sasp::MemberSession;

  MemberRole() {
    config_.lb_uid = "LB1";
    config_.group = "GRP1";
  }

  bool configure(const std::string& key, const std::string& value) {
    if (key == "member") {
      config_.members.push_back(sasp::MemberData::of(member(value)));
    } else if (key == "heartbeat") {
      config_.heartbeat = std::chrono::seconds(std::stoul(value));
    } else if (key == "retry") {
      config_.retry = std::chrono::seconds(std::stoul(value));
    } else if (key == "version") {
      config_.version = static_cast<std::uint8_t>(std::stoul(value));
    } else {
      return false;
    }
    return true;
  }

  Session session() {
    if (config_.members.empty()) configure("member", "tcp:10.1.1.1:80");
    return {config_, {}};
  }

  static sasp::MemberStep want(Session& session, std::istringstream& words, TimePoint now) {
    sasp::MemberGoal goal;
    std::string word;
    while (words >> word) {
      if (word == "registered") goal.presence = sasp::Presence::registered;
      if (word == "absent") goal.presence = sasp::Presence::absent;
      if (word == "quiesced") goal.quiesced = true;
      if (word == "purposeful") goal.reason = sasp::deregistration_reason::learned_and_purposeful;
      if (word.starts_with("state="))
        goal.state = static_cast<std::uint8_t>(std::stoul(word.substr(6)));
    }
    return session.want(goal, now);
  }

  static std::vector<std::string> outputs(const sasp::GoalReached&) { return {"reached"}; }
  static std::vector<std::string> outputs(const sasp::Refused& refused) {
    std::string text = fmt::format("refused {} {:#04x}", dashed(name(refused.asked)),
                                   static_cast<unsigned>(refused.code));
    if (refused.retry) {
      text += fmt::format(" for {} s",
                          std::chrono::floor<std::chrono::seconds>(*refused.retry).count());
    }
    return {text};
  }

 private:
  sasp::MemberSessionConfig config_;
};

class MemberTranscript : public ::testing::TestWithParam<std::string> {};

TEST_P(MemberTranscript, HoldsHoweverTheBytesArrive) {
  for (const Cuts& cuts : all_cuts()) {
    SCOPED_TRACE(cuts.name);
    Transcript<MemberRole>(cuts).run(GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Scripts, MemberTranscript,
                         ::testing::ValuesIn(scripts_in("conformance/sasp/member")), test_name);

}  // namespace
}  // namespace saspd::test
