// SPDX-License-Identifier: Apache-2.0
// Makes the kernel's weights what the advice says. The only writer of the data plane, and the only
// owner of what is believed about it. A pass is:
//
//   list     the kernel's table, if what it said is not known or was forgotten
//   decide   knowledge -> decision -> backlog, for each service that is on the agenda
//   write    a chunk of the backlog, the ledger before it
//
// What it costs follows from what has changed, and not from what there is: what is not on the
// agenda (see Knowledge) is decided as it was, and nothing of it is looked at.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/member_name.hpp"
#include "controller/lb/dataplane.hpp"
#include "controller/lb/observer.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/saspd/alarms.hpp"
#include "controller/saspd/backlog.hpp"
#include "controller/saspd/decide.hpp"
#include "controller/saspd/keepalived_fifo.hpp"
#include "controller/saspd/knowledge.hpp"
#include "controller/saspd/room.hpp"
#include "controller/saspd/view.hpp"

namespace saspd::director {

// What one call of work() did.
struct Work {
  lb::Plan applied;             // acknowledged by the kernel; with dry_run: what would be written
  std::vector<Error> failures;  // the kernel is listed again before the next try
  // Not written, because another program wrote it after it was listed (lb::Failure). It is listed
  // again and decided anew: no fault.
  std::vector<Error> overtaken;
  std::vector<Error> no_room;  // what the data plane has no room for; all else is as it shall be
  std::optional<Error> list_error;       // the kernel could not be listed
  std::vector<lb::ServiceKey> appeared;  // services of a group, after the first list
  std::size_t remaining = 0;             // of the plan, after this chunk of it
  bool more = false;                     // call again, after giving other work a turn
  // Something failed, now or before, that was not tried again since.
  bool failing = false;
  std::vector<Drift> drifts;  // what others wrote, of the services that were decided
  // The zeros that are not ours to raise, of the services that were decided, before and now.
  HeldZeros zeros_before;
  HeldZeros zeros;
  std::vector<GwmChange> gwm_changes;  // groups for which other GWMs count now
  // What it took.
  std::size_t services_decided = 0;
  std::size_t members_decided = 0;
};

class Reconciler {
 public:
  using WeightChanges = director::WeightChanges;
  using MemberView = director::MemberView;
  using ServiceView = director::ServiceView;
  using GroupView = director::GroupView;

  struct Settings {
    std::vector<GroupSettings> groups;
    ProjectionPolicy policy;
    std::size_t gwms = 1;  // how many GWMs there are
    // Their names, by which their quiesces are found again by a next life; empty: none is.
    std::vector<std::string> gwm_names{};
    GwmMerge merge = GwmMerge::primary;
    bool dry_run = false;
    DriftPolicy drift = DriftPolicy::overwrite;
    bool adopt = false;  // every service of the kernel that no group names is a group of its own
    bool own_table = false;               // see lb::Dataplane::Traits; services of no group go
    std::optional<Duration> stale_after;  // see patience_with()
    Pace pace{};                          // by default as restless as the advice
    bool trust = false;  // members that registered themselves belong to managed services
    // How long a member waits for its first advice before it is added with its static weight.
    Duration advice_wait = std::chrono::seconds{10};
    // Writes per work(), and the services that they belong to.
    std::size_t chunk = lb::Dataplane::Traits{}.chunk;
    std::size_t services = lb::Dataplane::Traits{}.services;
  };

  // Both must outlive the reconciler.
  Reconciler(lb::Dataplane& plane, lb::Observer& observer, Settings settings);
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;
  // To be called before work(): what is known from before, and who keeps it from now on. `keeper`
  // must outlive the reconciler. Without it, zeros from before the start are unclear.
  void remember(Ledger ledger, LedgerKeeper& keeper);

  // Other settings from now on; what is known of what stays is kept, and all is decided again.
  // dry_run and own_table stay.
  void reconfigure(Settings settings, const Renumbering& gwms, TimePoint now);

  // See AdviceBook.
  std::size_t update(std::size_t gwm, const sasp::WeightsReceived& weights, TimePoint now);
  void set_connected(std::size_t gwm, bool connected);
  // Returns whether that may change a decision.
  bool heard(std::size_t gwm, const sasp::Heard& heard);
  Work work(TimePoint now);
  // When work() has something to decide though nobody says anything: later than the last work(),
  // which may have put off what was said before it.
  // Nothing: never, or the kernel has to be listed first.
  std::optional<TimePoint> next_decision() const;
  // Forgets what the kernel said: the next work() lists it anew.
  void look_again();
  // Trusts nothing that was decided: the next work() that decides anything decides everything.
  void decide_everything() { known_.mark_all(); }

  // keepalived says that it holds this server down, or does not any more.
  void keepalived_says(const KeepalivedNews& news);
  // The operator says that we may raise this member's weight 0, whichever program wrote it; in one
  // group or in all. Returns in how many services that was so.
  std::size_t give_back(const std::optional<std::string>& group, const Endpoint& member);
  // --- the operator's overrides; the groups in which the member is or may become a destination
  std::vector<std::string> groups_with(const MemberName& member) const;
  const Overrides& overrides() const { return known_.overrides(); }
  void remember(Overrides overrides);
  void set_override(const Overrides::Member& member, Override override);
  void hold(const std::string& group, Act act);
  bool lift(const Overrides::Member& member);
  bool release(const std::string& group);
  // Those that end by now.
  Overrides::Ended end_overrides(TimePoint now);

