// SPDX-License-Identifier: Apache-2.0
// Every bpf(2) call of what saspd does to its maps fails in turn, or is its last: within two passes
// the kernel leads packets as it was told to. Judged by the raw maps and by packets that the
// attached program is put to. At each call one of a few faults is tried, with SASPD_SWEEP=all every
// one of all of them.
#include <gtest/gtest.h>

#include <net/if.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <iostream>

#include <fmt/format.h>

#include "bpf/attach.hpp"
#include "bpf/xdp.hpp"
#include "tests/support/bpf_calls.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/raw_maps.hpp"
#include "tests/support/xdp_packets.hpp"
#include "tests/support/xdp_program.hpp"

namespace saspd::bpf {
namespace {

using test::BpfCalls;

struct Fault {
  std::string name;
  int error = 0;
  bool dead = false;
};

bool sweeps_all() {
  return std::getenv("SASPD_SWEEP") != nullptr;
}

std::vector<Fault> faults() {
  const Fault killed{"killed", EIO, true};
  if (!sweeps_all()) return {{"ENOMEM", ENOMEM}, killed};
  return {{"ENOBUFS", ENOBUFS}, {"EINTR", EINTR}, {"EPERM", EPERM},
          {"ENOMEM", ENOMEM},   {"EIO", EIO},     {"EAGAIN", EAGAIN},
          {"ENOSPC", ENOSPC},   {"E2BIG", E2BIG}, killed};
}

class Sweep : public testing::Test {
 protected:
  Sweep() : maps_(file_system_.path() + "/saspd") {
    kernel::ip_batch(
        "link add in0 address 02:00:00:00:00:02 type veth peer name out0\n"
        "link set in0 up\nlink set out0 up\n");
    AttachSettings settings;
    settings.pins = pins_;
    settings.interfaces = {"in0"};
    settings.sizes = {4, 20, 1024};
    if (auto attached = attach(settings); !attached) throw std::runtime_error("attach");
    const Descriptor link(bpf_obj_get((pins_ + "/link_in0").c_str()));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0) throw std::runtime_error("link");
    program_ = Descriptor(bpf_prog_get_fd_by_id(info.prog_id));
  }

