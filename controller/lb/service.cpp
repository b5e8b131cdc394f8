// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/service.hpp"

#include <charconv>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "controller/base/ascii.hpp"
#include "controller/base/ip_protocol.hpp"

namespace saspd::lb {

std::string_view name(Protocol protocol) {
  const auto known = ip_protocol_name(static_cast<std::uint8_t>(protocol));
  return known.empty() ? "unknown" : known;
}

std::string_view name(Forward forward) {
  switch (forward) {
    case Forward::masquerade: return "masquerade";
    case Forward::local: return "local";
    case Forward::tunnel: return "tunnel";
    case Forward::route: return "route";
    case Forward::bypass: return "bypass";
  }
  return "unknown";
}

std::string Service::text() const {
  std::string text = fmt::format("scheduler {}", scheduler);
  if ((flags & service_flag::fallback) != 0) text += fmt::format(", {}-fallback", scheduler);
  if ((flags & service_flag::hash_port) != 0) text += fmt::format(", {}-port", scheduler);
  if ((flags & service_flag::one_packet) != 0) text += ", one-packet";
  if ((flags & service_flag::persistent) != 0) text += fmt::format(", persistent {} s", timeout);
  return text;
}

std::uint32_t host_netmask(Family family) {
  return family == Family::v4 ? 0xFFFFFFFF : 128;
}

bool hashes_clients(std::string_view scheduler) {
  return scheduler == "sh" || scheduler == "mh";
}

Family family(const ServiceKey& key) {
  if (const auto* mark = std::get_if<FirewallMark>(&key)) return mark->family;
  return std::get<VirtualEndpoint>(key).endpoint.address.family();
}

namespace {

// In decimal, or in hexadecimal as iptables and ip show it.
Result<std::uint32_t> parse_mark(std::string_view text) {
  std::uint32_t mark = 0;
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = hex ? text.substr(2) : text;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), mark, hex ? 16 : 10);
  if (error == std::errc{} && end == digits.data() + digits.size() && mark > 0) return mark;
  return fail(std::errc::invalid_argument,
              fmt::format("'{}' is not a firewall mark: a whole number from 1 to 4294967295, or "
                          "from 0x1 to 0xffffffff",
                          text));
}

}  // namespace

Result<ServiceKey> parse_service(std::string_view text) {
  const auto colon = text.find(':');
  const std::string kind = ascii::lower_case(text.substr(0, colon));
  const std::string_view rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (const auto protocol = parse_ip_protocol(kind)) {
    const auto endpoint = Endpoint::parse(rest);
    if (!endpoint) return fail(endpoint.error());
    return ServiceKey{VirtualEndpoint{static_cast<Protocol>(*protocol), *endpoint}};
  }
  if (kind == "fwmark" || kind == "fwmark6") {
    const auto mark = parse_mark(rest);
    if (!mark) return fail(mark.error());
    return ServiceKey{FirewallMark{kind == "fwmark" ? Family::v4 : Family::v6, *mark}};
  }
  if (Endpoint::parse(text)) {
    return fail(std::errc::invalid_argument,
                fmt::format("'{0}' has no protocol; did you mean tcp:{0}?", text));
  }
  return fail(std::errc::invalid_argument,
              fmt::format("'{}' is not a service; write tcp:192.0.2.10:443, udp:[2001:db8::1]:53, "
                          "sctp:ADDR:PORT, fwmark:7 or fwmark6:7",
                          text));
}

std::string text(const ServiceKey& key) {
  if (const auto* mark = std::get_if<FirewallMark>(&key)) {
    return fmt::format("{}:{}", mark->family == Family::v4 ? "fwmark" : "fwmark6", mark->mark);
  }
  const auto& at = std::get<VirtualEndpoint>(key);
  return fmt::format("{}:{}", name(at.protocol), at.endpoint.text());
}

void keep_only(std::span<const ServiceKey> services, Table& table) {
  const std::set<ServiceKey> wanted(services.begin(), services.end());
  std::erase_if(table, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

}  // namespace saspd::lb
