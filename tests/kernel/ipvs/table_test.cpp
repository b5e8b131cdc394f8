// SPDX-License-Identifier: Apache-2.0
// Ipvs against the kernel's own table. Tables are made, changed and shown by ipvsadm.
#include <gtest/gtest.h>

#include <linux/capability.h>
#include <linux/ip_vs.h>
#include <linux/netlink.h>
#include <sys/syscall.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <optional>
#include <regex>
#include <thread>

#include <fmt/format.h>

#include "controller/base/clock.hpp"
#include "controller/base/host_address.hpp"
#include "netlink/ipvs_codec.hpp"
#include "netlink/ipvsadm_rules.hpp"
#include "tests/kernel/ipvs/table_fixture.hpp"

namespace saspd::netlink {
namespace {

// One service per scheduler and family, one destination per forwarding method and tunnel.
constexpr std::string_view every_kind = R"(
-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.0.1.1:8080 -m -w 1
-a -t 10.0.0.1:80 -r 10.0.1.2:8080 -m -w 2 -x 1000 -y 750
-a -t 10.0.0.1:80 -r 10.0.1.3:80 -g -w 3
-a -t 10.0.0.1:80 -r 10.0.1.4:80 -i -w 4
-a -t 10.0.0.1:80 -r 10.0.1.5:80 -i --tun-type gue --tun-port 6080 --tun-nocsum -w 5
-a -t 10.0.0.1:80 -r 10.0.1.6:80 -i --tun-type gue --tun-port 6081 --tun-remcsum -w 6 -x 9
-a -t 10.0.0.1:80 -r 10.0.1.7:80 -i --tun-type gre --tun-csum -w 0
-A -t 10.0.0.2:443 -s wlc -p 300
-a -t 10.0.0.2:443 -r 10.0.1.1:443 -m -w 2147483647
-a -t 10.0.0.2:443 -r 10.0.1.2:443 -g -w 65535 -x 2147483647 -y 1
-A -t [2001:db8::1]:80 -s wrr
-a -t [2001:db8::1]:80 -r [2001:db8:1::1]:8080 -m -w 1 -x 1000 -y 750
-a -t [2001:db8::1]:80 -r [2001:db8:1::2]:80 -g -w 2
-a -t [2001:db8::1]:80 -r [2001:db8:1::3]:80 -i --tun-type gre -w 3
-a -t [2001:db8::1]:80 -r 10.0.1.3:80 -i --tun-type gue --tun-port 6080 -w 4
-A -t [2001:db8::2]:80 -s wlc
-a -t [2001:db8::2]:80 -r [2001:db8:1::1]:80 -m -w 1
-A -u 10.0.0.1:53 -s wrr -o
-a -u 10.0.0.1:53 -r 10.0.1.1:53 -m -w 1
-A -f 7 -s wlc
-a -f 7 -r 10.0.1.1:0 -g -w 1
-A -f 7 -6 -s wrr
-a -f 7 -6 -r [2001:db8:1::1]:0 -g -w 1
)";
// What the above lacks of what ipvsadm can say.
constexpr std::string_view every_attribute = R"(
-A -t 10.0.0.3:0 -s rr -p 77 -M 255.255.255.0
-a -t 10.0.0.3:0 -r 10.0.1.1:0 -g -w 2147483647
-A -t 10.0.0.4:80 -s mh -b mh-fallback,mh-port,flag-3
-a -t 10.0.0.4:80 -r [2001:db8:1::1]:80 -i --tun-type gue --tun-port 6080 --tun-csum -w 1
-A -t 10.0.0.5:80 -s sh -b sh-fallback
-A -t 10.0.0.6:80 -s wrr -b flag-1,flag-2,flag-3
-A -t 10.0.0.7:80 -s rr -p 1 -M 0.0.0.0
-A -t [2001:db8::3]:80 -s sh -b sh-port -p 300 -M 64
-A -u 10.0.0.3:5060 -s rr -p 60 --pe sip -o
-a -u 10.0.0.3:5060 -r 10.0.1.1:5060 -m -w 0 -x 100000 -y 100000
-A -u [2001:db8::1]:53 -s ovf
-A --sctp-service 10.0.0.1:5000 -s lc
-a --sctp-service 10.0.0.1:5000 -r 10.0.1.1:5001 -m -w 1
-A --sctp-service [2001:db8::1]:5000 -s nq
-A -f 4294967295 -s fo
-a -f 4294967295 -r 10.0.1.1:8080 -m -w 1
)";
const std::vector<std::string> every_service{"tcp:10.0.0.1:80",
                                             "tcp:10.0.0.2:443",
                                             "tcp:[2001:db8::1]:80",
                                             "tcp:[2001:db8::2]:80",
                                             "udp:10.0.0.1:53",
                                             "fwmark:7",
                                             "fwmark6:7"};

