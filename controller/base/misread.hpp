// SPDX-License-Identifier: Apache-2.0
// Finds text in files and command lines that probably means something other than what it says, so
// that it is refused with the text that was meant, and never silently misread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

// The text within a pair of quotes, also "typographic" ones; empty if it is not quoted. A quote at
// one end only counts as well: the other one follows a blank.
std::optional<std::string> without_quotes(std::string_view word);

// Refuses what looks like a blank or like nothing, but is part of a word: a no-break space, a byte
// order mark or a zero-width character within the text. The error names it.
Result<void> check_blanks(std::string_view text);

// Refuses UTF-16, which some editors write.
Result<void> check_encoding(std::string_view text);

// Refuses that, and a text whose last line does not end: its writer may not have finished it.
Result<void> check_whole(std::string_view text);

// "0x28" in decimal; empty if it is not a hexadecimal number of at most 16 digits.
std::optional<std::string> decimal_of_hexadecimal(std::string_view text);

}  // namespace saspd
