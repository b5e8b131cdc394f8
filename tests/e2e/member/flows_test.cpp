// SPDX-License-Identifier: Apache-2.0
// The two flows of RFC 4678 section 9 with all three programs over TCP, and
// what becomes of them in the kernel. The members' weights are those of the
// RFC; the quiesced one gets 0, against its figure (sasp-interop row 6).
#include <cstdint>

#include "tests/e2e/saspd/fixture.hpp"

namespace saspd::test {
namespace {

class Flows : public SaspdOnIpvs {
 protected:
  // sasp-member as member n; the exit code.
  int member_does(int n, Arguments words) {
    words.insert(words.begin(), programs + "/sasp-member");
    words.insert(words.end(), {"--gwm", "127.0.0.1", "--lb-uid", "e2e", "--group", "web",
                               "--member", fmt::format("tcp:10.9.1.{}:80", n)});
    std::string output;
    const int code = ends_with(words, &output);
    EXPECT_EQ(code, 0) << output;
    return code;
  }
  std::int64_t state_of(int n) const { return member(n).at_pointer("/advice/state").as_int64(); }
};

// RFC 4678 9.3: the load balancer registers, members say how they are.
TEST_F(Flows, OfALoadBalancerThatRegistersItsMembers) {
  Ipvsadm::run(
      "-A -t 10.9.0.10:80 -s wlc\n-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m\n"
      "-a -t 10.9.0.10:80 -r 10.9.1.2:80 -m\n-a -t 10.9.0.10:80 -r 10.9.1.3:80 "
      "-m\n");
  advise({"20", "40", "5"});
  start_gwm();
  start_saspd({"--trust"});
  ASSERT_TRUE(comes_to("20 40 5"));
  member_does(1, {"state", "50"});
  EXPECT_TRUE(eventually([&] { return state_of(1) == 0x32; }));
  member_does(3, {"quiesce"});
  EXPECT_TRUE(comes_to("20 40 0"));
  member_does(3, {"resume"});
  EXPECT_TRUE(comes_to("20 40 5"));
}

// RFC 4678 9.4: members register themselves, weights are pushed.
TEST_F(Flows, OfMembersThatRegisterThemselves) {
  advise({"20", "40", "5"});
  start_gwm();
  run_saspd({"--trust", "--mode", "push", "--service",
             "web=tcp:10.9.0.10:80,manage,scheduler=wlc,forward=masquerade,drain=0"});
  ASSERT_TRUE(gwm_becomes("established"));
  member_does(1, {"register"});
  member_does(2, {"register"});
  ASSERT_TRUE(comes_to("20 40"));
  member_does(3, {"register"});
  ASSERT_TRUE(comes_to("20 40 5"));
  member_does(2, {"deregister"});
  EXPECT_TRUE(comes_to("20 5"));
}

}  // namespace
}  // namespace saspd::test
