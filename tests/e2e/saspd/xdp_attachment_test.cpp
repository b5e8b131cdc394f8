// SPDX-License-Identifier: Apache-2.0
// What becomes of connections while the program of saspd --backend xdp is taken off, attached again
// or gets bigger maps.

#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/crowd.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/kernel_datagrams.hpp"

namespace saspd::test {
namespace {

using kernel::Connection;
using std::chrono::milliseconds;

// What others do to the data plane is seen, said, and over when it is mended.
TEST_F(SaspdOnXdp, NoticesThatItsProgramWasTakenOff) {
  attach();
  advise({"10", "10", "10", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80", 4, {"--metrics", "127.0.0.1:9860"});
  ASSERT_TRUE(all_have_slots(4));
  std::string text;
  const auto check = [&] {
    return ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text);
  };
  ASSERT_TRUE(eventually([&] { return check() == 0; })) << text;
  const auto problem = [this]() -> std::string {
    const auto now = status();
    if (!now.is_object()) return "no answer";
    const auto& problems = now.at("problems").as_array();
    if (problems.size() != 1) return json::serialize(problems);
    const auto& only = problems[0].as_object();
    return std::string(only.at("name").as_string()) + " " +
           std::string(only.at("subject").as_string());
  };
  const auto metrics = [this] {
    std::string page;
    network_.director.run([&] { page = http_get(*Endpoint::parse("127.0.0.1:9860"), "/metrics"); });
    return page;
  };
  kernel::output_of("bpftool link detach pinned " + pins() + "/link_c0");
  EXPECT_TRUE(eventually([&] { return problem() == "not_attached c0"; })) << problem();
  EXPECT_EQ(check(), 1);
  EXPECT_NE(text.find("interface c0: the XDP program was detached from it"), std::string::npos)
      << text;
  EXPECT_NE(text.find("saspd --reattach --pins " + pins()), std::string::npos) << text;
  EXPECT_EQ(saspd_->times_logged("not_attached: interface c0"), 1U);
  EXPECT_NE(metrics().find("saspd_dataplane_problem{problem=\"not_attached\",subject=\"c0\"} 1"),
            std::string::npos)
      << metrics();
  advise({"10", "quiesce", "10", "10"});
  EXPECT_TRUE(weights_become({10, 0, 10, 10})) << "all that can be written is written";
  attach();
  EXPECT_TRUE(eventually([&] { return check() == 0; })) << text;
  EXPECT_EQ(saspd_->times_logged("not_attached of c0 has ended"), 1U);
  EXPECT_NE(metrics().find("saspd_dataplane_problems 0"), std::string::npos);
  expect_shares(connect(200), {1, 0, 1, 1});
  EXPECT_EQ(failed_, 0);
}

// Who watches the file is the test here, and systemd's path unit in packages.
TEST_F(SaspdOnXdp, AsksToBeAttachedAgainAndIs) {
  const std::string request = path("attach-request");
  attach();
  advise({"10", "10", "10", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80", 4, {"--attach-request", request});
  ASSERT_TRUE(all_have_slots(4));
  const auto asked = [this] {
    const auto now = status();
    return now.is_object() ? now.at("attach_requests").to_number<int>() : -1;
  };
  const Arguments reattach{"saspd", "--reattach", "--pins", pins()};
  EXPECT_EQ(asked(), 0);
  EXPECT_FALSE(std::filesystem::exists(request));

  kernel::output_of("bpftool link detach pinned " + pins() + "/link_c0");
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(request); }));
  ASSERT_TRUE(eventually([&] { return asked() > 0; }));
  std::string text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
  EXPECT_NE(text.find("that it be attached again"), std::string::npos) << text;
  // Asked again, but not all the time.
  EXPECT_TRUE(eventually([&] { return asked() >= 2; }));
  EXPECT_EQ(saspd_->times_logged("request 2 to attach the XDP program again"), 1U);
  ASSERT_EQ(ends_with(reattach, &text), 0) << text;
  EXPECT_NE(text.find("c0: attached in native mode"), std::string::npos) << text;
  EXPECT_TRUE(eventually(
      [&] { return saspd_->times_logged("the XDP program is attached as before, after") == 1; }));
  EXPECT_TRUE(eventually([&] {
    const auto now = status();
    return now.is_object() && now.at("attach_request").is_null();
  }));
  expect_shares(connect(200), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0);

  // Who detaches means it: nobody is asked, and asking does nothing.
  const int before = asked();
  std::filesystem::remove(request);
  ASSERT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.is_object() && now.at("kernel_error").is_string();
  }));
  EXPECT_EQ(ends_with(reattach, &text), 69) << text;
  EXPECT_EQ(asked(), before);
  EXPECT_FALSE(std::filesystem::exists(request));
}

