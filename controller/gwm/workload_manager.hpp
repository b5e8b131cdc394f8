// SPDX-License-Identifier: Apache-2.0
// The Group Workload Manager without its sockets, files and clocks: connects registry, weigher and
// publisher. Pure: requests, readings and time come in, replies and messages come out.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/gwm/publisher.hpp"
#include "controller/gwm/registry.hpp"
#include "controller/gwm/state.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

struct WorkloadManagerConfig {
  RegistryConfig registry;
  WeigherConfig weigher;
  ProbePlan probes;
};

// Send Weights messages for the LB of a connection.
struct Push {
  ConnectionId connection = 0;
  Messages messages;
};

class WorkloadManager {
 public:
  explicit WorkloadManager(WorkloadManagerConfig config);
  WorkloadManager(const WorkloadManager&) = delete;
  WorkloadManager& operator=(const WorkloadManager&) = delete;

  // Another configuration from now on: what is registered and known stays, and what follows from it
  // is sent.
  void reconfigure(WorkloadManagerConfig config, TimePoint now);

  // `request` is one of the five requests of RFC 4678.
  Outcome handle(const Sender& sender, const sasp::Message& request, TimePoint now);
  // Replaces the authority.
  void judge_again(const Authority& authority) { registry_.judge_again(authority); }
  // The connection is gone; its LB, if it spoke for one, is kept for the retention time.
  void disconnected(ConnectionId connection, TimePoint now);

  // The input of the advisors. The weights file as a whole.
  void use(AdviceTable table, TimePoint now);
  void learn(const ProbeTarget& target, const Reading& reading, TimePoint now);
  // By the operator: returns how many registered members the name matches; with none, nothing
  // changes.
  std::size_t drain(const MemberName& member, TimePoint now, const Drain& drain = {});
  // Returns false if it was not drained.
  bool undrain(const MemberName& member, TimePoint now);
  // The drains file as a whole.
  void use_drains(std::set<MemberName> file, TimePoint now);

  // What an earlier life knew, in a manager that knows nothing yet. `unix_time`, in seconds, is now.
  void recall(State state, const Authority& authority, TimePoint now, std::int64_t unix_time);
  // Nothing is known of an earlier life, and there may have been one: see Weigher::wait_until().
  void wait_until(TimePoint time) { weigher_.wait_until(time); }
  // For a next life.
  State state(TimePoint now, std::int64_t unix_time) const {
    return {unix_time, registry_.load_balancers(), weigher_.remembered(now),
            weigher_.drains().of_operator()};
  }
  // Changes whenever the state has something new from a peer or the operator; what probes learn
  // changes weigher().generation().
  std::uint64_t orders() const { return orders_; }
  // When recall() was called, if it was.
  std::optional<TimePoint> recalled_at() const { return recalled_at_; }

  // The targets to probe. The generation changes whenever they may have changed.
  std::set<ProbeTarget> probe_targets() const;
  std::uint64_t generation() const { return generation_; }
  // Changes whenever a weight, or what is registered, may have changed.
  std::uint64_t revision() const { return revision_ + weigher_.generation(); }
  void keep_only(const std::set<ProbeTarget>& targets) { weigher_.keep_only(targets); }

  // When due() or forget_expired() has something to do; empty if only an event can change that.
  std::optional<TimePoint> deadline() const;
  // The messages to send now. An LB whose connection is not `ready` is left out until writable() is
  // called for it, and is then sent the state of that time.
  std::vector<Push> due(TimePoint now, const std::function<bool(ConnectionId)>& ready);
  void writable(ConnectionId connection, TimePoint now);
  // Returns the UIDs of the load balancers that were forgotten.
  std::vector<std::string> forget_expired(TimePoint now);

  const LoadBalancers& load_balancers() const { return registry_.load_balancers(); }
  const SelfRegistered& self_registered() const { return registry_.self_registered(); }
  const Extent& total() const { return registry_.total(); }
  std::size_t connected() const { return registry_.connected(); }
  // The UID of the LB that a connection speaks for; nullptr if none.
  const std::string* attached_to(ConnectionId id) const { return registry_.attached_to(id); }
  const Weigher& weigher() const { return weigher_; }

 private:
  void publish(const sasp::Message& request, Outcome& outcome, TimePoint now);
  void event_at(const IpAddress& address, TimePoint now);
  void event_everywhere(TimePoint now);

  Registry registry_;
  Weigher weigher_;
  Publisher publisher_;
  std::uint64_t generation_ = 0;
  std::uint64_t revision_ = 0;  // of the registry
  std::uint64_t orders_ = 0;
  std::optional<TimePoint> recalled_at_;
};

}  // namespace saspd::gwm
