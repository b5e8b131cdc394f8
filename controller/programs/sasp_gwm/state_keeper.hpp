// SPDX-License-Identifier: Apache-2.0
// The state of sasp-gwm on disk: read at the start, written soon after a change, but not at a rate
// that peers decide, and beside the loop.
#pragma once

#include <optional>
#include <string>

#include "controller/base/kept_file.hpp"
#include "controller/cli/log.hpp"
#include "controller/gwm/workload_manager.hpp"
#include "controller/net/aside.hpp"
#include "controller/net/loop.hpp"

namespace saspd::programs {

class StateKeeper {
 public:
  // An empty path: nothing is kept. All of these outlive it.
  StateKeeper(boost::asio::io_context& io, std::string path, const gwm::WorkloadManager& manager,
              cli::Log& log);

  // What an earlier life left, if it did and is believed. It is this process's from now on.
  std::optional<gwm::State> load();
  // The same for --check: nothing is locked, written or put aside.
  void look();

  // To be called after every event that reached the manager.
  void changed();
  // Now, for what must not be lost; true: all is on disk.
  bool keep();

  // The folder, if load() has made it; and what must be writable.
  const std::string& made_folder() const { return made_folder_; }
  std::string lock_path() const { return file_ ? file_->lock_path() : std::string(); }
  std::string path() const { return file_ ? file_->path() : std::string(); }
  // Why the state is not on disk; empty: it is, or nothing is to be kept.
  const std::string& error() const { return error_; }

 private:
  // What there is to be kept.
  struct Revision {
    std::uint64_t orders = 0;
    std::uint64_t readings = 0;
    bool operator==(const Revision&) const = default;
  };
  Revision revision() const { return {manager_.orders(), manager_.weigher().generation()}; }
  // An attempt to write it.
  struct Attempt {
    TimePoint began;
    Revision revision;
    Result<void> done{};
  };
  Result<gwm::State> parse() const;
  bool may_write() const { return loaded_ && !file_->of_another(); }
  void keep_aside();
  Attempt attempt();
  void ended(const Attempt& attempt);
  Duration rest() const;
  void set_error(std::string error);

  const gwm::WorkloadManager& manager_;
  cli::Log& log_;
  std::optional<KeptFile> file_;
  bool loaded_ = false;  // nothing is written before
  net::Timer timer_;
  std::optional<TimePoint> awaited_;  // by it
  Revision kept_;
  TimePoint rests_from_{};  // the end of the last attempt
  Duration took_{};
  std::string made_folder_;
  std::string error_;
  net::Aside aside_;  // the first to end
};

}  // namespace saspd::programs
