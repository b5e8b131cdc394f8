// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/registry.hpp"

#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "controller/gwm/accounting.hpp"
#include "controller/gwm/carry_out.hpp"
#include "controller/gwm/judge.hpp"

namespace saspd::gwm {

using namespace sasp;

namespace {

// With the members that it has registered.
void returned(LoadBalancer& lb) {
  lb.restored = false;
  for (auto& [name, group] : lb.groups) {
    for (auto& [key, member] : group) {
      if (member.registered_by_lb) member.restored = false;
    }
  }
}

}  // namespace

template <class Request>
Outcome Registry::answer(const Sender& sender, const Request& request) {
  const Head head = head_of(request);
  const Known known{config_, lbs_,   self_registered_,
                    total_,  sender, attached_to(sender.connection)};
  Outcome outcome;
  if (const auto refusal = judge(CaseOf<Request>{{known, head}, request})) {
    outcome.reply = reply_with<Request>(refusal->code);
    outcome.refusal = fmt::format("{}: {}", text(refusal->code), refusal->why);
    outcome.unauthorized = refusal->unauthorized;
    if (refusal->code == ReturnCode::already_registered) confirm(request);
  } else {
    outcome.reply = reply_with<Request>(ReturnCode::successful);
    Books books{lbs_, self_registered_, total_};
    outcome.changed = carry_out(sender, request, books);
    confirm(request);
    if (head.from_lb) attach(sender, head.groups[0].lb_uid, outcome);
  }
  if constexpr (std::is_same_v<Request, GetWeightsRequest>) {
    std::get<GetWeightsReply>(outcome.reply).interval = config_.interval;
  }
  return outcome;
}

Outcome Registry::handle(const Sender& sender, const Message& request) {
  return std::visit(
      [&](const auto& message) -> Outcome {
        if constexpr (IsRequest<std::decay_t<decltype(message)>>) {
          return answer(sender, message);
        } else {
          assert(false && "a session hands out requests only");
          return {};
        }
      },
      request);
}

const std::string* group_left_out(const Rights& rights, const std::string& lb_uid,
                                  const LoadBalancer& lb) {
  if (rights.may_be(lb_uid, "")) return nullptr;
  for (const auto& [name, group] : lb.groups) {
    if (!rights.may_be(lb_uid, name)) return &name;
  }
  return nullptr;
}

const LoadBalancer* Registry::find(std::string_view lb_uid) const {
  const auto lb = lbs_.find(lb_uid);
  return lb == lbs_.end() ? nullptr : &lb->second;
}

// RFC 4678 9.1: "The establishment of a new connection causes the GWM to assume that the old one is
// broken." A connection becomes an LB's by the first request that it sends as that LB and that is
// accepted.
void Registry::attach(const Sender& sender, const std::string& lb_uid, Outcome& outcome) {
  LoadBalancer& lb = lbs_.find(lb_uid)->second;
  if (lb.connection == sender.connection) return;
  if (lb.connection) {
    outcome.replaced = lb.connection;
    attached_.erase(*lb.connection);
    ++lb.replacements;
  }
  lb.connection = sender.connection;
  if (lb.restored) returned(lb);
  lb.rights = sender.rights;
  expiries_.clear(lb_uid);
  attached_.emplace(sender.connection, lb_uid);
  outcome.attached = lb_uid;
}

// Members that speak for themselves have returned.
template <class Request>
void Registry::confirm(const Request& request) {
  if constexpr (std::is_same_v<Request, RegistrationRequest> ||
                std::is_same_v<Request, SetMemberStateRequest>) {
    if (is_from_lb(request.flags)) return;
    for (const auto& [named, items] : request.groups) {
      const auto lb = lbs_.find(named.lb_uid);
      if (lb == lbs_.end()) continue;
      const auto group = lb->second.groups.find(named.name);
      if (group == lb->second.groups.end()) continue;
      for (const auto& item : items) {
        const auto member = group->second.find(member_of(item).key());
        if (member != group->second.end() && !member->second.registered_by_lb)
          member->second.restored = false;
      }
    }
  }
}

void Registry::recall(LoadBalancers lbs, const Authority& authority, TimePoint now) {
  lbs_ = std::move(lbs);
  for (auto& [lb_uid, lb] : lbs_) {
    lb.restored = true;
    lb.rights = authority.rights_of(lb.rights);
    lb.forgotten_at = now + config_.retention;
    expiries_.set(lb_uid, lb.forgotten_at);
    for (auto& [name, group] : lb.groups) {
      lb.extent += extent_of(lb_uid, name, group);
      const auto alone = lb.self_registered.find(name);
      if (alone != lb.self_registered.end())
        charge(self_registered_, alone->second, extent_of(lb_uid, name));
      for (auto& [key, member] : group) {
        member.restored = true;
        if (!member.registered_by_lb)
          charge(self_registered_, member.debtor, extent_of(member.data));
      }
    }
    total_ += lb.extent;
  }
}

void Registry::judge_again(const Authority& authority) {
  for (auto& [lb_uid, lb] : lbs_)
    lb.rights = authority.rights_of(lb.rights);
}

void Registry::disconnected(ConnectionId connection, TimePoint now) {
  const auto attached = attached_.find(connection);
  if (attached == attached_.end()) return;
  LoadBalancer& lb = lbs_.find(attached->second)->second;
  lb.connection.reset();
  lb.forgotten_at = now + config_.retention;
  expiries_.set(attached->second, lb.forgotten_at);
  attached_.erase(attached);
}

const std::string* Registry::attached_to(ConnectionId connection) const {
  const auto attached = attached_.find(connection);
  return attached == attached_.end() ? nullptr : &attached->second;
}

std::vector<std::string> Registry::forget_expired(TimePoint now) {
  std::vector<std::string> forgotten = expiries_.due(now);
  for (const std::string& lb_uid : forgotten) {
    const auto lb = lbs_.find(lb_uid);
    discharge(self_registered_, lb->second, lb_uid);
    total_ -= lb->second.extent;
    lbs_.erase(lb);
    expiries_.clear(lb_uid);
  }
  return forgotten;
}

}  // namespace saspd::gwm
