// SPDX-License-Identifier: Apache-2.0
// A drains file is taken as a whole or refused with the number of a line that it has; what was taken
// is taken again from the names as they are shown.
#include <algorithm>
#include <string>
#include <string_view>

#include "controller/gwm/drains.hpp"
#include "tests/fuzz/check.hpp"

using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  const auto drains = saspd::gwm::parse_drains(text);
  if (!drains) {
    const std::string& detail = drains.error().detail;
    if (detail.starts_with("the last line has no newline")) return check(text.back() != '\n'), 0;
    check(detail.starts_with("line "));
    const std::string_view number = std::string_view(detail).substr(5, detail.find(':') - 5);
    check(saspd::parse_number(number, 1, lines).has_value());
    return 0;
  }
  check(drains->size() <= lines);
  std::string again;
  for (const auto& member : *drains)
    again += member.text() + "\n";
  const auto same = saspd::gwm::parse_drains(again);
  check(same.has_value() && *same == *drains);
  return 0;
}
