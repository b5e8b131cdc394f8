// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/news.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controller/base/member_name.hpp"
#include "controller/saspd/helps.hpp"

namespace saspd::director {
namespace {

using events::EventKind;
using events::EventLevel;
using events::HealthState;
using events::StateKey;

// Beyond this the single changes of one pass are for debugging; the journal gets their number.
constexpr std::size_t max_changes_logged = 20;

report::Event event(EventKind kind, EventLevel level, std::string text) {
  report::Event event;
  event.kind = kind;
  event.level = level;
  event.text = std::move(text);
  return event;
}

// Who decided the weight, for its event: "advice", "quiesced".
std::optional<std::string> reason_of(const lb::Change& change, const Reconciler& reconciler) {
  const auto* decision = reconciler.decision(change.service, change.destination.endpoint);
  if (decision == nullptr) return std::nullopt;
  return std::string(report::name(decision->reason));
}

// Without its text, which is expensive.
report::Event event_of(const lb::Change& change, const Reconciler& reconciler) {
  using enum lb::Action;
  const bool repairs = change.action == repair_service;
  auto event = director::event(change.writes_weight() ? EventKind::weight : EventKind::entry,
                               repairs ? EventLevel::warning : EventLevel::info, {});
  event.group = reconciler.group_of(change.service);
  event.service = lb::text(change.service);
  const bool of_service = repairs || change.action == add_service || change.action == set_service ||
                          change.action == remove_service;
  if (of_service) return event;
  event.member = member_text(change.destination.endpoint);
  if (change.action != add_destination) event.was = std::to_string(change.listed.weight);
  if (change.action != remove_destination) event.is = std::to_string(change.destination.weight);
  event.reason = reason_of(change, reconciler);
  return event;
}

}  // namespace

void News::work(const Work& work, const Reconciler& reconciler) {
  if (work.list_error) return kernel(work.list_error->detail);
  appeared(work.appeared, reconciler);
  drifts(work.drifts, reconciler);
  if (settings_.dry_run) return planned(work.applied);
  applied(work.applied, reconciler);
  for (const auto& overtaken : work.overtaken)
    log_.info("{}", overtaken.detail);
  // One destination that is refused in each pass is one trouble.
  if (work.failures.empty() && work.failing) return;
  if (work.failures.empty()) return kernel({});
  const std::string& first = work.failures.front().detail;
  kernel(fmt::format("{} of {} changes not written, first: {}", work.failures.size(),
                     work.failures.size() + work.applied.size(), first),
         first);
}

void News::appeared(const std::vector<lb::ServiceKey>& services, const Reconciler& reconciler) {
  for (std::size_t i = 0; i < services.size(); ++i) {
    auto found = event(EventKind::service, EventLevel::info,
                       fmt::format("{} is in the kernel now", lb::text(services[i])));
    found.group = reconciler.group_of(services[i]);
    found.service = lb::text(services[i]);
    journal_.note(std::move(found), i < max_changes_logged);
  }
  if (services.size() > max_changes_logged)
    log_.info("{} services are in the kernel now", services.size());
}

// Of many changes the log has the number, and each at level debug.
void News::applied(const lb::Plan& changes, const Reconciler& reconciler) {
  const bool many = changes.size() > max_changes_logged;
  for (const auto& change : changes) {
    auto written = event_of(change, reconciler);
    if (many && change.action != lb::Action::repair_service) written.level = EventLevel::debug;
    // A changed weight is worded by the journal when an operator asks.
    const bool needs_text = !many || !written.was || !written.is || written.was == written.is;
    if (needs_text || log_.shows(cli::Level::debug)) written.text = change.text();
    journal_.note(std::move(written));
  }
  if (many) log_.info("{} changes written", changes.size());
}

void News::drifts(const std::vector<Drift>& drifts, const Reconciler& reconciler) {
  for (std::size_t i = 0; i < drifts.size(); ++i) {
    const auto& write = drifts[i].write;
    auto drift = event(EventKind::foreign_weight, EventLevel::warning, drifts[i].text());
    drift.group = reconciler.group_of(write.service);
    drift.service = lb::text(write.service);
    if (write.endpoint) drift.member = member_text(*write.endpoint);
    if (write.weights) {
      drift.was = std::to_string(write.weights->before);
      drift.is = std::to_string(write.weights->now);
    }
    drift.origin = "another program";
    journal_.note(std::move(drift), i < max_changes_logged);
  }
  if (drifts.size() > max_changes_logged) {
    log_.warning("{} more writes of other programs: saspctl status",
                 drifts.size() - max_changes_logged);
  }
}

// The plan stays the same until the advice or the kernel changes; it is reported once.
void News::planned(const lb::Plan& plan) {
  kernel({});
  if (plan.empty() || plan == planned_) return;
  planned_ = plan;
  for (const auto& change : plan)
    log_.asked(fmt::format("would write: {}", change.text()));
}

void News::kernel(const std::string& error) {
  kernel(error, error);
}

// One line for a trouble, not one per pass.
void News::kernel(std::string error, const std::string& trouble) {
  if (error == kernel_error_) return;
  const StateKey key{EventKind::kernel};
  const bool other = std::exchange(kernel_trouble_, trouble) != trouble;
  if (error.empty()) {
    journal_.end(key, {EventLevel::info, "the kernel answers again"});
  } else {
    auto text =
        fmt::format("{}; trying again every {} s", error, settings_.reconcile_interval.count());
    if (other && journal_.is_open(key)) log_.error("{}", text);
    journal_.begin({key, EventLevel::error, HealthState::failed, "the kernel: " + error,
                    "saspctl reconcile", std::move(text)});
  }
  kernel_error_ = std::move(error);
}

void News::problems(std::vector<lb::Problem> problems) {
  const auto key_of = [](const lb::Problem& problem) {
    return StateKey{EventKind::problem, problem.name, {}, {}, {}, problem.subject};
  };
  const auto has = [&](const StateKey& key) {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const auto& problem) { return key_of(problem) == key; });
  };
  for (const auto& problem : problems_) {
    if (has(key_of(problem))) continue;
    journal_.end(
        key_of(problem),
        {EventLevel::info, fmt::format("{}{}{} has ended", problem.name,
                                       problem.subject.empty() ? "" : " of ", problem.subject)});
  }
  for (const auto& problem : problems) {
    journal_.begin({key_of(problem), EventLevel::error, HealthState::failed, problem.detail,
                    problem.mended_by_attach ? "saspd --reattach" : "saspctl status",
                    fmt::format("{}: {}", problem.name, problem.detail)});
  }
  problems_ = std::move(problems);
}

