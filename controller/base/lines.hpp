// Files that people write: a thing per line, "#" for comments.
#pragma once

#include <functional>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

// Without the blanks (space, tab, carriage return) at both ends.
std::string_view trimmed(std::string_view text);

// Cut a word off the text, whose blanks go too; empty when there is none.
std::string_view take_first_word(std::string_view& text);
std::string_view take_last_word(std::string_view& text);

// Calls `each` with what stands on each line, until it fails; the error then says the line. A
// comment begins with "#" at the beginning of a line or behind a blank; a line without anything
// else is passed over.
Result<void> for_each_line(std::string_view text,
                           const std::function<Result<void>(std::string_view)>& each);

}  // namespace saspd
