// SPDX-License-Identifier: Apache-2.0
// Kills and failing system calls on XDP.

#include "tests/e2e/saspd/faults.hpp"
#include "tests/e2e/saspd/xdp_fixture.hpp"

namespace saspd::test {
namespace {

class OnXdp : public SaspdOnXdp {
 protected:
  static Endpoint vip() { return test::vip; }
  const kernel::Host* client() const { return &network_.client; }
  void starts_with(const std::vector<std::string>& words) {
    attach("native",
           {"--max-services", "4", "--max-backends", "16"});  // so that few calls read all
    advise(words);
    drain(std::nullopt);
    start_gwm({"--drains", path("drains")});
    start_saspd();
    std::vector<std::uint32_t> weights;
    for (const auto& word : words)
      weights.push_back(static_cast<std::uint32_t>(std::stoi(word)));
    ASSERT_TRUE(eventually([&] { return leads_by(weights); })) << described();
  }
  void drain(const std::optional<std::size_t>& server) {
    std::ofstream(path("drains.new")) << (server ? fmt::format("10.0.{}.2:80\n", *server + 1) : "");
    std::filesystem::rename(path("drains.new"), path("drains"));
  }
  void advise_at_once(const std::vector<std::string>& words) {
    advise(words);
    gwm_->send(SIGHUP);
  }
  void start_saspd(const Arguments& more = {}, const Arguments& in_front = {}) {
    SaspdOnXdp::start_saspd("web=tcp:192.0.2.10:80", 4, more, in_front);
  }
  std::string described() const { return json::serialize(status()); }
};

using FaultsOnXdp = Faults<OnXdp>;

TEST_F(FaultsOnXdp, AreSurvivedInALoopOfKills) {
  is_killed_in_a_loop();
}

TEST_F(FaultsOnXdp, AreSurvivedAtEachCallOfAStart) {
  sweep({.calls = "bpf", .starts = true, .signal = 0});
}

TEST_F(FaultsOnXdp, AreSurvivedAtEachCallOfAnUpdate) {
  sweep({.calls = "bpf", .starts = false, .signal = 0});
}

TEST_F(FaultsOnXdp, AreSurvivedAtEachCallOfAReload) {
  sweep({.calls = "bpf,sendmsg,recvmsg", .starts = false, .signal = SIGHUP});
}

TEST_F(FaultsOnXdp, AreSurvivedAtEachCallOfAStop) {
  sweep({.calls = "bpf,close,write,unlink", .starts = false, .signal = SIGTERM});
}

// An attach that brings bigger maps, and meets a fault.
class FaultyAttach : public OnXdp {
 protected:
  Arguments sized() const {
    return {"--max-services",         "2", "--max-flows", "4096", "--max-backends",
            std::to_string(backends_)};
  }
  // Exit code.
  int attach_under(const Strace& strace) {
    ++backends_;
    Arguments arguments = strace.in_front();
    arguments.insert(arguments.end(), {programs + "/saspd", "--attach", "--interface", "c0",
                                       "--xdp-mode", "native", "--pins", pins()});
    for (const auto& flag : sized())
      arguments.push_back(flag);
    int code = -1;
    network_.director.run([&] {
      Program program(arguments, path("attach.log"));
      code = program.wait(seconds{300}).value_or(-1);
    });
    return code;
  }
  Strace strace(const std::optional<Fault>& fault = {}) const {
    return {"bpf,rename", fault, path("calls")};
  }
  // What it calls last, from where it pins, links and pins again, is met by its distance from the
  // end. What comes before vanishes with the process: one of a kind is like its neighbours.
  static constexpr std::size_t last = 30;
  static std::vector<Fault> faults(std::vector<Call> calls) {
    std::erase_if(calls, [](const Call& call) { return call.name != "bpf"; });
    const int count = static_cast<int>(calls.size());
    std::vector<Call> before, chosen;
    for (std::size_t i = 1; i + last < calls.size(); ++i) {
      if (calls[i].place != calls[i - 1].place) before.push_back(calls[i]);
    }
    for (std::size_t i = calls.size() - last; i < calls.size(); ++i) {
      calls[i].nth -= count;
      chosen.push_back(calls[i]);
    }
    // And here it gives the pins their names.
    for (int call = 1; call <= 4; ++call)
      chosen.push_back({"rename", call, ""});
    auto faults = faults_at(before, Errors::one);
    for (auto& fault : faults_at(chosen))
      faults.push_back(std::move(fault));
    return faults;
  }
  unsigned backends_ = 8;
};

// It harms nobody, and the next one ends what it began.
TEST_F(FaultyAttach, HarmsNobody) {
  attach("native", sized());
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(all_have_slots(4));
  const Strace without = strace();
  ASSERT_EQ(attach_under(without), 0);
  const auto calls = without.calls();
  const auto is_bpf = [](const Call& call) { return call.name == "bpf"; };
  const auto count = std::count_if(calls.begin(), calls.end(), is_bpf);
  const unsigned counted = backends_;
  ASSERT_GT(count, 60);
  kernel::Crowd crowd(vip(), client());
  const auto all = Sweep::asked_for().of(faults(calls), 10);
  std::size_t done = 0, killed = 0, failed = 0;
  for (auto fault : all) {
    // Each time there is a backend more to copy: two maps, to be read and written.
    if (fault.nth <= 0) fault.nth += static_cast<int>(count + 4 * (backends_ + 1 - counted));
    SCOPED_TRACE(fault.text());
    Sweep::tell(++done, all.size(), fault);
    const int code = attach_under(strace(fault));
    if (fault.kills())
      killed += code == 128 + SIGKILL ? 1 : 0;
    else
      failed += code != 0 ? 1 : 0;
    attach("native", sized());
    ASSERT_EQ(crowd.failed, 0) << "of " << crowd.worked;
  }
  EXPECT_GT(killed, 0U);
  EXPECT_GT(failed, 0U);
  crowd.go_home();
  std::cout << killed << " killed, " << failed << " failed, " << crowd.worked << " connections\n";
  EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
  advise({"0", "0", "0", "10"});
  EXPECT_TRUE(weights_become({0, 0, 0, 10}));
  EXPECT_EQ(connect(40)[3], 40) << "it writes the maps by which packets go";
}

// libbpf tries whether the kernel takes names, and after a failure leaves its maps without: nothing
// may depend on them.
TEST_F(FaultyAttach, ThatLeavesMapsWithoutNamesHarmsNobody) {
  attach("native", sized());
  const Strace without = strace();
  ASSERT_EQ(attach_under(without), 0);
  std::size_t tried = 0;
  for (const auto& call : without.calls()) {
    if (call.place.find("PROG_TYPE_SOCKET_FILTER") == std::string::npos) continue;
    ++tried;
    SCOPED_TRACE(call.nth);
    attach_under(strace(Fault{call.name, call.nth, "error=ENOMEM"}));
    for (int again = 0; again < 2; ++again)
      attach("native", sized());
  }
  EXPECT_GT(tried, 0U);
}

}  // namespace
}  // namespace saspd::test