std::string without_weights(const std::string& text) {
  return std::regex_replace(text, std::regex("-w [0-9]+"), "-w _");
}

using RoundTrip = IpvsTable;

TEST_F(RoundTrip, ListsWhatIpvsadmMade) {
  ipvsadm(every_kind);
  const lb::Table table = list(every_service);
  ASSERT_EQ(table.size(), every_service.size());
  const lb::Pool& web = table.at(service("tcp:10.0.0.1:80"));
  EXPECT_EQ(web.scheduler, "wrr");
  EXPECT_EQ(web.destinations.size(), 7U);
  EXPECT_EQ(web.destinations.at(endpoint("10.0.1.6:80")),
            (lb::Destination{.endpoint = endpoint("10.0.1.6:80"),
                             .weight = 6,
                             .forward = lb::Forward::tunnel,
                             .upper_threshold = 9,
                             .tunnel = {.type = 1, .port = 6081, .flags = 2}}));
  EXPECT_EQ(table.at(service("tcp:10.0.0.2:443")).flags & 1U, 1U);  // persistent
  const lb::Pool& v6 = table.at(service("tcp:[2001:db8::1]:80"));
  EXPECT_EQ(v6.destinations.at(endpoint("[2001:db8:1::1]:8080")),
            (lb::Destination{.endpoint = endpoint("[2001:db8:1::1]:8080"),
                             .weight = 1,
                             .forward = lb::Forward::masquerade,
                             .upper_threshold = 1000,
                             .lower_threshold = 750}));
  EXPECT_EQ(v6.destinations.at(endpoint("10.0.1.3:80")).tunnel,
            (lb::Tunnel{.type = 1, .port = 6080, .flags = 0}));
  EXPECT_EQ(table.at(service("fwmark6:7")).destinations.size(), 1U);
}

TEST_F(RoundTrip, ChangesWeightsAndNothingElse) {
  ipvsadm(every_kind);
  const std::string saved = kernel::Ipvsadm::saved();
  const std::string thresholds = kernel::Ipvsadm::thresholds();
  const lb::Table before = list(every_service);
  const lb::Table desired = with_new_weights(before);
  const lb::Plan plan = diff(before, desired);
  ASSERT_EQ(plan.size(), 17U) << "every destination gets a new weight";
  expect_applied(plan);
  EXPECT_EQ(list(every_service), desired);
  EXPECT_NE(kernel::Ipvsadm::saved(), saved);
  EXPECT_EQ(without_weights(kernel::Ipvsadm::saved()), without_weights(saved));
  const std::string thresholds_after = kernel::Ipvsadm::thresholds();
  EXPECT_EQ(thresholds_after, thresholds);

  expect_applied(diff(desired, before));
  EXPECT_EQ(list(every_service), before);
  EXPECT_EQ(kernel::Ipvsadm::saved(), saved);
}

