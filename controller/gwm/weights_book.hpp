// SPDX-License-Identifier: Apache-2.0
// Which advice of the weights file takes effect. Pure: tables and time come in.
//
// A file that lost more than half of its members at once is probably truncated, or was written by a
// script that failed: it is held back, and takes effect only if it stays the same for ten times the
// memory, or when the operator confirms it. A member that is missing from a file in effect keeps
// its last advice for the time of the memory, so that neither half a file nor a typing error takes
// a server away at once.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

class WeightsBook {
 public:
  // With a `memory` of 0, every file takes effect, and what it does not name is forgotten.
  explicit WeightsBook(Duration memory) : memory_(memory) {}

  // A member of a group.
  struct Name {
    std::string group;
    sasp::MemberKey member;
    auto operator<=>(const Name&) const = default;
    std::string text() const;  // "web tcp:192.0.2.1:80"
  };
  struct News {
    std::vector<Name> vanished;   // no longer named by the file; the last advice stays for now
    std::vector<Name> forgotten;  // and now it has expired
    bool changed = false;         // table() has changed
  };
  // A file that is held back.
  struct Held {
    AdviceTable table;
    std::size_t missing = 0;  // members of `before` that it does not name
    std::size_t before = 0;   // members of the file in effect
    TimePoint until;          // when it takes effect, if it stays the same
  };

  // Takes the whole current file. The first one takes effect as it is.
  News read(AdviceTable file, TimePoint now);
  // The operator confirms the file that is held back.
  News believe_held(TimePoint now);
  // Applies what is due by time; call it regularly.
  News expire(TimePoint now);

  // The advice: the file in effect, and what is remembered of earlier ones.
  const AdviceTable& table() const { return table_; }
  const std::optional<Held>& held() const { return held_; }
  // Until when the earlier advice for a member stays; empty if its advice is the current file's, or
  // it has none.
  std::optional<TimePoint> remembered_until(const Name& name) const;

 private:
  News believe(AdviceTable file, TimePoint now);

  Duration memory_;
  AdviceTable file_;   // that is believed
  AdviceTable table_;  // file_, and those of remembered_
  std::map<Name, TimePoint> remembered_;
  std::optional<Held> held_;
};

}  // namespace saspd::gwm
