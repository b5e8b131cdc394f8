// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/news.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace saspd::director {
namespace {

// Beyond this the single changes of one pass are for debugging; the journal gets their number.
constexpr std::size_t max_changes_logged = 20;

}  // namespace

void News::work(const Work& work) {
  if (work.list_error) return kernel(work.list_error->detail);
  for (std::size_t i = 0; i < std::min(work.appeared.size(), max_changes_logged); ++i)
    log_.info("{} is in the kernel now", lb::text(work.appeared[i]));
  if (work.appeared.size() > max_changes_logged)
    log_.info("{} services are in the kernel now", work.appeared.size());
  drifts(work.drifts);
  if (settings_.dry_run) return planned(work.applied);
  for (const auto& change : work.applied) {
    if (change.action == lb::Action::repair_service) {
      log_.warning("{}", change.text());
    } else if (work.applied.size() <= max_changes_logged) {
      log_.info("{}", change.text());
    } else if (log_.shows(cli::Level::debug)) {
      log_.debug("{}", change.text());
    }
  }
  if (work.applied.size() > max_changes_logged)
    log_.info("{} changes written", work.applied.size());
  for (const auto& overtaken : work.overtaken)
    log_.info("{}", overtaken.detail);
  if (work.failures.empty()) return kernel({});
  kernel(fmt::format("{} of {} changes not written, first: {}", work.failures.size(),
                     work.failures.size() + work.applied.size(), work.failures.front().detail));
}

void News::drifts(const std::vector<Drift>& drifts) {
  for (std::size_t i = 0; i < std::min(drifts.size(), max_changes_logged); ++i)
    log_.warning("{}", drifts[i].text());
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
    log_.info("would write: {}", change.text());
}

// One line when it changes, not one per pass.
void News::kernel(std::string error) {
  if (error == kernel_error_) return;
  if (error.empty()) {
    log_.info("the kernel answers again");
  } else {
    log_.error("{}; trying again every {} s", error, settings_.reconcile_interval.count());
  }
  kernel_error_ = std::move(error);
}

void News::problems(std::vector<lb::Problem> problems) {
  const auto has = [](const auto& some, const lb::Problem& problem) {
    return std::any_of(some.begin(), some.end(), [&problem](const auto& other) {
      return other.name == problem.name && other.subject == problem.subject;
    });
  };
  for (const auto& problem : problems) {
    if (!has(problems_, problem)) log_.error("{}: {}", problem.name, problem.detail);
  }
  for (const auto& problem : problems_) {
    if (!has(problems, problem))
      log_.info("{}{}{} has ended", problem.name, problem.subject.empty() ? "" : " of ",
                problem.subject);
  }
  problems_ = std::move(problems);
}

// When it begins, when it gets urgent or less so, and when it ends.
void News::alarms(AlarmsByGroup of_changed) {
  AlarmsByGroup before;
  for (const auto& [group, alarms] : of_changed)
    before.insert(alarms_.extract(group));
  const auto changes = changes_between(before, of_changed);
  for (std::size_t i = 0; i < std::min(changes.size(), max_changes_logged); ++i)
    alarm(changes[i]);
  if (changes.size() > max_changes_logged) {
    log_.warning("{} more alarms began or ended: saspctl status",
                 changes.size() - max_changes_logged);
  }
  std::erase_if(of_changed, [](const auto& group) { return group.second.empty(); });
  alarms_.merge(of_changed);
}

void News::alarm(const AlarmChange& change) {
  const Alarm& alarm = change.alarm;
  const std::string& of = alarm.service.empty() ? change.group : alarm.service;
  switch (change.what) {
    case AlarmChange::What::begun:
    case AlarmChange::What::more_urgent:
      if (alarm.urgent) return log_.error("alarm: {} {}: {}", of, alarm.name, alarm.detail);
      return log_.warning("{} {}: {}", of, alarm.name, alarm.detail);
    case AlarmChange::What::less_urgent:
      return log_.warning("{} {}: no longer urgent", of, alarm.name);
    case AlarmChange::What::ended:
      if (alarm.urgent) return log_.warning("alarm ended: {} {}", of, alarm.name);
      return log_.info("{} {} ended", of, alarm.name);
  }
}

void News::zeros(const Work& work, const lb::Table& actual) {
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
  if (error.empty()) return log_.info("the ledger {} is written again", settings_.ledger);
  log_.error(
      "the ledger is kept in memory only, so weights of 0 would be unclear after a restart: {}",
      error);
}

void News::keepalived(const std::string& error) {
  if (error == keepalived_error_) return;
  keepalived_error_ = error;
  if (error.empty()) {
    log_.info("--keepalived-fifo {}: it can be read again", settings_.keepalived_fifo);
  } else {
    log_.error("--keepalived-fifo {}; a zero of keepalived over one of ours would go unnoticed",
               error);
  }
}

}  // namespace saspd::director
