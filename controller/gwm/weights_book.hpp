// What of the weights file is believed. Pure: tables and time in.
//
// A file that lost more than half of its members at once is probably cut off, or was written by a
// script that failed: it is held back, and believed only when it stays the same for
// ten times the memory, or when the operator says so. A member that is not in a file that is
// believed keeps its last word for the time of memory, so that neither half a file nor a slip of
// the pen takes a server away at once.
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
  // `memory` 0: every file is believed, and forgotten is what it does not name.
  explicit WeightsBook(Duration memory) : memory_(memory) {}

  // A member of a group.
  struct Name {
    std::string group;
    sasp::MemberKey member;
    auto operator<=>(const Name&) const = default;
    std::string text() const;  // "web tcp:192.0.2.1:80"
  };
  struct News {
    std::vector<Name> vanished;   // no longer named by the file; the last word stays for now
    std::vector<Name> forgotten;  // and now it does not
    bool changed = false;         // table() is another one
  };
  // A file that is held back.
  struct Held {
    AdviceTable table;
    std::size_t missing = 0;  // members of `before` that it does not name
    std::size_t before = 0;   // members of the file that is believed
    TimePoint until;          // when it is believed, if it stays the same
  };

  // What the file says now, as a whole. The first one is believed as it is.
  News read(AdviceTable file, TimePoint now);
  // The operator's word: the file that is held back is meant.
  News believe_held(TimePoint now);
  // What time does: to be called now and then.
  News expire(TimePoint now);

  // What is advised: the file that is believed, and what is remembered of earlier ones.
  const AdviceTable& table() const { return table_; }
  const std::optional<Held>& held() const { return held_; }
  // Until when an earlier word of a member stays; nothing: it is the file's, or there is none.
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
