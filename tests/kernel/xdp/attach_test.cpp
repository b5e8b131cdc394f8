// SPDX-License-Identifier: Apache-2.0
// The attach step and what becomes of it: bigger maps, names, refusals, locks, and everything that
// can happen to a program behind our back.
#include <gtest/gtest.h>

#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "bpf/attach.hpp"
#include "bpf/attachment.hpp"
#include "bpf/pins_lock.hpp"
#include "bpf/writer_lock.hpp"
#include "bpf/xdp.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/kernel_namespace.hpp"

namespace saspd::bpf {
namespace {

namespace fs = std::filesystem;

class XdpAttach : public testing::Test {
 protected:
  XdpAttach() {
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
  std::string pin(std::string_view name) const { return settings_.pins + "/" + std::string(name); }
  static void ip(std::string_view lines) { kernel::ip_batch(lines); }
  static bool has_program(const std::string& interface) {
    return kernel::output_of("ip -details link show " + interface).find("prog/xdp") !=
           std::string::npos;
  }
  static bool loses_program(const std::string& interface) {
    for (int i = 0; i < 600 && has_program(interface); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
    return !has_program(interface);
  }
  // "not_attached in0"
  std::vector<std::string> problems() const {
    std::vector<std::string> names;
    for (const auto& problem : attachment_problems(settings_.pins))
      names.push_back(problem.name + " " + problem.subject);
    return names;
  }
  // A link comes and goes when the kernel gets round to it.
  bool become(const std::vector<std::string>& names) const {
    for (int i = 0; i < 600; ++i) {
      if (problems() == names) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    return false;
  }
  std::string detail() const {
    const auto found = attachment_problems(settings_.pins);
    return found.size() == 1 ? found.front().detail : fmt::format("{} problems", found.size());
  }
  using Names = std::vector<std::string>;

  kernel::NetNamespace namespace_;
  kernel::BpfFileSystem file_system_;
  AttachSettings settings_;
};

// --- bigger maps

TEST_F(XdpAttach, BringsBiggerMapsWithAllThatTheOldOnesHold) {
  attach();
  auto xdp = Xdp::open(settings_.pins);
  ASSERT_TRUE(xdp) << xdp.error().detail;
  const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
  const Endpoint server = *Endpoint::parse("10.0.0.1:80");
  lb::Pool pool;
  pool.scheduler = "minimal";
  pool.destinations[server] =
      lb::Destination{.endpoint = server, .weight = 7, .forward = lb::Forward::route};
  const lb::Table table{{web, pool}};
  ASSERT_TRUE((*xdp)->apply(diff({}, table, lb::Surplus::remove)).empty());
  const auto flows = Map<lb_flow_key, lb_flow>::open(pin("flows"));
  const auto flow = [](std::uint16_t port) {
    return flow_key(lb::Protocol::tcp, {*IpAddress::parse("198.51.100.1"), port},
                    *Endpoint::parse("192.0.2.10:80"));
  };
  for (std::uint16_t port = 1; port <= 500; ++port)
    ASSERT_TRUE(flows->put(flow(port), {1, 1, 0}));
  const auto seed = Map<std::uint32_t, lb_settings>::open(pin("settings"))->find(0)->seed;

  settings_.sizes = {9, 100, 5000};
  attach();
  const auto seen = (*xdp)->list_all();
  ASSERT_TRUE(seen) << seen.error().detail;
  EXPECT_EQ(*seen, table) << "who had the old maps open finds the new ones";
  EXPECT_EQ((*xdp)->states(web).at(server).slots, LB_SLOTS);
  const auto bigger = Map<lb_flow_key, lb_flow>::open(pin("flows"));
  for (std::uint16_t port = 1; port <= 500; ++port)
    EXPECT_TRUE(bigger->find(flow(port))) << port;
  const auto settings = Map<std::uint32_t, lb_settings>::open(pin("settings"))->find(0);
  EXPECT_EQ(settings->seed, seed);
  EXPECT_EQ(settings->max_backends, 100U);
  EXPECT_EQ(problems(), Names{});
  for (const auto& entry : fs::directory_iterator(settings_.pins))
    EXPECT_FALSE(entry.path().filename().string().starts_with("next_")) << entry.path();
}

// As builds of before had them: the table in use in the entry of the service, nothing on record.
TEST_F(XdpAttach, TakesMapsOfLayout1OverWithAllThatTheyHold) {
  struct ServiceOfThen {
    std::uint32_t number, table;
    std::uint8_t forward, flags;
    std::uint16_t zero;
  };
  attach();
  const lb::ServiceKey web = *lb::parse_service("tcp:192.0.2.10:80");
  const Endpoint server = *Endpoint::parse("10.0.0.1:80");
  const Endpoint other = *Endpoint::parse("10.0.0.2:80");
  lb::Pool pool;
  pool.scheduler = "minimal";
  pool.destinations[server] =
      lb::Destination{.endpoint = server, .weight = 7, .forward = lb::Forward::route};
  const lb::Table first{{web, pool}};
  pool.destinations[other] =
      lb::Destination{.endpoint = other, .weight = 5, .forward = lb::Forward::route};
  const lb::Table table{{web, pool}};
  {
    auto xdp = Xdp::open(settings_.pins);
    ASSERT_TRUE(xdp) << xdp.error().detail;
    ASSERT_TRUE((*xdp)->apply(diff({}, first, lb::Surplus::remove)).empty());
    ASSERT_TRUE((*xdp)->apply(diff(first, table, lb::Surplus::remove)).empty());
  }
  using Settings = Map<std::uint32_t, lb_settings>;
  const auto flow = flow_key(lb::Protocol::tcp, *Endpoint::parse("198.51.100.1:4711"),
                             *Endpoint::parse("192.0.2.10:80"));
  ASSERT_TRUE((Map<lb_flow_key, lb_flow>::open(pin("flows"))->put(flow, {2, 1, 0})));
  const auto number_of_flows = Map<lb_flow_key, lb_flow>::open(pin("flows"))->id();
  auto then = *Settings::open(pin("settings"))->find(0);
  const auto seed = then.seed;
  then.layout = 1;
  ASSERT_TRUE(Settings::open(pin("settings"))->put(0, then));
  const auto services = Map<lb_service_key, lb_service>::open(pin("services"))->entries();
  ASSERT_EQ(services->size(), 1U);
  const auto [key, value] = services->front();
  const auto in_use =
      Map<std::uint32_t, std::uint32_t>::open(pin("tables_in_use"))->find(value.number);
  ASSERT_EQ(in_use, 1U);
  const ServiceOfThen of_then{value.number, *in_use, value.forward, value.flags, 0};
  const Descriptor services_of_then(
      bpf_map_create(BPF_MAP_TYPE_HASH, "services", sizeof key, sizeof of_then, 4, nullptr));
  ASSERT_EQ(bpf_map_update_elem(services_of_then.get(), &key, &of_then, BPF_ANY), 0);
  for (const auto* name : {"services", "tables_in_use", "devices", "fragments", "record"})
    fs::remove(pin(name));
  ASSERT_EQ(bpf_obj_pin(services_of_then.get(), pin("services").c_str()), 0);
  const auto refusal = Xdp::open(settings_.pins);
  ASSERT_FALSE(refusal);
  EXPECT_NE(refusal.error().detail.find("systemctl restart saspd-xdp-attach"), std::string::npos)
      << refusal.error().detail;
  EXPECT_EQ(attached_sizes(settings_.pins)->backends, 20U);

  settings_.sizes = {8, 40, 1024};
  attach();
  auto xdp = Xdp::open(settings_.pins);
  ASSERT_TRUE(xdp) << xdp.error().detail;
  const auto seen = (*xdp)->list_all();
  ASSERT_TRUE(seen) << seen.error().detail;
  EXPECT_EQ(*seen, table);
  const auto states = (*xdp)->states(web);
  EXPECT_GT(states.at(server).slots, 0U);
  EXPECT_GT(states.at(other).slots, 0U);
  EXPECT_EQ(states.at(server).slots + states.at(other).slots, LB_SLOTS);
  const auto flows = Map<lb_flow_key, lb_flow>::open(pin("flows"));
  EXPECT_EQ(flows->id(), number_of_flows);
  EXPECT_TRUE(flows->find(flow));
  EXPECT_EQ(Settings::open(pin("settings"))->find(0)->seed, seed);
  EXPECT_EQ(Settings::open(pin("settings"))->find(0)->layout, std::uint32_t{LB_LAYOUT});
  EXPECT_EQ(problems(), Names{});
}

// Flows are lost with their map, but new ones come to the slots that they would have come to.
TEST_F(XdpAttach, KeepsTheSeedOfWhatItThrowsAway) {
  using Settings = Map<std::uint32_t, lb_settings>;
  attach();
  const auto seed = Settings::open(pin("settings"))->find(0)->seed;
  settings_.sizes = {4, 10, 1024};
  settings_.replace = true;
  attach();
  EXPECT_EQ(Settings::open(pin("settings"))->find(0)->seed, seed);
  settings_.sizes = {4, 9, 1024};
  settings_.seed = seed + 1;
  attach();
  EXPECT_EQ(Settings::open(pin("settings"))->find(0)->seed, seed + 1);
}

TEST_F(XdpAttach, KeepsTheFlowsMapWhereOnlyTheOthersGrow) {
  attach();
  const auto flows = Map<lb_flow_key, lb_flow>::open(pin("flows"))->id();
  settings_.sizes.services = 5;
  attach();
  EXPECT_EQ((Map<lb_flow_key, lb_flow>::open(pin("flows"))->id()), flows);
}

TEST_F(XdpAttach, FindsWhatFitsAlready) {
  EXPECT_FALSE(attached_sizes(settings_.pins));
  attach();
  const auto sizes = attached_sizes(settings_.pins);
  ASSERT_TRUE(sizes);
  EXPECT_EQ(sizes->services, 4U);
  EXPECT_EQ(sizes->backends, 20U);
  EXPECT_EQ(sizes->flows, 1024U);
}

// --- interfaces

TEST_F(XdpAttach, TakesInterfacesWithDotsInTheirNames) {
  for (const std::string name : {"eth0.100", "a%2Eb", "%", "..x", "vlan4094"}) {
    EXPECT_EQ(interface_of(link_pin(name)), name);
    EXPECT_EQ(link_pin(name).find('.'), std::string::npos) << name;
  }
  EXPECT_EQ(interface_of("link_eth0"), "eth0") << "as it always was";
  EXPECT_EQ(interface_of("services"), std::nullopt);
  ip("link add in0.100 type veth peer name out100\nlink set in0.100 up\nlink set out100 up\n");
  settings_.interfaces = {"in0", "in0.100"};
  attach();
  EXPECT_TRUE(has_program("in0.100"));
  EXPECT_EQ(problems(), Names{});
  attach();
  ip("link set in0.100 down\n");
  EXPECT_TRUE(become({"interface_down in0.100"}));
  const auto detached = detach(settings_.pins);
  ASSERT_TRUE(detached) << detached.error().detail;
  EXPECT_EQ(*detached, (Names{"in0", "in0.100"}));
  EXPECT_TRUE(loses_program("in0.100")) << "when the kernel gets round to it";
}

TEST_F(XdpAttach, SaysWithTheKernelsWordsWhyADriverRefuses) {
  ip("link set in0 mtu 9000\nlink set out0 mtu 9000\n");
  settings_.mode = Mode::native;
  const Error error = refused();
  EXPECT_EQ(error.code, std::errc::not_supported);
  for (const auto* part : {"interface 'in0'", "native mode", "MTU is too large", "the MTU is 9000",
                           "about 3500", "--xdp-mode generic"}) {
    EXPECT_NE(error.detail.find(part), std::string::npos) << part << ": " << error.detail;
  }
  EXPECT_FALSE(has_program("in0"));
  EXPECT_FALSE(fs::exists(settings_.pins));
  settings_.mode = Mode::automatic;
  const auto attached = attach();
  EXPECT_EQ(attached.at(0).mode, "generic");
  EXPECT_NE(attached.at(0).reason.find("MTU is too large"), std::string::npos)
      << attached.at(0).reason;
  ASSERT_TRUE(detach(settings_.pins));
  ip("link set in0 mtu 3498\nlink set out0 mtu 3498\n");
  EXPECT_EQ(attach().at(0).mode, "native") << "what we say is what the kernel takes";
}

TEST_F(XdpAttach, FollowsAnInterfaceToItsNewName) {
  attach();
  ip("link set in0 down\nlink set in0 name lan0\nlink set lan0 up\n");
  EXPECT_TRUE(become(Names{"interface_renamed in0"}));
  EXPECT_NE(detail().find("lan0"), std::string::npos) << detail();
  settings_.interfaces = {"lan0"};
  attach();
  EXPECT_TRUE(become(Names{}));
  EXPECT_TRUE(has_program("lan0"));
}

// --- what others do to it

TEST_F(XdpAttach, IsSeenToBeThere) {
  settings_.interfaces = {"in0", "in1"};
  attach();
  EXPECT_EQ(problems(), Names{});
  attach();
  EXPECT_EQ(problems(), Names{});
}

TEST_F(XdpAttach, IsSeenToBeTakenOff) {
  settings_.interfaces = {"in0", "in1"};
  attach();
  kernel::output_of("bpftool link detach pinned " + pin("link_in1"));
  EXPECT_EQ(problems(), Names{"not_attached in1"});
  EXPECT_NE(detail().find("saspd --reattach --pins " + settings_.pins), std::string::npos)
      << detail();
  EXPECT_TRUE(attachment_problems(settings_.pins).at(0).mended_by_attach);
  attach();
  EXPECT_EQ(problems(), Names{});
  ASSERT_TRUE(has_program("in1"));
  ASSERT_TRUE(fs::remove(pin("link_in1")));
  // The kernel takes the program off when it gets round to it.
  for (int i = 0; i < 600 && has_program("in1"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  EXPECT_EQ(problems(), Names{"not_attached in1"}) << "the pin of the link";
}

TEST_F(XdpAttach, IsSeenToBeGoneWithItsInterface) {
  attach();
  ip("link del in0\n");
  EXPECT_TRUE(become(Names{"interface_gone in0"}));
  EXPECT_FALSE(attachment_problems(settings_.pins).at(0).mended_by_attach);
  ip("link add in0 type veth peer name out0\nlink set in0 up\nlink set out0 up\n");
  EXPECT_TRUE(become(Names{"not_attached in0"}));
  EXPECT_NE(detail().find("recreated"), std::string::npos) << detail();
  attach();
  EXPECT_TRUE(become(Names{}));
}

TEST_F(XdpAttach, IsSeenToBeReplaced) {
  attach();
  kernel::output_of("bpftool link detach pinned " + pin("link_in0"));
  AttachSettings other = settings_;
  other.pins += "-other";
  ASSERT_TRUE(bpf::attach(other));
  EXPECT_EQ(problems(), Names{"other_program in0"});
  EXPECT_FALSE(attachment_problems(settings_.pins).at(0).mended_by_attach);
  EXPECT_NE(refused().detail.find("'in0' already has XDP program 'balance'"), std::string::npos);
}

TEST_F(XdpAttach, IsSeenToGetNothingWhileItsInterfaceIsDown) {
  attach();
  ip("link set in0 down\n");
  EXPECT_TRUE(become(Names{"interface_down in0"}));
  EXPECT_NE(detail().find("is down"), std::string::npos) << detail();
  ip("link set in0 up\n");
  EXPECT_TRUE(become(Names{}));
  ip("link set out0 down\n");
  EXPECT_TRUE(become(Names{"interface_down in0"}));
  EXPECT_NE(detail().find("has no link"), std::string::npos) << detail();
}

TEST_F(XdpAttach, IsSeenToHaveOtherMapsThanThePinnedOnes) {
  attach();
  ASSERT_TRUE(fs::remove(pin("backends")));
  EXPECT_EQ(problems(), Names{"pin_missing backends"});
  kernel::output_of(
      fmt::format("bpftool map create {} type array key 4 value {} entries 21 name backends",
                  pin("backends"), sizeof(lb_backend)));
  EXPECT_EQ(problems(), Names{"map_replaced backends"});
  EXPECT_FALSE(attachment_problems(settings_.pins).at(0).mended_by_attach);
  ASSERT_TRUE(fs::remove(pin("record")));
  EXPECT_EQ(problems(), Names{"pin_missing record"});
  ASSERT_TRUE(detach(settings_.pins));
  EXPECT_EQ(problems(), Names{}) << "the listing says that";
}

// --- attached again as it was

TEST_F(XdpAttach, IsAttachedAgainWhereItIsMissingWithAllThatItKnows) {
  settings_.interfaces = {"in0", "in1"};
  settings_.mode = Mode::generic;
  settings_.defer_syn = true;
  settings_.new_flow_limit = 99;
  settings_.seed = 4711;
  settings_.owner = Owner{12345, 12346};
  attach();
  const auto flows = Map<lb_flow_key, lb_flow>::open(pin("flows"))->id();
  const auto in_settings = [this] {
    const auto found = Map<std::uint32_t, lb_settings>::open(pin("settings"))->find(0);
    return std::vector<std::uint32_t>{found->max_services,   found->max_backends, found->max_flows,
                                      found->new_flow_limit, found->syn,          found->seed};
  };
  const auto settings = in_settings();
  kernel::output_of("bpftool link detach pinned " + pin("link_in1"));
  ASSERT_EQ(problems(), Names{"not_attached in1"});
  const auto again = reattach(settings_.pins);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(problems(), Names{});
  EXPECT_TRUE(has_program("in0"));
  EXPECT_NE(kernel::output_of("ip -details link show in1").find("xdpgeneric"), std::string::npos)
      << "in the mode that it had";
  EXPECT_EQ((Map<lb_flow_key, lb_flow>::open(pin("flows"))->id()), flows);
  EXPECT_EQ(in_settings(), settings);
  struct stat found {};
  ASSERT_EQ(::stat(pin("services").c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, 12345U);
  EXPECT_EQ(found.st_gid, 12346U);
  // Where nothing is missing nothing is touched.
  const auto program = read_record(pin("record"))->at("program");
  const auto untouched = reattach(settings_.pins);
  ASSERT_TRUE(untouched) << untouched.error().detail;
  EXPECT_TRUE(untouched->empty());
  EXPECT_EQ(read_record(pin("record"))->at("program"), program);
}

TEST_F(XdpAttach, IsAttachedAgainWhenItsInterfaceIsBack) {
  settings_.interfaces = {"in0", "in1"};
  settings_.mode = Mode::generic;
  attach();
  ip("link del in0\n");
  ASSERT_TRUE(become({"interface_gone in0"}));
  kernel::output_of("bpftool link detach pinned " + pin("link_in1"));
  ASSERT_TRUE(become({"interface_gone in0", "not_attached in1"}));
  ASSERT_TRUE(reattach(settings_.pins)) << "the other interface need not wait";
  EXPECT_EQ(problems(), Names{"interface_gone in0"}) << "and this one is not forgotten";
  ip("link add in0 type veth peer name out0\nlink set in0 up\nlink set out0 up\n");
  ASSERT_TRUE(become({"not_attached in0"}));
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_TRUE(become({}));
  EXPECT_NE(kernel::output_of("ip -details link show in0").find("xdpgeneric"), std::string::npos);
}

TEST_F(XdpAttach, IsAttachedAgainBesideRenamedInterfaces) {
  settings_.interfaces = {"in0", "in1"};
  attach();
  ip("link set in0 down\nlink set in0 name lan0\nlink set lan0 up\n");
  kernel::output_of("bpftool link detach pinned " + pin("link_in1"));
  ASSERT_TRUE(become({"interface_renamed in0", "not_attached in1"}));
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_TRUE(become({"interface_renamed in0"}));
  EXPECT_TRUE(has_program("lan0"));
  ip("link set lan0 down\nlink set lan0 name in0\nlink set in0 up\n");
  EXPECT_TRUE(become({}));
}

TEST_F(XdpAttach, IsAttachedAgainWithoutARecord) {
  settings_.interfaces = {"in0", "in1"};
  attach();
  ASSERT_TRUE(fs::remove(pin("record")));
  ASSERT_EQ(problems(), Names{"pin_missing record"});
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_EQ(problems(), Names{});
  EXPECT_TRUE(has_program("in0"));
  EXPECT_TRUE(has_program("in1"));
}

TEST_F(XdpAttach, IsNeverAttachedAgainAgainstSomebody) {
  EXPECT_EQ(reattach(settings_.pins).error().code, std::errc::no_such_file_or_directory);
  settings_.interfaces = {"in0", "in1"};
  attach();
  // Another program is not displaced, nor forgotten that ours was there.
  kernel::output_of("bpftool link detach pinned " + pin("link_in0"));
  AttachSettings other = settings_;
  other.pins += "-other";
  other.interfaces = {"in0"};
  ASSERT_TRUE(bpf::attach(other));
  const auto others = program_on(if_nametoindex("in0")).program;
  kernel::output_of("bpftool link detach pinned " + pin("link_in1"));
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_EQ(problems(), Names{"other_program in0"});
  EXPECT_EQ(program_on(if_nametoindex("in0")).program, others);
  ASSERT_TRUE(detach(other.pins));
  ASSERT_TRUE(become({"not_attached in0"}));
  ASSERT_TRUE(reattach(settings_.pins));
  ASSERT_EQ(problems(), Names{});
  // Maps of somebody else are not written over, and nothing is thrown away.
  ASSERT_TRUE(fs::remove(pin("backends")));
  kernel::output_of(
      fmt::format("bpftool map create {} type array key 4 value {} entries 21 name backends",
                  pin("backends"), 2 * sizeof(lb_backend)));
  kernel::output_of("bpftool link detach pinned " + pin("link_in0"));
  EXPECT_EQ(reattach(settings_.pins).error().code, std::errc::not_supported);
  EXPECT_TRUE(fs::exists(pin("backends")));
  // Who detaches means it.
  ASSERT_TRUE(detach(settings_.pins));
  EXPECT_EQ(reattach(settings_.pins).error().code, std::errc::no_such_file_or_directory);
  EXPECT_TRUE(loses_program("in0"));
  EXPECT_TRUE(loses_program("in1"));
}

TEST_F(XdpAttach, KeepsABlackholeForItsServices) {
  const auto rules = [] {
    return kernel::output_of(
        "ip rule; ip -6 rule; ip link show type bridge;"
        "for family in -4 -6; do ip $family route show table 3860 2>/dev/null || true; done");
  };
  const auto before = rules();
  settings_.blackhole = true;
  settings_.interfaces = {"in0", "in1"};
  attach();
  EXPECT_EQ(problems(), Names{}) << "there is no service yet";
  const auto put_service = [this](const char* address, bool present) {
    const auto map = Map<lb_address_key, std::uint32_t>::open(pin("addresses"));
    const auto key = address_key(*IpAddress::parse(address));
    ASSERT_TRUE(present ? map->put(key, 1) : map->erase(key));
  };
  put_service("192.0.2.10", true);
  ASSERT_EQ(problems(), Names{"blackhole_incomplete "});
  EXPECT_TRUE(attachment_problems(settings_.pins).at(0).mended_by_attach);
  const auto program = read_record(pin("record"))->at("program");
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_EQ(problems(), Names{});
  EXPECT_EQ(read_record(pin("record"))->at("program"), program) << "nothing else is touched";
  EXPECT_NE(rules().find("192.0.2.10 dev saspd-drop"), std::string::npos) << rules();
  // It is kept while the program or its interface is gone.
  kernel::output_of("bpftool link detach pinned " + pin("link_in0"));
  ip("link del in1\n");
  ASSERT_TRUE(become({"not_attached in0", "interface_gone in1"}));
  EXPECT_NE(rules().find("iif in1"), std::string::npos);
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_EQ(problems(), Names{"interface_gone in1"});
  // What is no service's any more is not dropped.
  put_service("192.0.2.10", false);
  put_service("2001:db8:f::10", true);
  ASSERT_TRUE(become({"interface_gone in1", "blackhole_incomplete "}));
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_EQ(rules().find("192.0.2.10"), std::string::npos);
  EXPECT_NE(kernel::output_of("ip -6 route show table 3860").find("2001:db8:f::10"),
            std::string::npos);
  // Without a record it is seen that there is one.
  ASSERT_TRUE(fs::remove(pin("record")));
  ASSERT_TRUE(reattach(settings_.pins));
  EXPECT_TRUE(read_record(pin("record"))->contains("blackhole"));
  settings_.interfaces = {"in0"};
  settings_.blackhole = false;
  attach();
  EXPECT_EQ(rules(), before);
  settings_.blackhole = true;
  attach();
  EXPECT_NE(rules(), before);
  ASSERT_TRUE(detach(settings_.pins));
  EXPECT_EQ(rules(), before);
}

// An attach that was cut off behind the point where packets go by its program.
TEST_F(XdpAttach, LeavesNoBlackholeWithoutRecordOrPins) {
  const auto before = kernel::output_of("ip rule; ip link show type bridge");
  const auto is_clean = [&before] {
    return kernel::output_of("ip rule; ip link show type bridge") == before;
  };
  settings_.blackhole = true;
  const auto attach_with_service = [this] {
    attach();
    const auto map = Map<lb_address_key, std::uint32_t>::open(pin("addresses"));
    ASSERT_TRUE(map->put(address_key(*IpAddress::parse("192.0.2.10")), 1));
    ASSERT_TRUE(reattach(settings_.pins));
  };
  attach_with_service();
  ASSERT_TRUE(fs::remove(pin("record")));
  ASSERT_FALSE(is_clean());
  ASSERT_TRUE(detach(settings_.pins));
  EXPECT_TRUE(is_clean());
  // As the packages say who removed them.
  attach_with_service();
  fs::remove_all(settings_.pins);
  ASSERT_FALSE(is_clean());
  ASSERT_TRUE(detach(settings_.pins));
  EXPECT_TRUE(is_clean());
  EXPECT_EQ(detach(settings_.pins).error().code, std::errc::no_such_file_or_directory);
}

TEST_F(XdpAttach, SaysWhereABlackholeDropsTheAnswersOfServers) {
  const auto filter = [](const std::string& of, int value) {
    std::ofstream(fmt::format("/proc/sys/net/ipv4/conf/{}/rp_filter", of)) << value;
  };
  settings_.blackhole = true;
  attach();
  const auto map = Map<lb_address_key, std::uint32_t>::open(pin("addresses"));
  ASSERT_TRUE(map->put(address_key(*IpAddress::parse("192.0.2.10")), 1));
  ASSERT_TRUE(reattach(settings_.pins));
  struct Case {
    int all, in0;
    Names problems;
  };
  const Names strict{"strict_reverse_path in0"};
  for (const auto& [all, in0, expected] : std::vector<Case>{
           {0, 0, {}}, {0, 1, strict}, {1, 0, strict}, {1, 1, strict}, {1, 2, {}}, {2, 1, {}}}) {
    filter("all", all);
    filter("in0", in0);
    EXPECT_EQ(problems(), expected) << all << " " << in0;
  }
  filter("all", 0);
  filter("in0", 2);
  filter("in1", 1);
  EXPECT_EQ(problems(), Names{}) << "in0 is loose, and no client comes in at in1";
  filter("in0", 1);
  EXPECT_NE(detail().find("sysctl -w net.ipv4.conf.in0.rp_filter=2"), std::string::npos)
      << detail();
  EXPECT_FALSE(attachment_problems(settings_.pins).at(0).mended_by_attach);
  settings_.blackhole = false;
  attach();
  EXPECT_EQ(problems(), Names{});
}

TEST_F(XdpAttach, EndsWhatWasBegun) {
  attach();
  const auto before = *read_record(pin("record"));
  const std::vector<std::string> made_anew{"backends", "backend_counters", "settings"};
  std::vector<Descriptor> old;
  for (const auto& name : made_anew)
    old.emplace_back(bpf_obj_get(pin(name).c_str()));
  settings_.sizes.backends = 50;
  attach();
  const auto after = *read_record(pin("record"));
  fs::rename(pin("record"), pin("next_record"));
  ASSERT_TRUE(write_record(pin("record"), before));
  for (std::size_t i = 0; i < made_anew.size(); ++i) {
    ASSERT_NE(before.at(made_anew[i]), after.at(made_anew[i]));
    fs::rename(pin(made_anew[i]), pin("next_" + made_anew[i]));
    ASSERT_EQ(bpf_obj_pin(old[i].get(), pin(made_anew[i]).c_str()), 0);
  }
  EXPECT_EQ(problems(), Names{"attach_unfinished in0"});
  EXPECT_TRUE(attachment_problems(settings_.pins).at(0).mended_by_attach);
  attach();
  EXPECT_EQ(problems(), Names{});
  EXPECT_EQ(read_record(pin("record"))->at("backends"), after.at("backends"));
  // And one before it: nothing of it counts.
  ASSERT_TRUE(write_record(pin("next_record"), {{"program", 1}, {"backends", 1}}));
  ASSERT_TRUE(write_record(pin("next_backends"), {}));
  attach();
  EXPECT_EQ(problems(), Names{});
  EXPECT_EQ(read_record(pin("record"))->at("backends"), after.at("backends"));
  EXPECT_FALSE(fs::exists(pin("next_backends")));
}

// --- locks

TEST_F(XdpAttach, IsNotTakenFromWhoServesWithIt) {
  attach();
  {
    const auto writer = WriterLock::take(settings_.pins, std::chrono::milliseconds{0});
    ASSERT_TRUE(writer) << writer.error().detail;
    EXPECT_TRUE(writer->is_of(settings_.pins));
    const auto second = WriterLock::take(settings_.pins, std::chrono::milliseconds{0});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, std::errc::address_in_use);
    const auto refused_detach = detach(settings_.pins);
    ASSERT_FALSE(refused_detach);
    EXPECT_EQ(refused_detach.error().code, std::errc::address_in_use);
    EXPECT_NE(refused_detach.error().detail.find("--force"), std::string::npos);
    EXPECT_TRUE(has_program("in0"));
    settings_.replace = true;
    attach();  // it fits, so nothing is thrown away
    settings_.sizes.backends = 10;
    EXPECT_EQ(refused().code, std::errc::address_in_use);
    settings_.force = true;
    attach();
    EXPECT_TRUE(writer->is_of(settings_.pins));
    ASSERT_TRUE(detach(settings_.pins, true));
    EXPECT_FALSE(writer->is_of(settings_.pins));
  }
  attach();
  EXPECT_TRUE(detach(settings_.pins)) << "its process has ended";
}

TEST_F(XdpAttach, WaitsForWhoLooksOrWrites) {
  attach();
  auto change = std::make_optional(PinsLock::take(settings_.pins));
  ASSERT_TRUE(*change);
  const auto second = PinsLock::take(settings_.pins, std::chrono::milliseconds{20});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, std::errc::resource_unavailable_try_again);
  std::thread later([&change] {
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    change.reset();
  });
  EXPECT_TRUE(PinsLock::take(settings_.pins, std::chrono::seconds{60}));
  later.join();
}

TEST_F(XdpAttach, TakesNoDirectoryThatSomebodyElseHasMade) {
  ASSERT_EQ(::mkdir(settings_.pins.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(settings_.pins.c_str(), 0777), 0);
  ASSERT_EQ(::chown(settings_.pins.c_str(), 65534, 65534), 0);
  EXPECT_NE(refused().detail.find("only root"), std::string::npos) << refused().detail;
  ASSERT_EQ(::chown(settings_.pins.c_str(), 0, 0), 0);
  EXPECT_EQ(refused().code, std::errc::device_or_resource_busy);
  EXPECT_FALSE(has_program("in0"));
}

}  // namespace
}  // namespace saspd::bpf
