// SPDX-License-Identifier: Apache-2.0
// A list that is replaced by another one, with some of its members: who has which place in both.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace saspd {

class Renumbering {
 public:
  // No name is twice in a list.
  template <class Name>
  Renumbering(const std::vector<Name>& before, const std::vector<Name>& now)
      : now_(before.size()), before_(now.size()) {
    for (std::size_t i = 0; i < now.size(); ++i) {
      const auto known = std::find(before.begin(), before.end(), now[i]);
      if (known == before.end()) continue;
      before_[i] = static_cast<std::size_t>(known - before.begin());
      now_[*before_[i]] = i;
    }
  }
  // Nothing is different.
  static Renumbering none(std::size_t size) {
    std::vector<std::size_t> same(size);
    for (std::size_t i = 0; i < size; ++i)
      same[i] = i;
    return {same, same};
  }

  std::size_t size() const { return before_.size(); }  // of the new list
  std::size_t size_before() const { return now_.size(); }
  // Nothing: it is new; it is gone.
  std::optional<std::size_t> before(std::size_t now) const { return before_.at(now); }
  std::optional<std::size_t> now(std::size_t before) const { return now_.at(before); }

  // What belongs to them, by the new list; of those that are new, Value().
  template <class Value>
  std::vector<Value> applied_to(std::vector<Value> values) const {
    std::vector<Value> sorted(size());
    for (std::size_t i = 0; i < size(); ++i) {
      if (before_[i]) sorted[i] = std::move(values.at(*before_[i]));
    }
    return sorted;
  }

 private:
  std::vector<std::optional<std::size_t>> now_;     // by the old list
  std::vector<std::optional<std::size_t>> before_;  // by the new one
};

}  // namespace saspd
