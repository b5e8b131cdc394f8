// SPDX-License-Identifier: Apache-2.0
// Stories of the simulation, played by the real saspd and sasp-gwm on XDP. The maps are read raw, and
// clients connect.
#include "tests/e2e/saspd/story_player.hpp"
#include "tests/e2e/saspd/xdp_fixture.hpp"

namespace saspd::test {
namespace {

class StoryOnXdp : public SaspdOnXdp, public Stage {
 protected:
  void set_up(const StoryText::Words& weights) override {
    members_ = weights.size();
    attach();
  }
  void start_saspd() override {
    SaspdOnXdp::start_saspd("web=tcp:192.0.2.10:80", static_cast<int>(members_));
  }
  void start_gwm() override { SaspdOnXdp::start_gwm({"--state", path("gwm.state")}); }
  Program& saspd() override { return *saspd_; }
  Program& gwm() override { return *gwm_; }
  void forget_gwm_state() override { std::filesystem::remove(path("gwm.state")); }
  void advise(const StoryText::Words& words) override {
    auto advice = words;
    for (auto& word : advice)
      word = word == "q" ? "quiesce" : word == "?" ? "unknown" : word;
    SaspdOnXdp::advise(advice);
  }
  // With slots that are the shares of the weights, or else what is wrong.
  std::string weights() override {
    const auto now = kernel::RawMaps(pins()).tcp(80);
    std::vector<std::uint32_t> weights;
    std::string text;
    for (std::size_t n = 1; n <= members_; ++n) {
      const auto name = fmt::format("{}.2", n);
      const bool is_there = now && now->servers.contains(name);
      if (is_there) weights.push_back(now->servers.at(name).weight);
      text += (n > 1 ? " " : "") + (is_there ? std::to_string(weights.back()) : "-");
    }
    const bool any = std::any_of(weights.begin(), weights.end(), [](auto w) { return w > 0; });
    return !any || leads_by(weights) ? text : text + " in other slots";
  }
  bool is_healthy() override {
    return ends_with({"saspctl", "--socket", path("control"), "status", "--check"}) == 0;
  }
  std::set<std::size_t> reached() override {
    const auto counts = connect(200);
    std::set<std::size_t> reached;
    for (std::size_t n = 0; n < counts.size(); ++n) {
      if (counts[n] > 0) reached.insert(n + 1);
    }
    return reached;
  }
  bool somebody(const StoryText::Words&) override { return false; }

  std::size_t members_ = 0;
};

using PlayedOnXdp = StoryOnXdp;

TEST_P(PlayedOnXdp, IsAsInTheSimulation) {
  StoryPlayer player(*this);
  EXPECT_EQ(player.play(StoryText::read(
                fmt::format("{}/simulation/stories/{}.story", TESTS_DIR, GetParam()))),
            "");
}

INSTANTIATE_TEST_SUITE_P(Stories, PlayedOnXdp, testing::ValuesIn([] {
                           static const auto names =
                               stories_with({"managed"}, {"own_table_over_restarts",
                                                          "own_table_and_a_gwm_that_is_gone",
                                                          "managed_zero_after_a_restart"});
                           std::vector<const char*> all;
                           for (const auto& name : names)
                             all.push_back(name.c_str());
                           return all;
                         }()),
                         [](const auto& story) { return std::string(story.param); });

}  // namespace
}  // namespace saspd::test
