// SPDX-License-Identifier: Apache-2.0
// Load balancers with the same members share the work of weighing and encoding, and none is weighed
// for where nothing happened. What each is sent, and when, is what it would be sent if its groups
// were weighed for it alone at every interval: Plainly does so.
#include <random>
#include <set>

#include "controller/sasp/codec.hpp"
#include "tests/conformance/gwm/registry_fixture.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;

bool operator==(const Told& told, const WeightEntry& entry) {
  return told == Told{entry.state, entry.flags, entry.weight};
}

// What load balancers are sent, by weighing everything for each of them.
class Plainly {
 public:
  explicit Plainly(const WorkloadManager& manager) : manager_(manager) {}

  void start(const std::string& lb_uid, TimePoint now) {
    Lb& lb = lbs_[lb_uid] = {};
    if ((manager_.load_balancers().find(lb_uid)->second.flags & lb_flag::push) == 0) return;
    lb.interval_ends = now + 10s;
    lb.look_at = lb.interval_ends;
  }
  void event(const std::string& lb_uid, TimePoint now) {
    Lb& lb = lbs_[lb_uid];
    if (lb.look_at) lb.look_at = std::min(*lb.look_at, now + 100ms);
  }
  void disconnected(const std::string& lb_uid) {
    lbs_[lb_uid].look_at.reset();
    lbs_[lb_uid].suspended = false;
  }
  void deregistered(const std::string& lb_uid, const std::string& name,
                    const std::vector<MemberData>& members) {
    Lb& lb = lbs_[lb_uid];
    for (auto& [group, told] : lb.told) {
      if (!name.empty() && group != name) continue;
      if (members.empty()) told.clear();
      for (const auto& member : members)
        told.erase(member.key());
    }
  }
  void suspended(const std::string& lb_uid) {
    lbs_[lb_uid].look_at.reset();
    lbs_[lb_uid].suspended = true;
  }
  void resumed(const std::string& lb_uid, TimePoint now) {
    Lb& lb = lbs_[lb_uid];
    if (std::exchange(lb.suspended, false)) lb.look_at = now;
  }
  void forgotten(const std::string& lb_uid) { lbs_.erase(lb_uid); }
  std::vector<GroupOfWeightEntries> polled(const std::string& lb_uid, TimePoint now) {
    const LoadBalancer& registered = manager_.load_balancers().find(lb_uid)->second;
    const bool news_only = (registered.flags & lb_flag::no_change) != 0;
    std::vector<GroupOfWeightEntries> groups;
    for (const auto& [name, group] : registered.groups) {
      auto [all, news] = tell(lbs_[lb_uid], lb_uid, name, group, now);
      groups.push_back(news_only ? std::move(news) : std::move(all));
    }
    return groups;
  }

  std::optional<TimePoint> next() const {
    std::optional<TimePoint> next;
    for (const auto& [lb_uid, lb] : lbs_) {
      if (lb.look_at) next = std::min(next.value_or(*lb.look_at), *lb.look_at);
    }
    return next;
  }
  std::vector<std::string> due(TimePoint now) const {
    std::vector<std::string> due;
    for (const auto& [lb_uid, lb] : lbs_) {
      if (lb.look_at && *lb.look_at <= now) due.push_back(lb_uid);
    }
    return due;
  }
  // In bytes.
  Bytes look(const std::string& lb_uid, TimePoint now) {
    Lb& lb = lbs_[lb_uid];
    while (lb.interval_ends <= now)
      lb.interval_ends += 10s;
    lb.look_at = lb.interval_ends;
    const LoadBalancer& registered = manager_.load_balancers().find(lb_uid)->second;
    std::erase_if(lb.known,
                  [&](const auto& group) { return !registered.groups.contains(group.first); });
    SendWeights message;
    for (const auto& [name, group] : registered.groups) {
      const bool lost = lb.told[name].size() < lb.known[name];
      auto [all, news] = tell(lb, lb_uid, name, group, now);
      if ((registered.flags & lb_flag::no_change) == 0) {
        if (!news.items.empty() || lost) message.groups.push_back(std::move(all));
      } else if (!news.items.empty()) {
        message.groups.push_back(std::move(news));
      }
    }
    if (message.groups.empty()) return {};
    return encode({++last_id_, message}).value();
  }

