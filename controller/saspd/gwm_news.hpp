// SPDX-License-Identifier: Apache-2.0
// What is logged about one GWM: a change of its state at once and as a warning; what repeats, once
// a minute with its count. And of several, whose advice counts. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/sasp/session.hpp"
#include "controller/saspd/advice_book.hpp"

namespace saspd::director {

class GwmNews {
 public:
  static constexpr Duration pause = std::chrono::minutes{1};

  struct Line {
    bool warning = false;  // if not, it is information
    std::string text;
  };

  // Each returns an empty value if there is nothing to log now.
  std::optional<Line> notice(const sasp::Notice& notice, TimePoint now);
  std::optional<Line> weights_received();
  void established() { down_ = false; }
  // A connection, or an attempt at one, ended.
  Line down(std::string_view text, TimePoint now);

 private:
  struct Repeated {
    TimePoint said;
    std::uint64_t unsaid = 0;
    std::uint64_t all = 0;
  };

  std::map<sasp::Notice::Kind, Repeated> repeated_;
  bool down_ = false;  // and so it was said
  std::optional<TimePoint> warned_of_down_;
};

// The number of the GWM that is meant: by its name, with the default port if it has none, or by the
// host alone if only one is there.
Result<std::size_t> gwm_named(std::string_view wanted, const std::vector<std::string>& gwms);

// Whose advice counts now, a line for all groups for which the same has changed. `gwms`: their
// names, in the order of --gwm.
std::vector<GwmNews::Line> followed_lines(const std::vector<GwmChange>& changes,
                                          const std::vector<std::string>& gwms);

}  // namespace saspd::director
