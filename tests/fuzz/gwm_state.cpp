// SPDX-License-Identifier: Apache-2.0
// A state of sasp-gwm, whole by its seal, is taken as a whole or not at all; what was taken comes back
// the same from its own text. A manager recalls it, whatever it says.
#include <string_view>

#include "controller/base/sealed_text.hpp"
#include "controller/gwm/workload_manager.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd;
using namespace saspd::gwm;
using saspd::fuzz::check;

namespace {

constexpr TimePoint now{std::chrono::hours{1000}};
constexpr std::int64_t unix_time = 1'800'000'000;

void recalled(State state) {
  const Authority authority(true);
  WorkloadManager manager(WorkloadManagerConfig{});
  manager.recall(std::move(state), authority, now, unix_time);
  const auto next = parse_state(state_text(manager.state(now, unix_time)));
  check(next.has_value() && next->lbs.size() == manager.load_balancers().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  check(!parse_state(body) || body.starts_with("sasp-gwm-state "));
  auto state = parse_state(sealed({"sasp-gwm-state", "1", "a state of sasp-gwm"}, body));
  if (!state) return 0;
  const auto text = state_text(*state);
  const auto again = parse_state(text);
  check(again.has_value() && state_text(*again) == text);
  recalled(std::move(*state));
  return 0;
}
