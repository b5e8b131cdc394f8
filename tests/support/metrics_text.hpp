// SPDX-License-Identifier: Apache-2.0
// The text format of Prometheus, read as strictly as its own promtool does.
#pragma once

#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace saspd::test {

// What is wrong with a scrape: series twice, families twice or without a head, samples that stand
// apart from their family. Empty: nothing.
class MetricsText {
 public:
  explicit MetricsText(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      line.starts_with("# ") ? head(line) : sample(line);
  }
  const std::vector<std::string>& faults() const { return faults_; }
  std::size_t samples() const { return series_.size(); }

 private:
  // "# TYPE name type", "# HELP name text"
  void head(const std::string& line) {
    const auto end = line.find(' ', 7);
    const std::string name = line.substr(7, end - 7);
    if (!heads_.insert(line.substr(2, 4) + " " + name).second) faults_.push_back("twice: " + line);
    family_ = name;
  }
  // name{label="value",...} value
  void sample(const std::string& line) {
    const std::string series = line.substr(0, line.rfind(' '));
    if (!series_.insert(series).second) faults_.push_back("twice: " + series);
    const std::string name = series.substr(0, series.find('{'));
    const auto rest = name.starts_with(family_) ? name.substr(family_.size()) : "of another family";
    const std::set<std::string> suffixes{"", "_bucket", "_sum", "_count"};
    if (!suffixes.contains(rest)) faults_.push_back("without its head: " + line);
  }

  std::string family_ = "none";
  std::set<std::string> heads_;
  std::set<std::string> series_;
  std::vector<std::string> faults_;
};

}  // namespace saspd::test