// What `saspctl export` prints, against the only reader that counts.
TEST_F(RoundTrip, OfTheTableAsRulesOfIpvsadmRestoresIt) {
  ipvsadm(every_kind);
  ipvsadm(every_attribute);
  const lb::Table before = *ipvs_->list_all();
  ASSERT_EQ(before.size(), 18U);
  std::string rules;
  for (const auto& rule : ipvsadm_rules(before))
    rules += rule + "\n";
  kernel::output_of("ipvsadm -C");
  ASSERT_EQ(*ipvs_->list_all(), lb::Table{});
  ipvsadm(rules);
  const lb::Table after = *ipvs_->list_all();
  EXPECT_EQ(after, before) << rules;
}

// What saspd refuses as a member, this kernel refuses too, and nothing else of the kind.
TEST_F(IpvsTable, HasNoServerAtAnAddressThatNoHostHas) {
  ipvsadm("-A -t 10.0.0.1:80 -s wlc\n-A -t [2001:db8::1]:80 -s wlc\n");
  const auto kernel_takes = [this](const std::string& address) {
    const IpAddress ip = *IpAddress::parse(address);
    const bool v4 = ip.family() == Family::v4;
    const auto key = service(v4 ? "tcp:10.0.0.1:80" : "tcp:[2001:db8::1]:80");
    lb::Plan plan(1);
    plan[0].action = lb::Action::add_destination;
    plan[0].service = key;
    plan[0].destination.endpoint = {ip, 80};
    plan[0].destination.weight = 1;
    return ipvs_->apply(plan).empty();
  };
  for (const auto* address :
       {"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::", "ff02::1",
        "10.0.0.7", "240.0.0.1", "127.0.0.1", "2001:db8::7"})
    EXPECT_EQ(kernel_takes(address), kind_of_no_host(*IpAddress::parse(address)).empty())
        << address;
}

TEST_F(RoundTrip, ReachesBothEndsOfTheRange) {
  ipvsadm("-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 1\n");
  const auto to = [this](std::uint32_t weight) {
    return change(list({"tcp:10.0.0.1:80"}), "tcp:10.0.0.1:80", "10.0.1.1:80", weight);
  };
  for (const std::uint32_t extreme : {std::uint32_t{0}, lb::max_weight}) {
    expect_applied({to(extreme)});
    EXPECT_EQ(weight("tcp:10.0.0.1:80", "10.0.1.1:80"), extreme);
  }
  const auto failures = apply({to(lb::max_weight + 1)});
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].error.code, std::errc::result_out_of_range);
  EXPECT_EQ(weight("tcp:10.0.0.1:80", "10.0.1.1:80"), lb::max_weight);
}

TEST_F(RoundTrip, TellsAnEmptyServiceFromAMissingOne) {
  ipvsadm("-A -t 10.0.0.1:80 -s wrr\n");
  const lb::Table table = list({"tcp:10.0.0.1:80", "tcp:10.0.0.9:80", "udp:10.0.0.1:80"});
  ASSERT_EQ(table.size(), 1U);
  EXPECT_EQ(table.at(service("tcp:10.0.0.1:80")),
            (lb::Pool{{"wrr", lb::service_flag::hashed, 0, 0xFFFFFFFF, ""}, {}}));
}

TEST_F(RoundTrip, ListsNothingWhereNothingIs) {
  EXPECT_EQ(list({"tcp:10.0.0.1:80"}), lb::Table{});
  EXPECT_EQ(list({}), lb::Table{});
}

TEST_F(RoundTrip, KnowsTheVersion) {
  EXPECT_EQ(ipvs_->version(), "1.2.1");
}

constexpr std::string_view two_services =
    "-A -t 10.0.0.1:80 -s wrr\n"
    "-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 1\n"
    "-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 2\n"
    "-a -t 10.0.0.1:80 -r 10.0.1.3:80 -m -w 3\n"
    "-A -t 10.0.0.2:80 -s wlc\n"
    "-a -t 10.0.0.2:80 -r 10.0.1.1:80 -m -w 1\n";
