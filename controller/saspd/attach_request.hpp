// SPDX-License-Identifier: Apache-2.0
// How saspd, which may not attach, gets the XDP program attached again: it writes a file, whose
// watcher runs saspd --reattach as root (saspd-xdp-reattach.path).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/observer.hpp"

namespace saspd::director {

class AttachRequest {
 public:
  // What was done, for the log.
  struct News {
    bool warning = false;
    std::string text;
  };

  // From one request to the next, doubled each time, until nothing has been wrong for `most`, so
  // that a program that is detached again and again does not cause a storm.
  static constexpr Duration least = std::chrono::seconds{5};
  static constexpr Duration most = std::chrono::minutes{5};

  explicit AttachRequest(std::string path) : path_(std::move(path)) {}

  // Call it with all problems as of `now`; requests a repair of those that attaching again repairs.
  std::optional<News> look(const std::vector<lb::Problem>& problems, TimePoint now);

  std::uint64_t asked() const { return asked_; }  // ever
  // About the current problems, for people: "requested 2 times ..."; empty if there are none, or
  // nothing was requested yet.
  std::string text() const;

 private:
  Result<void> write(const std::string& what) const;
  std::optional<News> ask(const std::string& what, TimePoint now);

  std::string path_;
  std::uint64_t asked_ = 0;
  unsigned of_present_ = 0;  // requests since the current problems began
  std::string error_;        // why the last could not be written
  Duration pause_ = least;
  TimePoint next_{};
  std::optional<TimePoint> well_since_;
};

}  // namespace saspd::director
