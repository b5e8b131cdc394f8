// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/lb_session.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace saspd::sasp {

// How the picture of the GWM's registry changes. A connection begins with `unknown` and ends with
// `disconnected`; in between, a happening that is not listed for a picture changes nothing.
// next_request() has what is asked in each picture.
constexpr LbSession::Transition LbSession::transitions[] = {
    // The first full picture, and each new one
    {Picture::unknown, Happening::full_answer, Picture::learned},
    {Picture::unknown, Happening::weights_refused, Picture::current},
    {Picture::unknown, Happening::state_refused, Picture::aged},  // No-Change cannot be turned off

    // Making the registry what is wanted. Each full answer is compared once, so that two load
    // balancers that want different things do not fight without a pause
    {Picture::learned, Happening::nothing_to_ask, Picture::complete},
    {Picture::learned, Happening::change_answered, Picture::amended},
    {Picture::amended, Happening::nothing_to_ask, Picture::unverified},
    {Picture::unverified, Happening::full_answer, Picture::complete},
    {Picture::unverified, Happening::weights_refused, Picture::current},

    // Turning on No-Change
    {Picture::complete, Happening::doubted, Picture::unknown},
    {Picture::complete, Happening::nothing_to_ask, Picture::current},
    {Picture::complete, Happening::state_answered, Picture::current},
    {Picture::complete, Happening::state_refused, Picture::current},

    // From poll to poll
    {Picture::current, Happening::doubted, Picture::unknown},
    {Picture::current, Happening::due, Picture::aged},
    {Picture::aged, Happening::doubted, Picture::unknown},
    {Picture::aged, Happening::full_answer, Picture::learned},
    {Picture::aged, Happening::changes_only, Picture::current},
    {Picture::aged, Happening::weights_refused, Picture::current},
};

LbSession::Picture LbSession::next_picture(Picture from, Happening what) {
  const auto* row = std::find_if(std::begin(transitions), std::end(transitions),
                                 [&](const Transition& transition) {
                                   return transition.from == from && transition.what == what;
                                 });
  return row == std::end(transitions) ? from : row->to;
}

namespace {

RequestChannelConfig channel_config(const LbSessionConfig& config) {
  return {.max_message = config.max_message,
          .reply_deadline = config.reply_deadline,
          .message_deadline = config.message_deadline,
          .version = config.version};
}

bool is_refusal(ReturnCode code) {
  const CodeClass kind = classify(code);
  return kind == CodeClass::retry_later || kind == CodeClass::refused;
}

}  // namespace

LbSession::LbSession(LbSessionConfig config)
    : config_(std::move(config)),
      channel_(channel_config(config_)),
      interval_(config_.interval.value_or(config_.default_interval)),
      wanted_(std::make_shared<WantedRegistry>()) {}

LbStep LbSession::connected(TimePoint now) {
  LbStep step;
  channel_.connected();
  established_ = false;
  state_.reset();
  round_ = {};
  difference_.reset();
  refused_.clear();
  compared_.reset();
  lost_ = false;
  delta_rounds_ = 0;
  states_.connected();
  picture_ = Picture::unknown;
  pump(now, step);
  return step;
}

LbStep LbSession::want(std::shared_ptr<const WantedRegistry> wanted, TimePoint now) {
  LbStep step;
  if (wanted != wanted_) {
    wanted_ = std::move(wanted);
    compared_.reset();
  } else if (wanted_->generation() == told_ && wanted_->states_generation() == told_states_) {
    return step;
  }
  told_ = wanted_->generation();
  told_states_ = wanted_->states_generation();
  if (is_in_doubt()) on(Happening::doubted, now, step);
  pump(now, step);
  return step;
}

LbStep LbSession::want(WantedGroups groups, TimePoint now) {
  if (own_ == nullptr) own_ = std::make_shared<WantedRegistry>();
  own_->assign(std::move(groups));
  return want(own_, now);
}

LbStep LbSession::reconfigure(LbSessionConfig config, TimePoint now) {
  LbStep step;
  const auto before = std::exchange(config_, std::move(config));
  if (config_.interval != before.interval)
    interval_ = config_.interval.value_or(config_.default_interval);
  const bool speaks_otherwise = config_.push != before.push || config_.trust != before.trust ||
                                config_.no_change != before.no_change;
  if (speaks_otherwise) on(Happening::doubted, now, step);
  if (picture_ == Picture::current) next_poll_ = std::min(next_poll_, next_question(now));
  pump(now, step);
  return step;
}

