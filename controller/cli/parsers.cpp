// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/parsers.hpp"

#include <algorithm>
#include <array>

#include "controller/base/ascii.hpp"

namespace saspd::cli {
namespace {

// RFC 1123 2.1 and RFC 2181 11 together with what resolvers take: letters, digits, '-', '_' and
// dots.
bool is_host_name(std::string_view host) {
  const auto is_letter = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_' || c == '.';
  };
  return !host.empty() && host.size() <= 253 && host.front() != '-' && host.front() != '.' &&
         std::all_of(host.begin(), host.end(), is_letter);
}

// What was meant by an IPv6 address without brackets, for the end of an error.
std::string bracketed_form(std::string_view text, std::uint16_t default_port) {
  const auto lone = IpAddress::parse(text);
  const bool is_v6 = lone && lone->family() == Family::v6;
  const auto colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && is_v6 &&
                        IpAddress::parse(text.substr(0, colon)) &&
                        parse_number(text.substr(colon + 1), 1, 65535);
  if (!is_v6) return " (write an IPv6 address in brackets)";
  if (!has_port) return fmt::format("; write [{}]", text);
  return fmt::format("; write [{}]:{}, or [{}]:{}", text.substr(0, colon), text.substr(colon + 1),
                     text, default_port);
}

bool is_loopback(std::string_view host) {
  const auto address = IpAddress::parse(host);
  return address ? address->is_loopback() : host == "localhost";
}

}  // namespace

std::string HostPort::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port) {
  const auto malformed = fail(
      std::errc::invalid_argument,
      fmt::format("'{}' is not HOST or HOST:PORT{}", text, bracketed_form(text, default_port)));
  const bool bracketed = text.starts_with('[');
  if (!bracketed && IpAddress::parse(text) && text.find(':') != std::string_view::npos)
    return malformed;
  const auto host_end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && host_end == std::string_view::npos) return malformed;
  const auto host = bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end);
  const auto rest = host_end == std::string_view::npos
                        ? std::string_view{}
                        : text.substr(host_end + (bracketed ? 1 : 0));
  const auto address = IpAddress::parse(host);
  const bool is_v6 = address && address->family() == Family::v6;
  if (bracketed ? !is_v6 : !is_host_name(host)) return malformed;
  if (rest.empty()) return HostPort{std::string(host), default_port};
  if (rest.front() != ':') return malformed;
  const auto port = parse_number(rest.substr(1), 1, 65535);
  if (!port) return fail(at(fmt::format("port of '{}'", text), port.error()));
  return HostPort{std::string(host), static_cast<std::uint16_t>(*port)};
}

namespace {

// "localhost" is the one name that needs no resolver.
std::string_view without_localhost(std::string_view text, std::string& replaced) {
  constexpr std::string_view name = "localhost";
  if (!text.starts_with(name)) return text;
  const auto rest = text.substr(name.size());
  if (!rest.empty() && rest.front() != ':') return text;
  replaced = fmt::format("127.0.0.1{}", rest);
  return replaced;
}

}  // namespace

Result<Endpoint> parse_listen(std::string_view given, std::uint16_t default_port) {
  std::string replaced;
  const auto text = without_localhost(given, replaced);
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const auto no_port = [&] {
    return fail(std::errc::invalid_argument,
                fmt::format("port of '{}' is not from 1 to 65535", given));
  };
  if (is_number) {
    const auto port = parse_number(text, 1, 65535);
    if (!port) return no_port();
    constexpr std::array<std::uint8_t, 4> loopback{127, 0, 0, 1};
    return Endpoint{IpAddress::v4(loopback), static_cast<std::uint16_t>(*port)};
  }
  if (text.starts_with(':') && parse_number(text.substr(1), 1, 65535)) {
    return fail(
        std::errc::invalid_argument,
        fmt::format("'{0}' has no address; write 127.0.0.1{0}, or 0.0.0.0{0} or [::]{0} for "
                    "all of this machine",
                    given));
  }
  if (const auto lone = parse_lone_address(text)) return Endpoint{*lone, default_port};
  auto endpoint = Endpoint::parse(text);
  if (endpoint && endpoint->port == 0) return no_port();
  return endpoint;
}

Result<std::optional<Endpoint>> parse_listen_or_off(std::string_view text,
                                                    std::uint16_t default_port) {
  if (text == "off") return std::optional<Endpoint>();
  const auto endpoint = parse_listen(text, default_port);
  if (endpoint) return std::optional(*endpoint);
  return fail(endpoint.error().code, endpoint.error().detail + ", or off");
}

Result<void> check_plaintext(std::string_view host, bool insecure_plaintext) {
  if (insecure_plaintext || is_loopback(host)) return {};
  return fail(
      std::errc::permission_denied,
      fmt::format(
          "{} is not loopback and TLS is off: advice would cross the network in the clear; "
          "--tls-ca and the other TLS flags turn TLS on, --insecure-plaintext allows plaintext",
          host));
}

}  // namespace saspd::cli
