// SPDX-License-Identifier: Apache-2.0
// A GWM and load balancers, our own sessions on both sides, wired back to back in simulated time.
// Connections break at any byte, either side restarts and forgets, members come and go, advice
// changes all the while. Once it is quiet every load balancer believes what the GWM believes.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <utility>

#include "controller/sasp/gwm_session.hpp"
#include "controller/sasp/lb_session.hpp"
#include "tests/conformance/gwm/registry_fixture.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;

constexpr int max_lbs = 3;
constexpr int max_members = 4;
constexpr Duration trouble = 600s;
// Longer than the longest of: retry of a connection, an interval, the GWM's retention, what an LB
// with trust and No-Change needs until it asks for everything (ten rounds).
constexpr Duration quiet = 400s;

MemberKey member(int n) {
  return {*IpAddress::parse(fmt::format("192.0.2.{}", n + 1)), 6, 80};
}

// What an LB was told of a member.
using Belief = std::map<MemberKey, std::tuple<std::uint16_t, std::uint8_t, std::uint8_t>>;
using Beliefs = std::map<std::string, Belief>;

Belief belief(const std::vector<WeightEntry>& entries) {
  Belief belief;
  for (const auto& entry : entries)
    belief[entry.member.key()] = {entry.weight, entry.flags, entry.state};
  return belief;
}

class Simulation {
 public:
  explicit Simulation(unsigned seed) : random_(seed) {
    restart_gwm();
    for (int n = 0; n < 1 + any(max_lbs); ++n) {
      auto& lb = lbs_.emplace_back();
      lb.config.lb_uid = fmt::format("lb{}", n);
      lb.config.push = any(2) == 0;
      lb.config.trust = any(2) == 0;
      lb.config.no_change = any(2) == 0;
      lb.config.members_per_registration = static_cast<std::size_t>(1 + any(3));
      restart(lb);
    }
  }

  void run() {
    while (now_ < start + trouble) {
      now_ += std::chrono::milliseconds(any(2000));
      advance();
      happen();
    }
    for (auto& lb : lbs_)
      lb.broken_after.reset();
    while (now_ < start + trouble + quiet) {
      now_ += 100ms;
      advance();
    }
  }

  // Every LB's belief against what the GWM has; empty if they agree.
  std::string differences() {
    std::string text;
    for (const auto& lb : lbs_) {
      const auto known = gwm_->load_balancers().find(lb.config.lb_uid);
      if (known == gwm_->load_balancers().end()) {
        text += fmt::format("{}: not known to the gwm\n", lb.config.lb_uid);
        continue;
      }
      Beliefs truth;
      for (const auto& [name, group] : known->second.groups)
        truth[name] = belief(gwm_->weigher().weigh(name, group, now_));
      for (const auto& [name, wanted] : lb.wanted) {
        for (const auto& [key, label] : wanted) {
          if (!truth[name].contains(key))
            text += fmt::format("{}: {} is not registered\n", lb.config.lb_uid, key.text());
        }
      }
      // A group without members is as good as none.
      const auto is_empty = [](const auto& group) { return group.second.empty(); };
      Beliefs beliefs = lb.beliefs;
      std::erase_if(beliefs, is_empty);
      std::erase_if(truth, is_empty);
      if (truth == beliefs) continue;
      text += fmt::format("{} (push {}, trust {}, no change {}): it believes\n{}the gwm says\n{}",
                          lb.config.lb_uid, lb.config.push, lb.config.trust, lb.config.no_change,
                          written(beliefs), written(truth));
    }
    return text;
  }

 private:
  struct Lb {
    LbSessionConfig config;
    WantedGroups wanted;
    std::unique_ptr<LbSession> session;
    Beliefs beliefs;
    // A connection; nothing while there is none.
    std::optional<ConnectionId> connection;
    std::unique_ptr<GwmSession> peer;
    TimePoint retry_at;
    std::optional<std::size_t> broken_after;  // bytes, either way
  };

