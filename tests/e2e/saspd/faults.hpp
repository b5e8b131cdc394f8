// SPDX-License-Identifier: Apache-2.0
// What saspd must survive whatever it writes to: kills at any moment, and one of its system calls
// that fails or is its last. Judged by what the kernel does and by clients that connect without
// end. Short in the usual run; SASPD_KILLS=250 and SASPD_SWEEP make it long (tests/run --long).
#pragma once

#include <cstdlib>
#include <random>

#include <boost/json.hpp>

#include "controller/net/control_client.hpp"
#include "tests/e2e/saspd/sweep.hpp"
#include "tests/support/crowd.hpp"
#include "tests/support/strace.hpp"

namespace saspd::test {

namespace json = boost::json;
using std::chrono::seconds;

// `Fixture` is SaspdOnIpvs or SaspdOnXdp with: vip(), client() (its host, or null),
// starts_with(words) (everything, until the kernel leads so), drain(server) (that one alone) and
// leads_by(weights) (the kernel, at this moment).
template <class Fixture>
class Faults : public Fixture {
 protected:
  using Words = std::vector<std::string>;

  struct Phase {
    std::string calls;    // that are swept, separated by commas
    bool starts = false;  // else saspd runs already
    int signal = 0;       // that it gets at the same time
  };

  // While weights move, and servers are quiesced, lost and drained, each life is ended at any moment
  // of that, and the next one comes to what is advised by then.
  void is_killed_in_a_loop() {
    const char* many = std::getenv("SASPD_KILLS");
    const int kills = many != nullptr ? std::atoi(many) : 6;
    this->starts_with({"40", "30", "20", "10"});
    const auto old = opened(8);
    kernel::Crowd crowd(this->vip(), this->client());
    std::mt19937 random{static_cast<unsigned>(Sweep::asked_for().part)};
    for (int life = 0; life < kills; ++life) {
      const auto weights = advises_anything(life, random);
      std::this_thread::sleep_for(std::chrono::milliseconds{random() % 2500});
      end(SIGKILL);
      this->start_saspd();
      ASSERT_TRUE(eventually([&] { return this->leads_by(weights); }, patience))
          << "kill " << life + 1 << ": " << this->described();
      ASSERT_EQ(crowd.failed, 0) << "of " << crowd.worked << ", kill " << life + 1;
    }
    crowd.go_home();
    std::cout << kills << " kills, " << crowd.worked << " connections\n";
    EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
    EXPECT_GT(crowd.worked, 50);
    for (const auto& connection : old)
      EXPECT_TRUE(connection.works()) << "server " << connection.server();
  }

  void sweep(const Phase& phase) {
    this->starts_with({"40", "30", "20", "10"});
    const auto old = opened(8);
    kernel::Crowd crowd(this->vip(), this->client());
    end(SIGTERM);
    this->start_saspd(pushed_);
    ASSERT_TRUE(eventually([&] { return is_advised({"40", "30", "20", "10"}); }, patience));
    meets(phase, std::nullopt);
    const auto all = faults_at(distinct(calls_seen_));
    ASSERT_GT(all.size(), 2U) << "nothing is swept";
    const auto faults = Sweep::asked_for().of(all);
    std::size_t met = 0, done = 0;
    for (const auto& fault : faults) {
      SCOPED_TRACE(fault.text());
      Sweep::tell(++done, faults.size(), fault);
      met += meets(phase, fault) ? 1 : 0;
      ASSERT_EQ(crowd.failed, 0) << "of " << crowd.worked;
      if (this->HasFailure()) break;
    }
    crowd.go_home();
    std::cout << fmt::format("{} of {} faults met, {} connections\n", met, faults.size(),
                             crowd.worked.load());
    EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
    // How many calls there are depends on the moment: an idle machine meets them all.
    EXPECT_GE(met, 1U);
    for (const auto& connection : old)
      EXPECT_TRUE(connection.works()) << "server " << connection.server();
  }

 private:
  static constexpr seconds patience{120};  // a start in the guest takes a minute where all is busy

  void end(int signal) {
    this->saspd_->send(signal);
    ASSERT_TRUE(this->saspd_->wait(seconds{60}));
    this->saspd_.reset();
  }
  std::vector<kernel::Connection> opened(int count) {
    std::vector<kernel::Connection> connections;
    const auto open = [&] {
      for (int i = 0; i < count; ++i) {
        if (auto connection = kernel::Connection::open(this->vip())) {
          connections.push_back(std::move(*connection));
        }
      }
    };
    this->client() != nullptr ? this->client()->run(open) : open();
    EXPECT_EQ(connections.size(), static_cast<std::size_t>(count));
    return connections;
  }

