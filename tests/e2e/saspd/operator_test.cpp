// What an operator asks saspctl for, on real IPVS.
#include "tests/e2e/saspd/fixture.hpp"

namespace saspd::test {
namespace {

using Operator = SaspdOnIpvs;

TEST_F(Operator, IsToldThatSaspdIsNotRunning) {
  std::string text;
  EXPECT_EQ(ends_with({programs + "/saspctl", "--socket", path("control")}, &text), 69) << text;
}

}  // namespace
}  // namespace saspd::test
