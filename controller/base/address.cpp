// SPDX-License-Identifier: Apache-2.0

#include "controller/base/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "controller/base/ascii.hpp"
#include "controller/base/text.hpp"

namespace saspd {
namespace {

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

struct HostAndPort {
  std::string_view host;
  std::string_view port;
};

// An IPv6 address without brackets, and what may be meant as its port; nothing if the whole can
// only be one or the other.
std::optional<HostAndPort> ambiguous(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const HostAndPort cut{text.substr(0, colon), text.substr(colon + 1)};
  const auto address = IpAddress::parse(cut.host);
  if (!address || address->family() != Family::v6 || !parse_number(cut.port, 0, 65535)) {
    return std::nullopt;
  }
  return cut;
}

bool is_name(std::string_view host) {
  const auto fits = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_' || c == '.';
  };
  return std::any_of(host.begin(), host.end(), ascii::is_letter) &&
         std::all_of(host.begin(), host.end(), fits);
}

// What is wrong with the text of an endpoint, and what was meant.
Error malformed_endpoint(std::string_view text) {
  const auto shown = printable(text);
  if (const auto cut = ambiguous(text)) {
    return refuse(fmt::format("'{}': write an IPv6 address with a port in brackets: [{}]:{}", shown,
                              cut->host, cut->port));
  }
  const bool bracketed = text.starts_with('[') && text.ends_with(']');
  if (const auto lone = IpAddress::parse(bracketed ? text.substr(1, text.size() - 2) : text)) {
    return refuse(fmt::format(
        "'{}' has no port; write {}:PORT", shown,
        lone->family() == Family::v4 ? lone->text() : fmt::format("[{}]", lone->text())));
  }
  if (is_name(text.substr(0, text.rfind(':')))) {
    return refuse(
        fmt::format("'{}' is not ADDR:PORT: names are not resolved here; give the address", shown));
  }
  return refuse(fmt::format("'{}' is not ADDR:PORT or [ADDR]:PORT", shown));
}

}  // namespace

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> bytes) {
  IpAddress address;
  address.family_ = Family::v6;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  IpAddress address;
  const auto fits = [&](int family) {
    return ::inet_pton(family, terminated.c_str(), address.bytes_.data()) == 1;
  };
  const bool whole = text.find('\0') == std::string_view::npos;  // inet_pton stops at a NUL
  if (whole && fits(AF_INET)) return address;
  if (whole && fits(AF_INET6)) {
    address.family_ = Family::v6;
    return address;
  }
  return refuse(
      fmt::format("'{}' is not an IP address{}", printable(text),
                  is_name(text) ? ": names are not resolved here; give the address" : ""));
}

std::span<const std::uint8_t> IpAddress::bytes() const {
  return std::span(bytes_).first(family_ == Family::v4 ? 4 : 16);
}

bool IpAddress::is_loopback() const {
  if (family_ == Family::v4) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto byte) { return byte == 0; }) &&
         bytes_[15] == 1;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  ::inet_ntop(family_ == Family::v4 ? AF_INET : AF_INET6, bytes_.data(), buffer.data(),
              static_cast<socklen_t>(buffer.size()));
  return buffer.data();
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const auto malformed = [&] { return malformed_endpoint(text); };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  if (!address || bracketed != (address->family() == Family::v6)) return malformed();
  const auto port = parse_number(text.substr(colon + 1), 0, 65535);
  if (!port) return fail(at(fmt::format("port of '{}'", printable(text)), port.error()));
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::text() const {
  return address.family() == Family::v4 ? fmt::format("{}:{}", address.text(), port)
                                        : fmt::format("[{}]:{}", address.text(), port);
}

Result<IpAddress> parse_lone_address(std::string_view text) {
  if (const auto cut = ambiguous(text)) {
    return refuse(
        fmt::format("'{}' may be an address, or an address and a port; write [{}] or [{}]:{}",
                    printable(text), text, cut->host, cut->port));
  }
  const bool bracketed = text.starts_with('[') && text.ends_with(']');
  const auto address = IpAddress::parse(bracketed ? text.substr(1, text.size() - 2) : text);
  if (address && bracketed && address->family() == Family::v4) {
    return refuse(fmt::format("'{}': brackets are for IPv6 addresses", text));
  }
  return address;
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    return fail(std::errc::invalid_argument, fmt::format("'{}' is not a whole number from {} to {}",
                                                         printable(text), low, high));
  }
  return value;
}

}  // namespace saspd

std::size_t std::hash<saspd::Endpoint>::operator()(const saspd::Endpoint& endpoint) const noexcept {
  const auto bytes = endpoint.address.bytes();
  const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::hash<std::string_view>{}(view) ^ (std::size_t{endpoint.port} * 0x9E3779B97F4A7C15U);
}
