// SPDX-License-Identifier: Apache-2.0
// Attach, detach and the maps as a Dataplane, on this machine's kernel: namespaces, veth pairs and
// a bpf file system of the test's own.
#include <gtest/gtest.h>

#include <bpf/bpf.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "bpf/attach.hpp"
#include "bpf/xdp.hpp"
#include "bpf/xdp_plane.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/kernel_namespace.hpp"

namespace saspd::bpf {
namespace {

namespace fs = std::filesystem;

class XdpDataplane : public testing::Test {
 protected:
  XdpDataplane() {
    kernel::ip_batch(
        "link add in0 type veth peer name out0\nlink add in1 type veth peer name out1\n"
        "link set in0 up\nlink set out0 up\nlink set in1 up\nlink set out1 up\n");
    settings_.pins = file_system_.path() + "/saspd";
    settings_.interfaces = {"in0"};
    settings_.sizes = {4, 20, 1024};
  }

  std::vector<Attached> attach() {
    auto attached = bpf::attach(settings_);
    if (!attached) throw std::runtime_error(attached.error().detail);
    return *attached;
  }
  Error refused() {
    const auto attached = bpf::attach(settings_);
    return attached ? fail(std::errc{}, "attached") : attached.error();
  }
  void open() {
    auto opened = Xdp::open(settings_.pins, [this] { return now_; });
    if (!opened) throw std::runtime_error(opened.error().detail);
    xdp_ = std::move(*opened);
  }
  void attach_and_open() {
    attach();
    open();
  }

  static lb::ServiceKey service(std::string_view spec) { return *lb::parse_service(spec); }
  static Endpoint server(unsigned n, std::uint16_t port = 80) {
    return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(n)}),
            port};
  }
  static lb::Pool pool(const std::vector<std::uint32_t>& weights, std::uint16_t port = 80) {
    lb::Pool pool;
    pool.scheduler = "minimal";
    for (unsigned n = 1; n <= weights.size(); ++n) {
      pool.destinations[server(n, port)] = lb::Destination{
          .endpoint = server(n, port), .weight = weights[n - 1], .forward = lb::Forward::route};
    }
    return pool;
  }
  lb::Table actual() {
    auto table = xdp_->list_all();
    if (!table) throw std::runtime_error(table.error().detail);
    return *table;
  }
  std::vector<lb::Failure> write(const lb::Table& desired) {
    return xdp_->apply(diff(actual(), desired, lb::Surplus::remove));
  }
  void becomes(const lb::Table& desired) {
    for (const auto& failure : write(desired))
      ADD_FAILURE() << failure.error.detail;
    EXPECT_EQ(actual(), desired);
  }
  void reachable(std::initializer_list<unsigned> servers) {
    std::map<IpAddress, NextHop> next_hops;
    for (const unsigned n : servers) {
      next_hops[server(n).address] = {
          if_nametoindex("in1"), {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, 1500};
    }
    ASSERT_TRUE(xdp_->set_next_hops(next_hops));
  }
  std::vector<std::uint32_t> slots(const lb::ServiceKey& key) {
    std::vector<std::uint32_t> slots;
    for (const auto& [endpoint, state] : xdp_->states(key))
      slots.push_back(state.slots);
    return slots;
  }

  kernel::NetNamespace namespace_;
  kernel::BpfFileSystem file_system_;
  AttachSettings settings_;
  TimePoint now_;
  std::unique_ptr<Xdp> xdp_;
  const lb::ServiceKey web_ = service("tcp:192.0.2.10:80");
  const lb::ServiceKey dns_ = service("udp:[2001:db8::10]:53");
};

TEST_F(XdpDataplane, IsAttachedInTheBestMode) {
  const auto attached = attach();
  ASSERT_EQ(attached.size(), 1U);
  EXPECT_EQ(attached[0].mode, "native") << "veth";
  settings_.interfaces = {"in0", "in1"};
  settings_.mode = Mode::generic;
  const auto more = attach();
  ASSERT_EQ(more.size(), 2U);
  EXPECT_EQ(more[0].mode, "native") << "as it was";
  EXPECT_EQ(more[1].mode, "generic");
}

