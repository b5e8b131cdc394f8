// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/types.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controller/base/ip_protocol.hpp"

namespace saspd::sasp {

std::string_view name(Type type) {
  switch (type) {
    case Type::registration_request: return "registration request";
    case Type::registration_reply: return "registration reply";
    case Type::deregistration_request: return "deregistration request";
    case Type::deregistration_reply: return "deregistration reply";
    case Type::get_weights_request: return "get weights request";
    case Type::get_weights_reply: return "get weights reply";
    case Type::send_weights: return "send weights";
    case Type::set_lb_state_request: return "set lb state request";
    case Type::set_lb_state_reply: return "set lb state reply";
    case Type::set_member_state_request: return "set member state request";
    case Type::set_member_state_reply: return "set member state reply";
    case Type::header: return "header";
    case Type::member_data: return "member data";
    case Type::group_data: return "group data";
    case Type::weight_entry: return "weight entry";
    case Type::member_state_instance: return "member state instance";
    case Type::group_of_member_data: return "group of member data";
    case Type::group_of_weight_entry_data: return "group of weight entry data";
    case Type::group_of_member_state_data: return "group of member state data";
  }
  return "unknown type";
}

bool is_component(Type type) {
  switch (type) {
    case Type::member_data:
    case Type::group_data:
    case Type::weight_entry:
    case Type::member_state_instance:
    case Type::group_of_member_data:
    case Type::group_of_weight_entry_data:
    case Type::group_of_member_state_data: return true;
    default: return false;
  }
}

namespace {

std::string_view meaning(ReturnCode code) {
  switch (code) {
    case ReturnCode::successful: return "successful";
    case ReturnCode::not_understood: return "message not understood";
    case ReturnCode::not_accepted: return "not accepted from this sender";
    case ReturnCode::already_registered: return "member already registered";
    case ReturnCode::not_registered: return "application or system not registered";
    case ReturnCode::unknown_group: return "unknown group name";
    case ReturnCode::unknown_lb_uid: return "unknown lb uid";
    case ReturnCode::duplicate_member: return "duplicate member in request";
    case ReturnCode::invalid_group: return "invalid group";
    case ReturnCode::duplicate_group: return "duplicate group in request";
    case ReturnCode::invalid_group_name_size: return "invalid group name size";
    case ReturnCode::invalid_lb_uid_size: return "invalid lb uid size";
    case ReturnCode::lb_not_contacted: return "load balancer has not contacted the GWM yet";
  }
  return "unknown return code";
}

}  // namespace

std::string text(ReturnCode code) {
  return fmt::format("{:#04x} {}", static_cast<std::uint8_t>(code), meaning(code));
}

CodeClass classify(ReturnCode code) {
  switch (code) {
    case ReturnCode::successful: return CodeClass::done;
    case ReturnCode::already_registered:
    case ReturnCode::not_registered:
    case ReturnCode::unknown_group:
    case ReturnCode::unknown_lb_uid: return CodeClass::resynchronise;
    case ReturnCode::not_understood:
    case ReturnCode::lb_not_contacted: return CodeClass::retry_later;
    default: return CodeClass::refused;
  }
}

std::string MemberKey::text() const {
  if (protocol == 0 && port == 0) return address.text();
  return fmt::format("{}:{}", ip_protocol_text(protocol), Endpoint{address, port}.text());
}

std::string_view name(Tolerance tolerance) {
  switch (tolerance) {
    case Tolerance::header_surplus: return "header_surplus";
    case Tolerance::covering_length: return "covering_length";
    case Tolerance::extension_skipped: return "extension_skipped";
    case Tolerance::mapped_address: return "mapped_address";
    case Tolerance::group_type_misprint: return "group_type_misprint";
    case Tolerance::reply_type_misprint: return "reply_type_misprint";
    case Tolerance::reserved_bits: return "reserved_bits";
    case Tolerance::zero_interval: return "zero_interval";
    case Tolerance::short_error_reply: return "short_error_reply";
    case Tolerance::second_component: return "second_component";
    case Tolerance::trailing_bytes: return "trailing_bytes";
    case Tolerance::unknown_message_type: return "unknown_message_type";
    case Tolerance::unknown_message_id: return "unknown_message_id";
    case Tolerance::count_: break;
  }
  return "unknown";
}

void ToleranceCounts::add(const ToleranceCounts& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i)
    counts_[i] += other.counts_[i];
}

bool ToleranceCounts::any() const {
  return std::any_of(counts_.begin(), counts_.end(), [](auto count) { return count != 0; });
}

}  // namespace saspd::sasp
