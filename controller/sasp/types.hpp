// SPDX-License-Identifier: Apache-2.0
// The numbers of RFC 4678. format.md draws their places in a message.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "controller/base/address.hpp"

namespace saspd::sasp {

inline constexpr std::uint16_t default_port = 3860;  // RFC 4678 1.1
inline constexpr std::uint8_t version = 1;           // RFC 4678 4.3
inline constexpr std::size_t header_length = 13;     // RFC 4678 4.3
inline constexpr std::size_t message_length_offset = 5;
// The header and the shortest message component, a reply of 5 bytes.
inline constexpr std::size_t min_message = 18;
inline constexpr std::size_t default_max_message = std::size_t{16} << 20;
inline constexpr std::size_t max_text = 255;     // one length byte
inline constexpr std::size_t max_count = 65535;  // two count bytes
inline constexpr std::size_t max_lb_uid = 64;    // RFC 4678 5.2

// RFC 4678 4.2. The two replies are 0x1055 and 0x1065 (errata 949, 951, 2129).
enum class Type : std::uint16_t {
  registration_request = 0x1010,
  registration_reply = 0x1015,
  deregistration_request = 0x1020,
  deregistration_reply = 0x1025,
  get_weights_request = 0x1030,
  get_weights_reply = 0x1035,
  send_weights = 0x1040,
  set_lb_state_request = 0x1050,
  set_lb_state_reply = 0x1055,
  set_member_state_request = 0x1060,
  set_member_state_reply = 0x1065,
  header = 0x2010,
  member_data = 0x3010,
  group_data = 0x3011,
  weight_entry = 0x3012,
  member_state_instance = 0x3013,
  group_of_member_data = 0x4010,
  group_of_weight_entry_data = 0x4011,
  group_of_member_state_data = 0x4012,
};
std::string_view name(Type type);  // "get weights reply"; "unknown type" for others
bool is_message(Type type);        // one of the eleven message types
bool is_component(Type type);      // one that follows a message component

// RFC 4678 7: 0x00..0x3F general, 0x40..0xFF specific to the message.
enum class ReturnCode : std::uint8_t {
  successful = 0x00,
  not_understood = 0x10,
  not_accepted = 0x11,
  already_registered = 0x40,
  not_registered = 0x41,
  unknown_group = 0x42,
  unknown_lb_uid = 0x43,
  duplicate_member = 0x44,
  invalid_group = 0x45,
  duplicate_group = 0x46,
  invalid_group_name_size = 0x50,
  invalid_lb_uid_size = 0x51,
  lb_not_contacted = 0x61,
};
// "0x11 not accepted from this sender"; every byte has a text.
std::string text(ReturnCode code);

// What a peer should do about a code (sasp-interop row 27).
enum class CodeClass {
  done,           // 0x00
  resynchronise,  // 0x40 0x41 0x42 0x43: our view of the registry differs from the GWM's
  retry_later,    // 0x10 0x61: not ready, or not yet
  refused,        // the rest: a configuration must be changed
};
CodeClass classify(ReturnCode code);

// RFC 4678 7.1.1, 7.2.1, 7.5.1: who sends.
namespace sender_flag {
inline constexpr std::uint8_t load_balancer = 0x01;
inline constexpr std::uint8_t all = load_balancer;
}  // namespace sender_flag
// RFC 4678 7.6.1.
namespace lb_flag {
inline constexpr std::uint8_t push = 0x01;
inline constexpr std::uint8_t trust = 0x02;
inline constexpr std::uint8_t no_change = 0x04;
inline constexpr std::uint8_t all = push | trust | no_change;
}  // namespace lb_flag
// RFC 4678 5.3, flags of a Weight Entry.
namespace weight_flag {
inline constexpr std::uint8_t contact = 0x01;
inline constexpr std::uint8_t quiesce = 0x02;
inline constexpr std::uint8_t registered_by_lb = 0x04;
inline constexpr std::uint8_t confident = 0x08;
inline constexpr std::uint8_t all = contact | quiesce | registered_by_lb | confident;
}  // namespace weight_flag
// RFC 4678 5.4, flags of a Member State Instance: not the same bit as in a Weight Entry.
namespace state_flag {
inline constexpr std::uint8_t quiesce = 0x01;
inline constexpr std::uint8_t all = quiesce;
}  // namespace state_flag
// RFC 4678 7.2.1.
namespace deregistration_reason {
inline constexpr std::uint8_t none = 0x00;
inline constexpr std::uint8_t learned_and_purposeful = 0x01;
}  // namespace deregistration_reason
inline constexpr std::uint8_t max_lb_health = 0x7F;  // RFC 4678 7.6.1: most healthy

// RFC 4678 5.1: who a member is, within (LB UID, group). A system member has protocol 0 and port 0.
struct MemberKey {
  IpAddress address;
  std::uint8_t protocol = 0;  // IANA number: 6 TCP, 17 UDP, 132 SCTP, 0 system member
  std::uint16_t port = 0;

  std::string text() const;  // "tcp:192.0.2.1:80", "192.0.2.1" for a system member
  Endpoint endpoint() const { return {address, port}; }
  auto operator<=>(const MemberKey&) const = default;
};

// Every deviation of a peer that we accept, each with a counter. The rows are those of
// sasp-interop.md.
enum class Tolerance : std::uint8_t {
  header_surplus,        // row 14: header TLV longer than 13
  covering_length,       // row 1: a TLV length that covers nested components
  extension_skipped,     // row 1: a TLV longer than its known fields
  mapped_address,        // row 2: ::ffff:a.b.c.d instead of ::a.b.c.d
  group_type_misprint,   // row 3: 0x4011 for a Group of Member State Data (RFC figure 11)
  reply_type_misprint,   // row 4: 0x1025 answers another request (RFC figures 20, 22)
  reserved_bits,         // row 7: reserved flag bits were set
  zero_interval,         // row 8: an Interval of 0
  short_error_reply,     // row 31: a Get Weights error reply of 5 bytes
  second_component,      // row 18: another message component after the first
  trailing_bytes,        // row 19: bytes after the last component
  unknown_message_type,  // row 16: skipped by its Message Length
  unknown_message_id,    // row 12: a reply that answers no request of ours
  count_,
};
inline constexpr std::size_t tolerance_count = static_cast<std::size_t>(Tolerance::count_);
std::string_view name(Tolerance tolerance);  // the enumerator's name

class ToleranceCounts {
 public:
  void add(Tolerance tolerance, std::uint64_t n = 1) { counts_[index(tolerance)] += n; }
  void add(const ToleranceCounts& other);
  std::uint64_t operator[](Tolerance tolerance) const { return counts_[index(tolerance)]; }
  bool any() const;
  bool operator==(const ToleranceCounts&) const = default;

 private:
  static std::size_t index(Tolerance tolerance) { return static_cast<std::size_t>(tolerance); }
  std::array<std::uint64_t, tolerance_count> counts_{};
};

}  // namespace saspd::sasp
