// SPDX-License-Identifier: Apache-2.0
// What saspd knows, and decides from: advice, the kernel's table, what was written and seen of it.
// A value: a copy of it tells what would be decided, and disturbs nothing. Pure.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "controller/lb/dataplane.hpp"
#include "controller/saspd/advice_book.hpp"
#include "controller/saspd/advice_watch.hpp"
#include "controller/saspd/ledger.hpp"
#include "controller/saspd/loss_watch.hpp"
#include "controller/saspd/projection.hpp"
#include "controller/saspd/zeros.hpp"

namespace saspd::director {

// What follows from what is known.
struct Decisions {
  std::map<lb::ServiceKey, ServiceDecision> services;
  std::map<lb::ServiceKey, Scale> scales;  // that they were made by
  struct Steering {
    Guidance guidance = Guidance::advised;
    Duration patience{};  // see AdviceWatch
  };
  std::map<lb::ServiceKey, Steering> steering;
  HeldZeros zeros;  // that are not ours to raise
  lb::Plan plan;    // what is to be written for all that

  // Nothing: nothing was decided about it.
  const ServiceDecision* find(const lb::ServiceKey& service) const;
  const Decision* find(const lb::ServiceKey& service, const Endpoint& endpoint) const;
};

class Knowledge {
 public:
  // What was seen of a destination since our start, while it is in the kernel.
  struct Seen {
    std::optional<TimePoint> served;  // see MemberInput
    bool idle = false;                // listed with weight 0 and without connections
    std::optional<TimePoint> leaving_since;
  };
  // How the kernel is looked at.
  struct Look {
    bool adopt = false;      // see Reconciler::Settings
    bool own_table = false;  // likewise
    bool whole = false;      // the table has every service, not only those of groups
  };

  explicit Knowledge(AdviceBook book) : advice_(std::move(book)) {}

  // The kernel has this now.
  void look(lb::Table table, const Look& look, TimePoint now);
  // This is what is decided.
  void learn(const Decisions& decisions, TimePoint now);
  // A change with the weight of `decision`, if it has one, was written.
  void wrote(const lb::Change& change, const Decision* decision);

  AdviceBook& advice() { return advice_; }
  const AdviceBook& advice() const { return advice_; }
  Ledger& ledger() { return ledger_; }
  const Ledger& ledger() const { return ledger_; }

  // The kernel's, as of the last look, plus what it acknowledged since.
  const lb::Table& table() const { return table_; }
  // One without destinations where there is none.
  const lb::Pool& pool(const lb::ServiceKey& service) const;
  // Services that the last look saw, and none before it but the first.
  const std::vector<lb::ServiceKey>& appeared() const { return appeared_; }
  // Services that went within the last hour, by somebody else, and when.
  const std::map<lb::ServiceKey, TimePoint>& vanished() const { return vanished_; }
  const Seen* seen(const lb::ServiceKey& service, const Endpoint& endpoint) const;
  Scale scale(const lb::ServiceKey& service) const;
  const std::map<lb::ServiceKey, LossWatch>& losses() const { return losses_; }
  const std::map<lb::ServiceKey, AdviceWatch>& advice_watches() const { return advice_watches_; }
  // Since when the GWM knows no member of it.
  std::optional<TimePoint> unknown_since(const lb::ServiceKey& service) const;

 private:
  using SeenByService = std::map<lb::ServiceKey, std::map<Endpoint, Seen>>;

  void note_vanished(const lb::Table& before, TimePoint now);
  void note_appeared(const lb::Table& before);
  void observe(const Look& look, TimePoint now);
  std::map<Endpoint, Seen> see(const lb::ServiceKey& service, TimePoint now) const;
  void note_who_serves(const lb::ServiceKey& service, TimePoint now);
  void note_who_leaves(const lb::ServiceKey& service, const ServiceDecision& decision,
                       TimePoint now);
  void note_who_is_avoided(const lb::ServiceKey& service, const ServiceDecision& decision,
                           TimePoint now);

  AdviceBook advice_;
  Ledger ledger_;
  lb::Table table_;
  bool looked_ = false;  // at least once
  std::vector<lb::ServiceKey> appeared_;
  std::map<lb::ServiceKey, TimePoint> vanished_;
  SeenByService seen_;
  std::map<lb::ServiceKey, Scale> scales_;
  std::map<lb::ServiceKey, LossWatch> losses_;
  std::map<lb::ServiceKey, AdviceWatch> advice_watches_;
  std::map<lb::ServiceKey, TimePoint> unknown_since_;
};

}  // namespace saspd::director
