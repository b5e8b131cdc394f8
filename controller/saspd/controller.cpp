// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/controller.hpp"

#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace saspd::director {

Controller::Settings Controller::consistent(Settings settings) {
  settings.reconciler.gwms = settings.gwms.size();
  settings.reconciler.gwm_names = settings.gwms;
  settings.news.dry_run = settings.reconciler.dry_run;
  return settings;
}

Controller::Controller(lb::ObservedDataplane& plane, Settings settings, TimePoint now)
    : settings_(consistent(std::move(settings))),
      plane_(plane),
      log_(settings_.log_level),
      news_(settings_.news, log_, journal_),
      reconciler_(plane, plane, settings_.reconciler) {
  for (const auto& name : settings_.gwms)
    add_gwm(name, now);
}

void Controller::add_gwm(const std::string& name, TimePoint now) {
  gwms_.push_back({name,
                   {sasp::LbSession(settings_.session), settings_.retry_min,
                    settings_.seed + gwms_.size(), now},
                   {}});
}

void Controller::remember(Ledger ledger, LedgerKeeper& keeper,
                          const std::vector<std::string>& warnings) {
  const std::string_view follows = settings_.reconciler.own_table
                                       ? "what it knew of servers and quiesces is lost"
                                       : "zeros that are found now are unclear";
  for (const auto& warning : warnings)
    log_.warning("{}; {}", warning, follows);
  ledger_ = &keeper;
  reconciler_.remember(std::move(ledger), keeper);
}

Controller::Output Controller::output() {
  output_.log = log_.take();
  return std::exchange(output_, {});
}

// --- the links

void Controller::connecting(std::size_t gwm, TimePoint now) {
  gwms_.at(gwm).link.connecting(now);
}

sasp::LinkStep Controller::connected(std::size_t gwm, TimePoint now) {
  return take(gwm, gwms_.at(gwm).link.connected(now), now);
}

sasp::LinkStep Controller::received(std::size_t gwm, sasp::ByteView bytes, TimePoint now) {
  return take(gwm, gwms_.at(gwm).link.received(bytes, now), now);
}

sasp::LinkStep Controller::timed_out(std::size_t gwm, TimePoint now) {
  return take(gwm, gwms_.at(gwm).link.timed_out(now), now);
}

std::optional<TimePoint> Controller::deadline(std::size_t gwm) const {
  return gwms_.at(gwm).link.deadline();
}

sasp::LinkStep Controller::take(std::size_t gwm, sasp::LinkedSession<sasp::LbSession>::Step step,
                                TimePoint now) {
  journal_.set_time(now);
  for (const auto& event : step.events)
    take(gwm, event, now);
  forget_lifted(gwm);
  // Also that nothing has changed is heard.
  if (reconciler_.heard(gwm, gwms_[gwm].link.session().heard())) output_.work = true;
  return std::move(step.link);
}

void Controller::take(std::size_t gwm, const sasp::LbEvent& event, TimePoint now) {
  Gwm& peer = gwms_[gwm];
  if (std::holds_alternative<sasp::Established>(event)) return established(gwm);
  if (const auto* notice = std::get_if<sasp::Notice>(&event)) {
    return say(peer, peer.news.notice(*notice, now));
  }
  say(peer, peer.news.weights_received());
  const std::size_t ignored = reconciler_.update(gwm, std::get<sasp::WeightsReceived>(event), now);
  if (ignored > 0) log_.debug("{} weights for members that are not here", ignored);
  output_.work = true;
}

void Controller::established(std::size_t gwm) {
  Gwm& peer = gwms_[gwm];
  peer.news.established();
  journal_.end({events::EventKind::gwm_lost, {}, {}, {}, {}, peer.name},
               {events::EventLevel::info, fmt::format("GWM {}: established", peer.name)});
  reconciler_.set_connected(gwm, true);
  output_.work = true;
}

bool Controller::lost(std::size_t gwm, const std::string& why, TimePoint now) {
  const bool matters = gwms_.at(gwm).link.lost(why, now);
  disconnected(gwm);
  return matters;
}