TEST_F(XdpDataplane, IsEmptyAtFirst) {
  attach_and_open();
  EXPECT_TRUE(actual().empty());
}

TEST_F(XdpDataplane, HoldsWhatWasWritten) {
  attach_and_open();
  lb::Table table{{web_, pool({40, 30, 0, 10})}, {dns_, pool({}, 53)}};
  table.at(dns_).scheduler = "independent";
  table.at(dns_).flags = lb::service_flag::stateless;
  for (const char* address : {"2001:db8::1", "10.0.0.7"}) {  // the second one through 4-in-6
    const Endpoint at{*IpAddress::parse(address), 53};
    table.at(dns_).destinations[at] =
        lb::Destination{.endpoint = at, .weight = 5, .forward = lb::Forward::tunnel};
  }
  becomes(table);
  table.at(web_) = pool({1, 2, 3});
  becomes(table);
  table.erase(dns_);
  becomes(table);
  becomes({});
}

TEST_F(XdpDataplane, SharesSlotsByWeight) {
  attach_and_open();
  reachable({1, 2, 3});
  becomes({{web_, pool({60001, 40003, 0})}});
  EXPECT_EQ(slots(web_), (std::vector<std::uint32_t>{39321, 26216, 0}));
}

TEST_F(XdpDataplane, GivesNoSlotsToWhoCannotBeReachedWhileOthersCan) {
  attach_and_open();
  reachable({1});
  becomes({{web_, pool({1, 1})}});
  EXPECT_EQ(slots(web_), (std::vector<std::uint32_t>{LB_SLOTS, 0}));
  EXPECT_FALSE(xdp_->states(web_).at(server(2)).reachable);
  reachable({1, 2});
  EXPECT_EQ(slots(web_)[1], LB_SLOTS / 2);
  EXPECT_EQ(xdp_->states(web_).at(server(2)).next_hop, "02:00:00:00:00:01 on in1");
}

TEST_F(XdpDataplane, StaysWithoutUsAndIsReadAgain) {
  attach_and_open();
  reachable({1, 2});
  const lb::Table table{{web_, pool({7, 9})}};
  becomes(table);
  const auto before = slots(web_);
  xdp_.reset();
  open();
  EXPECT_EQ(actual(), table);
  EXPECT_EQ(slots(web_), before);
}

TEST_F(XdpDataplane, KeepsItsMapsWhenItIsAttachedAgain) {
  attach_and_open();
  const lb::Table table{{web_, pool({7, 9})}};
  becomes(table);
  settings_.interfaces = {"in1"};
  attach();
  EXPECT_EQ(actual(), table);
  EXPECT_FALSE(fs::exists(settings_.pins + "/link_in0"))
      << "an interface that is not named is left";
}

TEST_F(XdpDataplane, IsReplacedOnlyOnDemand) {
  attach_and_open();
  becomes({{web_, pool({7, 9})}});
  settings_.sizes.backends = 10;
  const Error error = refused();
  EXPECT_NE(error.detail.find("--replace"), std::string::npos) << error.detail;
  EXPECT_NE(error.detail.find("holds 21, but 11 are wanted"), std::string::npos) << error.detail;
  EXPECT_EQ(actual().size(), 1U);
  settings_.replace = true;
  EXPECT_EQ(refused().code, std::errc::address_in_use) << "it is being written";
  settings_.force = true;
  attach();
  EXPECT_TRUE(actual().empty()) << "the new maps are found by themselves";
}

