// SPDX-License-Identifier: Apache-2.0
// The names of SASP as operators write them, for command lines and files.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/error.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::sasp {

// 1 to 64 bytes of clean UTF-8 (RFC 4678 5.2, sasp-interop rows 9 and 10).
Result<std::string> parse_lb_uid(std::string_view text);

// Whether a group can have been registered under this name: 1 to 255 bytes of clean UTF-8.
Result<void> check_group_name(std::string_view name);

// "tcp:192.0.2.1:80", "udp:[2001:db8::1]:53", "sctp:…"; TCP without a protocol; "192.0.2.1" or
// "[2001:db8::1]" for a system. Refuses "2001:db8::1:80", which may be meant either way. The
// address has the form that it would have on the wire (row 2).
Result<MemberKey> parse_member(std::string_view text);

}  // namespace saspd::sasp
