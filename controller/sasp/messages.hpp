// SPDX-License-Identifier: Apache-2.0
// The messages and components of RFC 4678 as plain structs, fields in wire order, each with the
// type of its TLV. Counts and lengths are not fields: they follow from the vectors and strings.
// format.md draws the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controller/sasp/types.hpp"

namespace saspd::sasp {

// RFC 4678 5.1: 16 bytes as on the wire, so that a GWM can echo the form that it received.
using WireAddress = std::array<std::uint8_t, 16>;

// IPv4 as an IPv4-compatible IPv6 address (RFC 4678 5.1).
WireAddress to_wire(const IpAddress& address);
// ::a.b.c.d and ::ffff:a.b.c.d are IPv4; :: and ::1 are not (sasp-interop row 2).
IpAddress from_wire(const WireAddress& address);
// ::ffff:a.b.c.d, which is not in RFC 4678.
bool is_mapped(const WireAddress& address);

// RFC 4678 5.1
struct MemberData {
  static constexpr Type type = Type::member_data;
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;
  WireAddress address{};
  std::string label;  // at most 255 bytes, opaque to the GWM

  MemberKey key() const { return {from_wire(address), protocol, port}; }
  static MemberData of(const MemberKey& key, std::string label = {}) {
    return {key.protocol, key.port, to_wire(key.address), std::move(label)};
  }
  bool operator==(const MemberData&) const = default;
};

// RFC 4678 5.2. An empty name means all groups of the LB where the RFC allows it (7.2, 7.3).
struct GroupData {
  static constexpr Type type = Type::group_data;
  std::string lb_uid;
  std::string name;
  bool operator==(const GroupData&) const = default;
};

// RFC 4678 5.3
struct WeightEntry {
  static constexpr Type type = Type::weight_entry;
  MemberData member;
  std::uint8_t state = 0;  // opaque, from the member
  std::uint8_t flags = 0;  // weight_flag
  std::uint16_t weight = 0;
  bool operator==(const WeightEntry&) const = default;
};

// RFC 4678 5.4
struct MemberState {
  static constexpr Type type = Type::member_state_instance;
  MemberData member;
  std::uint8_t state = 0;
  std::uint8_t flags = 0;  // state_flag
  bool operator==(const MemberState&) const = default;
};

// RFC 4678 6.1, 6.2, 6.3: a group and its items.
template <Type group_type, class Item>
struct GroupOf {
  static constexpr Type type = group_type;
  GroupData group;
  std::vector<Item> items;
  bool operator==(const GroupOf&) const = default;
};
using GroupOfMemberData = GroupOf<Type::group_of_member_data, MemberData>;
using GroupOfWeightEntries = GroupOf<Type::group_of_weight_entry_data, WeightEntry>;
using GroupOfMemberStates = GroupOf<Type::group_of_member_state_data, MemberState>;

// RFC 4678 7.1.1
struct RegistrationRequest {
  static constexpr Type type = Type::registration_request;
  std::uint8_t flags = sender_flag::load_balancer;
  std::vector<GroupOfMemberData> groups;
  bool operator==(const RegistrationRequest&) const = default;
};

// RFC 4678 7.1.2, 7.2.2, 7.5.2, 7.6.2: four replies that carry a return code only.
template <Type reply_type>
struct CodeReply {
  static constexpr Type type = reply_type;
  ReturnCode code = ReturnCode::successful;
  bool operator==(const CodeReply&) const = default;
};
using RegistrationReply = CodeReply<Type::registration_reply>;
using DeregistrationReply = CodeReply<Type::deregistration_reply>;
using SetMemberStateReply = CodeReply<Type::set_member_state_reply>;
using SetLbStateReply = CodeReply<Type::set_lb_state_reply>;

// RFC 4678 7.2.1
struct DeregistrationRequest {
  static constexpr Type type = Type::deregistration_request;
  std::uint8_t flags = sender_flag::load_balancer;
  std::uint8_t reason = deregistration_reason::none;
  std::vector<GroupOfMemberData> groups;  // no members: the whole group; no name: all groups
  bool operator==(const DeregistrationRequest&) const = default;
};

// RFC 4678 7.3.1
struct GetWeightsRequest {
  static constexpr Type type = Type::get_weights_request;
  std::vector<GroupData> groups;  // one with an empty name: all groups of the LB
  bool operator==(const GetWeightsRequest&) const = default;
};

// RFC 4678 7.3.2
struct GetWeightsReply {
  static constexpr Type type = Type::get_weights_reply;
  ReturnCode code = ReturnCode::successful;
  std::uint16_t interval = 0;  // seconds (errata 946, 950); 0: no advice
  std::vector<GroupOfWeightEntries> groups;
  bool operator==(const GetWeightsReply&) const = default;
};

// RFC 4678 7.4
struct SendWeights {
  static constexpr Type type = Type::send_weights;
  std::vector<GroupOfWeightEntries> groups;
  bool operator==(const SendWeights&) const = default;
};

// RFC 4678 7.5.1
struct SetMemberStateRequest {
  static constexpr Type type = Type::set_member_state_request;
  std::uint8_t flags = sender_flag::load_balancer;
  std::vector<GroupOfMemberStates> groups;
  bool operator==(const SetMemberStateRequest&) const = default;
};

// RFC 4678 7.6.1
struct SetLbStateRequest {
  static constexpr Type type = Type::set_lb_state_request;
  std::string lb_uid;
  std::uint8_t health = max_lb_health;
  std::uint8_t flags = 0;  // lb_flag
  bool operator==(const SetLbStateRequest&) const = default;
};

using Message =
    std::variant<RegistrationRequest, RegistrationReply, DeregistrationRequest, DeregistrationReply,
                 GetWeightsRequest, GetWeightsReply, SendWeights, SetLbStateRequest,
                 SetLbStateReply, SetMemberStateRequest, SetMemberStateReply>;

Type type_of(const Message& message);

// RFC 4678 4.3: a whole SASP message.
struct Frame {
  std::uint32_t message_id = 0;
  Message message;
  std::uint8_t version = sasp::version;
  bool operator==(const Frame&) const = default;
};

}  // namespace saspd::sasp