TEST_F(XdpDataplane, KeepsWhatItHasWhenItCannotBeReplaced) {
  attach_and_open();
  const lb::Table table{{web_, pool({7, 9})}};
  becomes(table);
  AttachSettings other = settings_;
  other.pins += "-other";
  other.interfaces = {"in1"};
  ASSERT_TRUE(bpf::attach(other));
  settings_.replace = true;
  settings_.interfaces = {"in0", "in1"};
  EXPECT_EQ(refused().code, std::errc::device_or_resource_busy);
  EXPECT_EQ(actual(), table);
  EXPECT_TRUE(fs::exists(settings_.pins + "/link_in0"));
}

TEST_F(XdpDataplane, NamesBothLayoutsWhenTheyDiffer) {
  attach();
  auto map = Map<std::uint32_t, lb_settings>::open(settings_.pins + "/settings");
  ASSERT_TRUE(map);
  auto value = map->find(0).value();
  value.layout = 99;
  ASSERT_TRUE(map->put(0, value));
  for (const Error& error : {refused(), Xdp::open(settings_.pins).error()}) {
    EXPECT_EQ(error.code, std::errc::not_supported);
    EXPECT_NE(error.detail.find("layout 99"), std::string::npos) << error.detail;
    EXPECT_NE(error.detail.find("--replace"), std::string::npos) << error.detail;
  }
}

TEST_F(XdpDataplane, RefusesAloneWhatDoesNotFit) {
  attach_and_open();
  reachable({1, 2, 3});
  becomes({{web_, pool({1, 2})}});
  lb::Table too_much{{web_, pool({1, 3})}, {dns_, pool(std::vector<std::uint32_t>(19, 1), 53)}};
  for (int pass = 0; pass < 3; ++pass) {
    const auto failures = write(too_much);
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_TRUE(failures[0].no_room);
    EXPECT_NE(
        failures[0].error.detail.find(
            "10.0.0.19:53 added (route) with weight 1: the maps of the XDP program have room "
            "for 20 servers; attach again with more: systemctl restart saspd-xdp-attach makes "
            "room for all that is configured, saspd --attach --max-backends N for N"),
        std::string::npos)
        << failures[0].error.detail;
    auto fits = too_much;
    fits.at(dns_).destinations.erase(server(19, 53));
    EXPECT_EQ(actual(), fits);
  }
  too_much.at(web_) = pool({1});
  EXPECT_EQ(write(too_much).size(), 1U) << "who leaves makes room when the new table is in place";
  becomes(too_much);
}

TEST_F(XdpDataplane, ServesAsManyServicesAsThereIsRoomFor) {
  attach_and_open();
  reachable({1, 2});
  lb::Table table;
  for (std::uint16_t port = 1; port <= 5; ++port)
    table[service(fmt::format("tcp:192.0.2.10:{}", port))] = pool({1, 2}, port);
  const auto last = service("tcp:192.0.2.10:5");
  for (int pass = 0; pass < 3; ++pass) {
    const auto failures = write(table);
    ASSERT_EQ(failures.size(), 3U) << "a service and its two servers";
    for (const auto& failure : failures) {
      EXPECT_TRUE(failure.no_room);
      EXPECT_NE(failure.error.detail.find("room for 4 services; attach again with more: "),
                std::string::npos)
          << failure.error.detail;
    }
    auto fits = table;
    fits.erase(last);
    EXPECT_EQ(actual(), fits);
  }
  table.erase(service("tcp:192.0.2.10:1"));
  EXPECT_EQ(write(table).size(), 3U);
  becomes(table);
}

TEST_F(XdpDataplane, GivesTheNumberOfWhoLeftToSomebodyElseLate) {
  attach_and_open();
  becomes({{web_, pool({1, 2})}});
  const auto backends = [this] {
    const auto map = Map<std::uint32_t, lb_backend>::open(settings_.pins + "/backends");
    std::vector<std::uint32_t> present;
    for (std::uint32_t number = 0; number < 21; ++number) {
      if (map->find(number)->flags != 0) present.push_back(number);
    }
    return present;
  };
  EXPECT_EQ(backends(), (std::vector<std::uint32_t>{1, 2}));
  becomes({{web_, pool({1})}});
  becomes({{web_, pool({1, 2})}});
  EXPECT_EQ(backends(), (std::vector<std::uint32_t>{1, 3}));
}