const std::string first_service = "tcp:10.0.0.1:80";
const std::string second_service = "tcp:10.0.0.2:80";

class EditBetween : public IpvsTable {
 protected:
  void SetUp() override {
    IpvsTable::SetUp();
    ipvsadm(two_services);
    table_ = list({first_service, second_service});
    plan_ = {change(table_, first_service, "10.0.1.1:80", 11),
             change(table_, first_service, "10.0.1.2:80", 12),
             change(table_, first_service, "10.0.1.3:80", 13),
             change(table_, second_service, "10.0.1.1:80", 21)};
  }

  lb::Table table_;
  lb::Plan plan_;
};

TEST_F(EditBetween, OfADestinationFailsItsChangeAlone) {
  ipvsadm("-d -t 10.0.0.1:80 -r 10.0.1.2:80\n");
  const auto failures = apply(plan_);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].index, 1U);
  EXPECT_EQ(failures[0].error.code, std::errc::no_such_file_or_directory);
  EXPECT_EQ(failures[0].error.detail,
            "tcp:10.0.0.1:80 10.0.1.2:80 weight 2 -> 12: no such destination");
  EXPECT_EQ(weight(first_service, "10.0.1.1:80"), 11U);
  EXPECT_EQ(weight(first_service, "10.0.1.3:80"), 13U);
  EXPECT_EQ(weight(second_service, "10.0.1.1:80"), 21U);
}

TEST_F(EditBetween, OfAServiceFailsItsChangesAlone) {
  ipvsadm("-D -t 10.0.0.1:80\n");
  const auto failures = apply(plan_);
  ASSERT_EQ(failures.size(), 3U);
  for (std::size_t index = 0; index < 3; ++index) {
    EXPECT_EQ(failures[index].index, index);
    EXPECT_EQ(failures[index].error.code, std::errc::no_such_process);
  }
  EXPECT_EQ(failures[0].error.detail,
            "tcp:10.0.0.1:80 10.0.1.1:80 weight 1 -> 11: no such service");
  EXPECT_EQ(weight(second_service, "10.0.1.1:80"), 21U);
  EXPECT_EQ(list({first_service, second_service}).size(), 1U);
}

TEST_F(EditBetween, DeletedAndBackIsListedAnew) {
  ipvsadm("-D -t 10.0.0.1:80\n");
  ASSERT_FALSE(list({first_service}).contains(service(first_service)));
  ipvsadm("-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.1.9:80 -g -w 9\n");
  const lb::Table table = list({first_service});
  EXPECT_EQ(table.at(service(first_service)).scheduler, "wlc");
  expect_applied({change(table, first_service, "10.0.1.9:80", 99)});
  EXPECT_EQ(weight(first_service, "10.0.1.9:80"), 99U);
}

TEST_F(EditBetween, OfTheLastChangeOfABatchIsNotMissed) {
  ipvsadm("-D -t 10.0.0.2:80\n");
  const auto failures = apply(plan_);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].index, 3U);
}

// A service with 10.1.x.y:80 as destinations, weights 1..100 by position.
std::string big_service(std::string_view at, std::size_t size) {
  std::string lines = fmt::format("-A -t {} -s wlc\n", at);
  for (std::size_t i = 0; i < size; ++i) {
    lines +=
        fmt::format("-a -t {} -r 10.1.{}.{}:80 -g -w {}\n", at, i / 250, i % 250 + 1, i % 100 + 1);
  }
  return lines;
}

