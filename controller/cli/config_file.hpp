// SPDX-License-Identifier: Apache-2.0
// The form of a config file: one "key = value" per line. What the keys mean is the business of Cli.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.hpp"

namespace saspd::cli {

struct ConfigLine {
  std::size_t number = 0;  // from 1
  std::string text;        // without the blanks around it
  std::string key;         // not empty
  std::string value;       // may be empty
  std::string wrong;       // why it cannot be read, with the line that was meant; empty: it can
};

// All lines except empty ones and those that start with '#'. A value is literally the rest of the
// line after the first '=', without the blanks around it; a quoted one is the text between the
// quotes, and one with a '#' after a blank must be quoted. Lines may end with CR LF, and a byte
// order mark may precede the first.
std::vector<ConfigLine> parse_config(std::string_view text);

// `value` in the form that parse_config() reads back, quoted if needed. An error if no line can
// hold it.
Result<std::string> config_value(std::string_view value);

inline constexpr std::size_t max_config_bytes = std::size_t{16} << 20;

// The whole file. The error's code is the system's; file_too_large for more than max_config_bytes.
Result<std::string> read_text_file(const std::string& path);
// The same for a running program: it does not wait for a writer of a FIFO or a terminal, but
// refuses what is not a regular file (operation_not_supported).
Result<std::string> read_regular_file(const std::string& path);

}  // namespace saspd::cli