  static lb::ServiceKey service(std::uint16_t port) {
    return lb::VirtualEndpoint{lb::Protocol::tcp, {packets::address("192.0.2.10"), port}};
  }
  static std::array<std::uint8_t, 6> mac(unsigned n) {
    return {2, 0, 0, 0, 1, static_cast<std::uint8_t>(n)};
  }
  static IpAddress address(unsigned n) {
    return IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(n)});
  }
  using Weights = std::vector<std::uint32_t>;  // of server 1 and the next ones
  static lb::Pool pool(std::uint16_t port, const Weights& weights,
                       const char* scheduler = "minimal") {
    lb::Pool pool;
    pool.scheduler = scheduler;
    for (unsigned n = 1; n <= weights.size(); ++n) {
      const Endpoint endpoint{address(n), port};
      pool.destinations[endpoint] = lb::Destination{
          .endpoint = endpoint, .weight = weights[n - 1], .forward = lb::Forward::route};
    }
    return pool;
  }
  static std::map<IpAddress, NextHop> next_hops(unsigned unreachable = 0) {
    std::map<IpAddress, NextHop> hops;
    for (unsigned n = 1; n <= 4; ++n) {
      if (n != unreachable) hops[address(n)] = {if_nametoindex("in0"), mac(n), mac(99), 1500};
    }
    return hops;
  }

  // One life of saspd, as far as the maps are concerned.
  struct Life {
    std::unique_ptr<Xdp> xdp;

    bool starts(const std::string& pins, const std::map<IpAddress, NextHop>& hops) {
      auto opened = Xdp::open(pins);
      if (!opened) return false;
      xdp = std::move(*opened);
      return xdp->set_next_hops(hops).has_value();
    }
    bool passes(const lb::Table& desired) const {
      const auto actual = xdp->list_all();
      if (!actual) return false;
      const bool tidied = xdp->tidy().has_value();
      return xdp->apply(lb::diff(*actual, desired, lb::Surplus::remove)).empty() && tidied;
    }
  };

  // `before` is there; `action` leads to `after` and `hops`.
  struct Scenario {
    lb::Table before;
    lb::Table after;
    std::map<IpAddress, NextHop> hops;
    std::function<void(Life&)> action;  // where it stops early, something failed
  };

  void sweep(const Scenario& scenario) {
    int calls = prepared_and_run(scenario, {}, BpfCalls::never);
    judge(scenario, "without any fault");
    ASSERT_GT(calls, 3) << "nothing is swept";
    int told = 0;
    const auto all = faults();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Fault& fault = all[i];
      for (int n = 0; n < calls && !HasFailure(); ++n) {
        if (!sweeps_all() && static_cast<std::size_t>(n) % all.size() != i) continue;
        const std::string what = fmt::format("{} at call {} of {}", fault.name, n, calls);
        prepared_and_run(scenario, fault, n);
        ++told;
        expect_nobody_lost(scenario, what);
        if (!life_.xdp) {
          ASSERT_TRUE(life_.starts(pins_, scenario.hops)) << what;
        }
        for (int pass = 0; pass < 2; ++pass)
          (void)life_.passes(scenario.after);
        judge(scenario, what);
      }
    }
    std::cout << told << " faults\n";
  }

  // How many calls the action made.
  int prepared_and_run(const Scenario& scenario, const Fault& fault, int at) {
    auto& calls = BpfCalls::instance();
    calls = {};
    life_.xdp.reset();
    EXPECT_TRUE(life_.starts(pins_, next_hops()));
    EXPECT_TRUE(life_.passes({}));
    EXPECT_TRUE(life_.passes(scenario.before));
    calls = {};
    calls.fails_at = at;
    calls.error = fault.error;
    calls.dead = fault.dead;
    scenario.action(life_);
    const int made = calls.made;
    EXPECT_TRUE(at == BpfCalls::never || calls.hit());
    calls = {};
    if (fault.dead) life_.xdp.reset();
    return made;
  }

  // Whatever happened: a service that is served leads nobody astray.
  void expect_nobody_lost(const Scenario& scenario, const std::string& what) const {
    for (const auto& [key, pool] : scenario.before) {
      if (!scenario.after.contains(key)) continue;
      const auto now = maps_.tcp(std::get<lb::VirtualEndpoint>(key).endpoint.port);
      ASSERT_TRUE(now) << what;
      EXPECT_EQ(now->nobodys, 0U) << what;
      EXPECT_EQ(now->strangers, 0U) << what;
    }
  }

  void judge(const Scenario& scenario, const std::string& what) const {
    std::size_t servers = 0;
    for (const auto& [key, pool] : scenario.after) {
      const auto port = std::get<lb::VirtualEndpoint>(key).endpoint.port;
      const auto now = maps_.tcp(port);
      ASSERT_TRUE(now) << what << ": no service at " << port;
      EXPECT_TRUE(now->has_address) << what;
      EXPECT_EQ(now->nobodys + now->strangers, 0U) << what;
      EXPECT_EQ(now->servers.size(), pool.destinations.size()) << what;
      servers += pool.destinations.size();
      judge_shares(scenario, pool, *now, what);
      judge_packets(pool, port, what);
    }
    EXPECT_EQ(maps_.count<lb_service_key>("services"), scenario.after.size()) << what;
    EXPECT_EQ(maps_.count<lb_address_key>("addresses"), scenario.after.empty() ? 0U : 1U) << what;
    EXPECT_EQ(present(), servers) << what << ": numbers that nobody has are lost";
  }

  // Exactly: less than one slot off.
  static void judge_shares(const Scenario& scenario, const lb::Pool& pool,
                           const kernel::RawMaps::Service& now, const std::string& what) {
    const auto counts = [&](const lb::Destination& destination) {
      return scenario.hops.contains(destination.endpoint.address) ? destination.weight : 0;
    };
    double total = 0;
    for (const auto& [endpoint, destination] : pool.destinations)
      total += counts(destination);
    for (const auto& [endpoint, destination] : pool.destinations) {
      const auto bytes = endpoint.address.bytes();
      const auto server = now.servers.find(fmt::format("{}.{}", bytes[2], bytes[3]));
      ASSERT_NE(server, now.servers.end()) << what << ": " << endpoint.text();
      EXPECT_EQ(server->second.weight, destination.weight) << what;
      EXPECT_LT(std::abs(server->second.slots - counts(destination) * LB_SLOTS / total), 1)
          << what << ": " << endpoint.text();
    }
  }

  // To a server with a weight, by its MAC.
  void judge_packets(const lb::Pool& pool, std::uint16_t port, const std::string& what) const {
    for (std::uint16_t client = 1; client <= 8; ++client) {
      const auto frame =
          packets::frame(packets::Mac{2, 0, 0, 0, 0, 2}, packets::Mac{2, 0, 0, 0, 0, 1},
                         packets::tcp({packets::address("198.51.100.7"), client},
                                      {packets::address("192.0.2.10"), port}, packets::syn));
      const auto sent = kernel::run(program_.get(), frame, if_nametoindex("in0"));
      ASSERT_EQ(sent.action, std::uint32_t{XDP_TX}) << what;
      const Endpoint led{address(sent.frame.at(5)), port};
      ASSERT_TRUE(pool.destinations.contains(led)) << what;
      EXPECT_GT(pool.destinations.at(led).weight, 0U) << what << ": " << led.text();
    }
  }

  std::size_t present() const {
    std::size_t present = 0;
    for (std::uint32_t number = 1; number <= 20; ++number) {
      lb_backend backend{};
      if (!maps_.find("backends", number, backend)) throw std::runtime_error("backends");
      present += (backend.flags & LB_BACKEND_PRESENT) != 0 ? 1U : 0U;
    }
    return present;
  }

  kernel::NetNamespace namespace_;
  kernel::BpfFileSystem file_system_;
  const std::string pins_ = file_system_.path() + "/saspd";
  kernel::RawMaps maps_;
  Descriptor program_;
  Life life_;
};

