// SPDX-License-Identifier: Apache-2.0
// A weights file is taken as a whole or refused with the number of a line that it has.
#include <algorithm>
#include <string_view>

#include "controller/gwm/weights_file.hpp"
#include "tests/fuzz/check.hpp"

using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  const auto table = saspd::gwm::parse_weights(text);
  if (!table) {
    const std::string& detail = table.error().detail;
    if (detail.starts_with("the last line has no newline")) return check(text.back() != '\n'), 0;
    check(detail.starts_with("line "));
    const std::string_view number = std::string_view(detail).substr(5, detail.find(':') - 5);
    check(saspd::parse_number(number, 1, lines).has_value());
    return 0;
  }
  std::size_t members = 0;
  for (const auto& [group, advice] : *table) {
    check(!group.empty() && group.size() <= saspd::sasp::max_text);
    members += advice.size();
  }
  check(members <= lines);
  return 0;
}
