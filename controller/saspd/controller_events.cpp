// SPDX-License-Identifier: Apache-2.0
// What the Controller notes in its journal beside the news of the kernel: the GWMs, what follows
// from the clock, and what the process and the operator say.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/saspd/controller.hpp"
#include "controller/saspd/helps.hpp"

namespace saspd::director {

using events::EventKind;
using events::EventLevel;
using events::HealthState;
using events::StateKey;

namespace {

StateKey key_of(EventKind kind, const std::string& gwm) {
  return {kind, {}, {}, {}, {}, gwm};
}

std::string names_of(const std::vector<std::size_t>& numbers,
                     const std::vector<std::string>& gwms) {
  std::vector<std::string_view> names;
  for (const std::size_t gwm : numbers)
    names.push_back(gwms.at(gwm));
  return fmt::format("{}", fmt::join(names, " and "));
}

// Half of --stale-after, which no delayed answer explains.
bool is_overdue(const Freshness& freshness, TimePoint now) {
  return freshness.state(now) == report::AdviceState::ageing && freshness.last &&
         freshness.stale_at && now - *freshness.last >= *freshness.stale_at - now;
}

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::floor<std::chrono::seconds>(duration).count();
}

}  // namespace

// --- GWMs

bool Controller::is_any_up() const {
  return std::any_of(gwms_.begin(), gwms_.end(), [](const Gwm& gwm) {
    return gwm.link.state() == sasp::LinkState::established;
  });
}

events::State Controller::lost_state(const Gwm& gwm, TimePoint now) const {
  const auto why = gwm.link.view(now).last_error;
  events::State state{
      key_of(EventKind::gwm_lost, gwm.name), EventLevel::warning,
      is_any_up() ? HealthState::degraded : HealthState::ok,
      fmt::format("GWM {} is not connected{}{}", gwm.name, why.empty() ? "" : ": ", why),
      fmt::format("saspctl gwm retry {}", gwm.name)};
  state.logged = false;
  return state;
}

events::State Controller::duplicate_state(const Gwm& gwm) const {
  events::State state{
      key_of(EventKind::duplicate_uid, gwm.name), EventLevel::warning, HealthState::degraded,
      fmt::format(
          "another load balancer seems to use the LB UID {}: GWM {} keeps ending our connection",
          settings_.session.lb_uid, gwm.name),
      "saspctl gwm"};
  state.logged = false;
  return state;
}

// How every GWM stands; a loss was logged when it happened.
void Controller::note_gwms(TimePoint now) {
  for (const auto kind : {EventKind::gwm_lost, EventKind::duplicate_uid}) {
    for (const auto& key : journal_.open(kind)) {
      const bool is_ours = std::any_of(gwms_.begin(), gwms_.end(),
                                       [&](const Gwm& gwm) { return gwm.name == key.gwm; });
      if (!is_ours) journal_.end(key, {EventLevel::debug, key.gwm + " is no GWM of ours any more"});
    }
  }
  for (const auto& gwm : gwms_) {
    if (gwm.link.state() != sasp::LinkState::established) journal_.begin(lost_state(gwm, now));
    if (gwm.link.view(now).duplicate_suspected) {
      journal_.begin(duplicate_state(gwm));
    } else {
      journal_.end(key_of(EventKind::duplicate_uid, gwm.name), {EventLevel::debug});
    }
  }
  const StateKey none{EventKind::no_gwm};
  if (is_any_up()) return journal_.end(none, {EventLevel::debug, "a GWM is established"});
  events::State state{none, EventLevel::error, HealthState::failed, "no GWM is established",
                      gwms_.size() == 1 ? fmt::format("saspctl gwm retry {}", gwms_.front().name)
                                        : std::string("saspctl gwm")};
  state.logged = false;
  journal_.begin(std::move(state));
}

// A connection, or an attempt at one, ended.
void Controller::note_lost(const Gwm& gwm, const GwmNews::Line& line, TimePoint now) {
  const auto text = fmt::format("GWM {}: {}", gwm.name, line.text);
  auto state = lost_state(gwm, now);
  if (journal_.is_open(state.key)) {
    say("", {line.warning, text});
  } else {
    state.log = text;
    state.logged = true;
    if (!line.warning) state.level = EventLevel::info;
  }
  journal_.begin(std::move(state));
}

