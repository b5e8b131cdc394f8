// SPDX-License-Identifier: Apache-2.0
// Parses the options of a --service, "manage,forward=route,drain=5m", by rows: each backend has its
// own. Errors name the option and the accepted form, without the service.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controller/base/error.hpp"
#include "controller/base/nearest.hpp"

namespace saspd::lb {

// One option. `Given` holds the options of a service as they were given, before they are checked
// together.
template <class Given>
struct ServiceOption {
  std::string_view form;  // "drain=SECONDS"; a switch has no "="
  Result<void> (*take)(Given& given, std::string_view value);

  bool is_switch() const { return form.find('=') == std::string_view::npos; }
  std::string_view name() const { return form.substr(0, form.find('=')); }
};

// The text up to the next comma, which is also removed from `rest`.
std::string_view take_option(std::string_view& rest);

// "a, b or c".
std::string listed(std::span<const std::string_view> forms);

// The options in `text`. `of_backend`: " for --backend xdp", said of an option that is not known.
template <class Given>
Result<Given> parse_service_options(std::string_view text,
                                    std::span<const ServiceOption<Given>> rows,
                                    std::string_view of_backend = {}) {
  Given given;
  std::set<std::string_view> names;
  while (!text.empty()) {
    const std::string_view whole = take_option(text);
    const auto equals = std::min(whole.find('='), whole.size());
    const auto name = whole.substr(0, equals);
    if (!names.insert(name).second) {
      return fail(std::errc::invalid_argument, fmt::format("option '{}' is given twice", name));
    }
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& one) {
      return (one.is_switch() ? whole : name) == one.name();
    });
    if (row == rows.end()) {
      std::vector<std::string_view> forms;
      std::vector<std::string_view> known;
      for (const auto& one : rows) {
        forms.push_back(one.form);
        known.push_back(one.name());
      }
      return fail(std::errc::invalid_argument,
                  fmt::format("unknown option '{}'{}, expected {}{}", whole, of_backend,
                              listed(forms), did_you_mean(name, known)));
    }
    const auto value = whole.substr(std::min(equals + 1, whole.size()));
    if (const auto taken = row->take(given, value); !taken) return fail(taken.error());
  }
  return given;
}

// One of a few words, each with its meaning. `also` are other tools' words for the same, which are
// not shown.
template <class T>
Result<void> choose(std::optional<T>& out, std::string_view name, std::string_view value,
                    std::initializer_list<std::pair<std::string_view, T>> choices,
                    std::initializer_list<std::pair<std::string_view, T>> also = {}) {
  std::string expected;
  std::vector<std::string_view> words;
  for (const auto& [word, meaning] : choices) {
    expected += fmt::format("{}{}", expected.empty() ? "" : " or ", word);
    words.push_back(word);
  }
  for (const auto& list : {choices, also}) {
    for (const auto& [word, meaning] : list) {
      if (value != word) continue;
      out = meaning;
      return {};
    }
  }
  return fail(std::errc::invalid_argument, fmt::format("{}={}: expected {}{}", name, value,
                                                       expected, did_you_mean(value, words)));
}

// A time of at least `low` seconds, and at most a month: what the kernel keeps of one fits by far.
Result<void> take_time(std::optional<std::chrono::seconds>& out, std::string_view name,
                       std::string_view value, std::uint64_t low);

}  // namespace saspd::lb