 private:
  struct Lb {
    std::optional<TimePoint> look_at;
    TimePoint interval_ends{};
    bool suspended = false;
    std::map<std::string, std::map<MemberKey, Told>> told;
    std::map<std::string, std::size_t> known;
  };

  std::pair<GroupOfWeightEntries, GroupOfWeightEntries> tell(Lb& lb, const std::string& lb_uid,
                                                             const std::string& name,
                                                             const Group& group, TimePoint now) {
    GroupOfWeightEntries all{{lb_uid, name}, manager_.weigher().weigh(name, group, now)};
    GroupOfWeightEntries news{{lb_uid, name}, {}};
    auto& told = lb.told[name];
    for (const WeightEntry& entry : all.items) {
      const auto before = told.find(entry.member.key());
      if (before == told.end() || !(before->second == entry)) news.items.push_back(entry);
      told[entry.member.key()] = {entry.state, entry.flags, entry.weight};
    }
    lb.known[name] = group.size();
    return {std::move(all), std::move(news)};
  }

  const WorkloadManager& manager_;
  std::map<std::string, Lb> lbs_;
  std::uint32_t last_id_ = 0;
};

class SharedWeights : public testing::Test {
 protected:
  // Something happens, time passes, and what is due is sent.
  void step() {
    happen();
    now_ += any(3) == 0 ? Duration(std::chrono::milliseconds(any(6000))) : Duration(any(80) * 1ms);
    for (const auto& lb_uid : manager_.forget_expired(now_))
      plainly_.forgotten(lb_uid);
    std::vector<std::pair<ConnectionId, Bytes>> expected;
    for (const auto& lb_uid : plainly_.due(now_)) {
      if (slow_.contains(lb_uid)) {
        plainly_.suspended(lb_uid);
        continue;
      }
      auto bytes = plainly_.look(lb_uid, now_);
      if (!bytes.empty()) expected.emplace_back(connections_.at(lb_uid), std::move(bytes));
    }
    std::vector<std::pair<ConnectionId, Bytes>> sent;
    for (auto& push : manager_.due(now_, [this](ConnectionId id) { return is_ready(id); }))
      sent.emplace_back(push.connection, std::move(push.messages.bytes));
    ASSERT_EQ(sent, expected);
    pushed_ += sent.size();
    if (plainly_.next()) {
      ASSERT_LE(*manager_.deadline(), *plainly_.next());
    }
  }

  std::size_t pushed_ = 0;
  std::size_t polled_ = 0;

 private:
  static ProbePlan probes() {
    ProbePlan plan;
    EXPECT_TRUE(plan.add("tcp"));
    EXPECT_TRUE(plan.add("b=agent:9777"));
    EXPECT_TRUE(plan.add("c=none"));
    return plan;
  }
  static constexpr int servers = 12;

