// SPDX-License-Identifier: Apache-2.0
// What others do, and what goes wrong.
#include <algorithm>

#include "tests/simulation/world.hpp"

namespace saspd::simulation {

using namespace std::chrono_literals;

struct World::Kind {
  const char* name;
  bool Options::*on;
  Happening happening;
};

const World::Kind World::kinds[] = {
    {"saspd is killed", &Options::kills, &World::saspd_is_killed},
    {"saspd stops", &Options::stops, &World::saspd_stops},
    {"the machine reboots", &Options::reboots, &World::machine_reboots},
    {"a write is refused", &Options::refused_writes, &World::writes_are_refused},
    {"a call fails", &Options::failing_calls, &World::calls_fail},
    {"answers are lost", &Options::lost_answers, &World::answers_are_lost},
    {"the permission goes", &Options::no_permission, &World::permission_goes},
    {"ip_vs is unloaded", &Options::module_goes, &World::module_is_unloaded},
    {"somebody weighs", &Options::human_weighs, &World::human_weighs},
    {"somebody edits", &Options::human_edits, &World::human_edits},
    {"somebody removes or adds", &Options::human_moves, &World::human_moves},
    {"somebody saves or restores", &Options::human_restores, &World::human_restores},
    {"somebody edits between steps", &Options::edits_between_steps, &World::somebody_edits_between},
    {"keepalived checks", &Options::keepalived, &World::keepalived_checks},
    {"the disk fills", &Options::ledger_full, &World::disk_fills},
    {"the ledger is lost", &Options::ledger_lost, &World::ledger_is_lost},
    {"a link is cut", &Options::links_cut, &World::link_is_cut},
    {"a link stalls", &Options::links_stall, &World::link_stalls},
    {"a GWM restarts", &Options::gwm_restarts, &World::gwm_restarts},
    {"a GWM hangs", &Options::gwm_hangs, &World::gwm_hangs},
    {"a GWM refuses", &Options::gwm_refuses, &World::gwm_refuses},
    {"a GWM floods", &Options::gwm_floods, &World::gwm_floods},
    {"the operator drains", &Options::operator_drains, &World::operator_drains},
    {"a member quiesces", &Options::members_quiesce, &World::member_quiesces},
    {"weights move", &Options::weights_move, &World::weights_move},
    {"weights move", &Options::weights_move, &World::weights_move},
    {"saspd reloads", &Options::reloads, &World::saspd_reloads},
};

// Each has a time and chances of its own, so that leaving one out leaves the others as they are.
void World::schedule_happenings() {
  Chance chance(options_.seed ^ 0xD6E8FEB86659FD93U);
  Duration when = 3s;
  for (unsigned n = 0; n < options_.happenings; ++n) {
    when += chance.one_in(3) ? std::chrono::milliseconds{chance.below(300)}
                             : std::chrono::milliseconds{chance.below(12'000)};
    if (left_out_.contains(n)) continue;
    after(when, [this, n] { happen(n); });
  }
  after(when + 1s, [this] { come_to_rest(); });
}

// Unless the trouble has ended by then.
void World::later(Duration delay, std::function<void()> what) {
  after(delay, [this, what = std::move(what)] {
    if (!healed_) what();
  });
}

void World::happen(unsigned number) {
  Chance chance(options_.seed * 1'000'003U + number);
  std::vector<const Kind*> possible;
  for (const auto& kind : kinds)
    if (options_.*kind.on) possible.push_back(&kind);
  if (possible.empty()) return;
  const Kind& kind = *chance.any_of(possible);
  ++happenings_;
  note(number);
  say("#{} {}", number, kind.name);
  (this->*kind.happening)(chance);
}

// --- before saspd is there

void World::set_up() {
  Chance chance(options_.seed ^ 0xA0761D6478BD642FU);
  for (unsigned n = 0; n < options_.services; ++n) {
    const auto key = service_key(n);
    if (judge_.is_managed(key)) continue;
    ipvs_.add_service(Author::human, key, {options_.scheduler, 0, 0, 0xFFFFFFFF});
    for (unsigned server = 0; server < options_.servers; ++server) {
      Real real{10, chance.any({0U, 2U, 3U}), 0, 0, 0, 0, 0};
      if (chance.one_in(3)) real.upper = 5000, real.lower = 4000;
      if (real.forward == 2 && chance.one_in(2)) real.tunnel_type = 1, real.tunnel_port = 6080;
      ipvs_.add(Author::human, key, server_of(n, server), real);
    }
  }
  // Somebody else's, that nobody but them touches.
  ipvs_.add_service(Author::human, *lb::parse_service("udp:192.0.2.99:53"), {"rr", 0, 0, 0});
  ipvs_.add(Author::human, *lb::parse_service("udp:192.0.2.99:53"), server_of(99, 0), {7});
  disk_.text = director::Ledger::empty().text(disk_.place);
  for (std::size_t n = 0; n < gwms_.size(); ++n) {
    advise(n, chance);
    gwms_[n]->start(now_);
  }
}

std::optional<std::pair<lb::ServiceKey, Server>> World::any_destination(Chance& chance) const {
  const auto service = service_key(chance.below(options_.services));
  const auto* found = ipvs_.find(service);
  if (found == nullptr || found->destinations.empty()) return std::nullopt;
  const auto n = chance.below(static_cast<std::uint32_t>(found->destinations.size()));
  return std::pair(service, found->destinations[n].server);
}

// --- saspd and its machine

void World::saspd_is_killed(Chance& chance) {
  if (chance.one_in(4)) return end_life(true, std::chrono::milliseconds{chance.below(8000)});
  kill_in_ = 1 + chance.below(chance.any({4U, 12U, 60U}));
}

void World::saspd_stops(Chance& chance) {
  end_life(false, std::chrono::milliseconds{chance.below(20'000)});
}

void World::machine_reboots(Chance& chance) {
  const bool in_order = chance.one_in(2);
  const auto rules = chance.one_in(3) && saved_ ? saved_ : judge_.save();
  end_life(!in_order, std::chrono::milliseconds{1000 + chance.below(8000)});
  for (auto& gwm : gwms_) {
    if (chance.one_in(4)) gwm->dies(now_), gwm->start(now_);
  }
  boot(chance.one_in(4) ? Judge::Saved{} : *rules);
}

void World::boot(const Judge::Saved& rules) {
  ipvs_.flush(Author::restored);
  disk_.place.boot = fmt::format("boot{}", chance_.next());
  disk_.place.network_namespace = fmt::format("cookie:{}", chance_.below(3));
  restore_rules(rules);
}

void World::writes_are_refused(Chance& chance) {
  refuse_in_ = 1 + chance.below(6);
}
void World::calls_fail(Chance& chance) {
  fail_in_ = 1 + chance.below(20);
}
void World::answers_are_lost(Chance& chance) {
  lose_in_ = 1 + chance.below(6);
}
void World::permission_goes(Chance& chance) {
  forbidden_ = true;
  later(std::chrono::seconds{1 + chance.below(30)}, [this] { forbidden_ = false; });
}

void World::module_is_unloaded(Chance& chance) {
  const auto rules = judge_.save();
  ipvs_.unload();
  later(std::chrono::seconds{1 + chance.below(20)}, [this, rules] {
    ipvs_.load();
    restore_rules(rules);
    troubled_ = now_;
  });
}

void World::saspd_reloads(Chance& chance) {
  Options changed = options_;
  changed.left_out =
      options_.services > 1 && chance.one_in(2) ? 1U << chance.below(options_.services) : 0;
  changed.hold_all_zero = !chance.one_in(4);
  changed.panic = chance.one_in(6) ? 50 : 0;
  changed.reconcile_interval = chance.any({1U, 5U});
  changed.push = chance.one_in(3);
  changed.no_change = chance.one_in(3);
  changed.stale_after = chance.any({0U, 0U, 20U, 90U});
  using Words = std::initializer_list<const char*>;
  changed.drift = chance.any(Words{"overwrite", "report", "adopt"});
  changed.on_stale = chance.any(Words{"hold", "static", "drain"});
  changed.merge = chance.any(Words{"primary", "mean", "min", "max"});
  use(changed);
}

// --- other writers

void World::human_weighs(Chance& chance) {
  const auto at = any_destination(chance);
  if (!at) return;
  Real real = ipvs_.find(at->first)->find(at->second)->real;
  real.weight = chance.one_in(2) ? 0 : chance.any({1U, 5U, 30U, 70U});
  // ipvsadm -e without -x and -y takes the thresholds away.
  if (options_.human_edits && chance.one_in(3)) real.upper = real.lower = 0;
  say("somebody sets {} to {}", at->second.text(), real.weight);
  ipvs_.edit(Author::human, at->first, at->second, real);
}

void World::human_edits(Chance& chance) {
  const auto at = any_destination(chance);
  if (!at) return;
  Real real = ipvs_.find(at->first)->find(at->second)->real;
  real.upper = chance.any({0U, 100U, 6000U});
  real.lower = real.upper == 0 ? 0 : chance.any({0U, 50U});
  if (chance.one_in(3)) real.forward = chance.any({0U, 2U, 3U});
  say("somebody gives {} thresholds {} {}", at->second.text(), real.upper, real.lower);
  ipvs_.edit(Author::human, at->first, at->second, real);
}

void World::human_moves(Chance& chance) {
  const unsigned n = chance.below(options_.services);
  const auto service = service_key(n);
  if (chance.one_in(6)) {
    if (ipvs_.find(service) != nullptr) {
      say("somebody removes {}", lb::text(service));
      ipvs_.delete_service(Author::human, service);
    } else if (!judge_.is_managed(service)) {
      ipvs_.add_service(Author::human, service, {options_.scheduler, 0, 0, 0xFFFFFFFF});
    }
    return;
  }
  const auto server = server_of(n, chance.below(options_.servers));
  const auto* found = ipvs_.find(service);
  if (found == nullptr) return;
  const auto* row = found->find(server);
  Real real = row != nullptr ? row->real : Real{chance.any({0U, 1U, 10U})};
  if (row != nullptr) {
    say("somebody removes {}", server.text());
    ipvs_.remove(Author::human, service, server);
    if (chance.one_in(2)) return;
    real.weight = chance.any({0U, 1U, 10U});
  }
  say("somebody adds {} with {}", server.text(), real.weight);
  ipvs_.add(Author::human, service, server, real);
}

void World::human_restores(Chance& chance) {
  if (!saved_ || chance.one_in(3)) {
    saved_ = judge_.save();
    return;
  }
  ipvs_.flush(Author::human);
  if (chance.one_in(2)) return restore_rules(*saved_);
  later(std::chrono::milliseconds{chance.below(9000)}, [this, rules = *saved_] {
    ipvs_.flush(Author::human);
    restore_rules(rules);
  });
}

// A managed service that saspd made again meanwhile stays as it is.
void World::restore_rules(const Judge::Saved& saved) {
  say("rules are restored");
  for (const auto& [key, service] : saved.rules) {
    if (ipvs_.add_service(Author::restored, key, service.settings) != 0) continue;
    for (auto row = service.destinations.rbegin(); row != service.destinations.rend(); ++row)
      ipvs_.add(Author::restored, key, row->server, row->real);
  }
  judge_.restored(saved);
}

void World::somebody_edits_between(Chance& chance) {
  edit_in_ = 1 + chance.below(12);
  editor_ = Chance(chance.next());
}

// inhibit_on_failure: a failed server gets 0, and its weight of the configuration when it is back,
// each time with all attributes of the configuration.
void World::keepalived_checks(Chance& chance) {
  const auto at = any_destination(chance);
  if (!at) return;
  const bool up = held_down_.contains(*at);
  if (up) {
    held_down_.erase(*at);
  } else {
    held_down_.insert(*at);
  }
  keepalived_writes(at->first, at->second, up);
}

void World::keepalived_writes(const lb::ServiceKey& service, const Server& server, bool up) {
  const auto* found = ipvs_.find(service);
  const auto* row = found != nullptr ? found->find(server) : nullptr;
  if (row == nullptr) return;
  Real real = row->real;
  real.weight = up ? 1 : 0;
  say("keepalived: {} is {}", server.text(), up ? "up" : "down");
  ipvs_.edit(Author::keepalived, service, server, real);
  if (!options_.fifo) return;
  after(std::chrono::milliseconds{chance_.below(50)}, [this, service, server, up] {
    if (!director_) return;
    fifo_.push_back({server, {service}, up});
    judge_.keepalived_said(service, server, up);
    within([&](Director& director) { director.work(now_); });
  });
}

// --- the disk

void World::disk_fills(Chance& chance) {
  disk_.full = true;
  later(std::chrono::seconds{1 + chance.below(60)}, [this] { disk_.full = false; });
}

void World::ledger_is_lost(Chance& chance) {
  if (chance.one_in(2)) {
    disk_.text.clear();
  } else {
    disk_.text.resize(disk_.text.size() / 2);
  }
  ledger_known_ = false;
}

// --- links and GWMs

void World::link_is_cut(Chance& chance) {
  const auto n = chance.below(options_.gwms);
  cut_[n] = true;
  cut(n, !chance.one_in(4));
  later(std::chrono::milliseconds{chance.below(20'000)}, [this, n] { cut_[n] = false; });
}

void World::link_stalls(Chance& chance) {
  const auto n = chance.below(options_.gwms);
  stall(n, true);
  later(std::chrono::milliseconds{chance.below(30'000)}, [this, n, id = links_[n].connection] {
    if (links_[n].connection == id) stall(n, false);
  });
}

void World::gwm_restarts(Chance& chance) {
  const auto n = chance.below(options_.gwms);
  gwms_[n]->dies(now_, !chance.one_in(3));
  later(std::chrono::milliseconds{chance.below(20'000)}, [this, n] {
    if (!gwms_[n]->runs()) gwms_[n]->start(now_);
  });
}

void World::gwm_hangs(Chance& chance) {
  const auto n = chance.below(options_.gwms);
  gwms_[n]->hangs(true, now_);
  later(std::chrono::milliseconds{chance.below(40'000)},
        [this, n] { gwms_[n]->hangs(false, now_); });
}

void World::gwm_refuses(Chance& chance) {
  const auto n = chance.below(options_.gwms);
  gwms_[n]->refuses(static_cast<sasp::ReturnCode>(chance.any({0x10, 0x11, 0xFF})));
  later(std::chrono::seconds{1 + chance.below(90)}, [this, n] { gwms_[n]->refuses({}); });
}

void World::gwm_floods(Chance& chance) {
  if (options_.push) gwms_[chance.below(options_.gwms)]->floods(chance.any({3U, 20U}), now_);
}

void World::operator_drains(Chance& chance) {
  const auto at = any_destination(chance);
  if (!at) return;
  const bool on = !chance.one_in(2);
  for (auto& gwm : gwms_)
    gwm->drain({std::nullopt, at->second}, on, now_);
}

void World::member_quiesces(Chance& chance) {
  const auto at = any_destination(chance);
  if (!at) return;
  const bool on = !chance.one_in(2);
  const auto group = judge_.group_of(at->first);
  for (auto& gwm : gwms_)
    gwm->member_says(group, {at->second.address, 6, at->second.port}, on, now_);
}

void World::weights_move(Chance& chance) {
  advise(chance.below(options_.gwms), chance);
  if (!chance.one_in(3)) return;
  // The same to all.
  for (auto& gwm : gwms_) {
    gwm->file() = gwms_[0]->file();
    gwm->file_changed(now_);
  }
}

void World::advise(std::size_t gwm, Chance& chance) {
  auto& file = gwms_[gwm]->file();
  file.clear();
  const bool nobody = options_.advises_nobody && chance.one_in(4);
  const unsigned how = chance.below(3);
  for (unsigned n = 0; n < options_.services; ++n) {
    for (unsigned server = 0; server < options_.servers; ++server) {
      const auto at = server_of(n, server);
      gwm::Advice advice{true, true, false, static_cast<std::uint16_t>(1 + chance.below(60))};
      if (chance.one_in(4)) advice.quiesce = true;
      if (options_.contact_lost && chance.one_in(4)) advice.contact = false;
      if (options_.confidence_lost && chance.one_in(4)) advice.confident = false;
      if (nobody) {
        advice.quiesce = how == 0;
        advice.contact = how != 1;
        advice.confident = how != 2;
      }
      file[group_name(n)][{at.address, 6, at.port}] = advice;
    }
  }
  gwms_[gwm]->file_changed(now_);
}

}  // namespace saspd::simulation
