// SPDX-License-Identifier: Apache-2.0
// A workload manager with some load balancers in it, and requests as short as they are in the
// tables.
#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controller/gwm/workload_manager.hpp"

namespace saspd::gwm {

using namespace sasp;

inline MemberData tcp(const std::string& address, std::uint16_t port = 80,
                      const std::string& label = {}) {
  return MemberData::of({*IpAddress::parse(address), 6, port}, label);
}
inline MemberData host(const std::string& address) {
  return MemberData::of({*IpAddress::parse(address), 0, 0});
}
inline MemberData kind(MemberData member, std::uint8_t protocol, std::uint16_t port) {
  member.protocol = protocol;
  member.port = port;
  return member;
}
// The form ::ffff:a.b.c.d, which RFC 4678 does not know.
inline MemberData mapped(MemberData member) {
  member.address[10] = member.address[11] = 0xFF;
  return member;
}

inline GroupOfMemberData group(const std::string& lb_uid, const std::string& name,
                               std::vector<MemberData> members = {}) {
  return {{lb_uid, name}, std::move(members)};
}
inline MemberState state(MemberData member, bool quiesce, std::uint8_t opaque = 0) {
  return {std::move(member), opaque, quiesce ? state_flag::quiesce : std::uint8_t{0}};
}
inline GroupOfMemberStates states(const std::string& lb_uid, const std::string& name,
                                  std::vector<MemberState> items = {}) {
  return {{lb_uid, name}, std::move(items)};
}

// Requests as an LB sends them; by_member() makes a member's of them.
inline Message registers(std::vector<GroupOfMemberData> groups) {
  return RegistrationRequest{.groups = std::move(groups)};
}
inline Message deregisters(std::vector<GroupOfMemberData> groups) {
  return DeregistrationRequest{.groups = std::move(groups)};
}
inline Message asks(std::vector<GroupData> groups) {
  return GetWeightsRequest{std::move(groups)};
}
inline Message sets(std::vector<GroupOfMemberStates> groups) {
  return SetMemberStateRequest{.groups = std::move(groups)};
}
inline Message lb_state(const std::string& lb_uid, std::uint8_t flags = 0) {
  return SetLbStateRequest{lb_uid, max_lb_health, flags};
}
inline Message by_member(Message request) {
  std::visit(
      [](auto& message) {
        if constexpr (requires { message.flags; }) message.flags = 0;
      },
      request);
  return request;
}

inline ReturnCode code_of(const Message& reply) {
  return std::visit(
      [](const auto& message) {
        if constexpr (requires { message.code; }) return message.code;
        ADD_FAILURE() << "not a reply";
        return ReturnCode::successful;
      },
      reply);
}
inline int number(ReturnCode code) {
  return static_cast<int>(code);
}

// Everything that the registry knows, one line per group: "lb1/web: tcp:192.0.2.1:80 by lb".
inline std::string written(const WorkloadManager& manager) {
  std::string text;
  for (const auto& [lb_uid, lb] : manager.load_balancers()) {
    text += fmt::format("{} flags {} health {}\n", lb_uid, lb.flags, lb.health);
    for (const auto& [name, group] : lb.groups) {
      text += fmt::format("{}/{}:", lb_uid, name);
      for (const auto& [key, member] : group) {
        text += fmt::format(" {}{}{}{}", key.text(), member.registered_by_lb ? "" : " self",
                            member.quiesced_by_lb ? " q-lb" : "",
                            member.quiesced_by_member ? " q-member" : "");
        if (member.state != 0) text += fmt::format(" {:#04x}", member.state);
      }
      text += "\n";
    }
  }
  return text;
}

class RegistryFixture {
 public:
  explicit RegistryFixture(RegistryConfig config = {}, ProbePlan probes = {})
      : manager({config, {}, std::move(probes)}) {}

  Authority authority{false};

  void use(Authority other) {
    authority = std::move(other);
    manager.judge_again(authority);
  }
  // From the LB's connection (a number per LB), or a member's.
  Outcome handle(const Message& request, ConnectionId connection,
                 const std::string& address = "198.51.100.1") {
    return manager.handle({connection, authority.rights_of(*IpAddress::parse(address), {})},
                          request, now);
  }
  void given(const Message& request, ConnectionId connection) {
    const Outcome outcome = handle(request, connection);
    ASSERT_EQ(outcome.refusal, "");
  }
  std::vector<WeightEntry> weights(const std::string& lb_uid, const std::string& group,
                                   ConnectionId connection) {
    const auto reply = std::get<GetWeightsReply>(handle(asks({{lb_uid, group}}), connection).reply);
    EXPECT_EQ(reply.code, ReturnCode::successful);
    return reply.groups.empty() ? std::vector<WeightEntry>{} : reply.groups[0].items;
  }

  WorkloadManager manager;
  TimePoint now{std::chrono::hours{1}};
};

}  // namespace saspd::gwm
