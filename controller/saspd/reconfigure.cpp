// SPDX-License-Identifier: Apache-2.0
// Another configuration for a running saspd, from the top down. What is known of what stays in it is
// kept: advice, what was written and seen, the sessions. All of it is decided again, and comes out as
// after a start with that configuration and the same ledger and advice.
#include <algorithm>
#include <utility>

#include "controller/saspd/controller.hpp"

namespace saspd::director {

// --- who belongs to which group

void AdviceBook::reconfigure(std::vector<GroupSettings> groups, const Renumbering& gwms,
                             const Trust& trust, GwmMerge merge, const lb::Table& kernel) {
  merge_ = merge;
  renumber(gwms);
  auto before = std::exchange(groups_, {});
  places_.clear();
  services_.clear();
  add(std::move(groups));
  for (auto& [name, group] : groups_) {
    const auto known = before.find(name);
    if (known == before.end()) continue;
    // One that was adopted under this name is configured now.
    GroupSettings settings = std::move(group.settings);
    group = std::move(known->second);
    group.settings = std::move(settings);
    group.adopted = false;
    before.erase(known);
    have_lost_.insert(name);
  }
  if (trust.adopt) keep_adopted(std::move(before));
  trust_self_registered(trust.self_registered, kernel);
}

// The advice of a GWM that is gone is gone, and so is a quiesce of which no other knew.
void AdviceBook::renumber(const Renumbering& gwms) {
  gwms_ = gwms.applied_to(std::move(gwms_));
  settle_at_ = {};
  for (auto& [name, group] : groups_) {
    group.advice = gwms.applied_to(std::move(group.advice));
    group.choice.renumber(gwms);
    group.quiesces.renumber(gwms);
    group.instead.clear();
    to_settle_.insert(name);
  }
}

// Those whose service the configuration does not name now.
void AdviceBook::keep_adopted(std::map<std::string, Group> groups) {
  for (auto& [name, group] : groups) {
    if (!group.adopted) continue;
    const auto& service = group.settings.services.front().key;
    if (places_.contains(service)) continue;
    places_.emplace(service, Place{name, 0});
    groups_.emplace(name, std::move(group));
  }
}

void AdviceBook::trust_self_registered(bool trust, const lb::Table& kernel) {
  const bool did_trust = std::exchange(trust_, trust);
  if (trust == did_trust) return;
  if (!trust) {
    for (auto& [name, group] : groups_)
      group.self_registered = {};
    return;
  }
  // As when the kernel is looked at for the first time.
  Agenda all_is_decided_anyway;
  for (const auto& [service, pool] : kernel)
    find_self_registered(service, {}, kernel, all_is_decided_anyway);
}

// --- what is known

void Knowledge::reconfigure(std::vector<GroupSettings> groups, const Renumbering& gwms,
                            const AdviceBook::Trust& trust, GwmMerge merge) {
  const auto touch_all = [this] {
    for (const auto& [name, group] : advice_.groups()) {
      for (const auto& service : group.settings.services) {
        touched_.insert(service.key);
        agenda_.mark(service.key);
      }
    }
  };
  touch_all();
  advice_.reconfigure(std::move(groups), gwms, trust, merge, table_);
  touch_all();
  mark_all();
  watches_anew_ = true;
  const auto is_nobodys = [this](const auto& entry) { return !advice_.owner_of(entry.first); };
  std::erase_if(vanished_, is_nobodys);
  std::erase_if(seen_, is_nobodys);
  std::erase_if(last_writes_, is_nobodys);
  std::erase_if(losses_, is_nobodys);
  std::erase_if(moves_, is_nobodys);
  std::erase_if(advice_watches_, is_nobodys);
  std::erase_if(unknown_since_, is_nobodys);
}

// --- what follows from it

void Reconciler::reconfigure(Settings settings, const Renumbering& gwms, TimePoint now) {
  const auto all_changed = [this] {
    for (const auto& [name, group] : known_.advice().groups()) {
      wanted_changed_.insert(name);
      alarms_changed_.insert(name);
    }
  };
  all_changed();
  settings_ = std::move(settings);
  known_.name_gwms(settings_.gwm_names);
  known_.reconfigure(settings_.groups, gwms, {settings_.trust, settings_.adopt}, settings_.merge);
  all_changed();
  // New members wait for their first advice as after a start.
  if (started_) started_ = now;
  regrouped_ = true;
  look_again();
}

// --- all of saspd

void Controller::reconfigure(Settings settings, TimePoint now) {
  const Renumbering gwms(settings_.gwms, settings.gwms);
  settings_ = consistent(std::move(settings));
  log_.set_level(settings_.log_level);
  news_.reconfigure(settings_.news);
  renumber(gwms, now);
  reconciler_.reconfigure(settings_.reconciler, gwms, now);
  const auto tell = [&](auto& session) { return session.reconfigure(settings_.session, now); };
  for (std::size_t gwm = 0; gwm < gwms_.size(); ++gwm) {
    if (auto step = gwms_[gwm].link.tell(tell, now))
      output_.links.emplace_back(gwm, take(gwm, std::move(*step), now));
  }
  output_.work = true;
}

void Controller::renumber(const Renumbering& gwms, TimePoint now) {
  auto before = std::exchange(gwms_, {});
  for (std::size_t gwm = 0; gwm < gwms.size(); ++gwm) {
    if (const auto known = gwms.before(gwm)) {
      gwms_.push_back(std::move(before[*known]));
    } else {
      add_gwm(settings_.gwms[gwm], now);
    }
  }
  told_.reset();  // the new ones know nothing
}

}  // namespace saspd::director
