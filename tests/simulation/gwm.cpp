// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/gwm.hpp"

#include <utility>
#include <variant>

#include "controller/base/member_name.hpp"
#include "controller/sasp/codec.hpp"

namespace saspd::simulation {

using namespace sasp;

namespace {

std::int64_t unix_time(TimePoint now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

}  // namespace

Gwm::Gwm(std::string lb_uid, std::uint16_t interval, std::chrono::seconds retention, Wire wire)
    : lb_uid_(std::move(lb_uid)),
      interval_(interval),
      retention_(retention),
      wire_(std::move(wire)) {}

void Gwm::start(TimePoint now) {
  gwm::WorkloadManagerConfig config;
  config.registry.interval = interval_;
  config.registry.retention = retention_;
  manager_ = std::make_unique<gwm::WorkloadManager>(std::move(config));
  if (auto state = gwm::parse_state(state_))
    manager_->recall(std::move(*state), authority_, now, unix_time(now));
  manager_->use(file_, now);
}

void Gwm::dies(TimePoint now, bool remembers) {
  state_.clear();
  if (remembers && runs()) state_ = state_text(manager_->state(now, unix_time(now)));
  manager_.reset();
  hung_ = false;
  for (const auto& [id, session] : std::exchange(sessions_, {}))
    wire_.close(id);
}

void Gwm::hangs(bool on, TimePoint now) {
  hung_ = on && runs();
  if (hung_ || !runs()) return;
  std::vector<ConnectionId> open;
  for (const auto& [id, session] : sessions_)
    open.push_back(id);
  for (const auto id : open)
    read(id, now);
}

// --- connections

void Gwm::accept(ConnectionId id) {
  sessions_.try_emplace(id, GwmSessionConfig{.interval = interval_});
}

void Gwm::received(ConnectionId id, const Bytes& bytes, TimePoint now) {
  const auto session = sessions_.find(id);
  if (session == sessions_.end()) return;
  session->second.handle_bytes(bytes);
  if (!hung_) read(id, now);
}

void Gwm::read(ConnectionId id, TimePoint now) {
  for (auto session = sessions_.find(id); session != sessions_.end();
       session = sessions_.find(id)) {
    const auto event = session->second.next(now);
    if (!event) return close(id);
    if (!*event) return;
    if (const auto* request = std::get_if<GwmRequest>(&**event)) answer(id, *request, now);
    if (const auto* refusal = std::get_if<GwmRefusal>(&**event)) wire_.send(id, refusal->answer);
  }
}

void Gwm::answer(ConnectionId id, const GwmRequest& request, TimePoint now) {
  gwm::Outcome outcome;
  if (refusal_ && std::holds_alternative<GetWeightsRequest>(request.message)) {
    outcome.reply = GetWeightsReply{*refusal_, interval_, {}};
  } else {
    outcome = manager_->handle({id, rights_}, request.message, now);
  }
  if (auto bytes = encode({request.message_id, std::move(outcome.reply)}))
    wire_.send(id, std::move(*bytes));
  if (outcome.replaced) close(*outcome.replaced);
}

void Gwm::close(ConnectionId id) {
  sessions_.erase(id);
  wire_.close(id);
}

void Gwm::disconnected(ConnectionId id, TimePoint now) {
  sessions_.erase(id);
  if (runs()) manager_->disconnected(id, now);
}

std::optional<TimePoint> Gwm::deadline() const {
  if (!runs() || hung_) return std::nullopt;
  return manager_->deadline();
}

void Gwm::timed_out(TimePoint now) {
  if (!runs() || hung_) return;
  manager_->forget_expired(now);
  for (auto& push : manager_->due(now, [](ConnectionId) { return true; }))
    wire_.send(push.connection, std::move(push.messages.bytes));
}

// --- what it is told

void Gwm::file_changed(TimePoint now) {
  if (runs()) manager_->use(file_, now);
}

void Gwm::drain(const MemberName& member, bool on, TimePoint now) {
  if (!runs()) return;
  if (on) {
    manager_->drain(member, now);
  } else {
    manager_->undrain(member, now);
  }
}

void Gwm::member_says(const std::string& group, const MemberKey& member, bool quiesce,
                      TimePoint now) {
  if (!runs()) return;
  SetMemberStateRequest request;
  request.groups = {
      {{lb_uid_, group},
       {{MemberData::of(member), 0, quiesce ? state_flag::quiesce : std::uint8_t{0}}}}};
  request.flags = 0;
  manager_->handle({1'000'000, rights_}, request, now);
}

void Gwm::floods(unsigned times, TimePoint now) {
  if (!runs() || hung_) return;
  const auto lb = manager_->load_balancers().find(lb_uid_);
  if (lb == manager_->load_balancers().end() || !lb->second.connection) return;
  SendWeights weights;
  for (const auto& [name, group] : lb->second.groups)
    weights.groups.push_back({{lb_uid_, name}, manager_->weigher().weigh(name, group, now)});
  const auto bytes = encode({0, weights});
  for (unsigned n = 0; bytes && n < times; ++n)
    wire_.send(*lb->second.connection, *bytes);
}

std::optional<std::vector<WeightEntry>> Gwm::opinion(const std::string& group,
                                                     TimePoint now) const {
  if (!runs()) return std::nullopt;
  const auto lb = manager_->load_balancers().find(lb_uid_);
  if (lb == manager_->load_balancers().end()) return std::nullopt;
  const auto found = lb->second.groups.find(group);
  if (found == lb->second.groups.end()) return std::nullopt;
  return manager_->weigher().weigh(group, found->second, now);
}

}  // namespace saspd::simulation