TEST_F(Sweep, OfAFirstStart) {
  const lb::Table table{{service(80), pool(80, {40, 30, 20})}, {service(81), pool(81, {1, 0, 7})}};
  sweep({{}, table, next_hops(), [&](Life& life) {
           life.xdp.reset();
           if (life.starts(pins_, next_hops())) (void)life.passes(table);
         }});
}

TEST_F(Sweep, OfAnUpdateThatQuiescesAServer) {
  const lb::Table before{{service(80), pool(80, {40, 30, 20})}, {service(81), pool(81, {1, 2})}};
  auto after = before;
  after.at(service(80)) = pool(80, {0, 31, 20});
  sweep({before, after, next_hops(), [&](Life& life) { (void)life.passes(after); }});
}

TEST_F(Sweep, OfServersAndServicesThatComeAndGo) {
  const lb::Table before{{service(80), pool(80, {40, 30, 20})}, {service(81), pool(81, {1, 2})}};
  const lb::Table after{{service(80), pool(80, {40, 30})}, {service(82), pool(82, {1, 2, 3, 4})}};
  sweep({before, after, next_hops(), [&](Life& life) { (void)life.passes(after); }});
}

TEST_F(Sweep, OfAServiceThatIsForwardedAndBuiltInAnotherWay) {
  const lb::Table before{{service(80), pool(80, {40, 30, 20})}};
  const lb::Table after{{service(80), pool(80, {40, 30, 20}, "independent")}};
  sweep({before, after, next_hops(), [&](Life& life) { (void)life.passes(after); }});
}

TEST_F(Sweep, OfANextHopThatIsLost) {
  const lb::Table table{{service(80), pool(80, {40, 30, 20})}, {service(81), pool(81, {0, 2, 1})}};
  sweep({table, table, next_hops(2),
         [&](Life& life) { (void)life.xdp->set_next_hops(next_hops(2)); }});
}

