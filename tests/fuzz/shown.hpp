// SPDX-License-Identifier: Apache-2.0
// What is true of text that somebody or something reads, whatever names are in it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/text.hpp"
#include "tests/fuzz/check.hpp"

namespace saspd::fuzz {

// Calls each(line) without the breaks; the last line has one, too.
template <class Each>
void for_each_line(std::string_view text, Each each) {
  check(text.empty() || text.ends_with('\n'));
  for (; !text.empty(); text.remove_prefix(text.find('\n') + 1))
    each(text.substr(0, text.find('\n')));
}

// For a terminal.
inline void check_harmless(std::string_view text) {
  for_each_line(text, [](std::string_view line) { check(is_clean_utf8(line)); });
}

struct Sample {
  std::string name;
  std::map<std::string, std::string, std::less<>> labels;
  auto operator<=>(const Sample&) const = default;
};

inline std::string_view take_until(std::string_view& text, std::string_view ends) {
  const auto found = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(found.size());
  return found;
}

// Behind its opening quote, up to its closing one.
inline std::string take_label_value(std::string_view& text) {
  std::string value;
  while (!text.starts_with('"')) {
    check(!text.empty());
    const bool escaped = text[0] == '\\';
    if (escaped) text.remove_prefix(1);
    check(!escaped || text.starts_with('\\') || text.starts_with('"') || text.starts_with('n'));
    value += escaped && text[0] == 'n' ? '\n' : text[0];
    text.remove_prefix(1);
  }
  text.remove_prefix(1);
  return value;
}

// One line as Prometheus reads it: name{label="value",...} value
inline Sample parse_sample(std::string_view line) {
  Sample sample{std::string(take_until(line, "{ ")), {}};
  check(!sample.name.empty());
  if (line.starts_with('{')) {
    do {
      line.remove_prefix(1);
      const std::string label(take_until(line, "="));
      check(!label.empty() && line.starts_with("=\""));
      line.remove_prefix(2);
      check(sample.labels.emplace(label, take_label_value(line)).second);
    } while (line.starts_with(','));
    check(line.starts_with('}'));
    line.remove_prefix(1);
  }
  check(line.starts_with(' ') && line.find_first_not_of("0123456789.e+-InfNa", 1) == line.npos);
  return sample;
}

// The text format 0.0.4: no sample is there twice.
inline std::set<Sample> parse_metrics(std::string_view text) {
  std::set<Sample> samples;
  for_each_line(text, [&](std::string_view line) {
    check(is_clean_utf8(line));
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) return;
    check(samples.insert(parse_sample(line)).second);
  });
  return samples;
}

}  // namespace saspd::fuzz