Duration Controller::ended(std::size_t gwm, const sasp::LinkEnd& end, TimePoint now) {
  journal_.set_time(now);
  Gwm& peer = gwms_.at(gwm);
  const auto retry = peer.link.ended(end, now);
  if (peer.link.state() == sasp::LinkState::down_duplicate) note_duplicate(peer);
  disconnected(gwm);
  note_lost(peer, peer.news.down(retry.text, now), now);
  return retry.delay;
}

// What it advised stays.
void Controller::disconnected(std::size_t gwm) {
  reconciler_.set_connected(gwm, false);
  output_.work = true;
}

void Controller::say(const Gwm& gwm, const std::optional<GwmNews::Line>& line) {
  if (line) say(fmt::format("GWM {}: ", gwm.name), *line);
}

void Controller::say(std::string_view about, const GwmNews::Line& line) {
  if (line.warning) return log_.warning("{}{}", about, line.text);
  log_.info("{}{}", about, line.text);
}

// --- the kernel, and who else writes it

void Controller::keepalived_says(const std::vector<KeepalivedNews>& news,
                                 const std::string& error) {
  for (const auto& each : news) {
    log_.debug("keepalived says that {} is {}", each.server.text(), each.up ? "up" : "down");
    reconciler_.keepalived_says(each);
  }
  news_.keepalived(error);
}

void Controller::take_up_events() {
  const auto happened = plane_.handle_events();
  look_for_problems();
  if (!happened) return news_.kernel(happened.error().detail);
  for (const auto& [address, hop] : happened->next_hops) {
    report::Event event;
    event.kind = events::EventKind::next_hop;
    event.member = address.text();
    event.is = lb::text(hop);
    event.text = fmt::format("{}: {}", address.text(), *event.is);
    journal_.note(std::move(event));
  }
  if (!happened->replaced) return;
  reconciler_.look_again();
  output_.work = true;
}

void Controller::look_for_problems() {
  news_.problems(plane_.problems());
}

void Controller::look_again() {
  reconciler_.look_again();
  look_for_problems();
}

Work Controller::work(TimePoint now, WallTime wall) {
  journal_.set_time(now, wall);
  note_gwms(now);
  end_overrides(now);
  for (std::size_t gwm = 0; gwm < gwms_.size(); ++gwm)
    reconciler_.heard(gwm, gwms_[gwm].link.session().heard());
  Work done = reconciler_.work(now);
  if (!dry_run() && !done.applied.empty()) last_change_ = wall;
  news_.work(done, reconciler_);
  news_.zeros(done, reconciler_.actual());
  note_followed(done.gwm_changes);
  note_alarms();
  if (ledger_ != nullptr && !dry_run()) news_.ledger(ledger_->error());
  tell_what_is_wanted(now);
  output_.work = output_.work || done.more;
  return done;
}

void Controller::tell_what_is_wanted(TimePoint now) {
  for (const auto& [group, members] : reconciler_.new_wanted())
    wanted_->assign(group, members);
  for (auto& [group, states] : reconciler_.new_states()) {
    if (!dry_run()) wanted_->assign_states(group, std::move(states));
  }
  if (told_ == wanted_->generation() && told_states_ == wanted_->states_generation()) return;
  told_ = wanted_->generation();
  told_states_ = wanted_->states_generation();
  const auto want = [&](auto& session) { return session.want(wanted_, now); };
  for (std::size_t gwm = 0; gwm < gwms_.size(); ++gwm) {
    if (auto step = gwms_[gwm].link.tell(want, now))
      output_.links.emplace_back(gwm, take(gwm, std::move(*step), now));
  }
}

// A quiesce that no GWM has from us any more.
void Controller::forget_lifted(std::size_t gwm) {
  const auto generation = gwms_[gwm].link.session().states().generation();
  if (std::exchange(gwms_[gwm].states, generation) == generation) return;
  for (const auto& [group, members] : wanted_->states()) {
    for (const auto& [member, wants] : members) {
      const bool lifted =
          !wants.quiesced && std::all_of(gwms_.begin(), gwms_.end(), [&](const Gwm& each) {
            return each.link.session().states().is_lifted(group, member);
          });
      if (!lifted) continue;
      reconciler_.lifted(group, member);
      output_.work = true;
    }
  }
}