// What a plan could not write is written by a plan.
TEST_F(Sweep, ANextHopPublishesNoChangeThatFailed) {
  const lb::Table before{{service(80), pool(80, {40, 30, 20})}};
  const lb::Table after{{service(80), pool(80, {0, 30, 20})}};
  auto& calls = BpfCalls::instance();
  ASSERT_TRUE(life_.starts(pins_, next_hops()));
  for (int n = 0;; ++n) {
    ASSERT_TRUE(life_.passes(before));
    const auto plan = lb::diff(*life_.xdp->list_all(), after);
    calls = {};
    calls.fails_at = n;
    calls.error = ENOMEM;
    const bool failed = !life_.xdp->apply(plan).empty();
    const bool hit = calls.hit();
    calls = {};
    if (!hit) break;
    if (!failed) continue;
    const auto slots = [this] { return maps_.tcp(80)->servers.at("0.1").slots; };
    ASSERT_TRUE(life_.xdp->set_next_hops(next_hops(2)));
    EXPECT_GT(slots(), 0U) << "after call " << n;
    ASSERT_TRUE(life_.xdp->set_next_hops(next_hops()));
    ASSERT_TRUE(life_.passes(after));
    EXPECT_EQ(slots(), 0U);
  }
}

// --- what others do to the maps

class Damage : public Sweep {
 protected:
  Damage() {
    EXPECT_TRUE(life_.starts(pins_, next_hops()));
    EXPECT_TRUE(life_.passes(table_));
  }
  lb_service entry(std::uint16_t port) const {
    lb_service value{};
    if (!maps_.find("services", key(port), value)) throw std::runtime_error("no such service");
    return value;
  }
  static lb_service_key key(std::uint16_t port) {
    return service_key(std::get<lb::VirtualEndpoint>(service(port)));
  }
  std::uint32_t table_in_use(std::uint16_t port) const {
    std::uint32_t in_use = 0;
    maps_.find("tables_in_use", entry(port).number, in_use);
    return 2 * entry(port).number + in_use;
  }
  // Seen and repaired by one pass of the same life, and by the first of another.
  void expect_repaired(const std::string& what, const std::function<void()>& damage) {
    for (const bool another : {false, true}) {
      damage();
      if (another) {
        life_.xdp.reset();
        ASSERT_TRUE(life_.starts(pins_, next_hops())) << what;
      }
      ASSERT_TRUE(life_.passes(table_)) << what;
      judge({table_, table_, next_hops(), {}}, what);
    }
  }

  const lb::Table table_{{service(80), pool(80, {40, 30, 0})},
                         {service(81), pool(81, {1, 2}, "independent")}};
};

