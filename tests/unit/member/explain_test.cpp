// SPDX-License-Identifier: Apache-2.0
// Every code that a GWM may answer: what the operator reads, and what a script gets.

#include "controller/member/explain.hpp"

#include <gtest/gtest.h>

namespace saspd::member {
namespace {

TEST(Explain, NamesCauseAndCureOfEachCode) {
  struct Case {
    unsigned code;
    ExitCode exit;
    const char* said;
  };
  const Case cases[] = {
      {0x10, ExitCode::try_again, "it is not ready"},
      {0x11, ExitCode::no_permission, "load balancer 'lb1' must allow it (saspd --trust)"},
      {0x40, ExitCode::configuration, "already registered"},
      {0x41, ExitCode::try_again, "no such member in group 'web' of 'lb1'"},
      {0x42, ExitCode::try_again, "no group 'web' of 'lb1'"},
      {0x43, ExitCode::try_again, "does not know load balancer 'lb1'"},
      {0x44, ExitCode::configuration, "correct --member"},
      {0x45, ExitCode::configuration, "need groups of their own"},
      {0x46, ExitCode::configuration, "0x46"},
      {0x50, ExitCode::configuration, "a group name of 3 bytes"},
      {0x51, ExitCode::configuration, "an LB UID of 3 bytes"},
      {0x61, ExitCode::try_again, "it has not connected yet"},
      {0xEE, ExitCode::configuration, "refuses the registration request"},
  };
  for (const auto& each : cases) {
    const auto explanation = explain(sasp::Type::registration_request,
                                     static_cast<sasp::ReturnCode>(each.code), "lb1", "web");
    EXPECT_EQ(static_cast<int>(explanation.code), static_cast<int>(each.exit)) << each.code;
    EXPECT_NE(explanation.text.find(each.said), std::string::npos) << explanation.text;
    char number[8];
    std::snprintf(number, sizeof number, "0x%02x", each.code);
    EXPECT_NE(explanation.text.find(number), std::string::npos) << explanation.text;
  }
}

}  // namespace
}  // namespace saspd::member
