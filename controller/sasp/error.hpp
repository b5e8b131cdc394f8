// SPDX-License-Identifier: Apache-2.0
// What can be wrong with SASP bytes. Tests compare these codes, never the text.
#pragma once

#include <system_error>

namespace saspd::sasp {

enum class Errc {
  truncated = 1,         // a component ends before its fields do
  bad_header,            // not 0x2010, or a header TLV shorter than 13: synchronisation is lost
  bad_message_length,    // negative, zero, shorter than 18, or not the size of the frame
  too_large,             // longer than the configured maximum message
  bad_component_length,  // a TLV length shorter than the type's fixed fields, or covering only a
                         // part of what it nests
  unexpected_component,  // another component type than the one that is due
  unknown_message,       // a message type that RFC 4678 4.2 does not list
  bad_count,             // more items announced than the message has bytes for
  trailing_bytes,        // strict: bytes after the last component
  second_component,      // strict: a second message component
  not_encodable,  // encoder: a text over 255 bytes, more than 65535 items, or a reserved bit set
  unsupported_version,
};

const std::error_category& category();
inline std::error_code make_error_code(Errc code) {
  return {static_cast<int>(code), category()};
}

}  // namespace saspd::sasp

template <>
struct std::is_error_code_enum<saspd::sasp::Errc> : std::true_type {};
