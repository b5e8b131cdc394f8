// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/controller_settings.hpp"

#include <limits>

namespace saspd::director {
namespace {

Reconciler::Settings reconciler_settings(const Options& options) {
  const auto& plane = options.backend->traits;
  Reconciler::Settings settings;
  settings.groups = options.groups;
  settings.policy = options.policy;
  settings.pace = {std::chrono::milliseconds{250}, std::chrono::seconds{1}, options.max_step};
  settings.stale_after = options.stale_after;
  settings.drift = options.drift;
  settings.dry_run = options.dry_run;
  settings.adopt = options.adopt;
  settings.trust = options.trust;
  settings.merge = options.merge;
  settings.own_table = plane.own_table;
  // In a dry run nothing is written that would take its time: the plan is shown whole.
  constexpr auto whole = std::numeric_limits<std::size_t>::max();
  settings.chunk = options.dry_run ? whole : plane.chunk;
  settings.services = options.dry_run ? whole : plane.services;
  return settings;
}

sasp::LbSessionConfig session_config(const Options& options) {
  sasp::LbSessionConfig config;
  config.lb_uid = options.spoken_uid();
  config.interval = options.interval;
  config.push = options.push;
  config.trust = options.trust;
  config.no_change = options.no_change;
  return config;
}

}  // namespace

Controller::Settings controller_settings(const Options& options, std::uint64_t seed) {
  Controller::Settings settings;
  settings.reconciler = reconciler_settings(options);
  settings.session = session_config(options);
  settings.gwms.clear();
  for (const auto& gwm : options.gwms)
    settings.gwms.push_back(gwm.text());
  settings.retry_min = options.retry_min;
  settings.seed = seed;
  settings.news = {options.dry_run, options.reconcile_interval, options.ledger,
                   options.keepalived_fifo, options.backend->traits.own_table};
  settings.backend = options.backend;
  settings.log_level = options.log.level;
  return settings;
}

}  // namespace saspd::director
