// SPDX-License-Identifier: Apache-2.0

#include "controller/member/load.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "controller/cli/config_file.hpp"

namespace saspd::member {
namespace {

// The number that `text` begins with.
std::optional<double> number_at(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

// From a line "some avg10=1.23 avg60=0.45 avg300=0.06 total=789".
std::optional<double> avg10(std::string_view text, std::string_view line) {
  constexpr std::string_view key = " avg10=";
  for (std::size_t start = 0; start < text.size();) {
    const auto end = std::min(text.find('\n', start), text.size());
    const auto found = text.substr(start, end - start);
    if (found.starts_with(line) && found.substr(line.size()).starts_with(key)) {
      return number_at(found.substr(line.size() + key.size()));
    }
    start = end + 1;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint8_t> load_byte(const LoadTexts& texts, unsigned cpus) {
  std::optional<double> worst;
  const auto consider = [&](std::optional<double> figure, double full) {
    if (figure) worst = std::max(worst.value_or(0), std::min(*figure / full, 1.0));
  };
  consider(number_at(texts.loadavg), 2.0 * std::max(cpus, 1U));
  consider(avg10(texts.cpu, "some"), 100);
  consider(avg10(texts.memory, "some"), 100);
  consider(avg10(texts.io, "full"), 100);
  if (!worst) return std::nullopt;
  return static_cast<std::uint8_t>(std::lround(*worst * 255));
}

std::optional<std::uint8_t> load_now() {
  const auto text = [](const char* path) {
    const auto read = cli::read_text_file(path);
    return read ? *read : std::string();
  };
  const long cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  return load_byte({text("/proc/loadavg"), text("/proc/pressure/cpu"),
                    text("/proc/pressure/memory"), text("/proc/pressure/io")},
                   static_cast<unsigned>(std::max(cpus, 1L)));
}

}  // namespace saspd::member
