// SPDX-License-Identifier: Apache-2.0
// A GWM that pushes as fast as it is read, each time other weights: what counts is how often the maps
// change, where they lead in the end, and that clients notice nothing.
#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/flooding_gwm.hpp"

namespace saspd::test {
namespace {

using std::chrono::steady_clock;

class Flood : public SaspdOnXdp {
 protected:
  void TearDown() override {
    saspd_.reset();  // whom the GWM talks to
    flooding_.reset();
    SaspdOnXdp::TearDown();
  }

  void start_flooding_gwm() {
    attach();
    network_.director.run(
        [this] { flooding_.emplace([this](std::uint64_t push) { return weights(push); }); });
    start_saspd("web=tcp:192.0.2.10:80", 4, {"--mode", "push"});
    ASSERT_TRUE(eventually([&] {
      return leads_by({10, 20, 20, 20});
    })) << json::serialize(status());
  }
  // The first server gets another weight with each push, the others keep theirs.
  sasp::GroupOfWeightEntries weights(std::uint64_t push) const {
    sasp::GroupOfWeightEntries group{{lb_uid_, "web"}, {}};
    for (std::uint8_t n = 1; n <= 4; ++n) {
      using namespace sasp::weight_flag;
      const bool quiesced = n == 2 && quiesced_;
      const auto flags = static_cast<std::uint8_t>(contact | confident | registered_by_lb |
                                                   (quiesced ? int{quiesce} : 0));
      const auto weight = static_cast<std::uint16_t>(n == 1 ? 10 + push % 50 : 20);
      const sasp::MemberKey member{IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, n, 2}), 6, 80};
      group.items.push_back({sasp::MemberData::of(member), 0, flags, weight});
    }
    return group;
  }
  std::optional<std::uint32_t> weight_of(unsigned n) const {
    const auto now = kernel::RawMaps(pins()).tcp(80);
    if (!now) return std::nullopt;
    const auto server = now->servers.find(fmt::format("{}.2", n));
    return server != now->servers.end() ? std::optional(server->second.weight) : std::nullopt;
  }
  // How long it takes, in seconds, until it has changed so often.
  double changes(unsigned times) const {
    const auto start = steady_clock::now();
    auto last = weight_of(1);
    while (times > 0 && steady_clock::now() < start + std::chrono::minutes{5}) {
      const auto now = weight_of(1);
      if (now && last && *now != *last) --times;
      if (now) last = now;
    }
    EXPECT_EQ(times, 0U) << "the pushes are not followed";
    return std::chrono::duration<double>(steady_clock::now() - start).count();
  }
  std::size_t lines_logged() const {
    std::ifstream log(path("saspd.log"));
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(log), {}, '\n'));
  }

  std::optional<FloodingGwm> flooding_;
  std::atomic<bool> quiesced_ = false;
};

TEST_F(Flood, WritesEachServerOncePerSecondAndAQuiesceAtOnce) {
  start_flooding_gwm();
  flooding_->floods(true);
  const double took = changes(8);
  fmt::print("8 changes in {:.1f} s of {} pushes\n", took, flooding_->pushed());
  EXPECT_GE(took, 3) << "of seven seconds";
  EXPECT_LE(lines_logged(), 100U);

  quiesced_ = true;
  const auto before = flooding_->pushed();
  ASSERT_TRUE(eventually([&] { return weight_of(2) == 0U; }));
  fmt::print("quiesced within {} pushes\n", flooding_->pushed() - before);
  const auto connections = connect(100);
  EXPECT_EQ(connections.at(1), 0);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(weight_of(2), 0U);

  quiesced_ = false;
  ASSERT_TRUE(eventually([&] { return weight_of(2) == 20U; }));
  flooding_->floods(false);
  EXPECT_TRUE(eventually([&] {
    const auto last = static_cast<std::uint32_t>(10 + flooding_->pushed() % 50);
    return leads_by({last, 20, 20, 20});
  })) << "the last of "
      << flooding_->pushed() << " pushes: " << json::serialize(status());
  EXPECT_EQ(failed_, 0);
}

}  // namespace
}  // namespace saspd::test