TEST_F(XdpDataplane, TellsAConnectionAsLongAsPacketsCome) {
  attach_and_open();
  becomes({{web_, pool({1})}});
  const auto connections = [this] {
    return actual().at(web_).destinations.at(server(1)).observed.connections;
  };
  EXPECT_EQ(connections(), 1U) << "there may have been packets before we looked";
  now_ += Xdp::quiet_time;
  EXPECT_EQ(connections(), 0U);
  const auto counters = Descriptor(bpf_obj_get((settings_.pins + "/backend_counters").c_str()));
  const std::uint32_t number = 1;
  std::vector<lb_counters> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  values[0].packets = 1;
  ASSERT_EQ(bpf_map_update_elem(counters.get(), &number, values.data(), BPF_ANY), 0);
  EXPECT_EQ(connections(), 1U);
}

TEST_F(XdpDataplane, TracesAFlow) {
  attach_and_open();
  reachable({1});
  becomes({{web_, pool({1})}});
  const Endpoint client = *Endpoint::parse("198.51.100.1:4000");
  const auto trace = xdp_->trace(lb::Protocol::tcp, client, *Endpoint::parse("192.0.2.10:80"));
  ASSERT_TRUE(trace);
  EXPECT_TRUE(trace->is_service);
  EXPECT_EQ(trace->destination, server(1));
  EXPECT_TRUE(trace->reachable);
  EXPECT_FALSE(trace->known_flow);
  EXPECT_FALSE(
      xdp_->trace(lb::Protocol::udp, client, *Endpoint::parse("192.0.2.10:80"))->is_service);
}

TEST_F(XdpDataplane, IsDetachedWithoutAnyDaemon) {
  attach();
  const auto detached = detach(settings_.pins);
  ASSERT_TRUE(detached) << detached.error().detail;
  EXPECT_EQ(*detached, std::vector<std::string>{"in0"});
  EXPECT_FALSE(fs::exists(settings_.pins));
  EXPECT_EQ(kernel::output_of("ip -details link show in0").find("prog/xdp"), std::string::npos);
  EXPECT_EQ(detach(settings_.pins).error().code, std::errc::no_such_file_or_directory);
}

TEST_F(XdpDataplane, NamesWhoHasTheInterface) {
  attach();
  AttachSettings other = settings_;
  other.pins += "-other";
  const auto attached = bpf::attach(other);
  ASSERT_FALSE(attached);
  EXPECT_NE(attached.error().detail.find("'in0' already has XDP program 'balance'"),
            std::string::npos)
      << attached.error().detail;
  EXPECT_FALSE(fs::exists(other.pins)) << "nothing is left of it";
}

TEST_F(XdpDataplane, ChangesNothingOnAnUnknownInterface) {
  settings_.interfaces = {"in0", "nosuch"};
  EXPECT_EQ(refused().detail, "there is no interface 'nosuch'");
  EXPECT_FALSE(fs::exists(settings_.pins));
  EXPECT_EQ(kernel::output_of("ip -details link show in0").find("prog/xdp"), std::string::npos);
}

TEST_F(XdpDataplane, NeedsABpfFileSystem) {
  settings_.pins = "/tmp/saspd-no-bpffs/pins";
  EXPECT_NE(refused().detail.find("mount -t bpf -o mode=0711 bpf"), std::string::npos)
      << refused().detail;
}

TEST_F(XdpDataplane, TellsWhenNothingIsAttached) {
  const auto opened = Xdp::open(settings_.pins);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, std::errc::no_such_file_or_directory);
  EXPECT_NE(opened.error().detail.find("saspd --attach --interface"), std::string::npos);
  attach_and_open();
  ASSERT_TRUE(detach(settings_.pins, true));
  const auto listed = xdp_->list_all();
  ASSERT_FALSE(listed);
  EXPECT_NE(listed.error().detail.find("no XDP program is attached"), std::string::npos);
}

