// SPDX-License-Identifier: Apache-2.0
// Whatever a GWM sends a load balancer, all that the load balancer says in return reads strictly,
// and it has something to wait for or has closed. The input is cut by size bytes: a zero lets time
// pass to the next deadline.
#include <algorithm>

#include "controller/sasp/lb_session.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd::sasp;
using saspd::fuzz::check;

namespace {

WantedGroups wanted() {
  const auto key = [](const char* text) {
    const auto endpoint = saspd::Endpoint::parse(text);
    return MemberKey{endpoint->address, 6, endpoint->port};
  };
  return {{"web", {{key("10.0.0.1:80"), "first"}, {key("10.0.0.2:80"), ""}}},
          {"dns", {{key("[2001:db8::1]:53"), ""}}}};
}

void check_step(const LbStep& step) {
  Framer framer;
  framer.append(step.send);
  auto next = framer.next();
  for (; next && next->has_value(); next = framer.next()) {
    check(decode(**next, {.accept_trailing = false, .accept_long_components = false}).has_value());
  }
  check(next.has_value() && !framer.partial());
  check(!step.close || step.send.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  LbSessionConfig config;
  config.lb_uid = "lb1";
  config.max_message = 4096;
  LbSession session(config);
  saspd::TimePoint now{};
  check_step(session.want(wanted(), now));
  check_step(session.connected(now));
  ByteView input(data, size);
  while (session.deadline() && !input.empty()) {
    const std::size_t announced = input[0];
    const ByteView part = input.subspan(1, std::min(announced, input.size() - 1));
    input = input.subspan(1 + part.size());
    if (announced == 0) now = std::max(now, *session.deadline());
    const LbStep step = announced == 0 ? session.handle_timeout(now)
                                       : session.handle_bytes(Bytes(part.begin(), part.end()), now);
    check_step(step);
    check(step.close.has_value() != session.deadline().has_value());
  }
  return 0;
}