// A director that routes, with a router (the client) that sends what is for the service address to
// it: without the program packets go to and fro until their TTL ends.
TEST_F(SaspdOnXdp, DropsWhatWouldComeBackWhileItsProgramIsGone) {
  const auto set = [](const char* name, char value) {
    std::ofstream(std::string("/proc/sys/net/") + name) << value;
  };
  network_.client.run([&] {
    set("ipv4/ip_forward", '1');
    set("ipv4/conf/all/accept_local", '1');  // its own packets come back to it
    set("ipv6/conf/all/forwarding", '1');
    set("ipv4/conf/all/send_redirects", '0');
    set("ipv4/conf/eth0/send_redirects", '0');
  });
  network_.director.run([&] { set("ipv4/conf/all/rp_filter", '2'); });  // as systemd sets it
  network_.director.ip(
      "route add default via 198.51.100.2\nroute add default via 2001:db8:c::2 dev c0\n");
  // By the router, which is asked to forward what comes back to it, and nothing else: the director also
  // forwards what servers answer, and send again when the client has closed.
  const auto forwarded = [this] {
    std::string v4;
    std::string v6;
    network_.client.run([&] {
      v4 = kernel::output_of("nstat -asz IpForwDatagrams | awk '/^Ip/ {print $2}'");
      v6 = kernel::output_of("nstat -asz Ip6OutForwDatagrams | awk '/^Ip/ {print $2}'");
    });
    return std::pair(std::stoll(v4), std::stoll(v6));
  };
  const auto send_to = [this](const Endpoint& to) {
    network_.client.run([&] {
      const kernel::SocketAddress address(to);
      const Descriptor socket(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::sendto(socket.get(), "x", 1, 0, address.get(), address.size), 1);
    });
  };
  // A port that no service has, and one that a service has: both come back if they are not led.
  const Endpoint unknown{vip.address, 4000};
  const Endpoint unknown6{vip6.address, 4000};
  // When nothing goes to and fro any more.
  const auto at_rest = [&] {
    auto last = forwarded();
    EXPECT_TRUE(eventually([&] {
      std::this_thread::sleep_for(milliseconds{300});
      const auto now = forwarded();
      return std::exchange(last, now) == now;
    }));
    return last;
  };
  const auto loops = [&] {
    const auto before = at_rest();
    send_to(unknown);
    send_to(unknown6);
    const auto now = at_rest();
    return std::pair(now.first - before.first, now.second - before.second);
  };
  const auto expect_no_loop = [&] {
    const auto once = loops();
    EXPECT_EQ(once.first, 0) << "nothing came back";
    EXPECT_EQ(once.second, 0);
  };
  const Arguments reattach{"saspd", "--reattach", "--pins", pins()};
  const auto detach_link = [this] {
    kernel::output_of("bpftool link detach pinned " + pins() + "/link_c0");
  };
  std::string text;

  attach("native");
  advise({"10", "10", "10", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80", 4,
              {"--service", "web6=tcp:[2001:db8:f::10]:80", "--member", "web6=[2001:db8:1::2]:80"});
  ASSERT_TRUE(all_have_slots(4));
  EXPECT_TRUE(eventually([&] {
    const auto times = loops();
    return times.first > 20 && times.second > 20;
  })) << "the scene: it is seen to go to and fro";
  detach_link();
  network_.client.run([] { EXPECT_FALSE(Connection::open(vip)) << "the client is told"; });

  attach("native", {"--blackhole"});
  const auto is_well = [&] {
    return ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text) == 0;
  };
  EXPECT_TRUE(eventually(is_well)) << text;
  expect_no_loop();
  expect_shares(connect(200), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0) << "answers pass the loose filter";

  detach_link();
  expect_no_loop();
  bool connected = false;
  std::thread client([&] {
    network_.client.run([&] {
      const kernel::SocketAddress address(vip);
      const Descriptor socket = address.stream();
      connected = ::connect(socket.get(), address.get(), address.size) == 0;
    });
  });
  std::this_thread::sleep_for(milliseconds{500});
  EXPECT_EQ(ends_with(reattach, &text), 0) << text;
  client.join();
  EXPECT_TRUE(connected) << "sent again, it has found its server";

  // It follows the services, and goes with --detach.
  ASSERT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
  network_.director.run([&] {
    EXPECT_EQ(kernel::output_of("ip rule; ip -6 rule").find("3860"), std::string::npos);
    EXPECT_EQ(kernel::output_of("ip link").find("saspd-drop"), std::string::npos);
  });
  attach("native", {"--blackhole"});
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.is_object() &&
           json::serialize(now.at("problems")).find("blackhole_incomplete") != std::string::npos;
  }));
  ASSERT_EQ(ends_with(reattach, &text), 0) << text;
  EXPECT_TRUE(eventually(is_well)) << text;
  network_.director.run([&] {
    EXPECT_NE(kernel::output_of("ip route show table 3860").find("192.0.2.10 dev saspd-drop"),
              std::string::npos);
  });
}

