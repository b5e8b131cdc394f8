// SPDX-License-Identifier: Apache-2.0
// Whatever an agent sends is a report, or an error that is safe to show; a report is a fixed point.
#include <string_view>

#include "controller/base/text.hpp"
#include "controller/gwm/agent_check.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd::gwm;
using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto report = parse_agent_answer(bytes);
  if (!report) {
    check(saspd::is_clean_utf8(report.error().detail));
    check(report.error().detail.size() < 300);
    return 0;
  }
  if (report->percent) check(*report->percent <= max_agent_percent);
  if (report->health) {
    check(saspd::is_clean_utf8(report->health->description));
    check(report->health->description.empty() || !report->health->up());
    check(report->health->description.size() < 4 * max_agent_answer);
  }
  // What comes behind the line does not count.
  const auto line = bytes.substr(0, bytes.find_first_of("\r\n"));
  const auto again = parse_agent_answer(line);
  check(again && *again == *report);

  AgentState once;
  once.apply(*report);
  AgentState twice = once;
  twice.apply(*report);
  check(once == twice);
  return 0;
}
