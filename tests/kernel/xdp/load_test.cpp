// SPDX-License-Identifier: Apache-2.0
// What the operator reads when the kernel refuses the XDP program.
#include "bpf/load.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "bpf/lb.skel.h"

namespace saspd::bpf {
namespace {

struct Destroy {
  void operator()(lb_bpf* program) const { lb_bpf__destroy(program); }
};

TEST(Load, SaysWhatTheVerifierHasAgainstTheProgram) {
  const std::unique_ptr<lb_bpf, Destroy> program(lb_bpf__open());
  ASSERT_TRUE(program);
  // Its context is another there: what XDP has at its start is a number.
  bpf_program__set_type(program->progs.balance, BPF_PROG_TYPE_SCHED_CLS);
  const auto loaded = load(*program->obj);
  ASSERT_FALSE(loaded);
  const std::string& detail = loaded.error().detail;
  EXPECT_NE(detail.find("invalid mem access 'scalar'"), std::string::npos) << detail;
  EXPECT_NE(detail.find("'balance'"), std::string::npos) << detail;
  EXPECT_EQ(loaded.error().code, std::errc::permission_denied) << detail;
}

}  // namespace
}  // namespace saspd::bpf
