// SPDX-License-Identifier: Apache-2.0

#include "controller/metrics/families.hpp"

#include <cstring>

#include <prometheus/text_serializer.h>

#include "controller/base/text.hpp"

namespace saspd::metrics {

using prometheus::MetricType;

namespace {

// Different texts have different values, so that no two series become one: a text that looks
// escaped is escaped as well.
std::string label_value(const std::string& text) {
  const bool looks_escaped =
      text.find("\\x") != std::string::npos || text.find("\\\\") != std::string::npos;
  return is_clean_utf8(text) && !looks_escaped ? text : printable(text);
}

}  // namespace

Family gauge(std::string name, std::string help) {
  return {std::move(name), std::move(help), MetricType::Gauge, {}};
}

Family counter(std::string name, std::string help) {
  return {std::move(name), std::move(help), MetricType::Counter, {}};
}

void add(Family& family, double value, const Labels& labels) {
  auto& metric = family.metric.emplace_back();
  for (const auto& [name, text] : labels)
    metric.label.push_back({std::string(name), label_value(text)});
  (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

std::string error_name(const std::error_code& code) {
  const bool of_system =
      code.category() == std::generic_category() || code.category() == std::system_category();
  const char* name = of_system ? ::strerrorname_np(code.value()) : nullptr;
  return name != nullptr ? name : code.message();
}

std::string text(const Families& families) {
  Families filled;
  for (const auto& family : families) {
    if (!family.metric.empty()) filled.push_back(family);
  }
  return prometheus::TextSerializer().Serialize(filled);
}

}  // namespace saspd::metrics
