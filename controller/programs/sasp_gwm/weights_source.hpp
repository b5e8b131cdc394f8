// SPDX-License-Identifier: Apache-2.0
// The weights file while sasp-gwm runs: read again when it changes, believed or held back, and what
// is logged of that.
#pragma once

#include <functional>
#include <string>

#include "controller/base/file_watch.hpp"
#include "controller/cli/log.hpp"
#include "controller/gwm/weights_book.hpp"

namespace saspd::programs {

class WeightsSource {
 public:
  using Use = std::function<void(const gwm::AdviceTable&)>;

  // An empty path: there is no file. `use` is called whenever there is another table. `log`
  // outlives this.
  WeightsSource(std::string path, std::chrono::seconds memory, unsigned looks_in_place,
                cli::Log& log, Use use);

  // For the first time. An error of what is in the file is invalid_argument.
  Result<void> read() { return file_.read(); }
  // To be called regularly: for a file that was replaced, and for the time that has gone by.
  void look();
  // By the operator: what the file says now is meant.
  void read_now();

  const std::string& path() const { return path_; }
  const std::string& error() const { return file_.error(); }
  const gwm::WeightsBook* book() const { return path_.empty() ? nullptr : &book_; }

 private:
  Result<void> read_file();
  void say_what_is_held() const;
  void take(const gwm::WeightsBook::News& news);

  std::string path_;
  std::chrono::seconds memory_;
  cli::Log& log_;
  Use use_;
  gwm::WeightsBook book_;
  WatchedFiles file_;
};

}  // namespace saspd::programs
