// What the values of flags look like. Each function returns a parser for Cli::option and Cli::list;
// its error names the value and the accepted form.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"

namespace saspd::cli {

// A whole number from low to high, which Number holds.
template <class Number = std::uint64_t>
auto number(std::uint64_t low, std::uint64_t high) {
  return [=](std::string_view text) -> Result<Number> {
    const auto value = parse_number(text, low, high);
    if (!value) return fail(value.error());
    return static_cast<Number>(*value);
  };
}

// A whole number of seconds from low to high.
inline auto seconds(std::uint64_t low, std::uint64_t high) {
  return [=](std::string_view text) -> Result<std::chrono::seconds> {
    const auto value = parse_number(text, low, high);
    if (!value) {
      return fail(
          std::errc::invalid_argument,
          fmt::format("'{}' is not a whole number of seconds from {} to {}", text, low, high));
    }
    return std::chrono::seconds(*value);
  };
}

// Text of low to high bytes, taken literally.
inline auto text(std::size_t low, std::size_t high) {
  return [=](std::string_view value) -> Result<std::string> {
    if (value.size() < low || value.size() > high) {
      return fail(std::errc::invalid_argument, fmt::format("'{}' has {} bytes, expected {} to {}",
                                                           value, value.size(), low, high));
    }
    return std::string(value);
  };
}

// One of a few words, each with what it means.
template <class T>
auto one_of(std::initializer_list<std::pair<std::string_view, T>> words) {
  return [words = std::vector(words)](std::string_view text) -> Result<T> {
    std::string known;
    for (const auto& [word, meaning] : words) {
      if (text == word) return meaning;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", word);
    }
    return fail(std::errc::invalid_argument, fmt::format("'{}' is not one of: {}", text, known));
  };
}

// A peer as people name it: HOST or HOST:PORT. HOST is a name, an IPv4 address or an IPv6 address
// in brackets; names are resolved later, each time a connection is made.
struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;

  std::string text() const;  // "gwm.example:3860", "[2001:db8::1]:3860"
  auto operator<=>(const HostPort&) const = default;
};
Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port);
inline auto host_port(std::uint16_t default_port) {
  return [=](std::string_view text) { return parse_host_port(text, default_port); };
}

// ADDR:PORT with a port from 1 to 65535: where to listen.
Result<Endpoint> listen_endpoint(std::string_view text);

// The same, or "off": nothing.
Result<std::optional<Endpoint>> listen_or_off(std::string_view text);

// Advice moves traffic, so it crosses a network in the clear only when somebody said so. `host` is
// an address or a name; of the names only "localhost" counts as this machine.
// ExitCode::configuration.
Result<void> check_plaintext(std::string_view host, bool insecure_plaintext);

}  // namespace saspd::cli
