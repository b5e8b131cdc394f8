// SPDX-License-Identifier: Apache-2.0
// What saspd knows, and decides from: advice, the kernel's table, what was written and seen of it;
// and on the agenda, about which services it has learned something since they were decided.
// A value: a copy shows what would be decided, and disturbs nothing. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "controller/lb/dataplane.hpp"
#include "controller/saspd/advice_book.hpp"
#include "controller/saspd/advice_watch.hpp"
#include "controller/saspd/drift.hpp"
#include "controller/saspd/ledger.hpp"
#include "controller/saspd/loss_watch.hpp"
#include "controller/saspd/overrides.hpp"
#include "controller/saspd/pace.hpp"
#include "controller/saspd/projection.hpp"
#include "controller/saspd/restless_watch.hpp"
#include "controller/saspd/zeros.hpp"

namespace saspd::director {

// What follows from what is known, service by service.
class Decisions {
 public:
  HeldZeros zeros;  // that are not ours to raise

  // Both return whether the service has the same members as before.
  bool replace(const lb::ServiceKey& service, ServiceDecision decision);
  bool drop(const lb::ServiceKey& service);

  const std::map<lb::ServiceKey, ServiceDecision>& services() const { return services_; }
  std::size_t members() const { return members_; }  // of all services
  // Nothing: nothing was decided about it.
  const ServiceDecision* find(const lb::ServiceKey& service) const;
  const Decision* find(const lb::ServiceKey& service, const Endpoint& endpoint) const;

 private:
  std::map<lb::ServiceKey, ServiceDecision> services_;
  std::size_t members_ = 0;
};

struct Verdict;

class Knowledge {
 public:
  // What was seen of a destination while it is in the kernel.
  struct Seen {
    std::optional<TimePoint> served;  // see MemberInput
    bool idle = false;                // listed with weight 0 and without connections
    std::optional<TimePoint> leaving_since;
    bool withdrawn = false;  // by the last decision
  };
  // How the kernel is looked at.
  struct Look {
    bool adopt = false;       // see Reconciler::Settings
    bool own_table = false;   // likewise
    bool whole = false;       // the table has every service, not only those of groups
    bool lets_stand = false;  // foreign weights: see StandingWeight
  };

  explicit Knowledge(AdviceBook book);

  // --- what changes it
  std::size_t update(std::size_t gwm, const sasp::WeightsReceived& weights, TimePoint now);
  // See AdviceBook.
  std::vector<Loss> take_losses() { return advice_.take_losses(); }
  bool set_connected(std::size_t gwm, bool connected);
  bool heard(std::size_t gwm, const sasp::Heard& heard);
  // `gwms`: their names, by which the ledger knows them.
  void name_gwms(std::vector<std::string> gwms) { gwm_names_ = std::move(gwms); }
  void remember(Ledger ledger);
  // See AdviceBook. The next look has to look at everything.
  void reconfigure(std::vector<GroupSettings> groups, const Renumbering& gwms,
                   const AdviceBook::Trust& trust, GwmMerge merge);
  void keepalived_says(const lb::ServiceKey& service, const Endpoint& server, bool up);
  bool give_back(const lb::ServiceKey& service, const Endpoint& endpoint);
  void untold(const lb::ServiceKey& service, const Endpoint& endpoint) {
    ledger_.untold(service, endpoint);
  }
  // The kernel has this now.
  void look(lb::Table table, const Look& look, TimePoint now);
  // These are about to be written. Each of them then either was, or was refused, or neither is
  // known.
  void will_write(const lb::Plan& changes);
  // With the weight of `decision`, if the change has one.
  void wrote(const lb::Change& change, const Decision* decision, TimePoint now);
  void refused(const lb::Change& change);
  void ledger_was_kept() { ledger_.was_kept(); }

  // What others wrote of this service since it was decided last; it is forgotten.
  std::vector<ForeignWrite> take_foreign_writes(const lb::ServiceKey& service);
  StandingWeights standing(const lb::ServiceKey& service) const {
    return ledger_.standing(service);
  }

  // --- the services that are to be decided: taken from the agenda
  std::set<lb::ServiceKey> due(std::optional<Duration> stale_after, TimePoint now);
  // When the next one is due for no other reason than the time.
  std::optional<TimePoint> next_due(std::optional<Duration> stale_after) const;
  // Whose advice counts otherwise than at the last call.
  std::vector<GwmChange> gwm_changes() { return advice_.take_changes(); }
  // What was decided about one of them; nothing: nothing can be.
  // `before`: what was decided last; nothing: likewise.
  void learn(const lb::ServiceKey& service, const Verdict* verdict, const ServiceDecision* before,
             TimePoint now);
  // The next decision begins from the start.
  void mark(const lb::ServiceKey& service) { agenda_.mark(service); }
  void mark_all();