void Controller::note_duplicate(const Gwm& gwm) {
  auto text = fmt::format(
      "GWM {}: another load balancer seems to use the LB UID '{}': this GWM ends our connection "
      "again and again and is still there itself; each director needs an --lb-uid of its own",
      gwm.name, settings_.session.lb_uid);
  auto state = duplicate_state(gwm);
  state.logged = !journal_.is_open(state.key);
  if (!state.logged) log_.warning("{}", text);
  state.log = std::move(text);
  journal_.begin(std::move(state));
}

void Controller::note_followed(const std::vector<GwmChange>& changes) {
  for (const auto& change : changes) {
    report::Event event;
    event.kind = EventKind::gwm_followed;
    event.group = change.group;
    if (!change.before.empty()) event.was = names_of(change.before, settings_.gwms);
    event.is = names_of(change.now, settings_.gwms);
    event.text = fmt::format("group {}: the advice of {} counts now", change.group, *event.is);
    if (change.before.size() == 1)
      event.cause =
          journal_.number_of(key_of(EventKind::gwm_lost, settings_.gwms.at(change.before.front())));
    journal_.note(std::move(event), false);  // a line is for all groups with the same change
  }
  if (gwms_.size() < 2) return;
  for (const auto& line : followed_lines(changes, settings_.gwms))
    say("", line);
}

// --- groups

void Controller::note_alarms() {
  const auto unreachable = plane_.unreachable();
  auto changed = reconciler_.new_alarms(unreachable);
  for (const auto& [name, alarms] : changed) {
    const auto group = reconciler_.groups().find(name);
    note_standing(
        name,
        group != reconciler_.groups().end()
            ? std::optional(standing_of(group->second.settings, reconciler_.actual(), unreachable))
            : std::nullopt,
        journal_);
  }
  news_.alarms(std::move(changed));
}

void Controller::look_around(const Outside& outside, TimePoint now) {
  journal_.set_time(now);
  const auto keep = [this](EventKind kind, const std::string& error, std::string_view what,
                           std::string_view follows, std::string_view help) {
    if (error.empty()) return journal_.end({kind}, {EventLevel::debug, {}});
    events::State state{{kind},
                        EventLevel::warning,
                        HealthState::degraded,
                        fmt::format("{}{}{}", what, error, follows),
                        std::string(help)};
    state.logged = false;  // the host says so
    journal_.begin(std::move(state));
  };
  keep(EventKind::config, outside.config_error, "", "; what was configured before stays in use",
       "saspctl reload --dry-run");
  keep(EventKind::certificate, outside.tls_error, "", "; the old certificates stay in use",
       "saspctl reload");
  keep(EventKind::attach, outside.attach_request, "the XDP program: ", "", "saspd --reattach");
  for (const auto& [name, group] : reconciler_.groups()) {
    const StateKey key{EventKind::ageing, {}, name};
    const auto freshness = reconciler_.freshness(group);
    if (!freshness || !is_overdue(*freshness, now)) {
      journal_.end(key, {EventLevel::debug, {}});
      continue;
    }
    events::State state{
        key, EventLevel::warning, HealthState::degraded,
        fmt::format("group {} has had no fresh advice for {} s: {}; stale in {} s (--on-stale {})",
                    name, whole_seconds(now - *freshness->last), words(freshness->lack(now)),
                    whole_seconds(*freshness->stale_at - now), report::name(freshness->on_stale)),
        "saspctl gwm"};
    journal_.begin(std::move(state));
  }
}

// --- the operator

void Controller::note_command(std::string text, std::string_view asked_by,
                              const std::optional<MemberName>& member) {
  report::Event event;
  event.kind = EventKind::command;
  event.origin = std::string(asked_by);
  if (member) {
    event.group = member->group;
    event.member = member_text(member->endpoint);
  }
  event.text = std::move(text);
  journal_.note(std::move(event));
}

std::vector<std::string_view> Controller::group_names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, group] : reconciler_.groups())
    names.push_back(name);
  return names;
}

}  // namespace saspd::director