LbStep LbSession::handle_bytes(ByteView bytes, TimePoint now) {
  LbStep step;
  if (picture_ == Picture::disconnected) return step;
  channel_.append(bytes);
  while (picture_ != Picture::disconnected) {
    auto event = channel_.next(now);
    if (!event) {
      close(step, event.error());
      return step;
    }
    if (!*event) break;
    std::visit([&](auto& what) { handle(std::move(what), now, step); }, **event);
    pump(now, step);
  }
  return step;
}

LbStep LbSession::handle_timeout(TimePoint now) {
  LbStep step;
  if (picture_ == Picture::disconnected) return step;
  if (const auto in_time = channel_.check_deadlines(now); !in_time) {
    close(step, in_time.error());
    return step;
  }
  if (picture_ == Picture::current && now >= next_poll_) {
    const bool gone_are_overdue = config_.trust && delta_rounds_ >= config_.delta_rounds;
    on(is_in_doubt() || gone_are_overdue || state_is_another() ? Happening::doubted
                                                               : Happening::due,
       now, step);
  }
  pump(now, step);
  return step;
}

std::optional<TimePoint> LbSession::deadline() const {
  if (picture_ == Picture::disconnected) return std::nullopt;
  std::optional<TimePoint> poll;
  if (picture_ == Picture::current) poll = next_poll_;
  return earliest({poll, channel_.deadline()});
}

// --- what the GWM says

// What was in flight is asked again, for it is still the next thing to ask.
void LbSession::handle(Channel::ComeDown&& come_down, TimePoint, LbStep& step) {
  notice(step, fmt::format("the GWM speaks SASP version {}", come_down.version),
         Notice::Kind::information);
}

// Before the first full Get Weights nothing else is trusted.
void LbSession::handle(Channel::Pushed&& pushed, TimePoint now, LbStep& step) {
  if (!established_) return;
  heard_ = now;
  auto& groups = pushed.weights.groups;
  std::erase_if(groups, [&](const auto& group) { return !is_ours(group.group); });
  if (!groups.empty()) {
    auto echoes = states_.echoes(wanted_->states(), groups);
    step.events.emplace_back(
        WeightsReceived{std::move(groups), pushed.id, false, std::move(echoes)});
  }
  // With trust, only an answer shows which members are gone, so pushes do not put it off.
  if (config_.push && !config_.trust && !is_in_doubt()) next_poll_ = next_question(now);
}

// sasp-interop row 17: the weights stay.
void LbSession::handle(Channel::Dropped&& dropped, TimePoint now, LbStep& step) {
  notice(step, fmt::format("message dropped: {}", dropped.why.detail),
         Notice::Kind::message_dropped);
  // Row 32: what changed in it would never be sent again.
  if (!only_changes_come()) return;
  lost_ = true;
  on(Happening::doubted, now, step);
}

void LbSession::handle(Channel::Answer&& answer, TimePoint now, LbStep& step) {
  if (const auto* reply = std::get_if<SetLbStateReply>(&answer.reply)) {
    state_answered(reply->code, now, step);
  } else if (const auto* registered = std::get_if<RegistrationReply>(&answer.reply)) {
    registration_answered(registered->code, now, step);
  } else if (const auto* gone = std::get_if<DeregistrationReply>(&answer.reply)) {
    deregistration_answered(gone->code, now, step);
  } else if (const auto* told = std::get_if<SetMemberStateReply>(&answer.reply)) {
    member_state_answered(told->code, now, step);
  } else {
    weights_answered(std::move(std::get<GetWeightsReply>(answer.reply)), answer.id, now, step);
  }
}

// RFC 4678 7.6.2
void LbSession::state_answered(ReturnCode code, TimePoint now, LbStep& step) {
  if (code == ReturnCode::successful) {
    state_ = asked_state_;
    round_ = {};  // its answers were of another kind
    return on(Happening::state_answered, now, step);
  }
  if (!established_) {
    return close(step,
                 fail(std::errc::connection_refused,
                      fmt::format("the GWM refuses LB UID '{}': {}", config_.lb_uid, text(code))));
  }
  notice(step, fmt::format("the GWM refuses to change the state of this LB: {}", text(code)));
  on(Happening::state_refused, now, step);
}

// RFC 4678 7.1.2. Row 21: after any other code nothing is assumed; the Get Weights that follows
// tells.
void LbSession::registration_answered(ReturnCode code, TimePoint now, LbStep& step) {
  if (is_refusal(code)) {
    refused_[changed_group_] = now + config_.refused_retry;
    notice(step,
           fmt::format("the GWM refuses to register group '{}': {}; trying again in {} s",
                       changed_group_, text(code),
                       std::chrono::floor<std::chrono::seconds>(config_.refused_retry).count()));
  }
  difference_->answered();
  on(Happening::change_answered, now, step);
}