double microseconds(Duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

class BigTable : public IpvsTable {
 protected:
  void expect_round_trip(const Specs& specs, std::size_t services, std::size_t destinations) {
    const TimePoint start = Clock::now();
    const lb::Table before = list(specs);
    const TimePoint listed = Clock::now();
    ASSERT_EQ(before.size(), services);
    for (const auto& [key, pool] : before) {
      ASSERT_EQ(pool.destinations.size(), destinations) << lb::text(key);
      std::size_t i = 0;
      for (const auto& [at, destination] : pool.destinations) {
        ASSERT_EQ(destination.weight, i++ % 100 + 1) << at.text();
      }
    }
    const lb::Table desired = with_new_weights(before);
    const lb::Plan plan = diff(before, desired);
    ASSERT_EQ(plan.size(), services * destinations);
    const TimePoint planned = Clock::now();
    expect_applied(plan);
    const double count = static_cast<double>(plan.size());
    std::printf("list %.1f us, apply %.1f us per destination\n",
                microseconds(listed - start) / count, microseconds(Clock::now() - planned) / count);
    EXPECT_EQ(list(specs), desired);
  }
};

TEST_F(BigTable, HasTenThousandDestinationsInOneService) {
  ipvsadm(big_service("10.0.0.1:80", 10000));
  expect_round_trip({"tcp:10.0.0.1:80"}, 1, 10000);
}

TEST_F(BigTable, HasAHundredServicesOfAHundred) {
  std::string lines;
  Specs specs;
  for (int i = 1; i <= 100; ++i) {
    lines += big_service(fmt::format("10.0.0.{}:80", i), 100);
    specs.push_back(fmt::format("tcp:10.0.0.{}:80", i));
  }
  ipvsadm(lines + "-A -u 10.0.0.1:80 -s rr\n");  // nobody asks for it
  specs.push_back("tcp:10.0.0.200:80");          // nobody has it
  expect_round_trip(specs, 100, 100);
}

TEST_F(BigTable, NamesEveryFailureOfManyChunks) {
  ipvsadm(big_service("10.0.0.1:80", 600));
  const lb::Table before = list({first_service});
  const lb::Plan plan = diff(before, with_new_weights(before));
  ipvsadm("-D -t 10.0.0.1:80\n-A -t 10.0.0.1:80 -s wlc\n");
  const auto failures = ipvs_->apply(plan);  // at once: chunks of its own
  ASSERT_EQ(failures.size(), 600U);
  for (std::size_t index = 0; index < failures.size(); ++index) {
    ASSERT_EQ(failures[index].index, index);
    ASSERT_EQ(failures[index].error.code, std::errc::no_such_file_or_directory);
  }
}

// Of several datagrams: the kernel refuses a second dump on a socket whose first is not read to its
// end.
TEST_F(BigTable, IsDumpedAgainAfterADumpWasGivenUp) {
  ipvsadm(big_service("10.0.0.1:80", 600));
  GenlSocket socket;
  const auto family = socket.resolve("IPVS");
  ASSERT_TRUE(family);
  const auto dump = [&](const auto& parse) {
    Requests request(1);
    put_service(request.add(*family, 1, IPVS_CMD_GET_DEST, NLM_F_DUMP), service(first_service));
    return socket.dump<lb::ListedDestination>(request, parse);
  };
  const auto refused = dump([](ByteView) -> Result<lb::ListedDestination> {
    return fail(std::errc::bad_message, "not today");
  });
  ASSERT_FALSE(refused);
  const auto destinations =
      dump([](ByteView record) { return parse_destination_record(record, Family::v4); });
  ASSERT_TRUE(destinations) << destinations.error().detail;
  EXPECT_EQ(destinations->size(), 600U);
}

TEST_F(IpvsTable, LosesAnswersButNeverTheTruth) {
  ipvsadm(big_service("10.0.0.1:80", 100));
  const lb::Table before = list({first_service});
  lb::Table desired = with_new_weights(before);
  lb::Plan plan = diff(before, desired);
  // The kernel refuses every second change, and a receive buffer of this size keeps only a few of
  // the errors.
  for (std::size_t i = 0; i < plan.size(); i += 2)
    plan[i].destination.weight = lb::max_weight + 1;
  namespace_.outside([&] {
    const kernel::Sysctl small("/proc/sys/net/core/rmem_default", "2304");
    namespace_.inside([&] { ipvs_ = std::move(*Ipvs::open()); });
  });
  const auto failures = ipvs_->apply(plan);

  std::vector<bool> known(plan.size(), true);
  std::size_t lost = 0;
  for (const auto& failure : failures) {
    known[failure.index] = false;
    if (failure.error.code == std::errc::no_buffer_space) ++lost;
    EXPECT_TRUE(failure.error.code == std::errc::no_buffer_space ||
                failure.error.code == std::errc::result_out_of_range)
        << failure.error.detail;
  }
  EXPECT_GT(lost, 0U) << "no answer was lost: this test shows nothing";
  auto& wanted = desired.begin()->second.destinations;
  for (std::size_t i = 0; i < plan.size(); i += 2) {
    EXPECT_FALSE(known[i]) << i;
    wanted.at(plan[i].destination.endpoint).weight = plan[i].listed.weight;
  }
  // Listing works on, and shows that the kernel did what it did not tell.
  EXPECT_EQ(list({first_service}), desired);
}

void drop_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  ASSERT_EQ(::syscall(SYS_capget, &header, sets.data()), 0);
  sets[0].effective &= ~(1U << capability);
  sets[0].permitted &= ~(1U << capability);
  ASSERT_EQ(::syscall(SYS_capset, &header, sets.data()), 0);
}

