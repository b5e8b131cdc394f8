// SPDX-License-Identifier: Apache-2.0
// Real clients and servers in VLANs, with tags in the frames, as trunks have them.
#include <sstream>

#include "tests/e2e/saspd/xdp_fixture.hpp"

namespace saspd::test {
namespace {

class SaspdOnATrunk : public SaspdOnXdp {
 protected:
  void SetUp() override {
    SaspdOnXdp::SetUp();
    // Tags in the data, not beside it.
    network_.client.run([] { kernel::set_offload("eth0", ETHTOOL_SFLAGS, false); });
    network_.director.run([] { kernel::set_offload("c0", ETHTOOL_SFLAGS, false); });
    add_vlan(network_.director, "c0", 7, "198.51.107.1/24");
    add_vlan(network_.client, "eth0", 7, "198.51.107.2/24");
    network_.client.ip("route replace default via 198.51.107.1\n");
  }

  static void add_vlan(const kernel::Host& host, const std::string& on, int id,
                       const std::string& address) {
    host.ip(
        fmt::format("link add {0}.{1} link {0} type vlan id {1}\nlink set {0}.{1} up\n"
                    "address add {2} dev {0}.{1}\n",
                    on, id, address));
  }
  std::string mac_of_director() const {
    std::string name, state, mac;
    network_.director.run([&] {
      std::istringstream(kernel::output_of("ip -brief link show c0")) >> name >> state >> mac;
    });
    return mac;
  }
  // Server 1 is reached by VLAN 9 only.
  void put_first_server_into_a_vlan() const {
    const kernel::Host& server = *network_.servers[0];
    network_.director.ip("address flush dev s1\n");
    server.ip("address flush dev eth0\n");
    add_vlan(network_.director, "s1", 9, "10.0.1.1/24");
    add_vlan(server, "eth0", 9, "10.0.1.2/24");
    server.ip("route replace default via 10.0.1.1\n");
  }
};

TEST_F(SaspdOnATrunk, ServesClientsInAVlanByServersInAnotherAndInNone) {
  put_first_server_into_a_vlan();
  start({"10", "10", "0", "0"});
  ASSERT_TRUE(weights_become({10, 10, 0, 0}));
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(0) > 0; })) << saspd_->log();
  expect_shares(connect(100), {1, 1, 0, 0});
  EXPECT_EQ(failed_, 0);
  advise({"0", "10", "10", "0"});
  ASSERT_TRUE(weights_become({0, 10, 10, 0}));
  EXPECT_EQ(connect(40)[0], 0);
  EXPECT_EQ(failed_, 0);
}

// The switch lets VLAN 8 through to the director, who is not in it.
TEST_F(SaspdOnATrunk, LeadsNothingOfAVlanThatItIsNotIn) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  expect_shares(connect(80), {1, 1, 1, 1});
  ASSERT_EQ(failed_, 0);
  add_vlan(network_.client, "eth0", 8, "198.51.108.2/24");
  network_.client.ip(
      fmt::format("neighbour add 198.51.108.1 lladdr {} dev eth0.8\n"
                  "route add 192.0.2.10/32 via 198.51.108.1\n",
                  mac_of_director()));
  connect(2);
  EXPECT_EQ(failed_, 2);
  add_vlan(network_.director, "c0", 8, "198.51.108.1/24");  // now it is
  EXPECT_TRUE(eventually([&] {
    failed_ = 0;
    connect(1);
    return failed_ == 0;
  }));
}

}  // namespace
}  // namespace saspd::test
