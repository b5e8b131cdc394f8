// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/describe.hpp"

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/sasp/requests.hpp"

namespace saspd::gwm {

using namespace sasp;

namespace {

constexpr std::size_t shown = 4;

std::string text(const MemberData& member) {
  return member.key().text();
}
std::string text(const MemberState& item) {
  return fmt::format("{} {} with state {:#04x}", item.member.key().text(),
                     (item.flags & state_flag::quiesce) != 0 ? "quiesced" : "not quiesced",
                     item.state);
}

std::string text(const GroupData& group) {
  return group.name.empty() ? fmt::format("all groups of '{}'", group.lb_uid)
                            : fmt::format("group '{}' of '{}'", group.name, group.lb_uid);
}

template <class GroupOfItems>
std::string with_members(const GroupOfItems& group) {
  if (group.items.empty()) return text(group.group);
  return fmt::format("{} in {}",
                     listed(group.items, shown, [](const auto& item) { return text(item); }),
                     text(group.group));
}

template <class Groups>
std::string with_members(const std::vector<Groups>& groups) {
  return listed(groups, shown, [](const auto& group) { return with_members(group); });
}

std::string words(const RegistrationRequest& request) {
  return "registered " + with_members(request.groups);
}

std::string words(const DeregistrationRequest& request) {
  return fmt::format("deregistered {} (reason {:#04x})", with_members(request.groups),
                     request.reason);
}

std::string words(const SetMemberStateRequest& request) {
  return "set " + with_members(request.groups);
}

std::string words(const SetLbStateRequest& request) {
  const auto on = [&](std::uint8_t flag) { return (request.flags & flag) != 0; };
  return fmt::format("{}, trusts {}, wants {} weights, health {}",
                     on(lb_flag::push) ? "push" : "pull",
                     on(lb_flag::trust) ? "its members" : "no member",
                     on(lb_flag::no_change) ? "changed" : "all", request.health);
}

std::string words(const GetWeightsRequest& request) {
  return "asked for the weights of " +
         listed(request.groups, shown, [](const GroupData& group) { return text(group); });
}

}  // namespace

std::string describe(const Message& request) {
  return std::visit(
      []<class M>(const M& message) {
        if constexpr (IsRequest<M>) {
          return words(message);
        } else {
          return std::string(name(M::type));
        }
      },
      request);
}

}  // namespace saspd::gwm
