// SPDX-License-Identifier: Apache-2.0
// The kernel of the simulation behaves as the real one: the same random commands, through the same
// netlink messages, are refused by both with the same errors, and leave both the same tables.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "netlink/ipvs.hpp"
#include "tests/simulation/kernel/netlink.hpp"
#include "tests/support/kernel_namespace.hpp"

namespace saspd::netlink {
namespace {

using namespace simulation;

// Nobody looks, and nothing goes wrong.
class Nobody : public Witness, public Fate {
 public:
  void wrote(Author, const lb::ServiceKey&, const Server&, const std::optional<Real>&,
             const std::optional<Real>&) override {}
  void wrote(Author, const lb::ServiceKey&, const std::optional<Virtual>&,
             const std::optional<Virtual>&) override {}
  void before(Step) override {}
  void after_write() override {}
  int send_fails() override { return 0; }
  int receive_fails() override { return 0; }
  int write_fails() override { return 0; }
  bool answers_overflow() override { return false; }
  std::size_t part() override { return 3; }
  void shown(const lb::ServiceKey&, const Server&, const Real&) override {}
  void dumped(const lb::ServiceKey&, const std::vector<Server>&) override {}
  void absent(const lb::ServiceKey&) override {}
};

std::unique_ptr<Ipvs> opened() {
  auto ipvs = Ipvs::open();
  if (!ipvs) throw std::runtime_error(ipvs.error().detail);
  return std::move(*ipvs);
}

std::string text(const lb::Table& table) {
  std::string text;
  for (const auto& [key, pool] : table) {
    text += fmt::format("{} {} flags {:x} timeout {} netmask {:x}\n", lb::text(key), pool.scheduler,
                        pool.flags, pool.timeout, pool.netmask);
    for (const auto& [at, destination] : pool.destinations)
      text += fmt::format("  {} {} {} {}/{}\n", at.text(), destination.weight,
                          lb::name(destination.forward), destination.upper_threshold,
                          destination.lower_threshold);
  }
  return text;
}

class Model : public testing::Test {
 protected:
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(chance_() % limit); }
  template <class T>
  T any(const std::vector<T>& of) {
    return of[below(static_cast<std::uint32_t>(of.size()))];
  }

  lb::Change command() {
    static const std::vector<std::string> specs{"tcp:192.0.2.10:80", "udp:192.0.2.10:53",
                                                "tcp:[2001:db8::10]:80", "fwmark:7"};
    lb::Change change;
    change.service = *lb::parse_service(any(specs));
    change.action = any<lb::Action>(
        {lb::Action::add_service, lb::Action::add_destination, lb::Action::add_destination,
         lb::Action::set_destination, lb::Action::set_destination, lb::Action::set_destination,
         lb::Action::remove_destination, lb::Action::set_service, lb::Action::remove_service});
    if (change.action == lb::Action::remove_service && below(3) > 0)
      change.action = lb::Action::set_destination;
    change.attributes.scheduler = any<std::string>({"rr", "wrr", "wlc", "sh", "mh", "nosuch"});
    change.attributes.netmask = lb::host_netmask(lb::family(change.service));
    if (below(3) == 0) {
      change.attributes.flags |= lb::service_flag::persistent;
      change.attributes.timeout = 60 * (1 + below(5));
    }
    auto& destination = change.destination;
    destination.endpoint = lb::family(change.service) == Family::v4
                               ? *Endpoint::parse(fmt::format("10.0.0.{}:80", 1 + below(6)))
                               : *Endpoint::parse(fmt::format("[2001:db8::{}]:80", 1 + below(6)));
    destination.weight = any<std::uint32_t>({0, 0, 1, 10, 65535, 0x7FFFFFFF, 0x80000000U});
    destination.forward =
        any<lb::Forward>({lb::Forward::masquerade, lb::Forward::route, lb::Forward::tunnel});
    destination.upper_threshold = any<std::uint32_t>({0, 0, 100});
    destination.lower_threshold = any<std::uint32_t>({0, 0, 50});
    return change;
  }

  // As in the listing, of which a command says what it means to change.
  static void base(lb::Change& change, const lb::Table& table) {
    const auto pool = table.find(change.service);
    if (pool == table.end()) return;
    change.old_attributes = pool->second;
    const auto listed = pool->second.destinations.find(change.destination.endpoint);
    if (listed == pool->second.destinations.end()) return;
    change.listed = listed->second;
    const auto weight = change.destination.weight;
    if (change.action != lb::Action::set_destination) return;
    change.destination = listed->second;
    change.destination.weight = weight;
  }

  static std::string played(Ipvs& ipvs, const std::vector<lb::Change>& commands) {
    std::string text;
    for (const auto& failure : ipvs.apply(commands))
      text += fmt::format("{}: {}\n", failure.index, failure.error.code.value());
    return text;
  }
  static lb::Table listed(Ipvs& ipvs) {
    auto table = ipvs.list_all();
    if (!table) throw std::runtime_error(table.error().detail);
    return std::move(*table);
  }

  std::mt19937 chance_{4678};
};

TEST_F(Model, IsLikeTheKernel) {
  kernel::NetNamespace alone;
  const auto real = opened();
  Nobody nobody;
  IpvsKernel tables(nobody);
  const NetlinkKernel model(tables, nobody);
  const auto simulated = opened();

  unsigned refused = 0;
  unsigned taken = 0;
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE(round);
    const auto before = listed(*real);
    ASSERT_EQ(text(before), text(listed(*simulated)));
    std::vector<lb::Change> commands;
    for (unsigned n = 1 + below(6); n > 0; --n)
      base(commands.emplace_back(command()), before);
    std::string all;
    for (const auto& change : commands)
      all += change.text() + "\n";
    const auto of_real = played(*real, commands);
    ASSERT_EQ(of_real, played(*simulated, commands)) << all << text(before);
    refused += of_real.empty() ? 0 : 1;
    taken += text(listed(*real)) != text(before) ? 1 : 0;
  }
  EXPECT_GT(refused, 50U) << "too few: this test shows nothing";
  EXPECT_GT(taken, 50U) << "too few: this test shows nothing";
}

}  // namespace
}  // namespace saspd::netlink