// RFC 4678 7.2.2. A surplus that is already gone (0x41, 0x42, 0x43) is what we wanted.
void LbSession::deregistration_answered(ReturnCode code, TimePoint now, LbStep& step) {
  if (is_refusal(code)) {
    notice(step, fmt::format("the GWM refuses to deregister members of group '{}': {}",
                             changed_group_, text(code)));
  }
  difference_->answered();
  on(Happening::change_answered, now, step);
}

// RFC 4678 7.5.2. Members that are quiesced no more need other weights than the echo had.
void LbSession::member_state_answered(ReturnCode code, TimePoint now, LbStep& step) {
  if (is_refusal(code)) {
    notice(step,
           fmt::format("the GWM refuses to be told which members are quiesced: {}; trying again in "
                       "{} s",
                       text(code),
                       std::chrono::floor<std::chrono::seconds>(config_.refused_retry).count()));
  }
  if (states_.answered(wanted_->groups(), code, now + config_.refused_retry))
    on(Happening::doubted, now, step);
}

// RFC 4678 7.3.2
void LbSession::weights_answered(GetWeightsReply&& reply, std::uint32_t id, TimePoint now,
                                 LbStep& step) {
  take_interval(reply);
  if (is_refusal(reply.code)) {
    const std::string what = fmt::format("the GWM refuses get weights: {}", text(reply.code));
    if (!established_) return close(step, fail(std::errc::connection_refused, what));
    notice(step, what, Notice::Kind::weights_refused);
    round_ = {};
    return on(Happening::weights_refused, now, step);
  }
  const bool is_unknown = classify(reply.code) == CodeClass::resynchronise;
  if (is_unknown && round_.asked.size() > 1) {
    // One of several groups is unknown: which one is learned by asking for each alone.
    round_.alone_until = round_.asked.back();
    return;
  }
  // Rows 30 and 35: an unknown LB, no group and an empty list all mean that nothing is registered.
  if (!is_unknown) {
    for (auto& group : reply.groups) {
      if (is_ours(group.group)) round_.answers.push_back(std::move(group));
    }
  }
  round_.message_id = id;
  if (!round_.asked.empty()) {
    round_.reached = round_.asked.back();
    const auto& groups = wanted_->groups();
    if (groups.upper_bound(*round_.reached) != groups.end()) return;
  }
  if (!only_changes_come()) return on(Happening::full_answer, now, step);
  ++delta_rounds_;
  hand_out(false, now, step);
  on(Happening::changes_only, now, step);
}

// Rows 8 and 31.
void LbSession::take_interval(const GetWeightsReply& reply) {
  if (config_.interval) return;
  if (reply.interval == 0) {
    if (reply.code == ReturnCode::successful) channel_.tolerances().add(Tolerance::zero_interval);
    interval_ = config_.default_interval;
    return;
  }
  interval_ =
      std::clamp(std::chrono::seconds{reply.interval}, config_.min_interval, config_.max_interval);
}

// --- what follows

void LbSession::on(Happening what, TimePoint now, LbStep& step) {
  const Picture before = std::exchange(picture_, next_picture(picture_, what));
  if (picture_ == before) return;
  switch (picture_) {
    case Picture::learned: return learn();
    case Picture::amended: round_ = {}; return;
    case Picture::unverified: difference_.reset(); return;
    case Picture::complete:
      difference_.reset();
      delta_rounds_ = 0;
      hand_out(true, now, step);
      if (is_in_doubt()) on(Happening::doubted, now, step);
      return;
    case Picture::current:
      next_poll_ = what == Happening::weights_refused ? now + interval_ : next_question(now);
      return;
    default: return;
  }
}

void LbSession::learn() {
  difference_.emplace(round_.answers);
  compared_ = wanted_->generation();
  lost_ = false;
}

void LbSession::hand_out(bool full, TimePoint now, LbStep& step) {
  heard_ = now;
  if (full) heard_all_ = now;
  if (!std::exchange(established_, true)) step.events.emplace_back(Established{});
  Round round = std::exchange(round_, {});
  if (full) states_.learn(*wanted_, round.answers);
  // With trust an empty answer says something too: all who had registered themselves are gone.
  if (round.answers.empty() && !(config_.trust && full)) return;
  auto echoes = states_.echoes(wanted_->states(), round.answers);
  step.events.emplace_back(
      WeightsReceived{std::move(round.answers), round.message_id, full, std::move(echoes)});
}

TimePoint LbSession::next_question(TimePoint now) const {
  return now + time_to_next_question();
}

