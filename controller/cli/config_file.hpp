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
  std::string key;         // not empty
  std::string value;       // the rest of the line behind the first '=', literally; may be empty
};

// Blanks around key and value are dropped, empty lines and those that start with '#' skipped;
// nothing is quoted or split. An error starts with "FILE:LINE: ".
Result<std::vector<ConfigLine>> parse_config(std::string_view file, std::string_view text);

inline constexpr std::size_t max_config_bytes = std::size_t{16} << 20;

// The whole file. The error's code is the system's; file_too_large for more than max_config_bytes.
Result<std::string> read_text_file(const std::string& path);
// The same for a program at work: it does not wait for whoever writes into a FIFO or a terminal,
// but refuses what is not a regular file (operation_not_supported).
Result<std::string> read_regular_file(const std::string& path);

}  // namespace saspd::cli
