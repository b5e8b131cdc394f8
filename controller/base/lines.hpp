// SPDX-License-Identifier: Apache-2.0
// Reads files that people write: one item per line, "#" for comments.
#pragma once

#include <functional>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

// The text without blanks (space, tab, carriage return) at either end.
std::string_view trimmed(std::string_view text);

// Removes the first line from the text and returns it, without its end.
std::string_view take_line(std::string_view& text);

// Remove a word from the text, together with its blanks, and return it; empty if there is none.
std::string_view take_first_word(std::string_view& text);
std::string_view take_last_word(std::string_view& text);

// Calls `each` with the content of each line, until it fails; the error then names the line. A
// comment begins with "#" at the beginning of a line or after a blank; lines with nothing else are
// skipped.
Result<void> for_each_line(std::string_view text,
                           const std::function<Result<void>(std::string_view)>& each);

}  // namespace saspd
