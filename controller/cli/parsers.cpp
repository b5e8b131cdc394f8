#include "controller/cli/parsers.hpp"

#include <algorithm>

namespace saspd::cli {
namespace {

// RFC 1123 2.1 and RFC 2181 11 together with what resolvers take: letters, digits, '-', '_' and
// dots.
bool is_host_name(std::string_view host) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !host.empty() && host.size() <= 253 && host.front() != '-' && host.front() != '.' &&
         std::all_of(host.begin(), host.end(), is_letter);
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
  const auto malformed =
      fail(std::errc::invalid_argument,
           fmt::format("'{}' is not HOST or HOST:PORT (an IPv6 address stands in "
                       "brackets)",
                       text));
  const bool bracketed = text.starts_with('[');
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

Result<Endpoint> listen_endpoint(std::string_view text) {
  auto endpoint = Endpoint::parse(text);
  if (endpoint && endpoint->port == 0) {
    return fail(std::errc::invalid_argument,
                fmt::format("port of '{}' is not from 1 to 65535", text));
  }
  return endpoint;
}

Result<std::optional<Endpoint>> listen_or_off(std::string_view text) {
  if (text == "off") return std::optional<Endpoint>();
  const auto endpoint = listen_endpoint(text);
  if (endpoint) return std::optional(*endpoint);
  return fail(endpoint.error().code, endpoint.error().detail + ", or off");
}

Result<void> check_plaintext(std::string_view host, bool insecure_plaintext) {
  if (insecure_plaintext || is_loopback(host)) return {};
  return fail(
      std::errc::permission_denied,
      fmt::format(
          "{} is not loopback and TLS is off: advice would cross the network in the "
          "clear; --tls-ca and its like turn TLS on, --insecure-plaintext allows it without",
          host));
}

}  // namespace saspd::cli