std::chrono::seconds LbSession::time_to_next_question() const {
  return interval_ * (config_.push ? config_.silent_intervals : 1);
}

// Sends what the picture asks for, when nothing is in flight.
void LbSession::pump(TimePoint now, LbStep& step) {
  while (picture_ != Picture::disconnected && !channel_.waiting()) {
    if (auto request = next_request(now)) {
      const auto bytes = channel_.ask(std::move(*request), now);
      if (!bytes) return close(step, bytes.error());
      step.send.insert(step.send.end(), bytes->begin(), bytes->end());
      return;
    }
    const Picture before = picture_;
    on(Happening::nothing_to_ask, now, step);
    if (picture_ == before) return;
  }
}

std::optional<Message> LbSession::next_request(TimePoint now) {
  switch (picture_) {
    case Picture::unknown:
      // Row 33: sent on each connection, before anything else.
      if (state_ != wanted_state()) return set_lb_state(false);
      return get_weights();
    case Picture::learned:
    case Picture::amended: return next_change(now);
    case Picture::complete:
      if (auto state = next_state(now)) return state;
      if (config_.no_change) return set_lb_state(true);
      return std::nullopt;
    case Picture::unverified:
    case Picture::aged: return get_weights();
    case Picture::current: return next_state(now);
    case Picture::disconnected: break;
  }
  return std::nullopt;
}

// RFC 4678 7.6.1
std::uint8_t LbSession::wanted_state() const {
  std::uint8_t flags = 0;
  if (config_.push) flags |= lb_flag::push;
  if (config_.trust) flags |= lb_flag::trust;
  return flags;
}

// A GWM may refuse to take it over, and is asked again with the next poll.
bool LbSession::state_is_another() const {
  if (!state_) return false;
  const bool too_little_comes = only_changes_come() && !config_.no_change;
  return too_little_comes || (*state_ & ~lb_flag::no_change) != wanted_state();
}

Message LbSession::set_lb_state(bool no_change) {
  SetLbStateRequest request{config_.lb_uid};
  request.flags = wanted_state();
  if (no_change) request.flags |= lb_flag::no_change;
  asked_state_ = request.flags;
  return request;
}

Message LbSession::get_weights() {
  round_.asked = next_groups();
  GetWeightsRequest request;
  for (const auto& group : round_.asked)
    request.groups.push_back({config_.lb_uid, group});
  if (round_.asked.empty()) request.groups.push_back({config_.lb_uid, ""});  // RFC 4678 7.3.1: all
  return request;
}

// None of them, which means all, where the reply is surely small enough; else as many at a time as
// fit (row 20). Groups that we do not want are then not seen, and a surplus among them stays.
std::vector<std::string> LbSession::next_groups() const {
  const auto& groups = wanted_->groups();
  if (!round_.reached && (groups.size() < 2 || wanted_->reply_bytes() <= config_.max_reply))
    return {};
  auto group = round_.reached ? groups.upper_bound(*round_.reached) : groups.begin();
  std::vector<std::string> names;
  for (std::size_t bytes = 0; group != groups.end(); ++group) {
    const std::string& name = group->first;
    bytes += wanted_->reply_bytes(name);
    const bool is_asked_alone = round_.alone_until && name <= *round_.alone_until;
    if (!names.empty() && (is_asked_alone || bytes > config_.max_reply)) break;
    names.push_back(name);
    if (is_asked_alone) break;
  }
  return names;
}

std::optional<Message> LbSession::next_change(TimePoint now) {
  const auto is_held_back = [&](const std::string& group) {
    const auto refused = refused_.find(group);
    return refused != refused_.end() && now < refused->second;
  };
  auto change =
      difference_->next(wanted_->groups(), config_.members_per_registration, is_held_back);
  if (!change) return std::nullopt;
  changed_group_ = change->group;
  const GroupData group{config_.lb_uid, std::move(change->group)};
  if (change->registers) {
    return RegistrationRequest{.groups = {{group, std::move(change->members)}}};
  }
  return DeregistrationRequest{.reason = deregistration_reason::learned_and_purposeful,
                               .groups = {{group, std::move(change->members)}}};
}

std::optional<Message> LbSession::next_state(TimePoint now) {
  auto request =
      states_.next(config_.lb_uid, wanted_->states(), config_.members_per_registration, now);
  if (!request) return std::nullopt;
  return Message(std::move(*request));
}

void LbSession::close(LbStep& step, Error error) {
  picture_ = Picture::disconnected;
  step.send.clear();
  step.close = std::move(error);
}

}  // namespace saspd::sasp