// --- the operator

std::size_t Controller::undrain(const MemberName& member, std::string_view asked_by) {
  const std::size_t services = reconciler_.give_back(member.group, member.endpoint);
  if (services == 0) return 0;
  note_command(
      fmt::format("undrain {}: its weight 0 is given back to the advice in {} service(s), asked "
                  "by {}",
                  member.text(), services, asked_by),
      asked_by, member);
  output_.work = true;
  return services;
}

Result<std::string> Controller::retry(std::string_view gwm, std::string_view asked_by) {
  const auto number = gwm_named(gwm, settings_.gwms);
  if (!number) return fail(number.error());
  const Gwm& peer = gwms_[*number];
  const auto state = peer.link.state();
  if (state == sasp::LinkState::established || state == sasp::LinkState::connecting) {
    return fail(
        std::errc::already_connected,
        fmt::format("GWM {}: {}; there is no wait to end", peer.name,
                    state == sasp::LinkState::established ? "it is connected"
                                                          : "an attempt to connect is under way"));
  }
  note_command(fmt::format("GWM {}: connecting now, asked by {}", peer.name, asked_by), asked_by);
  output_.retries.push_back(*number);
  return peer.name;
}

void Controller::reconcile(std::string_view asked_by) {
  note_command(fmt::format("reconcile, asked by {}", asked_by), asked_by);
  look_again();
}

Result<lb::Plan> Controller::plan(TimePoint now) const {
  return reconciler_.plan(now);
}

Status Controller::status(TimePoint now) const {
  Status status;
  status.lb_uid = settings_.session.lb_uid;
  status.dry_run = dry_run();
  status.backend = backend().name;
  status.kernel_error = news_.kernel_error();
  if (ledger_ != nullptr && !dry_run()) status.ledger_error = ledger_->error();
  status.keepalived_error = news_.keepalived_error();
  status.problems = problems();
  status.packets = plane_.packet_counters();
  status.health = journal_.health();
  status.event_counts = journal_.counts();
  status.overrides = overrides().shown();
  status.groups = reconciler_.view(plane_.unreachable());
  for (auto& group : status.groups)
    add_states(group);
  status.kernel_settings = reconciler_.kernel_settings();
  for (const auto& gwm : gwms_) {
    const auto view = gwm.link.view(now);
    const auto& session = gwm.link.session();
    status.gwms.push_back({gwm.name, view.state, view.state_since, view.last_message,
                           session.interval(), view.last_error, session.protocol_errors(),
                           session.tolerances(), view.duplicate_suspected});
  }
  return status;
}

// What the data plane reports about destinations.
void Controller::add_states(GroupView& group) const {
  std::map<lb::ServiceKey, std::map<Endpoint, lb::DestinationState>> states;
  for (const auto& service : group.services)
    states[service.key] = plane_.states(service.key);
  for (auto& member : group.members) {
    const auto& of_service = states[member.service];
    const auto found = of_service.find(member.endpoint);
    if (found != of_service.end()) member.state = found->second;
  }
}

// The time of the last change is a time of day, because its age would need a line per second.
std::string Controller::status_line() const {
  const auto up = std::count_if(gwms_.begin(), gwms_.end(), [](const Gwm& gwm) {
    return gwm.link.state() == sasp::LinkState::established;
  });
  const auto [groups, members] = reconciler_.extent();
  std::string line =
      fmt::format("{} of {} GWMs up, {} groups, {} members, ", up, gwms_.size(), groups, members);
  if (dry_run()) {
    line += "dry run";
  } else if (last_change_) {
    line += fmt::format("last change {:%FT%TZ}",
                        std::chrono::floor<std::chrono::seconds>(*last_change_));
  } else {
    line += "no change yet";
  }
  for (const auto& problem : problems())
    line += "; " + problem.detail;
  return news_.kernel_error().empty() ? line : fmt::format("{}; {}", line, news_.kernel_error());
}

}  // namespace saspd::director