  static constexpr TimePoint start{std::chrono::hours{1}};

  int any(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  static std::string written(const Beliefs& beliefs) {
    std::string text;
    for (const auto& [name, members] : beliefs) {
      text += "  " + name + ":";
      for (const auto& [key, entry] : members) {
        text += fmt::format(" {}={} {:04b} {}", key.text(), std::get<0>(entry), std::get<1>(entry),
                            std::get<2>(entry));
      }
      text += "\n";
    }
    return text;
  }

  // ---- what goes wrong, and what just changes

  void happen() {
    Lb& lb = lbs_[static_cast<std::size_t>(any(static_cast<int>(lbs_.size())))];
    switch (any(12)) {
      case 0: return any(3) == 0 ? restart_gwm() : advise();
      case 1: return restart(lb);
      case 2: return hang_up(lb);
      case 3: lb.broken_after = static_cast<std::size_t>(any(300)); return;
      case 4: return want(lb);
      case 5: return quiesce_by_member(lb);
      case 6: return register_by_member(lb);
      case 7: return drain();
      default: return advise();
    }
  }

  void restart_gwm() {
    for (auto& lb : lbs_)
      hang_up(lb);
    // Which of its flags does a GWM remember? None.
    gwm_ = std::make_unique<WorkloadManager>(
        WorkloadManagerConfig{{.retention = std::chrono::seconds{any(60)}}, {}, {}});
    advise();
  }

  void restart(Lb& lb) {
    hang_up(lb);
    lb.session = std::make_unique<LbSession>(lb.config);
    lb.beliefs.clear();
    lb.retry_at = now_;
    want(lb);
  }

  void hang_up(Lb& lb) {
    if (!lb.connection) return;
    const ConnectionId gone = *lb.connection;
    lb.connection.reset();
    lb.broken_after.reset();
    lb.retry_at = now_ + std::chrono::seconds(1 + any(20));
    // The GWM may notice much later, even after the LB has come back.
    if (any(4) != 0) gwm_->disconnected(gone, now_);
  }

  void want(Lb& lb) {
    lb.wanted.clear();
    for (const char* group : {"a", "b"}) {
      for (int n = 0; n < max_members; ++n) {
        if (any(2) == 0) lb.wanted[group][member(n)] = "label";
      }
    }
    LbStep step = lb.session->want(lb.wanted, now_);
    if (lb.connection) perform(lb, std::move(step));
  }

  void advise() {
    AdviceTable table;
    for (const char* group : {"a", "b"}) {
      for (int n = 0; n < max_members; ++n) {
        if (any(4) == 0) continue;
        table[group][member(n)] = {.contact = any(5) != 0,
                                   .confident = true,
                                   .quiesce = any(5) == 0,
                                   .weight = static_cast<std::uint16_t>(any(100))};
      }
    }
    gwm_->use(std::move(table), now_);
  }

  Outcome member_sends(int n, Message request) {
    return gwm_->handle({1'000'000, authority_.rights_of(member(n).address, {})},
                        by_member(std::move(request)), now_);
  }
  void quiesce_by_member(const Lb& lb) {
    const int n = any(max_members);
    member_sends(n, sets({states(lb.config.lb_uid, any(2) == 0 ? "a" : "b",
                                 {state(MemberData::of(member(n)), any(2) == 0,
                                        static_cast<std::uint8_t>(any(3)))})}));
  }
  void register_by_member(const Lb& lb) {
    const int n = any(max_members);
    const auto one = group(lb.config.lb_uid, any(2) == 0 ? "a" : "b", {MemberData::of(member(n))});
    member_sends(n, any(2) == 0 ? registers({one}) : deregisters({one}));
  }
  void drain() {
    const MemberName name{std::nullopt, {member(any(max_members)).address, 80}};
    if (any(2) == 0) {
      gwm_->drain(name, now_);
    } else {
      gwm_->undrain(name, now_);
    }
  }

  // ---- time and bytes

  void advance() {
    for (auto& lb : lbs_) {
      if (!lb.connection && lb.retry_at <= now_) connect(lb);
      const auto deadline = lb.connection ? lb.session->deadline() : std::nullopt;
      if (deadline && *deadline <= now_) perform(lb, lb.session->handle_timeout(now_));
    }
    gwm_->forget_expired(now_);
    const auto pushes = gwm_->due(now_, [this](ConnectionId id) {
      const bool slow = any(5) == 0;
      if (slow) slow_.push_back(id);
      return !slow;
    });
    for (const auto& push : pushes) {
      for (auto& lb : lbs_) {
        if (lb.connection != push.connection) continue;
        to_lb(lb, push.messages.bytes);
      }
    }
    for (const ConnectionId id : std::exchange(slow_, {}))
      gwm_->writable(id, now_);
  }

  void connect(Lb& lb) {
    lb.connection = ++last_connection_;
    lb.peer = std::make_unique<GwmSession>();
    perform(lb, lb.session->connected(now_));
  }

  void perform(Lb& lb, LbStep step) {
    for (const auto& event : step.events) {
      if (const auto* weights = std::get_if<WeightsReceived>(&event)) believe(lb, *weights);
    }
    if (step.close) return hang_up(lb);
    if (!step.send.empty()) to_gwm(lb, step.send);
  }

  // As saspd's reconciler takes them.
  static void believe(Lb& lb, const WeightsReceived& weights) {
    if (weights.full) lb.beliefs.clear();
    for (const auto& group : weights.groups) {
      Belief news = belief(group.items);
      news.merge(lb.beliefs[group.group.name]);
      lb.beliefs[group.group.name] = std::move(news);
    }
  }

  // What arrives before the connection breaks; then it is gone.
  ByteView until_broken(Lb& lb, ByteView bytes) {
    if (!lb.broken_after) return bytes;
    const auto n = std::min(*lb.broken_after, bytes.size());
    *lb.broken_after -= n;
    return bytes.first(n);
  }

  void to_gwm(Lb& lb, ByteView bytes) {
    const auto arrived = until_broken(lb, bytes);
    const ConnectionId id = *lb.connection;
    lb.peer->handle_bytes(arrived);
    while (lb.connection == id) {
      const auto event = lb.peer->next(now_);
      if (!event || !*event) break;
      const auto& request = std::get<GwmRequest>(**event);
      Outcome outcome = gwm_->handle(
          {id, authority_.rights_of(*IpAddress::parse("198.51.100.1"), {})}, request.message, now_);
      to_lb(lb, *encode({request.message_id, std::move(outcome.reply)}));
    }
    if (lb.connection == id && arrived.size() < bytes.size()) hang_up(lb);
  }

  void to_lb(Lb& lb, const Bytes& bytes) {
    const auto arrived = until_broken(lb, bytes);
    const ConnectionId id = *lb.connection;
    perform(lb, lb.session->handle_bytes(arrived, now_));
    if (lb.connection == id && arrived.size() < bytes.size()) hang_up(lb);
  }

  std::mt19937 random_;
  TimePoint now_ = start;
  Authority authority_{false};
  std::unique_ptr<WorkloadManager> gwm_;
  std::vector<Lb> lbs_;
  std::vector<ConnectionId> slow_;
  ConnectionId last_connection_ = 0;
};

TEST(GwmAndLbs, AgreeAfterAnyTrouble) {
  const char* one = std::getenv("SASPD_SEED");
  const unsigned first = one == nullptr ? 1 : static_cast<unsigned>(std::atoi(one));
  const unsigned last = one == nullptr ? 200 : first;
  for (unsigned seed = first; seed <= last; ++seed) {
    Simulation simulation(seed);
    simulation.run();
    const std::string differences = simulation.differences();
    ASSERT_EQ(differences, "") << "again by: SASPD_SEED=" << seed;
  }
}

}  // namespace
}  // namespace saspd::gwm
