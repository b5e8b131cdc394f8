// SPDX-License-Identifier: Apache-2.0
// The drains file while sasp-gwm runs: read again when it changes.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "controller/base/file_watch.hpp"
#include "controller/cli/log.hpp"
#include "controller/gwm/drains.hpp"

namespace saspd::programs {

class DrainsSource {
 public:
  using Use = std::function<void(std::set<MemberName>)>;

  // An empty path: there is no file. `use` is called with all that the file names whenever it was
  // read. `log` outlives this.
  DrainsSource(std::string path, unsigned looks_in_place, cli::Log& log, Use use);

  // For the first time. An error of what is in the file is invalid_argument.
  Result<void> read() { return file_.read(); }
  // To be called regularly.
  void look() { file_.look(); }
  // By the operator.
  void read_now() { file_.read_now(); }

  const std::string& path() const { return path_; }
  const std::string& error() const { return file_.error(); }

 private:
  Result<void> read_file();

  std::string path_;
  cli::Log& log_;
  Use use_;
  std::set<MemberName> last_;
  WatchedFiles file_;
};

}  // namespace saspd::programs
