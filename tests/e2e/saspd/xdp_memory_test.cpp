// SPDX-License-Identifier: Apache-2.0
// saspd on XDP that finds no memory, at any allocation of an update: it ends in order or goes on,
// and what the kernel does is the old advice or the new one. A few allocations in the usual run,
// all of them with SASPD_SWEEP=all.

#include <fcntl.h>
#include <sys/mman.h>

#include "tests/e2e/saspd/sweep.hpp"
#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/crowd.hpp"
#include "tests/support/failing_memory.hpp"

namespace saspd::test {
namespace {

class NoMemory : public SaspdOnXdp {
 protected:
  static constexpr seconds patience{120};
  using Words = std::vector<std::string>;

  void SetUp() override {
    SaspdOnXdp::SetUp();
    const int file = ::open(path("order").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_EQ(::ftruncate(file, sizeof(MemoryOrder)), 0);
    void* shared =
        ::mmap(nullptr, sizeof(MemoryOrder), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    ASSERT_NE(shared, MAP_FAILED);
    order_ = static_cast<MemoryOrder*>(shared);
  }
  void TearDown() override {
    SaspdOnXdp::TearDown();
    if (order_ != nullptr) ::munmap(order_, sizeof(MemoryOrder));
  }

  void start_saspd() {
    order_->counts = false;
    SaspdOnXdp::start_saspd("web=tcp:192.0.2.10:80", 4, {"--mode", "push"},
                            {"env", "LD_PRELOAD=" FAILING_MALLOC,
                             fmt::format("{}={}", memory_order_variable, path("order"))});
    ASSERT_TRUE(eventually([&] { return leads_by(weights_); }, patience))
        << json::serialize(status());
  }
  // Other advice, and a question of the operator.
  void update() {
    weights_[0] = 11 + weights_[0] % 10;
    advise({std::to_string(weights_[0]), "30", "20", "10"});
    gwm_->send(SIGHUP);
  }
  bool has_ended() { return saspd_->wait(std::chrono::milliseconds{0}).has_value(); }
  bool leads_by_what_is_advised() {
    return eventually([&] { return has_ended() || leads_by(weights_); }, patience);
  }
  // How many allocations an update takes, with the look at the kernel after it.
  std::uint64_t allocations() {
    order_->counted = 0;
    order_->fails_at = 0;
    order_->counts = true;
    update();
    EXPECT_TRUE(leads_by_what_is_advised());
    net::control_request(path("control"), {{"command", "reconcile"}}, patience);
    order_->counts = false;
    return order_->counted;
  }
  // Whether it was met.
  bool lacks(std::uint64_t nth, bool lasts) {
    SCOPED_TRACE(fmt::format("allocation {}{}", nth, lasts ? " and all after it" : ""));
    const auto before = weights_;
    order_->counted = 0;
    order_->fails_at = nth;
    order_->lasts = lasts;
    order_->counts = true;
    update();
    eventually([&] { return has_ended() || order_->counted >= nth; }, seconds{10});
    const bool met = order_->counted >= nth;
    // A lack that lasts ends it soon, or when it is asked something; or it does without.
    for (int asked = 0; met && lasts && asked < 3 && !has_ended(); ++asked)
      net::control_request(path("control"), {{"command", "status"}},
                           std::chrono::milliseconds{300});
    order_->fails_at = 0;
    EXPECT_TRUE(leads_by_what_is_advised()) << json::serialize(status());
    if (has_ended()) ended_in_order(before);
    return met;
  }
  // With 70 and its reason; packets go by the old advice or by the new one, never by half of it.
  void ended_in_order(const std::vector<std::uint32_t>& before) {
    EXPECT_EQ(saspd_->wait(patience), 70) << saspd_->log();
    EXPECT_TRUE(has_slots_by(before) || has_slots_by(weights_)) << "neither the old nor the new";
    ++ended_;
    saspd_.reset();
    start_saspd();
  }

  MemoryOrder* order_ = nullptr;
  std::vector<std::uint32_t> weights_{40, 30, 20, 10};
  int ended_ = 0;
};

TEST_F(NoMemory, EndsInOrderOrDropsTheMessage) {
  attach("native", {"--max-services", "4", "--max-backends", "16"});
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  kernel::Crowd crowd(vip, &network_.client);
  const auto all = allocations();
  ASSERT_GT(all, 100U);
  const auto asked = Sweep::asked_for();
  const std::uint64_t step = asked.is_long ? asked.parts : all / 7;
  std::uint64_t met = 0, tried = 0;
  for (std::uint64_t nth = asked.part; nth <= all && !HasFailure(); nth += step, ++tried)
    met += lacks(nth, tried % 2 == 1) ? 1 : 0;
  crowd.go_home();
  std::cout << fmt::format("{} of {} allocations, {} ends, {} connections\n", met, all, ended_,
                           crowd.worked.load());
  EXPECT_GT(met, tried / 2);
  EXPECT_GT(ended_, 0);
  EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
}

}  // namespace
}  // namespace saspd::test