  const AdviceBook& advice() const { return advice_; }
  // Who changes them marks the services.
  Overrides& overrides() { return overrides_; }
  const Overrides& overrides() const { return overrides_; }
  const Ledger& ledger() const { return ledger_; }

  // The kernel's, as of the last look, plus what it acknowledged since.
  const lb::Table& table() const { return table_; }
  // One without destinations where there is none.
  const lb::Pool& pool(const lb::ServiceKey& service) const;
  // Services that the last look saw, and none before it but the first.
  const std::vector<lb::ServiceKey>& appeared() const { return appeared_; }
  // Services that another program removed within the last hour, and when.
  const std::map<lb::ServiceKey, TimePoint>& vanished() const { return vanished_; }
  using SeenOfService = std::map<Endpoint, Seen>;
  const SeenOfService& seen(const lb::ServiceKey& service) const;
  // Of its destinations that are in the kernel.
  const LastWrites& last_writes(const lb::ServiceKey& service) const;
  Scale scale(const lb::ServiceKey& service) const { return ledger_.scale(service); }
  const std::map<lb::ServiceKey, LossWatch>& losses() const { return losses_; }
  // Those with weights that have moved lately.
  const std::map<lb::ServiceKey, RestlessWatch>& moves() const { return moves_; }
  const std::map<lb::ServiceKey, AdviceWatch>& advice_watches() const { return advice_watches_; }
  AdviceWatch advice_watch(const lb::ServiceKey& service) const;
  // Since when the GWM knows no member of it.
  std::optional<TimePoint> unknown_since(const lb::ServiceKey& service) const;

 private:
  void restore_quiesces();
  void keep_quiesces(const std::string& group);
  void keep_until_last_decision(const lb::ServiceKey& service);
  std::set<lb::ServiceKey> note_vanished(const std::set<lb::ServiceKey>& changed,
                                         const lb::Table& before, TimePoint now);
  void note_foreign_writes(const std::set<lb::ServiceKey>& changed, const lb::Table& before,
                           const Look& look);
  void stand(const ForeignWrite& write);
  std::uint32_t target_of(const lb::ServiceKey& service, const Endpoint& endpoint,
                          const ForeignWrite::Weights& weights) const;
  void note_appeared(const std::set<lb::ServiceKey>& changed, const lb::Table& before);
  void observe(const std::set<lb::ServiceKey>& changed, const Look& look, TimePoint now);
  void look_at_ledger(std::set<lb::ServiceKey> services, const Look& look);
  std::vector<Ledger::Watched> watched(const Look& look) const;
  void see(const lb::ServiceKey& service, TimePoint now);
  std::optional<TimePoint> note_moves(const lb::ServiceKey& service, const ServiceDecision* before,
                                      const ServiceDecision& decision, TimePoint now);
  void note_who_serves(const lb::ServiceKey& service, TimePoint now);
  void forget_overruled(const lb::ServiceKey& service, const ServiceDecision& decision);
  void is_certain(const lb::Change& change);
  bool note_who_leaves(const lb::ServiceKey& service, const ServiceDecision& decision,
                       TimePoint now);
  void note_who_is_out(const lb::ServiceKey& service);
  bool note_who_is_avoided(const lb::ServiceKey& service, const ServiceDecision& decision,
                           TimePoint now);

  AdviceBook advice_;
  std::vector<std::string> gwm_names_;
  Overrides overrides_;
  Ledger ledger_;
  Agenda agenda_;
  std::optional<TimePoint> decided_;  // when services were decided last
  std::set<lb::ServiceKey> kept_;     // see keep_until_last_decision(); done since
  lb::Table table_;
  bool looked_ = false;        // at least once
  bool watches_anew_ = false;  // the next look tells the ledger which services are watched
  // The next look has to look at them, even if they are in the kernel as they were.
  std::set<lb::ServiceKey> touched_;
  std::map<lb::ServiceKey, std::vector<ForeignWrite>> foreign_writes_;
  std::map<lb::ServiceKey, UncertainWeights> uncertain_;  // since the last look
  std::vector<lb::ServiceKey> appeared_;
  std::map<lb::ServiceKey, TimePoint> vanished_;
  std::map<lb::ServiceKey, SeenOfService> seen_;
  std::map<lb::ServiceKey, LastWrites> last_writes_;
  std::map<lb::ServiceKey, LossWatch> losses_;
  std::map<lb::ServiceKey, RestlessWatch> moves_;
  std::map<lb::ServiceKey, AdviceWatch> advice_watches_;
  std::map<lb::ServiceKey, TimePoint> unknown_since_;
};

}  // namespace saspd::director
