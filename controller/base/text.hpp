// SPDX-License-Identifier: Apache-2.0
// Text from outside: whether it is well formed, and how it is shown safely.
#pragma once

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

}  // namespace saspd