TEST_F(Damage, IsRepairedByTheNextPass) {
  expect_repaired("an emptied table", [&] { maps_.put("tables", table_in_use(80), lb_table{}); });
  expect_repaired("an emptied independent table",
                  [&] { maps_.put("tables", table_in_use(81), lb_table{}); });
  expect_repaired("one slot of a server without weight", [&] {
    auto table = std::make_unique<lb_table>();
    maps_.find("tables", table_in_use(80), *table);
    table->backend[4711] = static_cast<std::uint16_t>(maps_.tcp(80)->servers.at("0.3").number);
    maps_.put("tables", table_in_use(80), *table);
  });
  expect_repaired("the other table in use", [&] {
    maps_.put("tables_in_use", entry(80).number, table_in_use(80) % 2 == 0 ? 1U : 0U);
  });
  expect_repaired("a table that is none",
                  [&] { maps_.put("tables_in_use", entry(80).number, 7U); });
  expect_repaired("a deleted service", [&] { maps_.erase("services", key(80)); });
  expect_repaired("all services deleted", [&] {
    maps_.erase("services", key(80));
    maps_.erase("services", key(81));
  });
  expect_repaired("a service with the number of another", [&] {
    auto value = entry(80);
    value.number = entry(81).number;
    maps_.put("services", key(80), value);
  });
  expect_repaired("a service with a number out of range", [&] {
    auto value = entry(80);
    value.number = 1000;
    maps_.put("services", key(80), value);
  });
  expect_repaired("a foreign service", [&] {
    auto value = entry(80);
    value.number = 3;
    maps_.put("services", key(99), value);
  });
  expect_repaired("a deleted address",
                  [&] { maps_.erase("addresses", address_key(packets::address("192.0.2.10"))); });
  expect_repaired("a foreign address",
                  [&] { maps_.put("addresses", address_key(packets::address("192.0.2.99")), 1U); });
  expect_repaired("a zeroed backend", [&] {
    maps_.put("backends", maps_.tcp(80)->servers.at("0.1").number, lb_backend{});
  });
  expect_repaired("a backend of no service", [&] {
    lb_backend backend{};
    backend.flags = LB_BACKEND_PRESENT;
    backend.family = LB_IPV4;
    backend.service = 3;
    maps_.put("backends", 19U, backend);
  });
  expect_repaired("a next hop that is not there", [&] {
    const auto number = maps_.tcp(80)->servers.at("0.1").number;
    lb_backend backend{};
    maps_.find("backends", number, backend);
    backend.next_hop[5] = 77;
    maps_.put("backends", number, backend);
  });
}

TEST_F(Damage, OfATableIsToldAsARepair) {
  maps_.put("tables", table_in_use(80), lb_table{});
  const auto actual = *life_.xdp->list_all();
  EXPECT_FALSE(actual.at(service(80)).intact);
  EXPECT_TRUE(actual.at(service(81)).intact);
  const auto plan = lb::diff(actual, table_);
  ASSERT_EQ(plan.size(), 1U);
  EXPECT_EQ(plan[0].text(), "tcp:192.0.2.10:80 repaired: packets did not follow its weights");
}

TEST_F(Damage, NothingIsWrittenWhereThereIsNone) {
  auto& calls = BpfCalls::instance();
  calls = {};
  for (int pass = 0; pass < 3; ++pass)
    EXPECT_TRUE(life_.passes(table_));
  EXPECT_TRUE(life_.xdp->set_next_hops(next_hops()));
  EXPECT_GT(calls.made, 0);
  EXPECT_EQ(calls.updates, 0);
  // One weight of one service: its backend, its table, the flip.
  auto changed = table_;
  changed.at(service(80)) = pool(80, {40, 31, 0});
  calls = {};
  EXPECT_TRUE(life_.passes(changed));
  EXPECT_EQ(calls.updates, 3);
}

TEST_F(Damage, ATableIsWrittenBesideTheOneInUse) {
  const auto before = table_in_use(80);
  auto table = std::make_unique<lb_table>(), later = std::make_unique<lb_table>();
  maps_.find("tables", before, *table);
  auto changed = table_;
  changed.at(service(80)) = pool(80, {1, 31, 0});
  EXPECT_TRUE(life_.passes(changed));
  EXPECT_EQ(table_in_use(80), before ^ 1U);
  maps_.find("tables", before, *later);
  EXPECT_EQ(std::memcmp(table.get(), later.get(), sizeof *table), 0);
}