  // What would be written if the kernel were listed now. Nothing is different afterwards.
  Result<lb::Plan> plan(TimePoint now) const;

  // The members that are to be registered with a GWM: the destinations in the kernel as of the last
  // list; of a managed service the configured ones. All of a group are of one kind, system or
  // application members (sasp-interop row 26).
  sasp::WantedGroups wanted() const;
  // Those of the groups that may have others since the last call; of a group that wants none, none.
  sasp::WantedGroups new_wanted();

  // The member states to be sent to GWMs, of the groups where they may have changed since the last
  // call: a server that another program holds at 0 is quiesced.
  sasp::WantedStates new_states();
  // No GWM has a quiesce of this member from us any more.
  void lifted(const std::string& group, const sasp::MemberKey& member);

  // The group that has the service; a service that is a group of its own, or was, has its name.
  std::string group_of(const lb::ServiceKey& service) const;
  // What was decided of a member last; nullptr: nothing.
  const Decision* decision(const lb::ServiceKey& service, const Endpoint& member) const {
    return decisions_.find(service, member);
  }
  const std::map<std::string, Group>& groups() const { return known_.advice().groups(); }
  // How old the advice of a group is; nothing: no service of it was decided.
  std::optional<Freshness> freshness(const Group& group) const;

  // The zeros that are not ours to raise, as of the last decision; and the kernel's table.
  const HeldZeros& held_zeros() const { return decisions_.zeros; }
  const lb::Table& actual() const { return known_.table(); }
  const lb::KernelSettings& kernel_settings() const { return kernel_settings_; }

  // By group; without those that have none. `unreachable`: see lb::Dataplane.
  AlarmsByGroup alarms(const std::set<IpAddress>& unreachable = {}) const;
  // The alarms of the groups where they may have changed since the last call, also of those without
  // any.
  AlarmsByGroup new_alarms(const std::set<IpAddress>& unreachable);
  std::vector<GroupView> view(const std::set<IpAddress>& unreachable = {}) const;
  // Without looking at each member.
  struct Extent {
    std::size_t groups = 0;
    std::size_t members = 0;  // those whose weight was decided
  };
  Extent extent() const;

 private:
  bool lists_all() const { return settings_.adopt || settings_.own_table; }
  Result<lb::Table> list() const;
  void look(lb::Table table, Knowledge& known, TimePoint now) const;
  DecisionSettings decision_settings(TimePoint now) const;

  bool list(Work& work, TimePoint now);
  bool is_due(TimePoint now) const;
  bool rests(TimePoint now) const;
  TimePoint rested() const;
  bool is_urgent(const Loss& loss) const;
  void decide(Work& work, TimePoint now);
  void decide(const lb::ServiceKey& service, const DecisionSettings& settings, Work& work,
              TimePoint now);
  static void plan_writes(const lb::ServiceKey& service, const ServiceDecision* decision,
                          const Knowledge& known, const DecisionSettings& settings, TimePoint now,
                          Backlog& backlog);
  void note_drifts(const lb::ServiceKey& service, Work& work, TimePoint now);
  bool is_ours_alone(const lb::ServiceKey& service) const;
  void take_zeros(const lb::ServiceKey& service, const HeldZeros& zeros, Work& work);
  void keep_ledger();
  void write(Work& work, TimePoint now);
  void end_pass(Work& work);
  void drop_backlog();
  void apply(const lb::Plan& chunk, Work& work, TimePoint now);
  void note_written(const lb::Plan& chunk);
  void record(const lb::Change& change, TimePoint now);
  sasp::WantedMembers wanted(const Group& group) const;
  sasp::WantedMemberStates states(const Group& group) const;
  std::vector<Alarm> alarms(const Group& group, const std::set<IpAddress>& unreachable) const;
  void all_alarms_changed();
  void mark_group(const std::string& name);

  lb::Dataplane& plane_;
  lb::Observer& observer_;
  Settings settings_;
  std::optional<TimePoint> started_;

  Knowledge known_;
  LedgerKeeper* keeper_ = nullptr;
  lb::KernelSettings kernel_settings_;  // as of the last list
  bool table_known_ = false;            // a failed write clears it
  bool failed_ = false;                 // a write, since the last list
  bool failing_ = false;                // and no pass since was without

  Decisions decisions_;
  // What was said since they were made: what does not wait for the time of the next pass, and what
  // may (Pace).
  bool at_once_ = true;
  bool advised_ = false;
  std::optional<TimePoint> last_pass_;  // for what may wait
  Backlog backlog_;                     // what is left to be written for them
  NoRoom no_room_;                      // of the present backlog
  bool overtaken_ = false;              // since the last list
  bool looked_at_once_ = false;         // because of that, since look_again()
  std::map<lb::ServiceKey, WeightChanges> weight_changes_;
  std::map<std::string, DriftCount> drifts_;  // by group

  bool regrouped_ = false;  // since the last decision: a service may be another group's
  std::set<std::string> wanted_changed_;  // groups that may want other members registered
  std::set<std::string> states_changed_;  // groups of which other states may be told
  std::set<std::string> alarms_changed_;  // groups that may have other alarms
  std::set<IpAddress> unreachable_;       // as of the last new_alarms()
};

}  // namespace saspd::director