// Frames with another MAC are not ours, and are passed on: to nobody.
class XdpDevices : public XdpDataplane {
 protected:
  XdpDevices() { attach(); }
  void opens(bool dry_run = false) {
    plane_.reset();
    auto plane = XdpPlane::open(settings_.pins, dry_run);
    if (!plane) throw std::runtime_error(plane.error().detail);
    plane_ = std::move(*plane);
  }
  DeviceTable table() {
    const Descriptor map(::bpf_obj_get((settings_.pins + "/devices").c_str()));
    auto table = read_devices(map.get());
    if (!table) throw std::runtime_error(table.error().detail);
    return *table;
  }
  void write(const DeviceTable& table) {
    const Descriptor map(::bpf_obj_get((settings_.pins + "/devices").c_str()));
    ASSERT_TRUE(write_devices(map.get(), this->table(), table));
  }
  static DeviceTable nothing() { return DeviceTable(LB_DEVICE_PLACES); }
  static bool is_same(const DeviceTable& a, const DeviceTable& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
  }
  std::vector<std::string> problems() {
    std::vector<std::string> names;
    for (const auto& problem : plane_->problems())
      names.push_back(problem.name + " " + problem.subject);
    return names;
  }
  using Names = std::vector<std::string>;

  std::unique_ptr<XdpPlane> plane_;
};

TEST_F(XdpDevices, AreRepairedByAListing) {
  opens();
  const auto before = table();
  auto damaged = before;
  std::size_t devices = 0;
  for (auto& place : damaged) {
    for (auto& device : place.at) {
      if ((device.flags & LB_DEVICE_ATTACHED) == 0) continue;
      device.mac[0][5] ^= 0xFF;
      ++devices;
    }
  }
  ASSERT_EQ(devices, 1U);
  for (const auto& changed : {damaged, nothing()}) {
    write(changed);
    ASSERT_TRUE(plane_->list_all());
    EXPECT_TRUE(is_same(table(), before));
  }
}

// Emptied while nobody looked.
TEST_F(XdpDevices, AreRepairedAtTheStart) {
  opens();
  const auto before = table();
  write(nothing());
  opens();
  EXPECT_TRUE(is_same(table(), before));
}

TEST_F(XdpDevices, AreNotTouchedByADryRun) {
  write(nothing());
  opens(true);
  ASSERT_TRUE(plane_->list_all());
  EXPECT_TRUE(is_same(table(), nothing()));
}

TEST_F(XdpDevices, WithoutRoomAreAProblemAndNoReasonToStop) {
  opens();
  std::string links;
  for (int n = 0; n < 40; ++n)
    links += fmt::format("link add mv{0} link in0 type macvlan\nlink set mv{0} up\n", n);
  kernel::ip_batch(links);
  ASSERT_TRUE(plane_->handle_events());
  ASSERT_TRUE(plane_->list_all());
  EXPECT_EQ(problems(), Names{"device_surplus in0"});
  std::string gone;
  for (int n = 0; n < 40; ++n)
    gone += fmt::format("link delete mv{}\n", n);
  kernel::ip_batch(gone);
  ASSERT_TRUE(plane_->handle_events());
  ASSERT_TRUE(plane_->list_all());
  EXPECT_EQ(problems(), Names{});
}

TEST_F(XdpDataplane, IsHandedToTheServiceUser) {
  settings_.owner = {65534, 65534};
  attach();
  struct stat status {};
  ASSERT_EQ(::stat((settings_.pins + "/services").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534U);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat((settings_.pins + "/link_in0").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U) << "what is attached stays root's";
}

}  // namespace
}  // namespace saspd::bpf
