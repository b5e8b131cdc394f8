// Makes the kernel's weights what the advice says, and knows for each destination why it has its
// weight. The only owner of what we believe about the kernel.
//
//   update(weights)   remembers the advice
//   work()            project -> desired, diff(actual, desired) -> plan, a chunk of it -> the
//   kernel look_again()      forgets what the kernel said; the next work() lists it anew
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/lb/dataplane.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd {

// What the operator says about one member; both may be absent.
struct MemberSettings {
  std::optional<std::uint32_t> weight;  // static weight
  std::string label;
};

struct GroupSettings {
  std::string name;
  std::vector<lb::ServiceKey> services;
  std::map<Endpoint, MemberSettings> members;
};

// What one call of work() did.
struct Work {
  lb::Plan applied;  // acknowledged by the kernel; with dry_run: what would be written
  std::vector<std::string>
      failures;                     // one line each; the kernel is listed again before the next try
  std::optional<Error> list_error;  // the kernel could not be listed
  bool more = false;                // call again, after giving other work a turn
};

class Reconciler {
 public:
  struct Settings {
    std::vector<GroupSettings> groups;
    ProjectionPolicy policy;
    std::size_t gwms = 1;  // how many GWMs there are
    bool dry_run = false;
    std::size_t chunk = 256;  // writes per work(): one batch of the kernel, a bounded stall for us
  };

  // `plane` must outlive the reconciler.
  Reconciler(lb::Dataplane& plane, Settings settings);

  // Remembers the advice of GWM number `gwm` for members that exist. Returns how many entries were
  // for others.
  std::size_t update(std::size_t gwm, const sasp::WeightsReceived& weights, TimePoint now);
  // Whether that GWM is connected. Of several, the first connected one that advised a group counts
  // for it
  // (--gwm-merge primary); when none is connected, the one that counted last goes on counting.
  void set_connected(std::size_t gwm, bool connected);
  Work work();
  void look_again();

  // The members that exist in the kernel, as they are to be registered with a GWM. As of the last
  // list.
  sasp::WantedGroups wanted() const;

  // For status and why.
  struct MemberView {
    Endpoint endpoint;
    std::uint8_t protocol = 0;
    std::string label;
    lb::ServiceKey service;
    std::optional<Advice> advice;
    std::uint32_t effective_weight = 0;
    std::optional<std::uint32_t> kernel_weight;  // nothing: not in the kernel
    Reason reason = Reason::unbound;
  };
  struct ServiceView {
    lb::ServiceKey key;
    bool present = false;
    std::string scheduler;
    bool held_all_zero = false;
  };
  struct GroupView {
    std::string name;
    std::optional<std::size_t> gwm;  // whose advice counts; nothing: none has advised yet
    std::vector<ServiceView> services;
    std::vector<MemberView> members;
  };
  std::vector<GroupView> view() const;

 private:
  // What we did and saw of one destination. Forgotten when the destination vanishes: whoever
  // re-adds it is its new author.
  struct History {
    std::optional<std::uint32_t> written;    // acknowledged, and still what the kernel shows
    std::optional<std::uint32_t> attempted;  // sent; the kernel may or may not have taken it
    std::uint32_t first_seen = 0;
    std::uint32_t last_positive = 0;
  };
  using Histories = std::map<lb::ServiceKey, std::map<Endpoint, History>>;
  using AdviceOf = std::map<sasp::MemberKey, Advice>;
  struct Group {
    GroupSettings settings;
    std::vector<AdviceOf> advice;    // by GWM
    std::optional<std::size_t> gwm;  // whose advice counts

    const Advice* advice_for(const sasp::MemberKey& member) const;
  };

  bool list(Work& work);
  bool lost_any(const lb::Table& table) const;
  void observe();
  void decide();
  void choose_gwm(Group& group) const;
  std::map<Endpoint, MemberInput> inputs(const Group& group, const lb::ServiceKey& key,
                                         const lb::Pool& pool) const;
  void write_chunk(Work& work);
  History& history_of(const lb::WeightChange& change);
  bool exists(const Group& group, const sasp::MemberKey& member) const;
  void view_service(const Group& group, const lb::ServiceKey& key, GroupView& view) const;

  lb::Dataplane& plane_;
  Settings settings_;
  std::map<std::string, Group> groups_;
  std::vector<bool> connected_;  // by GWM
  std::vector<lb::ServiceKey> services_;

  lb::Table actual_;           // as of the last list, plus what the kernel acknowledged since
  bool actual_known_ = false;  // a failed write clears it
  Histories histories_;
  std::map<lb::ServiceKey, ServiceDecision> decisions_;
  bool decided_ = false;  // the decisions and the plan follow from the present advice and actual_
  std::deque<lb::WeightChange> plan_;
};

// The member that a destination of a service is for a GWM.
sasp::MemberKey member_of(const lb::ServiceKey& service, const Endpoint& destination);

}  // namespace saspd
