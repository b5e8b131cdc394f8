// SPDX-License-Identifier: Apache-2.0
// saspd as a process of the system, on real IPVS: what its service manager hears, and what it may
// do.

#include <sys/stat.h>

#include <filesystem>
#include <regex>
#include <sstream>

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/privileges.hpp"
#include "tests/support/service_manager.hpp"

namespace saspd::test {
namespace {

class SaspdProcess : public SaspdOnIpvs {
 protected:
  void start_where_user(std::optional<int> number, const Arguments& more = {}) {
    Arguments arguments = saspd_arguments(more);
    const auto prefix = where_user(directory_, "saspd", number);
    arguments.insert(arguments.begin(), prefix.begin(), prefix.end());
    saspd_.emplace(arguments, path("saspd.log"));
  }
  // By netlink: reading, writing, and a table that vanishes and comes back.
  void expect_that_it_works() {
    ASSERT_TRUE(comes_to("40 30 20 10"));
    advise({"1", "2", "3", "4"});
    ASSERT_TRUE(comes_to("1 2 3 4"));
    kernel::output_of("ipvsadm -C");
    given_service();
    ASSERT_TRUE(comes_to("1 2 3 4"));
  }
};

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

TEST_F(SaspdProcess, EndsWhenToldSoRightBehindSighup) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(comes_to("40 30 20 10"));
  saspd_->send_at_once({SIGHUP, SIGTERM});
  EXPECT_EQ(saspd_->wait(seconds{5}), 0);
  EXPECT_NE(saspd_->log().find("SIGHUP"), std::string::npos) << saspd_->log();
}

TEST_F(SaspdProcess, StartedByRootBecomesItsOwnUser) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  std::filesystem::permissions(path(""), std::filesystem::perms(0711));
  ledger_ = path("state/ledger");  // in a folder that saspd makes, and that user may write
  start_where_user(4711);
  ASSERT_TRUE(comes_to("40 30 20 10"));
  expect_only(saspd_->pid(), 4711, cap_net_admin);
  expect_that_it_works();
  struct stat socket {};
  ASSERT_EQ(::stat(path("control").c_str(), &socket), 0);
  EXPECT_EQ(socket.st_uid, 4711U);
  EXPECT_EQ(socket.st_gid, 4711U) << "its group may ask";
  EXPECT_EQ(socket.st_mode & 07777U, 0660U);
  EXPECT_NE(http_get(*Endpoint::parse("127.0.0.1:9860"), "/metrics").find("process_open_fds"),
            std::string::npos);
  expect_only(saspd_->pid(), 4711, cap_net_admin);
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{2}), 0);
  EXPECT_NE(saspd_->log().find("info: "), std::string::npos) << "levels are named in another way";
  // But of sasp-gwm that was not there yet, and of weights that this test edits.
  std::istringstream log(saspd_->log());
  for (std::string line; std::getline(log, line);) {
    const bool is_meant = line.find("cannot connect to 127.0.0.1:3860") != std::string::npos ||
                          line.find("another program has changed weight") != std::string::npos;
    EXPECT_TRUE(is_meant || line.find("warning: ") == std::string::npos) << line;
    EXPECT_EQ(line.find("error: "), std::string::npos) << line;
  }
}

TEST_F(SaspdProcess, StartedByRootWithoutThatUserKeepsOneCapability) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_where_user(std::nullopt);
  ASSERT_TRUE(comes_to("40 30 20 10"));
  expect_only(saspd_->pid(), 0, cap_net_admin);
  expect_that_it_works();
  EXPECT_NE(saspd_->log().find(" warning: there is no user saspd: staying root, with no capability "
                               "but CAP_NET_ADMIN\n"),
            std::string::npos)
      << saspd_->log();
}

// As a container or a unit may start it: not root, and with more than it needs.
TEST_F(SaspdProcess, StartedByAnotherUserKeepsNoMoreThanItNeeds) {
  given_service();
  advise({"40", "30", "20", "10"});
  start_gwm();
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  Arguments arguments = saspd_arguments();
  const Arguments prefix{"setpriv",
                         "--reuid=4711",
                         "--regid=4711",
                         "--clear-groups",
                         "--inh-caps=+net_admin,+net_raw",
                         "--ambient-caps=+net_admin,+net_raw"};
  arguments.insert(arguments.begin(), prefix.begin(), prefix.end());
  saspd_.emplace(arguments, path("saspd.log"));
  expect_that_it_works();
  const Rights rights = rights_of(saspd_->pid());
  EXPECT_EQ(rights.user, "4711\t4711\t4711\t4711");
  EXPECT_EQ(rights.effective, cap_net_admin);
  EXPECT_EQ(rights.permitted, cap_net_admin);
  EXPECT_EQ(rights.ambient, 0U);
  EXPECT_EQ(rights.no_new_privileges, "1");
}

}  // namespace
}  // namespace saspd::test
