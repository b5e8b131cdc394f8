// SPDX-License-Identifier: Apache-2.0
// The values of flags. Each function returns a parser for Cli::option and Cli::list, whose error
// names the value and the accepted form. Those with a function text() also give a value as it would
// be typed, so that a flag's default is its field's.
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
#include "controller/base/seconds.hpp"

namespace saspd::cli {

// A whole number from low to high, which must fit into Number.
template <class Number>
struct NumberParser {
  std::uint64_t low;
  std::uint64_t high;

  Result<Number> operator()(std::string_view text) const {
    const auto value = parse_number(text, low, high);
    if (!value) return fail(value.error());
    return static_cast<Number>(*value);
  }
  static std::string text(Number value) { return fmt::to_string(value); }
};
template <class Number = std::uint64_t>
NumberParser<Number> number(std::uint64_t low, std::uint64_t high) {
  return {low, high};
}

// See parse_seconds().
struct SecondsParser {
  std::uint64_t low;
  std::uint64_t high;

  Result<std::chrono::seconds> operator()(std::string_view text) const {
    return parse_seconds(text, low, high);
  }
  template <class Rep, class Period>
  static std::string text(std::chrono::duration<Rep, Period> value) {
    return fmt::to_string(std::chrono::duration_cast<std::chrono::seconds>(value).count());
  }
};
inline SecondsParser seconds(std::uint64_t low, std::uint64_t high) {
  return {low, high};
}

// Text of low to high bytes, taken literally.
struct TextParser {
  std::size_t low;
  std::size_t high;

  Result<std::string> operator()(std::string_view value) const {
    if (value.size() < low || value.size() > high) {
      return fail(std::errc::invalid_argument, fmt::format("'{}' has {} bytes, expected {} to {}",
                                                           value, value.size(), low, high));
    }
    return std::string(value);
  }
  static const std::string& text(const std::string& value) { return value; }
};
inline TextParser text(std::size_t low, std::size_t high) {
  return {low, high};
}

// One of a few words, each with its value.
template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;
template <class T>
struct WordParser {
  Words<T> words;

  Result<T> operator()(std::string_view text) const {
    std::string known;
    std::vector<std::string_view> names;
    for (const auto& [word, meaning] : words) {
      if (text == word) return meaning;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", word);
      names.push_back(word);
    }
    return fail(std::errc::invalid_argument,
                fmt::format("'{}' is not one of: {}{}", text, known, did_you_mean(text, names)));
  }
  std::string text(const T& value) const {
    for (const auto& [word, meaning] : words) {
      if (meaning == value) return std::string(word);
    }
    return {};
  }
};
template <class T>
WordParser<T> one_of(Words<T> words) {
  return {std::move(words)};
}

// A parser with its inverse.
template <class Parse, class Text>
struct ParserWithText {
  Parse parse;
  Text text;
  auto operator()(std::string_view value) const { return parse(value); }
};
template <class Parse, class Text>
ParserWithText<Parse, Text> with_text(Parse parse, Text text) {
  return {std::move(parse), std::move(text)};
}

// The text of a value; empty if there is none, or the parser has no inverse.
template <class T, class Parse>
std::string text_of(const T& value, const Parse& parser) {
  if constexpr (requires { std::string(parser.text(value)); }) {
    return std::string(parser.text(value));
  } else if constexpr (requires { std::string(parser.text(*value)); }) {
    return value ? std::string(parser.text(*value)) : std::string();
  } else {
    return {};
  }
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
struct ListenOrOffParser {
  std::uint16_t default_port;

  Result<std::optional<Endpoint>> operator()(std::string_view text) const {
    return parse_listen_or_off(text, default_port);
  }
  static std::string text(const std::optional<Endpoint>& value) {
    return value ? value->text() : "off";
  }
};
inline ListenOrOffParser listen_or_off(std::uint16_t default_port) {
  return {default_port};
}

// Advice moves traffic, so it crosses a network in the clear only if the operator allows it. `host`
// is an address or a name; only the name "localhost" counts as this machine.
// ExitCode::configuration.
Result<void> check_plaintext(std::string_view host, bool insecure_plaintext);

}  // namespace saspd::cli