TEST_F(SaspdOnXdp, IsToldOfTheTrapOfAVeth) {
  const auto said = [this](const std::string& mode) {
    std::string output;
    EXPECT_EQ(ends_with({"saspd", "--attach", "--interface", "c0", "--xdp-mode", mode, "--pins",
                         pins() + mode},
                        &output),
              0)
        << output;
    EXPECT_EQ(ends_with({"saspd", "--detach", "--pins", pins() + mode}), 0);
    return output;
  };
  EXPECT_NE(said("native").find("c0 is a veth: "), std::string::npos);
  EXPECT_EQ(said("generic").find("c0 is a veth: "), std::string::npos);
}

// No pass comes by itself in this test: what it finds, saspd has noticed.
TEST_F(SaspdOnXdp, NoticesAtOnceWhatIsAttachedOrTakenAway) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  reconcile_interval_ = "3600";
  start_saspd("web=tcp:192.0.2.10:80", 4, {"--interval", "3600"});
  ASSERT_TRUE(weights_become({40, 30, 20, 10}));
  ASSERT_TRUE(all_have_slots(4));
  const kernel::RawMaps maps(pins());
  const auto served = [&] {
    const auto service = maps.tcp(80);
    return service && service->servers.size() == 4 && service->nobodys == 0;
  };
  // Of another layout: nothing of them can be taken over.
  auto settings = lb_settings{};
  ASSERT_TRUE(maps.find("settings", 0U, settings));
  settings.layout = 999;
  maps.put("settings", 0U, settings);
  attach("native", {"--replace", "--force"});
  ASSERT_TRUE(eventually(served));
  expect_shares(connect(200), {40, 30, 20, 10});
  EXPECT_EQ(failed_, 0);

  std::string text;
  ASSERT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
  ASSERT_TRUE(eventually([&] { return status().at("kernel_error").is_string(); }));
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
}

// Bigger maps come under a saspd that writes all the time, and under connections that come and go.
TEST_F(SaspdOnXdp, GetsBiggerMapsWithoutLosingAConnection) {
  attach("native", {"--max-services", "2", "--max-backends", "8", "--max-flows", "100000"});
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(all_have_slots(4));
  std::vector<Connection> old;
  network_.client.run([&] {
    for (int i = 0; i < 20; ++i) {
      auto connection = Connection::open(vip);
      if (connection) old.push_back(std::move(*connection));
    }
  });
  ASSERT_EQ(old.size(), 20U);
  kernel::Crowd crowd(vip, &network_.client);
  for (const int size : {8, 64, 200}) {
    advise({std::to_string(size), "30", "20", "10"});
    attach("native",
           {"--max-services", std::to_string(size), "--max-backends", std::to_string(10 * size),
            "--max-flows", std::to_string(100'000 + 1000 * size)});
    EXPECT_TRUE(weights_become({size, 30, 20, 10}));
  }
  // The servers of old connections get no slots any more: only the flows lead to them.
  advise({"0", "0", "0", "10"});
  EXPECT_TRUE(weights_become({0, 0, 0, 10}));
  attach("native", {"--max-services", "300", "--max-backends", "3000", "--max-flows", "400000"});
  crowd.go_home();
  EXPECT_EQ(crowd.failed, 0) << "of " << crowd.worked;
  for (const auto& connection : old)
    EXPECT_TRUE(connection.works());
  EXPECT_EQ(connect(20)[3], 20);
}

// An upgrade: a new program on the same maps and links, while connections come and go.
TEST_F(SaspdOnXdp, LosesNoConnectionWhenTheProgramIsAttachedAgain) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(all_have_slots(4));
  std::optional<Connection> old;
  network_.client.run([&] { old = Connection::open(vip); });
  ASSERT_TRUE(old);
  kernel::Crowd crowd(vip, &network_.client);
  for (int i = 0; i < 3; ++i) {
    attach("native");
    std::this_thread::sleep_for(milliseconds{300});
  }
  crowd.go_home();
  EXPECT_GT(crowd.worked, 100);
  EXPECT_EQ(crowd.failed, 0);
  EXPECT_TRUE(old->works());
}

TEST_F(SaspdOnXdp, LeavesAnInterfaceThatIsDownAndComesBack) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  network_.director.ip("link set s2 down\n");
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(1) == 0; }));
  EXPECT_EQ(of_members("kernel_weight").at(1), 10);
  const auto member = status().at_pointer("/groups/0/members/1");
  EXPECT_FALSE(member.at("reachable").as_bool());
  EXPECT_EQ(connect(200)[1], 0);
  EXPECT_EQ(failed_, 0);
  std::string text;
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
    return text.find("10.0.2.2:80 of group web cannot be reached") != std::string::npos;
  })) << text;
  network_.director.ip("link set s2 up\naddress replace 10.0.2.1/24 dev s2\n");
  EXPECT_TRUE(all_have_slots(4));
  EXPECT_GT(connect(200)[1], 0);
  EXPECT_EQ(failed_, 0);
}

}  // namespace
}  // namespace saspd::test