TEST_F(IpvsTable, NamesTheCapabilityThatIsMissing) {
  std::optional<Error> error;
  // Capabilities belong to a thread.
  std::thread([&] {
    drop_capability(CAP_NET_ADMIN);
    if (const auto opened = Ipvs::open(); !opened) error = opened.error();
  }).join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, std::errc::operation_not_permitted);
  EXPECT_NE(error->detail.find("CAP_NET_ADMIN"), std::string::npos) << error->detail;
}

TEST_F(IpvsTable, IsFoundAgainAfterItsModuleWasReloaded) {
  const std::string modules =
      "ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sed ip_vs_nq ip_vs_lblc "
      "ip_vs_lblcr ip_vs_fo ip_vs_ovf ip_vs_sh ip_vs_mh ip_vs_dh ip_vs_pe_sip";
  kernel::output_of("modprobe -r " + modules + " ip_vs");
  kernel::output_of("modprobe -a ip_vs " + modules);
  ipvsadm(two_services);
  const lb::Table table = list({first_service});
  expect_applied({change(table, first_service, "10.0.1.1:80", 11)});
  EXPECT_EQ(weight(first_service, "10.0.1.1:80"), 11U);
}

TEST_F(IpvsTable, HoldsOnlyOldAndNewWeightsAfterAWriterWasKilled) {
  ipvsadm(big_service("10.0.0.1:80", 5000));
  const lb::Table old_table = list({first_service});
  const lb::Table new_table = with_new_weights(old_table);
  const lb::Plan there = diff(old_table, new_table);
  const lb::Plan back = diff(new_table, old_table);
  int halfway = 0;
  for (int round = 1; round <= 30 && halfway < 3; ++round) {
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
      auto ipvs = std::move(*Ipvs::open());
      for (;;) {
        ipvs->apply(there);
        ipvs->apply(back);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 7 * round));
    ::kill(writer, SIGKILL);
    ASSERT_EQ(::waitpid(writer, nullptr, 0), writer);

    const lb::Table now = list({first_service});
    std::size_t changed = 0;
    ASSERT_EQ(now.begin()->second.destinations.size(), 5000U);
    for (const auto& [at, destination] : now.begin()->second.destinations) {
      const auto& before = old_table.begin()->second.destinations.at(at);
      const auto& after = new_table.begin()->second.destinations.at(at);
      ASSERT_TRUE(destination == before || destination == after) << at.text();
      if (destination == after) ++changed;
    }
    if (changed > 0 && changed < 5000) ++halfway;
    expect_applied(diff(now, old_table));
  }
  EXPECT_EQ(halfway, 3) << "the writer was never killed in the middle";
}

}  // namespace
}  // namespace saspd::netlink
