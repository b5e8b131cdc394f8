// SPDX-License-Identifier: Apache-2.0
// Members as operators name them.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/address.hpp"

namespace saspd {

// "192.0.2.1:80", or "192.0.2.1" of a system member, which has no port.
std::string member_text(const Endpoint& member);

struct MemberName {
  std::optional<std::string> group;  // nothing: in any
  Endpoint endpoint;                 // port 0: a system member

  // "192.0.2.1:80", "192.0.2.1", or either after "GROUP/". A group's name may contain slashes.
  // Refuses "2001:db8::1:80", which may be meant either way.
  static Result<MemberName> parse(std::string_view text);
  std::string text() const;

  auto operator<=>(const MemberName&) const = default;
};

}  // namespace saspd
