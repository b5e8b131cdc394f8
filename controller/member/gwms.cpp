// SPDX-License-Identifier: Apache-2.0

#include "controller/member/gwms.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "controller/member/explain.hpp"

namespace saspd::member {
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

}  // namespace

Gwms::Gwms(const Options& options, const sasp::MemberGoal& goal, std::uint64_t seed,
           cli::LogLines& log, bool chatty, TimePoint now)
    : options_(options), log_(log), chatty_(chatty), goal_(goal) {
  for (const auto& gwm : options.gwms)
    add(gwm.text(), seed, now);
}

void Gwms::add(const std::string& name, std::uint64_t seed, TimePoint now) {
  links_.emplace_back(sasp::MemberSession(session_config(options_), goal_), options_.retry_min,
                      seed + links_.size(), now);
  standings_.emplace_back().name = name;
}

void Gwms::renumber(const Renumbering& gwms, std::uint64_t seed, TimePoint now) {
  auto links = std::exchange(links_, {});
  auto standings = std::exchange(standings_, {});
  for (std::size_t gwm = 0; gwm < gwms.size(); ++gwm) {
    if (const auto known = gwms.before(gwm)) {
      links_.push_back(std::move(links[*known]));
      links_.back().session().set_heartbeat(options_.heartbeat);
      standings_.push_back(std::move(standings[*known]));
    } else {
      add(options_.gwms[gwm].text(), seed, now);
    }
  }
  moved_ = true;
}

void Gwms::connecting(std::size_t gwm, TimePoint now) {
  links_.at(gwm).connecting(now);
  follow(gwm, now);
}

sasp::LinkStep Gwms::connected(std::size_t gwm, TimePoint now) {
  return take(gwm, links_.at(gwm).connected(now), now);
}

sasp::LinkStep Gwms::received(std::size_t gwm, sasp::ByteView bytes, TimePoint now) {
  return take(gwm, links_.at(gwm).received(bytes, now), now);
}

sasp::LinkStep Gwms::timed_out(std::size_t gwm, TimePoint now) {
  return take(gwm, links_.at(gwm).timed_out(now), now);
}

bool Gwms::lost(std::size_t gwm, const std::string& why, TimePoint now) {
  return links_.at(gwm).lost(why, now);
}

Duration Gwms::ended(std::size_t gwm, const sasp::LinkEnd& end, TimePoint now) {
  const auto retry = links_.at(gwm).ended(end, now);
  follow(gwm, now);
  tell(gwm, retry.text);
  return retry.delay;
}

void Gwms::want(const sasp::MemberGoal& goal, TimePoint now) {
  const bool only_state = goal.differs_in_state_only(goal_);
  goal_ = goal;
  for (auto& standing : standings_) {
    if (only_state) break;
    standing.reached = false;
    standing.refused.reset();
    moved_ = true;
  }
  const auto want = [&](auto& session) { return session.want(goal, now); };
  for (std::size_t gwm = 0; gwm < links_.size(); ++gwm) {
    if (auto step = links_[gwm].tell(want, now))
      steps_.emplace_back(gwm, take(gwm, std::move(*step), now));
  }
}

std::size_t Gwms::reached() const {
  return static_cast<std::size_t>(std::count_if(standings_.begin(), standings_.end(),
                                                [](const auto& each) { return each.reached; }));
}

sasp::LinkStep Gwms::take(std::size_t gwm, Link::Step step, TimePoint now) {
  follow(gwm, now);
  for (const auto& event : step.events) {
    if (const auto* notice = std::get_if<sasp::Notice>(&event)) {
      tell(gwm, notice->text);
    } else if (!std::holds_alternative<sasp::Established>(event)) {
      heard(gwm, event);
    }
  }
  return std::move(step.link);
}

void Gwms::heard(std::size_t gwm, const sasp::MemberEvent& event) {
  Standing& standing = standings_[gwm];
  moved_ = true;
  if (std::holds_alternative<sasp::GoalReached>(event)) {
    if (!std::exchange(standing.reached, true)) tell(gwm, deed());
    standing.refused.reset();
  } else if (const auto* refused = std::get_if<sasp::Refused>(&event)) {
    standing.reached = false;
    standing.refused = *refused;
    if (!chatty_) return;
    log_.warning("GWM {}: {}{}", standing.name,
                 explain(refused->asked, refused->code, options_.lb_uid, options_.group).text,
                 refused->retry
                     ? fmt::format("; trying every {} s",
                                   std::chrono::ceil<std::chrono::seconds>(*refused->retry).count())
                     : "");
  }
}

// What an acknowledged goal is called.
std::string Gwms::deed() const {
  switch (goal_.presence) {
    case sasp::Presence::registered: return "registered";
    case sasp::Presence::absent: return "deregistered";
    case sasp::Presence::untouched: break;
  }
  return goal_.quiesced ? "quiesced" : "not quiesced";
}

// Its link may have come up or gone.
void Gwms::follow(std::size_t gwm, TimePoint now) {
  Standing& standing = standings_[gwm];
  const auto state = links_[gwm].state();
  if (std::exchange(standing.link, state) == state) return;
  moved_ = true;
  standing.lost = state != sasp::LinkState::connecting && state != sasp::LinkState::established;
  if (!standing.lost) return;
  standing.reached = false;
  standing.error = links_[gwm].view(now).last_error;
}

void Gwms::tell(std::size_t gwm, const std::string& text) {
  if (chatty_) {
    log_.info("GWM {}: {}", standings_[gwm].name, text);
  } else {
    log_.debug("GWM {}: {}", standings_[gwm].name, text);
  }
}

}  // namespace saspd::member
