// Makes the kernel's weights what the advice says, and knows for each destination why it has its
// weight. The only owner of what we believe about the kernel.
//
//   update(weights)   remembers the advice
//   work(now)         project -> desired, diff(actual, desired) -> plan, a chunk of it -> kernel
//   look_again()      forgets what the kernel said; the next work() lists it anew
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/lb/dataplane.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/saspd/alarms.hpp"
#include "controller/saspd/keepalived_fifo.hpp"
#include "controller/saspd/ledger.hpp"
#include "controller/saspd/projection.hpp"
#include "controller/saspd/room.hpp"
#include "controller/saspd/self_registered.hpp"
#include "controller/saspd/settings.hpp"
#include "controller/saspd/zeros.hpp"

namespace saspd {

// What one call of work() did.
struct Work {
  lb::Plan applied;             // acknowledged by the kernel; with dry_run: what would be written
  std::vector<Error> failures;  // the kernel is listed again before the next try
  // Not written, because somebody else wrote it after it was listed (lb::Failure). It is listed
  // again and decided anew: no fault.
  std::vector<Error> overtaken;
  std::vector<Error> no_room;  // what the data plane has no room for; all else is as it shall be
  std::optional<Error> list_error;       // the kernel could not be listed
  std::vector<lb::ServiceKey> appeared;  // services of a group, after the first list
  bool more = false;                     // call again, after giving other work a turn
};

class Reconciler {
 public:
  struct Settings {
    std::vector<GroupSettings> groups;
    ProjectionPolicy policy;
    std::size_t gwms = 1;  // how many GWMs there are
    bool dry_run = false;
    bool adopt = false;  // every service of the kernel that no group names is a group of its own
    bool own_table = false;  // nobody else writes the kernel's table: services of no group go
    std::optional<Duration> stale_after;  // see patience_with()
    bool trust = false;  // members that registered themselves belong to managed services
    // How long a member waits for its first advice before it is added with its static weight.
    Duration advice_wait = std::chrono::seconds{10};
    std::size_t chunk = 256;  // writes per work(): one batch of the kernel, a bounded stall for us
  };

  // `plane` must outlive the reconciler.
  Reconciler(lb::Dataplane& plane, Settings settings);
  // To be called before work(): what is known from before, and who keeps it from now on. `keeper`
  // must outlive the reconciler. Without that zeros of before the start are unclear.
  void remember(Ledger ledger, LedgerKeeper& keeper);

  // Remembers the advice of GWM number `gwm` for members that exist or are to be added. Returns how
  // many entries were for others.
  std::size_t update(std::size_t gwm, const sasp::WeightsReceived& weights, TimePoint now);
  // Whether that GWM is connected. Of several, the first connected one that advised a group counts
  // for it (--gwm-merge primary); when none is connected, the one that counted last goes on
  // counting.
  void set_connected(std::size_t gwm, bool connected);
  // When that GWM spoke last, as of the next work().
  void heard(std::size_t gwm, const sasp::Heard& heard);
  Work work(TimePoint now);
  void look_again();

  // keepalived says that it holds this server down, or does not any more.
  void keepalived_says(const KeepalivedNews& news);
  // The operator says that the weight 0 of this member is ours to raise, whoever wrote it; in one
  // group or in all. Returns in how many services that was so.
  std::size_t give_back(const std::optional<std::string>& group, const Endpoint& member);
  // What the next work() would write, by a fresh look at the kernel.
  Result<lb::Plan> preview(TimePoint now);

  // The members that are to be registered with a GWM: the destinations in the kernel as of the last
  // list; of a managed service the configured ones. All of a group are of one kind, system or
  // application members (sasp-interop row 26).
  sasp::WantedGroups wanted() const;

  // The zeros that are not ours to raise, as of the last decision; and the kernel's table.
  const HeldZeros& held_zeros() const { return held_zeros_; }
  const lb::Table& actual() const { return actual_; }

  // Weights that the kernel took since the start, by the rule that decided them.
  using WeightChanges = std::map<Reason, std::uint64_t>;

  const lb::KernelSettings& kernel_settings() const { return kernel_settings_; }

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
    Zero zero;                                  // whose its weight 0 is
    std::optional<lb::DestinationState> state;  // where the data plane tells
  };
  struct ServiceView {
    lb::ServiceKey key;
    bool present = false;
    bool managed = false;
    std::string scheduler;
    std::optional<Reason> held;  // why advice is held back, if it is
    WeightChanges weight_changes;
  };
  struct GroupView {
    std::string name;
    std::optional<std::size_t> gwm;  // whose advice counts; nothing: none has advised yet
    std::vector<ServiceView> services;
    std::vector<MemberView> members;
    std::vector<Alarm> alarms;
  };
  std::vector<GroupView> view() const;
  // By group; without those that have none.
  AlarmsByGroup alarms() const;
  // Without looking at each member.
  struct Extent {
    std::size_t groups = 0;
    std::size_t members = 0;  // those whose weight was decided
  };
  Extent extent() const;

