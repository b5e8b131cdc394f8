// What people write who mean something else, for files and command lines: found, so that it is
// refused with the text that was meant, and never taken for another thing in silence.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

// What stands in a pair of quotes, or in "typographic" ones; nothing: it is not quoted. A quote at
// one end only counts, too: the other one stands behind a blank.
std::optional<std::string> without_quotes(std::string_view word);

// What looks like a blank, or like nothing, and is part of a word all the same: a no-break space, a
// byte order mark or a zero-width character within the text. The error names it.
Result<void> check_blanks(std::string_view text);

// UTF-16, as some editors write it, looks like garbage byte by byte.
Result<void> check_encoding(std::string_view text);

// "0x28" in decimal; nothing: no hexadecimal number of at most 16 digits.
std::optional<std::string> decimal_of_hexadecimal(std::string_view text);

}  // namespace saspd
