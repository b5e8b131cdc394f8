// The Group Workload Manager without its sockets, files and clocks: registry, weigher and publisher
// put together. Pure: requests, readings and time in, replies and messages out.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/gwm/publisher.hpp"
#include "controller/gwm/registry.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

struct WorkloadManagerConfig {
  RegistryConfig registry;
  WeigherConfig weigher;
  ProbePlan probes;
};

// Send Weights messages for the LB of a connection, in this order.
struct Push {
  ConnectionId connection = 0;
  std::vector<sasp::SendWeights> messages;
};

class WorkloadManager {
 public:
  explicit WorkloadManager(WorkloadManagerConfig config);
  WorkloadManager(const WorkloadManager&) = delete;
  WorkloadManager& operator=(const WorkloadManager&) = delete;

  // `request` is one of the five requests of RFC 4678.
  Outcome handle(const Sender& sender, const sasp::Message& request, TimePoint now);
  // There is another authority.
  void judge_again(const Authority& authority) { registry_.judge_again(authority); }
  // The connection is gone; its LB, if it spoke for one, is kept for the time of retention.
  void disconnected(ConnectionId connection, TimePoint now);

  // What advisors say. All of the weights file at once.
  void use(AdviceTable table, TimePoint now);
  void learn(const ProbeTarget& target, const Reading& reading, TimePoint now);
  // By the operator: returns how many registered members are named; with none nothing is changed.
  std::size_t drain(const MemberName& member, TimePoint now);
  // Returns false when it was not drained.
  bool undrain(const MemberName& member, TimePoint now);

  // What there is to probe. The generation changes whenever the answer may have.
  std::set<ProbeTarget> probe_targets() const;
  std::uint64_t generation() const { return generation_; }
  void keep_only(const std::set<ProbeTarget>& targets) { weigher_.keep_only(targets); }

  // When due() or forget_expired() has something to do; nothing: as long as nothing happens.
  std::optional<TimePoint> deadline() const;
  // What is to be sent now. An LB whose connection is not `ready` is left out, until writable() is
  // called for it; what it is then sent is what is true then.
  std::vector<Push> due(TimePoint now, const std::function<bool(ConnectionId)>& ready);
  void writable(ConnectionId connection, TimePoint now);
  // Returns the UIDs of the load balancers that were forgotten.
  std::vector<std::string> forget_expired(TimePoint now);

  const LoadBalancers& load_balancers() const { return registry_.load_balancers(); }
  const SelfRegistered& self_registered() const { return registry_.self_registered(); }
  // The UID of the LB that a connection speaks for; nullptr: of none.
  const std::string* attached_to(ConnectionId id) const { return registry_.attached_to(id); }
  const Weigher& weigher() const { return weigher_; }

 private:
  void publish(const sasp::Message& request, Outcome& outcome, TimePoint now);
  void event_at(const IpAddress& address, TimePoint now);

  Registry registry_;
  Weigher weigher_;
  Publisher publisher_;
  std::uint64_t generation_ = 0;
};

}  // namespace saspd::gwm