// When it begins, when it gets urgent or less so, and when it ends.
void News::alarms(AlarmsByGroup of_changed) {
  AlarmsByGroup before;
  for (const auto& [group, alarms] : of_changed)
    before.insert(alarms_.extract(group));
  const auto changes = changes_between(before, of_changed);
  for (std::size_t i = 0; i < changes.size(); ++i)
    alarm(changes[i], i < max_changes_logged);
  if (changes.size() > max_changes_logged) {
    log_.warning("{} more alarms began or ended: saspctl status",
                 changes.size() - max_changes_logged);
  }
  for (const auto& [group, alarms] : of_changed) {
    for (const auto& alarm : alarms)
      journal_.begin(state_of(alarm, group));  // its text may be another
  }
  std::erase_if(of_changed, [](const auto& group) { return group.second.empty(); });
  alarms_.merge(of_changed);
}

void News::alarm(const AlarmChange& change, bool logged) {
  const Alarm& alarm = change.alarm;
  const std::string& of = alarm.service.empty() ? change.group : alarm.service;
  events::State state = state_of(alarm, change.group);
  state.logged = logged;
  switch (change.what) {
    case AlarmChange::What::begun:
    case AlarmChange::What::more_urgent:
      state.log =
          fmt::format("{}{} {}: {}", alarm.urgent ? "alarm: " : "", of, alarm.name, alarm.detail);
      break;
    case AlarmChange::What::less_urgent:
      state.log = fmt::format("{} {}: no longer urgent", of, alarm.name);
      break;
    case AlarmChange::What::ended:
      return journal_.end(state.key,
                          {alarm.urgent ? EventLevel::warning : EventLevel::info,
                           alarm.urgent ? fmt::format("alarm ended: {} {}", of, alarm.name)
                                        : fmt::format("{} {} ended", of, alarm.name),
                           logged});
  }
  journal_.begin(std::move(state));
}

void News::zeros(const Work& work, const lb::Table& actual) {
  for (const auto& [of, zero] : work.zeros_before) {
    const auto now = work.zeros.find(of);
    if (now != work.zeros.end() && now->second.zero.author == zero.zero.author) continue;
    journal_.end(zero_key(of, zero), {EventLevel::info, {}, false});
  }
  for (const auto& [of, zero] : work.zeros)
    journal_.begin(zero_state(of, zero));
  for (const auto& news : zero_news(work.zeros_before, work.zeros, actual)) {
    if (news.begins) {
      log_.warning("{}", news.text);
    } else {
      log_.info("{}", news.text);
    }
  }
}

void News::ledger(const std::string& error) {
  if (error == ledger_error_) return;
  ledger_error_ = error;
  const StateKey key{EventKind::ledger};
  if (error.empty()) {
    return journal_.end(
        key, {EventLevel::info, fmt::format("the ledger {} is written again", settings_.ledger)});
  }
  const std::string_view follows = settings_.own_table
                                       ? "what it knows of servers and quiesces would be lost"
                                       : "weights of 0 would be unclear";
  auto text =
      fmt::format("the ledger is kept in memory only, so {} after a restart: {}", follows, error);
  if (journal_.is_open(key)) log_.error("{}", text);
  journal_.begin(
      {key, EventLevel::error, HealthState::degraded,
       fmt::format("the ledger is kept in memory only: {}; after a restart {}", error, follows),
       "journalctl -u saspd", std::move(text)});
}

void News::keepalived(const std::string& error) {
  if (error == keepalived_error_) return;
  keepalived_error_ = error;
  const StateKey key{EventKind::keepalived};
  if (error.empty()) {
    return journal_.end(key,
                        {EventLevel::info, fmt::format("--keepalived-fifo {}: it can be read again",
                                                       settings_.keepalived_fifo)});
  }
  auto text = fmt::format(
      "--keepalived-fifo {}; a zero of keepalived over one of ours would go unnoticed", error);
  if (journal_.is_open(key)) log_.error("{}", text);
  journal_.begin({key, EventLevel::error, HealthState::degraded,
                  fmt::format("the FIFO of keepalived cannot be read: {}; its zeros over those of "
                              "saspd go unnoticed",
                              error),
                  "systemctl status keepalived", std::move(text)});
}

}  // namespace saspd::director