 private:
  // What we saw of a destination since our start, while it is in the kernel.
  struct Seen {
    std::optional<TimePoint> served;  // see MemberInput
    bool idle = false;                // listed with weight 0 and without connections
    std::optional<TimePoint> leaving_since;
  };
  using SeenByService = std::map<lb::ServiceKey, std::map<Endpoint, Seen>>;
  using AdviceOf = std::map<sasp::MemberKey, Advice>;
  struct Group {
    GroupSettings settings;
    bool adopted = false;
    std::vector<AdviceOf> advice;    // by GWM
    std::optional<std::size_t> gwm;  // whose advice counts
    SelfRegistered self_registered;

    const Advice* advice_for(const sasp::MemberKey& member) const;
    const MemberSettings* configured(const Endpoint& endpoint) const;
    bool is_open() const;  // to members that registered themselves
    // What belongs to a managed service.
    std::set<Endpoint> members(const ServiceSettings& service) const;
  };

  bool list(Work& work, TimePoint now);
  Result<lb::Table> list_services();
  bool lists_all() const;
  void note_vanished(const lb::Table& before, TimePoint now);
  std::vector<lb::ServiceKey> new_services(const lb::Table& before) const;
  bool is_of_a_group(const lb::ServiceKey& key) const;
  void adopt_services();
  void observe(const lb::Table& before, TimePoint now);
  std::map<Endpoint, Seen> see(const lb::ServiceKey& service, TimePoint now) const;
  void find_self_registered(Group& group, const lb::Table& before);
  void keep_ledger();
  void forget_advice(Group& group) const;
  std::optional<std::size_t> first_connected() const;
  void choose_gwm(Group& group) const;
  void decide(TimePoint now);
  void decide(const Group& group, const ServiceSettings& service, TimePoint now,
              lb::Table& desired);
  std::map<Endpoint, MemberInput> inputs(const Group& group, const ServiceSettings& service,
                                         const lb::Pool& pool, TimePoint now) const;
  MemberInput input(const Group& group, const ServiceSettings& service,
                    const lb::Destination& destination, TimePoint now) const;
  void note_who_serves(const lb::ServiceKey& key, TimePoint now);
  void note_who_is_withdrawn(const lb::ServiceKey& key);
  void note_who_is_avoided(const lb::ServiceKey& key, TimePoint now);
  void note_guidance(const Group& group, const lb::ServiceKey& key,
                     const std::map<Endpoint, MemberInput>& members, TimePoint now);
  void note_held_zeros(const Group& group, const lb::ServiceKey& key);
  lb::Pool wish(const ServiceSettings& service, const lb::Pool& pool, TimePoint now);
  bool has_left(const ServiceSettings& service, const Endpoint& endpoint, bool leaving,
                TimePoint now);
  std::size_t next_chunk() const;
  void configured_first(lb::Plan& plan) const;
  void write_chunk(Work& work);
  void record(const lb::Change& change);
  const lb::Pool& pool_of(const lb::ServiceKey& key) const;
  bool is_known(const Group& group, const sasp::MemberKey& member) const;
  std::vector<Alarm> alarms_of(const Group& group, const std::set<IpAddress>& unreachable) const;
  void view_service(const Group& group, const ServiceSettings& service, GroupView& view) const;

  lb::Dataplane& plane_;
  Settings settings_;
  std::map<std::string, Group> groups_;
  std::vector<std::uint64_t> connections_;  // by GWM: the number of its connection; 0: none
  std::uint64_t last_connection_ = 0;
  std::vector<lb::ServiceKey> services_;  // those that are named by a group
  std::optional<TimePoint> started_;

  lb::Table actual_;           // as of the last list, plus what the kernel acknowledged since
  bool actual_known_ = false;  // a failed write clears it
  Ledger ledger_;
  LedgerKeeper* keeper_ = nullptr;
  SeenByService seen_;
  std::map<lb::ServiceKey, Scale> scales_;
  std::map<lb::ServiceKey, ServiceDecision> decisions_;
  HeldZeros held_zeros_;
  std::map<lb::ServiceKey, LossWatch> losses_;
  std::vector<sasp::Heard> heard_;  // by GWM
  std::map<lb::ServiceKey, AdviceWatch> advice_watches_;
  std::map<lb::ServiceKey, TimePoint> unknown_since_;  // of services whose GWM knows no member
  std::map<lb::ServiceKey, TimePoint> vanished_;       // within the last hour, by somebody else
  lb::KernelSettings kernel_settings_;                 // as of the last list
  bool listed_ = false;                                // at least once
  std::map<lb::ServiceKey, WeightChanges> weight_changes_;
  bool overtaken_ = false;       // since the last list
  bool looked_at_once_ = false;  // because of that, since look_again()
  bool decided_ = false;  // the decisions and the plan follow from the present advice and actual_
  std::deque<lb::Change> plan_;
  NoRoom no_room_;  // of the present plan
};

}  // namespace saspd
