// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/names.hpp"

#include <fmt/format.h>

#include "controller/base/host_address.hpp"
#include "controller/base/ip_protocol.hpp"
#include "controller/base/text.hpp"
#include "controller/sasp/messages.hpp"

namespace saspd::sasp {
namespace {

IpAddress canonical(const IpAddress& address) {
  return from_wire(to_wire(address));
}

}  // namespace

Result<std::string> parse_lb_uid(std::string_view text) {
  if (text.empty() || text.size() > max_lb_uid || !is_clean_utf8(text)) {
    return fail(
        std::errc::invalid_argument,
        fmt::format("'{}' has {} bytes, expected 1 to {} of text without control characters",
                    printable(text), text.size(), max_lb_uid));
  }
  return std::string(text);
}

Result<void> check_group_name(std::string_view name) {
  if (name.empty()) return fail(std::errc::invalid_argument, "the group name is empty");
  if (name.size() > max_text) {
    return fail(std::errc::invalid_argument,
                fmt::format("the group has {} bytes, at most {}", name.size(), max_text));
  }
  if (!is_clean_utf8(name)) {
    return fail(std::errc::invalid_argument,
                fmt::format("group '{}' is not UTF-8 without control characters", printable(name)));
  }
  return {};
}

namespace {

Result<MemberKey> parse_any_member(std::string_view text) {
  const auto system = parse_lone_address(text);
  if (system) return MemberKey{*system, 0, 0};
  if (IpAddress::parse(text)) return fail(system.error());  // or one with a port
  std::uint8_t protocol = 6;
  std::string_view rest = text;
  const auto colon = text.find(':');
  if (const auto named = parse_ip_protocol(text.substr(0, colon));
      named && colon != std::string_view::npos) {
    protocol = *named;
    rest.remove_prefix(colon + 1);
  }
  const auto endpoint = Endpoint::parse(rest);
  if (!endpoint || endpoint->port == 0) {
    return fail(std::errc::invalid_argument,
                fmt::format("'{}' is not a member: {}; expected [tcp:|udp:|sctp:]ADDR:PORT with an "
                            "IPv6 ADDR in brackets, or ADDR alone for a system",
                            printable(text), endpoint ? "port 0" : endpoint.error().detail));
  }
  return MemberKey{endpoint->address, protocol, endpoint->port};
}

}  // namespace

Result<MemberKey> parse_member(std::string_view text) {
  auto member = parse_any_member(text);
  if (!member) return member;
  if (const auto ok = check_host_address(member->address, "the server's own"); !ok)
    return fail(ok.error());
  member->address = canonical(member->address);
  return member;
}

}  // namespace saspd::sasp
