// SPDX-License-Identifier: Apache-2.0
// Values of --probe, one a line: each is taken, and what it prints as means the same; or it is
// refused with words that are safe to show and without a trace.
#include <algorithm>
#include <string>
#include <string_view>

#include "controller/base/text.hpp"
#include "controller/gwm/probe_spec.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd::gwm;
using saspd::fuzz::check;

namespace {

// A value alone: nothing can contradict it.
void take_alone(std::string_view value) {
  ProbePlan plan;
  const auto added = plan.add(value);
  if (!added) {
    check(saspd::is_clean_utf8(added.error().detail));
    check(plan.of("").empty());
    return;
  }
  const auto sign = value.find('=');
  // A group name is never empty, so this one uses the default.
  for (const ProbeSpec& spec : plan.of("")) {
    ProbePlan again;
    check(again.add(spec.text()) && again.of("").size() == 1 && again.of("")[0] == spec);
    check(spec.kind != ProbeSpec::Kind::http || spec.path.starts_with('/'));
    check((spec.kind == ProbeSpec::Kind::agent) == (spec.port != 0));
  }
  if (plan.of("").empty() && value != "none") check(sign != std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ProbePlan plan;
  while (!text.empty()) {
    const std::string_view value = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(value.size() + 1, text.size()));
    take_alone(value);
    const std::size_t before = plan.of("web").size();
    const bool added = plan.add(value).has_value();
    const std::size_t after = plan.of("web").size();
    check(added || after == before);
    check(after <= 3);  // kinds
  }
  return 0;
}