// What cannot be read at this moment is not of another kind, to be thrown away.
TEST_F(Damage, ACallThatFailsIsNotTakenForMapsOfAnotherLayout) {
  life_.xdp.reset();
  auto& calls = BpfCalls::instance();
  const auto before = maps_.tcp(80)->servers;
  lb_settings settings_before{};
  maps_.find("settings", 0U, settings_before);
  bool was_hit = true;
  for (int n = 0; was_hit; ++n) {
    calls = {};
    calls.fails_at = n;
    calls.error = ENOMEM;
    const auto opened = Xdp::open(pins_);
    was_hit = calls.hit();
    calls = {};
    EXPECT_TRUE(opened || opened.error().code != std::errc::not_supported)
        << n << ": " << opened.error().detail;
  }
  AttachSettings settings;
  settings.pins = pins_;
  settings.interfaces = {"in0"};
  settings.sizes = {4, 20, 1024};
  was_hit = true;
  int told = 0;
  for (int n = 0; was_hit && !HasFailure(); n += sweeps_all() || n < 14 ? 1 : 70, ++told) {
    SCOPED_TRACE(n);
    settings.replace = true;
    calls = {};
    calls.fails_at = n;
    calls.error = ENOMEM;
    (void)attach(settings);
    was_hit = calls.hit();
    calls = {};
    settings.replace = false;
    const auto attached = attach(settings);
    ASSERT_TRUE(attached) << attached.error().detail;
    ASSERT_TRUE(maps_.tcp(80));
    EXPECT_EQ(maps_.tcp(80)->servers, before);
    lb_settings now{};
    maps_.find("settings", 0U, now);
    EXPECT_EQ(now.seed, settings_before.seed) << "each flow has another slot now";
  }
  std::cout << told << " faults\n";
  EXPECT_GT(told, 14);
}

// Nothing is written to maps that are not in use any more.
TEST_F(Damage, ChangesAreRefusedOnceOtherMapsArePinned) {
  auto changed = table_;
  changed.at(service(80)) = pool(80, {1, 31, 0});
  const auto plan = lb::diff(*life_.xdp->list_all(), changed);
  AttachSettings settings;
  settings.pins = pins_;
  settings.interfaces = {"in0"};
  settings.sizes = {4, 30, 1024};
  ASSERT_TRUE(attach(settings));
  auto& calls = BpfCalls::instance();
  calls = {};
  const auto failures = life_.xdp->apply(plan);
  ASSERT_EQ(failures.size(), plan.size());
  EXPECT_NE(failures[0].error.detail.find("attached again"), std::string::npos);
  EXPECT_EQ(calls.updates, 0);
  EXPECT_TRUE(life_.passes(changed)) << "the new maps are found and written";
  EXPECT_EQ(maps_.tcp(80)->servers.at("0.2").weight, 31U);
}

// With several servers, so that a wrong slot would be seen.
TEST_F(Damage, ATraceSaysWhereThePacketGoes) {
  std::set<Endpoint> seen;
  for (std::uint16_t client = 1; client <= 64; ++client) {
    const Endpoint source{packets::address("198.51.100.7"), client},
        to{packets::address("192.0.2.10"), 81};
    const auto frame =
        packets::frame(packets::Mac{2, 0, 0, 0, 0, 2}, packets::Mac{2, 0, 0, 0, 0, 1},
                       packets::tcp(source, to, packets::syn));
    const auto trace = life_.xdp->trace(lb::Protocol::tcp, source, to);
    const auto sent = kernel::run(program_.get(), frame, if_nametoindex("in0"));
    ASSERT_TRUE(trace);
    ASSERT_TRUE(trace->destination);
    EXPECT_EQ(*trace->destination, (Endpoint{address(sent.frame.at(5)), 81}));
    const auto again = life_.xdp->trace(lb::Protocol::tcp, source, to);
    EXPECT_TRUE(again->known_flow);
    EXPECT_EQ(again->destination, trace->destination);
    seen.insert(*trace->destination);
  }
  EXPECT_EQ(seen.size(), 2U);
}

TEST_F(Damage, OneWriterHoldsTheMaps) {
  const auto holder = WriterLock::holder(pins_);
  ASSERT_TRUE(holder);
  EXPECT_EQ(*holder, fmt::format("pid {} of user root", ::getpid()));
  const auto second = Xdp::open(pins_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, std::errc::address_in_use);
  EXPECT_EQ(second.error().detail,
            fmt::format("the maps below {} are written by {}", pins_, *holder));
  life_.xdp.reset();
  EXPECT_FALSE(WriterLock::holder(pins_));
  EXPECT_TRUE(Xdp::open(pins_));
}

}  // namespace
}  // namespace saspd::bpf
