// SPDX-License-Identifier: Apache-2.0
// What a load balancer reads of a push.
#pragma once

#include <vector>

#include <gtest/gtest.h>

#include "controller/gwm/workload_manager.hpp"
#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"

namespace saspd::gwm {

inline std::vector<sasp::SendWeights> messages_in(const Push& push) {
  std::vector<sasp::SendWeights> messages;
  sasp::Framer framer;
  framer.append(push.messages.bytes);
  for (auto next = framer.next(); next && *next; next = framer.next()) {
    const auto decoded = sasp::decode(**next);
    EXPECT_TRUE(decoded && !decoded->tolerances.any());
    if (decoded) messages.push_back(std::get<sasp::SendWeights>(decoded->frame.message));
  }
  EXPECT_EQ(messages.size(), push.messages.count);
  return messages;
}

}  // namespace saspd::gwm
