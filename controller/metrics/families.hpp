// SPDX-License-Identifier: Apache-2.0
// Metrics as Prometheus reads them. They are computed from the state at each request, so nothing is
// kept twice; only what is kept nowhere else is counted for them.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

namespace saspd::metrics {

using Family = prometheus::MetricFamily;
using Families = std::vector<Family>;

// Name and value. Values may come from outside: what is not clean UTF-8 is escaped.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

Family gauge(std::string name, std::string help);
Family counter(std::string name, std::string help);
void add(Family& family, double value, const Labels& labels = {});

// "EPERM" for a system error, else the text of its category.
std::string error_name(const std::error_code& code);

// The text format 0.0.4, without empty families.
std::string text(const Families& families);

}  // namespace saspd::metrics
