// SPDX-License-Identifier: Apache-2.0
// Bytes as tests write them: hex digits in pairs, spaces and line ends between them, # comments.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace saspd::testing {

inline std::vector<std::uint8_t> hex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      std::size_t used = 0;
      const int byte = std::stoi(word, &used, 16);
      if (word.size() != 2 || used != 2) throw std::invalid_argument("not a hex byte: " + word);
      bytes.push_back(static_cast<std::uint8_t>(byte));
    }
  }
  bytes.shrink_to_fit();  // so that the sanitizer sees the first byte read behind the end
  return bytes;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::invalid_argument("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::uint8_t> hex_file(const std::filesystem::path& path) {
  return hex(read_file(path));
}

}  // namespace saspd::testing