  // Other weights, and in turn none, one that the GWM takes out, one that an operator drains. What
  // they are for the kernel.
  std::vector<std::uint32_t> advises_anything(int life, std::mt19937& random) {
    Words words;
    std::vector<std::uint32_t> weights;
    for (int server = 0; server < 4; ++server) {
      weights.push_back(1 + static_cast<std::uint32_t>(random() % 40));
      words.push_back(std::to_string(weights.back()));
    }
    const std::size_t out = random() % 4;
    if (life % 3 != 0) weights[out] = 0;
    if (life % 3 == 1) words[out] = random() % 2 == 0 ? "quiesce" : "down";
    this->drain(life % 3 == 2 ? std::optional(out) : std::nullopt);
    this->advise(words);
    return weights;
  }

  // Another server is quiesced each time, and the one before is lifted.
  Words next_words() {
    Words words{"40", "30", "20", "10"};
    words[turn_++ % 4] = "quiesce";
    return words;
  }
  static std::vector<std::uint32_t> weights_of(const Words& words) {
    std::vector<std::uint32_t> weights;
    for (const auto& word : words)
      weights.push_back(word == "quiesce" ? 0 : static_cast<std::uint32_t>(std::stoi(word)));
    return weights;
  }

  // Whether the fault was met. Either way the kernel leads by new advice two passes later.
  bool meets(const Phase& phase, const std::optional<Fault>& fault) {
    const Words words = next_words();
    Strace strace(phase.calls, fault, this->path("calls"));
    if (phase.starts) end(SIGTERM);
    const bool stops = phase.signal == SIGTERM;
    if (!phase.starts) strace.attach(this->saspd_->pid());
    if (!stops) this->advise_at_once(words);
    if (phase.starts) this->start_saspd(pushed_, strace.in_front());
    if (phase.signal != 0) this->saspd_->send(phase.signal);
    const auto weights = weights_of(words);
    const auto ended = [this] { return this->saspd_->wait(std::chrono::milliseconds{0}); };
    const auto over = [&] {
      return ended() || (!stops && (strace.hit() || this->leads_by(weights)));
    };
    // Whoever tells its loop of a signal by a write(2) that fails has lost it.
    const bool may_be_lost = stops && fault && fault->call == "write";
    if (may_be_lost && !eventually(over, seconds{5})) this->saspd_->send(SIGTERM);
    EXPECT_TRUE(eventually(over, patience)) << this->described();
    // Later passes make such calls as well, but not every one.
    if (fault && !stops) eventually([&] { return ended() || strace.hit(); }, seconds{4});
    strace.leave(this->saspd_->pid());
    // It goes on, or comes to its end.
    EXPECT_TRUE(eventually([&] { return ended() || (!stops && is_advised(words)); }, patience));
    if (const auto code = ended()) expect_in_order(*code, phase, strace, fault);
    calls_seen_ = strace.calls();
    const bool met = strace.hit();
    if (stops) this->advise_at_once(words);
    if (ended()) this->start_saspd(pushed_);
    expect_led_within_two_passes(words);
    return met;
  }

  // It was killed, or said in its exit code why it could not start.
  static void expect_in_order(int code, const Phase& phase, const Strace& strace,
                              const std::optional<Fault>& fault) {
    if (fault && fault->kills() && strace.killed()) {
      EXPECT_EQ(code, 128 + SIGKILL);
    } else if (phase.signal == SIGTERM) {
      EXPECT_EQ(code, 0);
    } else {
      EXPECT_TRUE(phase.starts) << "ended with " << code;
      EXPECT_TRUE(code == 69 || code == 70 || code == 74 || code == 75 || code == 77) << code;
    }
  }

  void expect_led_within_two_passes(const Words& words) {
    ASSERT_TRUE(eventually([&] { return is_advised(words); }, patience)) << this->described();
    for (int pass = 0; pass < 2; ++pass) {
      const auto done =
          net::control_request(this->path("control"), {{"command", "reconcile"}}, seconds{30});
      EXPECT_TRUE(done && !done->contains("error"))
          << (done ? json::serialize(*done) : "no answer");
    }
    // A server that was written a moment ago gets its weight within a second.
    EXPECT_TRUE(eventually([&] { return this->leads_by(weights_of(words)); }, seconds{10}))
        << this->described();
  }
  bool is_advised(const Words& words) const {
    const auto now = this->status();
    if (!now.is_object()) return false;
    const auto& members = now.at_pointer("/groups/0/members").as_array();
    if (members.size() != words.size()) return false;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto& advice = members[i].at("advice");
      if (!advice.is_object()) return false;
      const bool quiesced = advice.at_pointer("/flags/quiesce").as_bool();
      if (quiesced != (words[i] == "quiesce")) return false;
      if (!quiesced && std::to_string(advice.at("weight").as_int64()) != words[i]) return false;
    }
    return true;
  }

  const Arguments pushed_{"--mode", "push"};  // advice comes at once
  std::size_t turn_ = 0;
  std::vector<Call> calls_seen_;
};

}  // namespace saspd::test
