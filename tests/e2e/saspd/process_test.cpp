// saspd as a process of the system, on real IPVS: what its service manager hears.

#include <regex>

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/service_manager.hpp"

namespace saspd::test {
namespace {

class SaspdProcess : public SaspdOnIpvs {};

TEST_F(SaspdProcess, TellsItsServiceManagerHowItIs) {
  ServiceManager manager(path("notify"));
  given_service();
  advise({"40", "30", "20", "10"});
  start_saspd();
  EXPECT_TRUE(manager.hears("READY=1")) << "a GWM that is late is no reason not to start";
  EXPECT_TRUE(manager.hears("STATUS=0 of 1 GWMs up, 1 groups, 4 members, no change yet\n"));
  EXPECT_TRUE(manager.hears("WATCHDOG=1\nWATCHDOG=1\n"));
  start_gwm();
  ASSERT_TRUE(comes_to("40 30 20 10"));
  EXPECT_TRUE(manager.hears("STATUS=1 of 1 GWMs up, 1 groups, 4 members, last change 20"));
  saspd_->send(SIGHUP);
  EXPECT_TRUE(eventually([&] {
    const std::regex reload("RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\nREADY=1\n");
    return std::regex_search(manager.heard(), reload);
  })) << manager.heard();
  saspd_->send(SIGTERM);
  EXPECT_TRUE(manager.hears("STOPPING=1"));
  EXPECT_EQ(saspd_->wait(seconds{2}), 0);
}

}  // namespace
}  // namespace saspd::test
