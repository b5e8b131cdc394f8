// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_member/gwms.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controller/member/explain.hpp"
#include "controller/net/loop.hpp"

namespace saspd::programs {

using namespace member;
namespace {

sasp::MemberSessionConfig session_config(const Options& options) {
  sasp::MemberSessionConfig config;
  config.lb_uid = options.lb_uid;
  config.group = options.group;
  config.members = options.members;
  config.heartbeat = options.heartbeat;
  config.reply_deadline = options.timeout;
  // 20, 60 and 300 s, and shorter only where --retry-min may be: for a GWM on this machine.
  config.retry = options.retry_min;
  config.trust_retry = 3 * options.retry_min;
  config.refused_retry = 15 * options.retry_min;
  return config;
}

net::LinkSettings link_settings(const Options& options, const cli::HostPort& gwm,
                                const net::TlsCredentials* tls) {
  net::LinkSettings settings;
  settings.host = gwm.host;
  settings.port = gwm.port;
  settings.tls = tls;
  settings.connect_deadline = std::min(settings.connect_deadline, Duration{options.timeout});
  return settings;
}

}  // namespace

Gwms::Gwms(host::Host& host, const Options& options, const sasp::MemberGoal& goal,
           std::function<void()> on_change, cli::Log& log, bool chatty)
    : host_(host),
      options_(options),
      on_change_(std::move(on_change)),
      log_(log),
      chatty_(chatty),
      goal_(goal) {
  for (const auto& gwm : options.gwms)
    add(gwm);
}

void Gwms::add(const cli::HostPort& gwm) {
  const std::size_t number = links_.size();
  Link::Callbacks callbacks;
  callbacks.on_event = [this, number](const auto& event) { heard(number, event); };
  callbacks.on_notice = [this, number](const sasp::Notice& notice) { tell(number, notice.text); };
  callbacks.on_down = [this, number](const std::string& text) { tell(number, text); };
  callbacks.on_state = [this, number](net::LinkState state) { moved(number, state); };
  standings_.emplace_back().name = gwm.text();
  links_.push_back(std::make_unique<Link>(
      host_.io(), link_settings(options_, gwm, host_.tls()), options_.retry_min,
      sasp::MemberSession(session_config(options_), goal_), std::move(callbacks)));
}

void Gwms::start() {
  for (const auto& link : links_)
    link->start();
}

void Gwms::check_certificates_again() {
  for (const auto& link : links_)
    link->check_certificate_again();
}

void Gwms::want(const sasp::MemberGoal& goal) {
  const bool only_state = goal.differs_in_state_only(goal_);
  goal_ = goal;
  for (auto& standing : standings_) {
    if (only_state) break;
    standing.reached = false;
    standing.refused.reset();
  }
  for (const auto& link : links_)
    link->tell([&goal](auto& session, TimePoint now) { return session.want(goal, now); });
}

std::size_t Gwms::reached() const {
  return static_cast<std::size_t>(std::count_if(standings_.begin(), standings_.end(),
                                                [](const auto& each) { return each.reached; }));
}

void Gwms::heard(std::size_t gwm, const sasp::MemberEvent& event) {
  Standing& standing = standings_[gwm];
  if (std::holds_alternative<sasp::GoalReached>(event)) {
    if (!std::exchange(standing.reached, true)) tell(gwm, deed());
    standing.refused.reset();
  } else if (const auto* refused = std::get_if<sasp::Refused>(&event)) {
    standing.reached = false;
    standing.refused = *refused;
    if (chatty_) {
      log_.warning(
          "GWM {}: {}{}", standing.name,
          explain(refused->asked, refused->code, options_.lb_uid, options_.group).text,
          refused->retry
              ? fmt::format("; trying every {} s",
                            std::chrono::ceil<std::chrono::seconds>(*refused->retry).count())
              : "");
    }
  }
  changed();
}

std::string Gwms::deed() const {
  switch (goal_.presence) {
    case sasp::Presence::registered: return "registered";
    case sasp::Presence::absent: return "deregistered";
    case sasp::Presence::untouched: break;
  }
  return goal_.quiesced ? "quiesced" : "not quiesced";
}

void Gwms::moved(std::size_t gwm, net::LinkState state) {
  Standing& standing = standings_[gwm];
  standing.lost = state != net::LinkState::connecting && state != net::LinkState::established;
  if (standing.lost) {
    standing.reached = false;
    standing.error = links_[gwm]->view().last_error;
  }
  changed();
}

void Gwms::tell(std::size_t gwm, const std::string& text) {
  if (chatty_) {
    log_.info("GWM {}: {}", standings_[gwm].name, text);
  } else {
    log_.debug("GWM {}: {}", standings_[gwm].name, text);
  }
}

void Gwms::changed() {
  if (std::exchange(change_posted_, true)) return;
  net::post(host_.io(), [this] {
    change_posted_ = false;
    on_change_();
  });
}

}  // namespace saspd::programs
