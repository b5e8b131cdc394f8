// SPDX-License-Identifier: Apache-2.0
// Text from outside: whether it is well formed, and how it is shown safely. Lists in messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace saspd {

// Valid UTF-8 (nothing overlong, no surrogates) without C0, DEL, C1, and marks of lines and order.
bool is_clean_utf8(std::string_view bytes);

// For terminals and logs: clean UTF-8 stays, every other byte becomes \xNN, a backslash becomes \\.
std::string printable(std::string_view bytes);

// JSON on one line with text from outside, for terminals and every reader: a control character
// becomes \uNNNN, each byte that is not UTF-8 becomes \ufffd.
std::string printable_json(std::string_view json);

// "a, b and 3 more": at most `most` items by name, so that a message has a bound. `text` names one.
template <class Items, class Text>
std::string listed(const Items& items, std::size_t most, Text text) {
  std::string out;
  std::size_t named = 0;
  for (const auto& item : items) {
    if (named == most) return out + " and " + std::to_string(items.size() - named) + " more";
    if (named++ > 0) out += ", ";
    out += text(item);
  }
  return out;
}

}  // namespace saspd
