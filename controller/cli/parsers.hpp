// SPDX-License-Identifier: Apache-2.0
// The values of flags. Each function returns a parser for Cli::option and Cli::list, whose error
// names the value and the accepted form.
#pragma once

#include <algorithm>
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
#include "controller/base/nearest.hpp"

namespace saspd::cli {

// A whole number from low to high, which must fit into Number.
template <class Number = std::uint64_t>
auto number(std::uint64_t low, std::uint64_t high) {
  return [=](std::string_view text) -> Result<Number> {
    const auto value = parse_number(text, low, high);
    if (!value) return fail(value.error());
    return static_cast<Number>(*value);
  };
}

// A time from low to high seconds: a whole number of them, or of its unit (10s, 5m, 2h, 1d).
Result<std::chrono::seconds> parse_seconds(std::string_view text, std::uint64_t low,
                                           std::uint64_t high);
inline auto seconds(std::uint64_t low, std::uint64_t high) {
  return [=](std::string_view text) { return parse_seconds(text, low, high); };
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

// One of a few words, each with its value.
template <class T>
auto one_of(std::initializer_list<std::pair<std::string_view, T>> words) {
  return [words = std::vector(words)](std::string_view text) -> Result<T> {
    std::string known;
    std::vector<std::string_view> names;
    for (const auto& [word, meaning] : words) {
      if (text == word) return meaning;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", word);
      names.push_back(word);
    }
    return fail(std::errc::invalid_argument,
                fmt::format("'{}' is not one of: {}{}", text, known, did_you_mean(text, names)));
  };
}

// For Cli::add_list: appends the values that `parser` gives, each of which may be given once.
template <class T, class Parse>
auto each_once(std::vector<T>& target, Parse parser) {
  return [&target, parser = std::move(parser)](std::string_view text) -> Result<void> {
    auto value = parser(text);
    if (!value) return fail(value.error());
    if (std::find(target.begin(), target.end(), *value) != target.end()) {
      return fail(std::errc::invalid_argument, fmt::format("'{}' was given before", text));
    }
    target.push_back(std::move(*value));
    return {};
  };
}

// A peer as people name it: HOST or HOST:PORT. HOST is a name, an IPv4 address or an IPv6 address
// in brackets; names are resolved later, at each connection attempt.
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

// Where to listen: ADDR:PORT with a port from 1 to 65535. ADDR alone has the default port; PORT
// alone and "localhost" mean 127.0.0.1: nothing is opened wider than written.
Result<Endpoint> parse_listen(std::string_view text, std::uint16_t default_port);
inline auto listen_endpoint(std::uint16_t default_port) {
  return [=](std::string_view text) { return parse_listen(text, default_port); };
}

// The same, or "off", which is empty.
Result<std::optional<Endpoint>> parse_listen_or_off(std::string_view text,
                                                    std::uint16_t default_port);
inline auto listen_or_off(std::uint16_t default_port) {
  return [=](std::string_view text) { return parse_listen_or_off(text, default_port); };
}

// Advice moves traffic, so it crosses a network in the clear only if the operator allows it. `host`
// is an address or a name; only the name "localhost" counts as this machine.
// ExitCode::configuration.
Result<void> check_plaintext(std::string_view host, bool insecure_plaintext);

}  // namespace saspd::cli
