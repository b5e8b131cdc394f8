// SPDX-License-Identifier: Apache-2.0
// Every scripted conversation of tests/conformance/sasp/lb, fed whole, byte by byte, in odd pieces
// and cut at random: the session must not tell the difference.

#include "tests/support/transcript.hpp"

namespace saspd::test {
namespace {

class LbTranscript : public ::testing::TestWithParam<std::string> {};

TEST_P(LbTranscript, HoldsHoweverTheBytesArrive) {
  for (const Cuts& cuts : all_cuts()) {
    SCOPED_TRACE(cuts.name);
    Transcript<LbRole>(cuts).run(GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(Scripts, LbTranscript,
                         ::testing::ValuesIn(scripts_in("conformance/sasp/lb")), test_name);

}  // namespace
}  // namespace saspd::test