  int any(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool is_ready(ConnectionId id) {
    const std::string* lb_uid = manager_.attached_to(id);
    return !slow_.contains(*lb_uid);
  }

  std::string any_lb() { return fmt::format("lb{}", any(5)); }
  std::string any_group() { return std::string(1, static_cast<char>('a' + any(3))); }
  MemberData any_member() {
    return tcp(fmt::format("192.0.2.{}", any(servers)), 80, any(20) == 0 ? "label" : "");
  }

  void happen() {
    switch (any(14)) {
      case 0: return fill();
      case 1:
      case 2: return request(registers({group(any_lb(), any_group(), {any_member()})}));
      case 3: return request(deregisters({group(any_lb(), any_group(), {any_member()})}));
      case 4: return any(3) == 0 ? request(deregisters({group(any_lb(), any_group())})) : renew();
      case 5:
        return request(sets({states(any_lb(), any_group(),
                                    {state(any_member(), any(2) == 0, any(4) == 0 ? 7 : 0)})}));
      case 6: return any(3) == 0 ? request(lb_state(any_lb(), any_flags())) : advise();
      case 7: return poll(any_lb());
      case 8: return any(4) == 0 ? disconnect(any_lb()) : advise();
      case 9: return drain();
      case 10: return read();
      default: return learn();
    }
  }

  std::uint8_t any_flags() {
    const auto flags = any(4) == 0 ? 0 : lb_flag::push;
    return static_cast<std::uint8_t>(flags | lb_flag::trust |
                                     (any(2) == 0 ? lb_flag::no_change : 0));
  }

  // Most members that a group lacks, so that groups are alike, and large enough to be shared.
  void fill() {
    auto lacking = group(any_lb(), any_group());
    const auto& lbs = manager_.load_balancers();
    const auto lb = lbs.find(lacking.group.lb_uid);
    for (int n = 0; n < servers; ++n) {
      const bool labelled = n == 0 && any(2) == 0;
      const MemberData member = tcp(fmt::format("192.0.2.{}", n), 80, labelled ? "label" : "");
      if (any(20) == 0) continue;
      if (lb != lbs.end()) {
        const auto existing = lb->second.groups.find(lacking.group.name);
        if (existing != lb->second.groups.end() && existing->second.contains(member.key()))
          continue;
      }
      lacking.items.push_back(member);
    }
    request(registers({std::move(lacking)}));
  }

  // A member leaves and comes back at once.
  void renew() {
    const auto lb_uid = any_lb();
    const auto name = any_group();
    const auto member = any_member();
    request(deregisters({group(lb_uid, name, {member})}));
    request(registers({group(lb_uid, name, {member})}));
  }

  void request(Message message) {
    const bool by_lb = any(4) != 0;
    if (!by_lb) message = by_member(std::move(message));
    const std::string lb_uid = lb_of(message);
    const auto known = connections_.find(lb_uid);
    const ConnectionId connection = !by_lb && !std::holds_alternative<SetLbStateRequest>(message)
                                        ? 1'000'000
                                    : known != connections_.end() ? known->second
                                                                  : ++last_connection_;
    const Outcome outcome = manager_.handle({connection, rights_}, message, now_);
    if (!outcome.refusal.empty()) return;
    if (outcome.attached) connections_[lb_uid] = connection;
    if (const auto* left = std::get_if<DeregistrationRequest>(&message))
      plainly_.deregistered(lb_uid, left->groups[0].group.name, left->groups[0].items);
    const bool is_state = std::holds_alternative<SetLbStateRequest>(message);
    if (outcome.attached || is_state) plainly_.start(lb_uid, now_);
    if (outcome.attached || is_state) slow_.erase(lb_uid);
    if (outcome.changed && !is_state) plainly_.event(lb_uid, now_);
  }
  static std::string lb_of(const Message& message) {
    if (const auto* r = std::get_if<RegistrationRequest>(&message))
      return r->groups[0].group.lb_uid;
    if (const auto* r = std::get_if<DeregistrationRequest>(&message))
      return r->groups[0].group.lb_uid;
    if (const auto* r = std::get_if<SetMemberStateRequest>(&message))
      return r->groups[0].group.lb_uid;
    return std::get<SetLbStateRequest>(message).lb_uid;
  }

  void poll(const std::string& lb_uid) {
    const auto connection = connections_.find(lb_uid);
    if (connection == connections_.end()) return;
    const Outcome outcome =
        manager_.handle({connection->second, rights_}, asks({{lb_uid, ""}}), now_);
    ASSERT_EQ(outcome.refusal, "");
    ASSERT_EQ(std::get<GetWeightsReply>(outcome.reply).groups, plainly_.polled(lb_uid, now_));
    ++polled_;
  }
  void disconnect(const std::string& lb_uid) {
    const auto connection = connections_.find(lb_uid);
    if (connection == connections_.end()) return;
    manager_.disconnected(connection->second, now_);
    connections_.erase(connection);
    slow_.erase(lb_uid);
    plainly_.disconnected(lb_uid);
  }
  // Somebody stops or begins to read.
  void read() {
    const auto lb_uid = any_lb();
    const auto connection = connections_.find(lb_uid);
    if (connection == connections_.end()) return;
    if (slow_.insert(lb_uid).second) return;
    slow_.erase(lb_uid);
    manager_.writable(connection->second, now_);
    plainly_.resumed(lb_uid, now_);
  }

  void event_at(const IpAddress& address) {
    for (const auto& [lb_uid, lb] : manager_.load_balancers()) {
      bool concerned = false;
      for (const auto& [name, group] : lb.groups) {
        for (const auto& [key, member] : group)
          concerned = concerned || key.address == address;
      }
      if (concerned) plainly_.event(lb_uid, now_);
    }
  }
  void advise() {
    AdviceTable table;
    for (const char* name : {"a", "b", "c"}) {
      for (int n = any(2 * servers); n > 0; --n) {
        table[name][any_member().key()] = {.contact = any(8) != 0,
                                           .confident = any(3) != 0,
                                           .quiesce = any(8) == 0,
                                           .weight = static_cast<std::uint16_t>(any(5))};
      }
    }
    manager_.use(std::move(table), now_);
    for (const auto& [lb_uid, lb] : manager_.load_balancers())
      plainly_.event(lb_uid, now_);
  }
  void drain() {
    const MemberKey key = any_member().key();
    MemberName name{std::nullopt, {key.address, key.port}};
    if (any(2) == 0) name.group = any_group();
    if (drained_.contains(name)) {
      ASSERT_TRUE(manager_.undrain(name, now_));
      drained_.erase(name);
    } else if (manager_.drain(name, now_) > 0) {
      drained_.insert(name);
    } else {
      return;
    }
    event_at(key.address);
  }
  void learn() {
    if (any(20) == 0) return manager_.keep_only(manager_.probe_targets());
    const IpAddress address = any_member().key().address;
    const bool agent = any(2) == 0;
    const ProbeTarget target =
        agent ? ProbeTarget{{ProbeSpec::Kind::agent, {}, 9777}, {address, 9777}}
              : ProbeTarget{{ProbeSpec::Kind::tcp, {}, 0}, {address, 80}};
    if (!manager_.probe_targets().contains(target)) return;
    Reading reading{.state = any(5) == 0 ? Reading::State::failing : Reading::State::passing};
    if (agent) reading.percent = static_cast<unsigned>(any(5) * 25);
    if (agent) reading.drain = any(6) == 0;
    const bool at_once = changes_at_once(target, reading);
    manager_.learn(target, reading, now_);
    if (at_once) event_at(address);
  }
  // By the weigher's own words.
  bool changes_at_once(const ProbeTarget& target, const Reading& reading) const {
    Weigher copy = manager_.weigher();
    return copy.learn(target, reading, now_);
  }

  std::minstd_rand random_{16};
  TimePoint now_{1h};
  const Rights rights_ = Authority(true).rights_of(*IpAddress::parse("192.0.2.9"), {});
  WorkloadManager manager_{{{.retention = 20s},
                            {.slow_start = 5s, .settle = 3s, .max_share = 60, .damping = 50},
                            probes()}};
  Plainly plainly_{manager_};
  std::map<std::string, ConnectionId> connections_;
  ConnectionId last_connection_ = 0;
  std::set<std::string> slow_;
  std::set<MemberName> drained_;
};

TEST_F(SharedWeights, AreThoseThatEachLoadBalancerWouldBeSentAlone) {
  for (int i = 0; i < 20'000 && !HasFatalFailure(); ++i)
    step();
  EXPECT_GT(pushed_, 1000U);
  EXPECT_GT(polled_, 100U);
}

}  // namespace
}  // namespace saspd::gwm
