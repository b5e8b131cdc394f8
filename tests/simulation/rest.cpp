// SPDX-License-Identifier: Apache-2.0
// Once trouble has ended: all comes to rest as the reference has it, stays so, and over a restart.
#include <algorithm>
#include <vector>

#include "tests/simulation/merged.hpp"
#include "tests/simulation/reference.hpp"
#include "tests/simulation/world.hpp"

namespace saspd::simulation {

using namespace std::chrono_literals;

namespace {

// The longest of: the back-off of a connection, an interval of a GWM, a refused registration, and
// what trust and No-Change need until everything is asked for again (ten rounds).
constexpr Duration patience = 1200s;

// Weights of its own for each server that is given any, and a quiesce of which the others do not know.
void disagree(gwm::AdviceTable& file, Chance& chance) {
  for (auto& [group, members] : file) {
    for (auto& [member, advice] : members) {
      advice.weight = static_cast<std::uint16_t>(1 + chance.below(200));
      advice.quiesce = advice.quiesce || (members.size() > 1 && chance.one_in(8));
    }
  }
}

}  // namespace

std::vector<gwm::AdviceTable> World::all_advice() const {
  std::vector<gwm::AdviceTable> all;
  for (const auto& gwm : gwms_)
    all.push_back(gwm->file());
  return all;
}

void World::heal() {
  healed_ = true;
  kill_in_ = refuse_in_ = fail_in_ = lose_in_ = edit_in_ = 0;
  forbidden_ = disk_.full = false;
  ipvs_.load();
  for (std::size_t n = 0; n < gwms_.size(); ++n) {
    cut_[n] = false;
    stall(n, false);
    if (!gwms_[n]->runs()) gwms_[n]->start(now_);
    gwms_[n]->refuses({});
    gwms_[n]->hangs(false, now_);
  }
  // With --drift report and adopt, nothing else is as advised than before.
  Options strict = options_;
  strict.left_out = 0;
  strict.drift = "overwrite";
  if (options_.left_out != 0 || options_.drift != strict.drift) use(strict);
  for (const auto& [service, server] : std::exchange(held_down_, {}))
    keepalived_writes(service, server, true);
  // Who took a service away brings it back.
  Chance chance(options_.seed ^ 0x7F4A7C15U);
  for (unsigned n = 0; n < options_.services; ++n) {
    const auto key = service_key(n);
    if (judge_.is_managed(key)) continue;
    ipvs_.add_service(Author::human, key, {options_.scheduler, 0, 0, 0xFFFFFFFF});
    for (unsigned server = 0; server < options_.servers; ++server)
      ipvs_.add(Author::human, key, server_of(n, server), {10});
  }
  // All GWMs agree, and there is always somebody who can serve.
  advise(0, chance);
  for (auto& [group, members] : gwms_[0]->file()) {
    auto any = std::next(members.begin(), chance.below(static_cast<std::uint32_t>(members.size())));
    any->second = {true, true, false, static_cast<std::uint16_t>(1 + chance.below(60))};
  }
  for (std::size_t n = 1; n < gwms_.size(); ++n) {
    gwms_[n]->file() = gwms_[0]->file();
    if (options_.merge != "primary") disagree(gwms_[n]->file(), chance);
  }
  for (auto& gwm : gwms_) {
    gwm->file_changed(now_);
    for (unsigned n = 0; n < options_.services; ++n) {
      for (unsigned server = 0; server < options_.servers; ++server) {
        const auto at = server_of(n, server);
        gwm->drain({std::nullopt, at}, false, now_);
        gwm->member_says(group_name(n), {at.address, 6, at.port}, false, now_);
      }
    }
  }
}

bool World::is_converged() {
  const bool all_connected = std::all_of(links_.begin(), links_.end(), [](const Link& link) {
    return link.connection != 0 && link.established;
  });
  if (!director_ || !all_connected) return false;
  const auto advice = merged(options_, all_advice());
  for (unsigned n = 0; n < options_.services; ++n) {
    const auto key = service_key(n);
    const auto* service = ipvs_.find(key);
    if (service == nullptr || service->destinations.size() != options_.servers) return false;
    const auto allowed = reference(options_, judge_, key, *service, advice);
    for (const auto& row : service->destinations) {
      const auto found = allowed.find(row.server);
      if (found == allowed.end()) return false;
      if (!found->second.empty() && !found->second.contains(row.real.weight)) return false;
    }
  }
  return true;
}

// Says what differs, if anything does.
void World::expect_rest(const char* when) {
  if (!judge_.wrong().empty() || is_converged()) return;
  std::string text = fmt::format("{}: the kernel is not as the reference has it", when);
  for (std::size_t n = 0; n < gwms_.size(); ++n) {
    for (const auto& [group, members] : gwms_[n]->file()) {
      for (const auto& [member, advice] : members)
        text += fmt::format("\n  GWM {}: {} {} {}{}{}{}", n, group, member.address.text(),
                            advice.weight, advice.quiesce ? " quiesced" : "",
                            advice.contact ? "" : " without contact",
                            advice.confident ? "" : " not confident");
    }
  }
  if (!director_) text += "\n  saspd does not run";
  const auto advice = merged(options_, all_advice());
  for (unsigned n = 0; n < options_.services; ++n) {
    const auto key = service_key(n);
    const auto* service = ipvs_.find(key);
    text += fmt::format("\n  {}{}", lb::text(key), service == nullptr ? ": is not there" : "");
    if (service == nullptr) continue;
    const auto allowed = reference(options_, judge_, key, *service, advice);
    for (const auto& row : service->destinations) {
      text += fmt::format("\n    {} has {}, right is", row.server.text(), row.real.weight);
      const auto found = allowed.find(row.server);
      if (found == allowed.end()) continue;
      if (found->second.empty()) text += " any";
      for (const auto weight : found->second)
        text += fmt::format(" {}", weight);
    }
  }
  if (director_) {
    for (const auto& group : director_->controller().status(now_).groups) {
      for (const auto& member : group.members)
        text += fmt::format("\n  saspd: {} {} by {}", member.endpoint.text(),
                            member.effective_weight, report::name(member.reason));
    }
  }
  judge_.complain(std::move(text));
}

// Only what concerns the whole service is asked of it, at any time: nobody is served, and all is
// well?
void World::expect_honesty() {
  if (!director_ ||
      now_ - judge_.disturbed() < std::chrono::seconds{3 * options_.reconcile_interval})
    return;
  for (unsigned n = 0; n < options_.services; ++n) {
    const auto* service = ipvs_.find(service_key(n));
    if (service == nullptr || service->any_positive() || !is_configured(options_, n)) continue;
    if (director_->problems(now_).empty())
      judge_.complain(fmt::format("{} has no server, and saspd says that all is well",
                                  lb::text(service_key(n))));
  }
}

// Nothing is held back.
bool World::all_follows_from_advice() const {
  const auto advice = merged(options_, all_advice());
  for (unsigned n = 0; n < options_.services; ++n) {
    const auto key = service_key(n);
    const auto* service = ipvs_.find(key);
    if (service == nullptr) return false;
    for (const auto& [server, weights] : reference(options_, judge_, key, *service, advice)) {
      if (weights.empty()) return false;
    }
  }
  return true;
}

void World::come_to_rest() {
  const auto two_intervals = std::chrono::seconds{2 * options_.reconcile_interval};
  say("trouble ends");
  heal();
  pass_until(patience, [this] { return is_converged(); });
  expect_rest("after the trouble");
  pass(patience / 12);
  expect_rest("two minutes later");

  say("one more restart");
  const auto before = judge_.writes();
  // Not remembered are the factor by which sh's weights are fitted to its slots, since when a server
  // is lost, which counts where too few are left. And of GWMs whose advice is merged the first that
  // answers is followed until the others do.
  const bool is_merged = options_.merge != "primary" && options_.gwms > 1;
  const bool remembers_all = !is_merged && all_follows_from_advice();
  end_life(chance_.one_in(2), 1s);
  pass(2s + two_intervals);
  pass_until(patience, [this] { return is_converged(); });
  pass(patience / 12);
  expect_rest("after one more restart");
  if (judge_.wrong().empty() && judge_.writes() != before && remembers_all)
    judge_.complain("a restart changes something");

  // The operator takes back what others, or nobody knows who, had set to 0.
  for (unsigned n = 0; n < options_.services; ++n) {
    for (unsigned server = 0; server < options_.servers; ++server) {
      const auto at = server_of(n, server);
      const auto* service = ipvs_.find(service_key(n));
      const auto* row = service != nullptr ? service->find(at) : nullptr;
      if (row == nullptr || row->real.weight > 0 || !director_) continue;
      judge_.given_back(at);
      within([&](Director& director) { director.undrain({group_name(n), at}); });
    }
  }
  pass_until(two_intervals, [this] { return is_converged(); });
  expect_rest("after the operator's undrain");
  at_rest_ = true;
}

}  // namespace saspd::simulation
