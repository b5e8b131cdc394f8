// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/judge.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "tests/simulation/director.hpp"

namespace saspd::simulation {

using namespace std::chrono_literals;

// --- what GWMs said

bool Said::hear(const std::vector<sasp::GroupOfWeightEntries>& groups, bool counts, TimePoint now) {
  bool anything_new = false;
  for (const auto& group : groups) {
    for (const auto& entry : group.items) {
      const auto key = entry.member.key();
      Entry& said = said_[{group.group.name, {key.address, key.port}}];
      if (said.since == TimePoint{} || !(said.now == entry)) {
        anything_new = true;
        said.since = now;
      }
      const auto has = [&entry](std::uint8_t flag) { return (entry.flags & flag) != 0; };
      using namespace sasp::weight_flag;
      said.quiesced =
          has(quiesce) || (said.quiesced && !(has(contact) && has(confident) && entry.weight > 0));
      said.now = entry;
      if (has(confident) && counts) fresh_[group.group.name] = {now, now};
    }
  }
  return anything_new;
}

bool Said::confirm(Duration patience, TimePoint now) {
  bool late = false;
  for (auto& [group, fresh] : fresh_) {
    late = late || !fresh.confirmed || now - *fresh.confirmed >= patience;
    fresh.confirmed = now;
  }
  return late;
}

void Said::forget() {
  said_.clear();
  fresh_.clear();
}

const sasp::WeightEntry* Said::said_for(Duration time, const std::string& group,
                                        const Endpoint& server, TimePoint now) const {
  const auto found = said_.find({group, server});
  return found != said_.end() && now - found->second.since >= time ? &found->second.now : nullptr;
}

Said::Freshness Said::freshness(const std::string& group) const {
  const auto found = fresh_.find(group);
  return found != fresh_.end() ? found->second : Freshness{};
}

const sasp::WeightEntry* Said::find(const std::string& group, const Endpoint& server) const {
  const auto found = said_.find({group, server});
  return found != said_.end() ? &found->second.now : nullptr;
}

bool Said::quiesced(const std::string& group, const Endpoint& server) const {
  const auto found = said_.find({group, server});
  return found != said_.end() && found->second.quiesced;
}

Duration shortest_patience(const Options& options) {
  const auto interval = std::chrono::seconds{options.interval};
  return options.stale_after > 0 ? std::max(std::chrono::seconds{options.stale_after}, interval)
                                 : std::max(std::chrono::seconds{180}, 3 * interval);
}

// --- who and where

void Judge::complain(std::string what) {
  if (wrong_.empty()) wrong_ = std::move(what);
}

std::string Judge::where(const lb::ServiceKey& service, const Server& server) const {
  return fmt::format("{} {}", lb::text(service), server.text());
}

bool Judge::is_managed(const lb::ServiceKey& service) const {
  return options_.managed && service == service_key(options_.services - 1);
}

std::string Judge::group_of(const lb::ServiceKey& service) const {
  for (unsigned n = 0; n < options_.services; ++n)
    if (service == service_key(n) && is_configured(options_, n)) return group_name(n);
  return {};
}

// --- writes

void Judge::wrote(Author author, const lb::ServiceKey& service, const Server& server,
                  const std::optional<Real>& before, const std::optional<Real>& after) {
  Ghost& ghost = ghosts_[{service, server}];
  if (author == Author::us) {
    ++writes_;
    ours(service, server, before, after, ghost);
  } else {
    disturbed_ = now_;
    ghost.at_rest = now_ - caused_ > std::chrono::seconds{2 * options_.reconcile_interval + 5};
    cause();
    ghost.wrote = causes_;
    if (before && before->weight > 0 && !(after && after->weight > 0)) ghost.taken = now_;
    ghost.told = ghost.told || (after && after->weight == 0);
    theirs(author, before, after, ghost);
  }
  if (std::find(never_.begin(), never_.end(), shown_ ? shown_() : "") != never_.end())
    complain("the kernel has " + shown_());
  if (!after) return ghost.positive.reset();
  if (after->weight > 0) ghost.positive = now_;
  if (before && before->weight > 0) ghost.positive = now_;
}

void Judge::wrote(Author author, const lb::ServiceKey& service,
                  const std::optional<Virtual>& before, const std::optional<Virtual>& after) {
  if (!before) appeared_[service] = now_;
  if (author != Author::us) {
    disturbed_ = now_;
    if (!after) {
      vanished_.insert(service);
      for (auto& [key, ghost] : ghosts_)
        if (key.first == service) ghost.remembered = ghost.ours || ghost.remembered;
    }
    return;
  }
  ++writes_;
  if (group_of(service).empty()) complain(fmt::format("{} is none of ours", lb::text(service)));
  if (!is_managed(service))
    complain(fmt::format("saspd wrote the service {} itself", lb::text(service)));
  if (before && after && *before == *after)
    complain(fmt::format("{}: written as it was", lb::text(service)));
}

void Judge::ours(const lb::ServiceKey& service, const Server& server,
                 const std::optional<Real>& before, const std::optional<Real>& after,
                 Ghost& ghost) {
  if (group_of(service).empty()) complain(where(service, server) + ": is none of ours");
  if (std::exchange(ghost.stands, std::nullopt) == causes_ && after && options_.on_stale == "hold")
    complain(where(service, server) + ": overwritten, and nothing else was decided than before");
  ghost.foreign = false;
  const bool managed = is_managed(service);
  if (!managed && (!before || !after))
    complain(where(service, server) + (after ? ": added" : ": removed") + " by saspd");
  if (before && after) check_attributes(service, server, *before, *after, ghost);
  const bool raises = before && before->weight == 0 && after && after->weight > 0;
  if (raises && !managed && ghost.others && !ghost.unclear)
    complain(where(service, server) + ": saspd raises a zero that somebody else wrote");
  const bool both = before && before->weight == 0 && !ghost.ours;
  ghost.others = ghost.unseen = false;
  ghost.ours = after && after->weight == 0;
  ghost.unclear = ghost.ours && both;  // in the moment between our read and our write
  ghost.view = {after.has_value(), !answers_lost_, after ? after->weight : 0, std::nullopt};
  ghost.quiesced = is_quiesced(service, server);
  if (before && before->weight > 0 && !(after && after->weight > 0))
    check_blackout(service, server);
}

bool Judge::is_quiesced(const lb::ServiceKey& service, const Server& server) const {
  return std::any_of(said.begin(), said.end(),
                     [&](const Said& gwm) { return gwm.quiesced(group_of(service), server); });
}

// Of several GWMs, one that is gone may have taken it out.
bool Judge::may_serve(const lb::ServiceKey& service, const Server& server) const {
  const auto* entry = said.size() == 1 ? said[0].find(group_of(service), server) : nullptr;
  using namespace sasp::weight_flag;
  return entry != nullptr && entry->weight > 0 &&
         (entry->flags & (contact | confident | quiesce)) == (contact | confident);
}

// The kernel's command replaces all, so it must be given what was read immediately before.
void Judge::check_attributes(const lb::ServiceKey& service, const Server& server,
                             const Real& before, const Real& after, const Ghost& ghost) {
  const Real& read = ghost.read.value_or(before);
  if (!is_managed(service) && after.attributes() != read.attributes())
    complain(where(service, server) + ": more than the weight was written");
  if (after == read) complain(where(service, server) + ": written as it was");
}

// The last positive weight goes: only if everybody was taken out on purpose.
void Judge::check_blackout(const lb::ServiceKey& service, const Server& server) {
  const auto* now = kernel_.find(service);
  if (!options_.hold_all_zero || now == nullptr || now->any_positive()) return;
  if (options_.on_stale == "drain" && is_stale(group_of(service), shortest_patience(options_)))
    return;
  // Somebody else has taken another server meanwhile, which the next look shows.
  const auto lately = [this](const auto& time) {
    return time && now_ - *time <= std::chrono::seconds{options_.reconcile_interval};
  };
  for (const auto& [key, ghost] : ghosts_)
    if (key.first == service && lately(ghost.taken)) return;
  for (const auto& row : now->destinations) {
    const Ghost& ghost = ghosts_[{service, row.server}];
    if (!ghost.ours || ghost.others || ghost.unseen || ghost.unclear) continue;
    const bool served = ghost.positive && now_ - *ghost.positive < 9min;
    const bool withdrawn = ghost.quiesced || is_quiesced(service, row.server);
    if ((withdrawn || !served) && !may_serve(service, row.server)) continue;
    return complain(fmt::format("{}: the last weight of the service goes, and {} was not quiesced",
                                where(service, server), row.server.text()));
  }
}

void Judge::theirs(Author author, const std::optional<Real>& before,
                   const std::optional<Real>& after, Ghost& ghost) {
  ghost.stands.reset();
  ghost.foreign = after && after->weight > 0;
  if (!after) return;
  if (after->weight > 0) {
    ghost.ours = ghost.others = ghost.unseen = ghost.unclear = false;
    return;
  }
  if (author == Author::restored) return;  // see restored()
  const View& view = ghost.view;
  const bool was_zero = before && before->weight == 0;
  if (was_zero && !ghost.ours && !ghost.unclear) {
    ghost.unseen = ghost.unseen || !ghost.others;  // theirs already
    return;
  }
  const bool differs = view.attributes && *view.attributes != after->attributes();
  const bool visible = view.known && (!view.present || view.weight != 0 || differs);
  if (visible && !ghost.remembered) {
    ghost.unseen = true;
  } else {
    ghost.unclear = true;
  }
}

void Judge::never(std::string what, std::function<std::string()> shown) {
  never_.push_back(std::move(what));
  shown_ = std::move(shown);
}

// --- what saspd can know

void Judge::shown(const lb::ServiceKey& service, const Server& server, const Real& real) {
  Ghost& ghost = ghosts_[{service, server}];
  ghost.read = real;
  if (is_listing_) {
    pending_[{service, server}] = real;
  } else {
    ghost.others = ghost.others || std::exchange(ghost.unseen, false);
  }
}

void Judge::dumped(const lb::ServiceKey& service, const std::vector<Server>& servers) {
  if (!is_listing_) return;
  for (auto& [key, ghost] : ghosts_) {
    if (key.first == service &&
        std::find(servers.begin(), servers.end(), key.second) == servers.end()) {
      pending_[key] = std::nullopt;
    }
  }
}

void Judge::absent(const lb::ServiceKey& service) {
  if (is_listing_) dumped(service, {});
}

void Judge::listing() {
  is_listing_ = true;
  pending_.clear();
}

void Judge::listed(bool whole) {
  is_listing_ = false;
  if (!whole) pending_.clear();
}

void Judge::believes() {
  if (!pending_.empty()) answers_lost_ = false;
  for (const auto& [key, real] : std::exchange(pending_, {}))
    believe(key, real);
}

void Judge::believe(const Key& key, const std::optional<Real>& real) {
  Ghost& ghost = ghosts_[key];
  const bool is_watched = !group_of(key.first).empty();
  const bool both = ghost.listed && ghost.view.known && ghost.view.present && real.has_value();
  if (is_watched && both) {
    const bool weighed = ghost.view.weight != real->weight;
    const bool edited = ghost.view.attributes && *ghost.view.attributes != real->attributes();
    if (weighed || edited) ++drifts_;
    // Of several GWMs another one counts after a time.
    const bool may_stand = options_.drift != "overwrite" && !is_managed(key.first) &&
                           said.size() == 1 && !vanished_.contains(key.first);
    if (weighed && may_stand && ghost.view.weight > 0 && real->weight > 0 && ghost.foreign &&
        ghost.at_rest && ghost.wrote == causes_)
      ghost.stands = causes_;
  }
  ghost.listed = is_watched;
  ghost.view = {real.has_value(), true, real ? real->weight : 0, std::nullopt};
  if (real) {
    ghost.view.attributes = real->attributes();
    ghost.remembered = false;
  }
  // It may be that somebody wrote the zero after that.
  if (!real || real->weight == 0) ghost.others = ghost.others || std::exchange(ghost.unseen, false);
}

void Judge::reloaded() {
  cause();
  drifts_ = 0;
  for (unsigned n = 0; n < options_.services; ++n)
    appeared_[service_key(n)] = now_;
  for (auto& [key, ghost] : ghosts_)
    ghost.listed = false;
}

bool Judge::is_foreign(const lb::ServiceKey& service, const Server& server) const {
  const auto found = ghosts_.find({service, server});
  return found != ghosts_.end() && found->second.foreign;
}

bool Judge::may_be_told(const lb::ServiceKey& service, const Server& server) const {
  const auto found = ghosts_.find({service, server});
  return found != ghosts_.end() && found->second.told;
}

bool Judge::is_stale(const std::string& group, Duration patience) const {
  return std::none_of(said.begin(), said.end(), [&](const Said& gwm) {
    const auto last = gwm.freshness(group).named;
    return last && now_ - *last < patience;
  });
}

bool Judge::may_be_locked(const lb::ServiceKey& service, const Server& server) const {
  const auto found = ghosts_.find({service, server});
  return found != ghosts_.end() && found->second.locked;
}

std::optional<TimePoint> Judge::appeared(const lb::ServiceKey& service) const {
  const auto found = appeared_.find(service);
  return found != appeared_.end() ? std::optional(found->second) : std::nullopt;
}

bool Judge::is_unconfirmed(const std::string& group, Duration patience) const {
  return std::none_of(said.begin(), said.end(), [&](const Said& gwm) {
    const auto last = gwm.freshness(group).confirmed;
    return last && now_ - *last < patience;
  });
}

void Judge::life_ended(bool killed, bool kept) {
  alive_ = false;
  is_listing_ = answers_lost_ = false;
  pending_.clear();
  for (auto& [key, ghost] : ghosts_) {
    // What was about to be written, and what was seen last, need not be on disk.
    if (killed || !kept) ghost.view.known = false;
    // Nor are attributes ever.
    if (ghost.view.present && ghost.view.weight == 0 && std::exchange(ghost.unseen, false))
      ghost.unclear = true;
    ghost.view.attributes.reset();
    ghost.read.reset();
  }
}

void Judge::life_began(bool with_ledger) {
  alive_ = true;
  drifts_ = 0;
  cause();
  for (auto& [key, ghost] : ghosts_) {
    ghost.listed = false;
    ghost.stands.reset();
  }
  if (with_ledger) return;
  for (auto& [key, ghost] : ghosts_) {
    ghost.unclear = ghost.unclear || ghost.ours;
    ghost.locked = ghost.locked || ghost.told;
    ghost.view.known = false;
  }
}

// Of all that was written since the last listing it is not known whether it was.
void Judge::answers_lost() {
  for (auto& [key, ghost] : ghosts_)
    ghost.view.known = false;
  answers_lost_ = true;
}

void Judge::given_back(const Endpoint& server) {
  cause();
  for (auto& [key, ghost] : ghosts_) {
    if (key.second != server || !(ghost.others || ghost.unseen || ghost.unclear)) continue;
    ghost.others = ghost.unseen = false;
    ghost.unclear = true;  // what it has not seen yet it cannot give back
  }
}

void Judge::keepalived_said(const lb::ServiceKey& service, const Server& server, bool up) {
  cause();
  Ghost& ghost = ghosts_[{service, server}];
  const auto* now = kernel_.find(service);
  const auto* row = now != nullptr ? now->find(server) : nullptr;
  if (row == nullptr || row->real.weight > 0) return;
  if (up) return;
  // What it says of a service that is not configured is not heard.
  ghost.unclear = group_of(service).empty();
  ghost.unseen = !ghost.unclear;
}

Judge::Saved Judge::save() const {
  return {kernel_.services(), ghosts_};
}

// What was ours and is ours again; what was somebody's is that again, as far as saspd can tell.
void Judge::restored(const Saved& saved) {
  for (const auto& [service, rules] : saved.rules) {
    for (const auto& row : rules.destinations) {
      if (row.real.weight > 0) continue;
      Ghost& ghost = ghosts_[{service, row.server}];
      const auto before = saved.ghosts.find({service, row.server});
      const bool was_ours = before != saved.ghosts.end() && before->second.ours &&
                            !before->second.others && !before->second.unseen;
      const bool stays =
          ghost.ours && was_ours && !ghost.unclear && !before->second.unclear && !ghost.told;
      ghost.others = ghost.unseen = false;
      ghost.unclear = !stays;
      ghost.ours = true;
    }
  }
}

Judge::Zero Judge::zero_of(const lb::ServiceKey& service, const Server& server) const {
  if (is_managed(service)) return Zero::ours;
  const auto found = ghosts_.find({service, server});
  if (found == ghosts_.end() || found->second.unclear) return Zero::unclear;
  if (found->second.others || found->second.unseen) return Zero::others;
  return found->second.ours ? Zero::ours : Zero::unclear;
}

}  // namespace saspd::simulation
