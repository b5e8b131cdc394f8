// How saspd, which may not attach, gets the XDP program attached again: it writes a file, and who
// watches that runs saspd --reattach as root (saspd-xdp-reattach.path).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/dataplane.hpp"

namespace saspd {

class AttachRequest {
 public:
  // What was done, for the log.
  struct News {
    bool warning = false;
    std::string text;
  };

  // From one request to the next, doubled each time, until nothing has been wrong for `most`: what
  // is taken off again and again is not attached in a storm.
  static constexpr Duration least = std::chrono::seconds{5};
  static constexpr Duration most = std::chrono::minutes{5};

  explicit AttachRequest(std::string path) : path_(std::move(path)) {}

  // To be called with all problems as of `now`; asks for what attaching again mends.
  std::optional<News> look(const std::vector<lb::Problem>& problems, TimePoint now);

  std::uint64_t asked() const { return asked_; }  // ever
  // Of the present trouble, for people: "asked 2 times, ..."; empty: there is none, or it was not
  // asked for yet.
  std::string text() const;

 private:
  Result<void> write(const std::string& what) const;
  std::optional<News> ask(const std::string& what, TimePoint now);

  std::string path_;
  std::uint64_t asked_ = 0;
  unsigned of_present_ = 0;  // requests since the present trouble began
  std::string error_;        // why the last could not be written
  Duration pause_ = least;
  TimePoint next_{};
  std::optional<TimePoint> well_since_;
};

}  // namespace saspd
