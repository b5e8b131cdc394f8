// SPDX-License-Identifier: Apache-2.0
// More services and servers than the maps of saspd --backend xdp have room for.

#include <algorithm>

#include "controller/sasp/types.hpp"
#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/sasp_client.hpp"

namespace saspd::test {
namespace {

// Room for two services and five servers, and three of four servers each are wanted.
TEST_F(SaspdOnXdp, SteersWhatFitsAndNamesWhatDoesNot) {
  attach("native", {"--max-services", "2", "--max-backends", "5"});
  const auto advise_all = [this](const std::string& second) {
    std::string text;
    for (const auto* group : {"web", "x", "y"}) {
      const int port = *group == 'w' ? 80 : *group == 'x' ? 81 : 82;
      for (int n = 1; n <= 4; ++n) {
        text += fmt::format("{} 10.0.{}.2:{} {}\n", group, n, port, n == 2 ? second : "10");
      }
    }
    std::ofstream(path("weights.new")) << text;
    std::filesystem::rename(path("weights.new"), path("weights"));
  };
  advise_all("10");
  start_gwm();
  Arguments more;
  for (const auto* group : {"x", "y"}) {
    const int port = *group == 'x' ? 81 : 82;
    more.insert(more.end(), {"--service", fmt::format("{}=tcp:192.0.2.10:{}", group, port)});
    for (int n = 1; n <= 4; ++n)
      more.insert(more.end(), {"--member", fmt::format("{}=10.0.{}.2:{}", group, n, port)});
  }
  start_saspd("web=tcp:192.0.2.10:80", 4, more);
  const kernel::RawMaps maps(pins());
  const auto servers = [&maps](std::uint16_t port) {
    const auto service = maps.tcp(port);
    return service ? service->servers.size() : 0;
  };
  const auto share = [&maps](std::uint16_t port, const std::string& server) {
    const auto service = maps.tcp(port);
    if (!service || !service->servers.contains(server)) return -1;
    return static_cast<int>(service->servers.at(server).slots);
  };
  ASSERT_TRUE(eventually([&] { return servers(80) == 4 && servers(81) == 1; }));
  ASSERT_TRUE(eventually([&] { return share(80, "2.2") > 16000 && share(81, "1.2") == LB_SLOTS; }));
  EXPECT_EQ(servers(82), 0U);
  std::string text;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text), 1);
  EXPECT_NE(text.find("no_room"), std::string::npos) << text;
  EXPECT_NE(
      text.find("10.0.2.2:81, 10.0.3.2:81, 10.0.4.2:81 get no connections: the maps of the XDP "
                "program have room for 5 servers"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("tcp:192.0.2.10:82: the service is not served: the maps of the XDP program "
                      "have room for 2 services"),
            std::string::npos)
      << text;
  EXPECT_TRUE(status().at("kernel_error").is_null()) << "the kernel is well";
  advise_all("quiesce");
  ASSERT_TRUE(eventually([&] { return share(80, "2.2") == 0; })) << "the others are steered";
  EXPECT_EQ(connect(200)[1], 0);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(servers(81), 1U) << "what was served stays";
  EXPECT_EQ(saspd_->times_logged("no_room"), 2U) << saspd_->log();
}

// More than the maps that nothing was said for have room for: 64 services, 1 024 servers.
class BigFarm : public SaspdOnXdp {
 protected:
  static constexpr int first_port = 1000;

  // Server host n has the addresses 10.0.n.2 to 10.0.n.(1 + each), and listens for two services.
  void make_servers(int first, int last, int each) {
    for (std::size_t i = 0; i < network_.servers.size(); ++i) {
      const auto& host = *network_.servers[i];
      std::string lines;
      for (int n = 3; n < 2 + each; ++n)
        lines += fmt::format("address add 10.0.{}.{}/24 dev eth0\n", i + 1, n);
      if (!lines.empty()) host.ip(lines);
      host.run([&] {
        for (const int service : {first, last}) {
          const Endpoint at{vip.address, static_cast<std::uint16_t>(first_port + service)};
          servers_.push_back(std::make_unique<kernel::Servers>(std::vector<Endpoint>{at}, i));
        }
      });
    }
  }
  // Group gN feeds service N, each server has a weight of 10 there, but those of host 4 that of
  // `fourth`.
  void advise_all(int services, int each, const std::string& fourth) {
    std::string text;
    for_each(services, each, [&](int service, int host, int n) {
      text += fmt::format("g{} 10.0.{}.{}:{} {}\n", service, host, n, first_port + service,
                          host == 4 ? fourth : "10");
    });
    std::ofstream(path("weights.new")) << text;
    std::filesystem::rename(path("weights.new"), path("weights"));
  }
  template <class Action>
  static void for_each(int services, int each, Action action) {
    for (int service = 0; service < services; ++service) {
      for (int n = 2; n < 2 + each; ++n) {
        for (int host = 1; host <= 4; ++host)
          action(service, host, n);
      }
    }
  }
  // saspd with services from `first` on.
  void start_with(int first, int services, int each, const std::string& options = "",
                  Arguments more = {}) {
    for (const auto& flag : members_of(first, services, each))
      more.push_back(flag);
    for (int service = first + 1; service < services; ++service)
      more.insert(more.end(), {"--service", spec(service) + options});
    start_saspd(spec(first) + options, 0, more);
  }
  static std::string spec(int service) {
    return fmt::format("g{}=tcp:192.0.2.10:{}", service, first_port + service);
  }
  static Arguments members_of(int first, int services, int each) {
    Arguments arguments;
    for_each(services, each, [&](int service, int host, int n) {
      if (service < first) return;
      arguments.insert(arguments.end(), {"--member", fmt::format("g{}=10.0.{}.{}:{}", service, host,
                                                                 n, first_port + service)});
    });
    return arguments;
  }
  // What the raw maps say: slots of each server, by the last two bytes of its address, and by
  // service.
  using Slots = std::map<int, std::map<std::string, std::uint32_t>>;
  Slots served() const {
    const kernel::RawMaps maps(pins());
    std::map<std::uint32_t, int> services;  // by number
    for (int service = 0; service < 100; ++service) {
      if (const auto number = maps.tcp_number(static_cast<std::uint16_t>(first_port + service)))
        services[*number] = service;
    }
    std::map<std::uint32_t, std::vector<std::uint32_t>> slots;  // by number of the server
    for (const auto& [number, service] : services)
      slots[number] = maps.slots(number);
    Slots served;
    lb_backend backend{};
    for (std::uint32_t number = 1; maps.find("backends", number, backend); ++number) {
      if ((backend.flags & LB_BACKEND_PRESENT) == 0 || !services.contains(backend.service))
        continue;
      const auto name = fmt::format("{}.{}", backend.address.bytes[2], backend.address.bytes[3]);
      served[services[backend.service]][name] = slots[backend.service][number];
    }
    return served;
  }
  static std::size_t servers_in(const Slots& served) {
    std::size_t count = 0;
    for (const auto& [service, servers] : served)
      count += servers.size();
    return count;
  }
  // So many services and servers become served, which all have slots, but those of host 4 only if
  // `fourth`.
  bool become_served(std::size_t services, std::size_t servers, bool fourth) const {
    return in_time([&] {
      const auto now = served();
      return now.size() == services && servers_in(now) == servers &&
             std::all_of(now.begin(), now.end(), [fourth](const auto& service) {
               return std::all_of(
                   service.second.begin(), service.second.end(), [fourth](const auto& server) {
                     return (server.second > 0) == (fourth || !server.first.starts_with("4."));
                   });
             });
    });
  }
  static bool in_time(const std::function<bool()>& condition) {
    return eventually(condition, seconds{120});
  }
  bool says(const std::string& text) {
    std::string said;
    ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &said);
    return said.find(text) != std::string::npos;
  }
  // Which host serves how many.
  std::vector<double> connect_to(int service) {
    auto counts = connect(60, {vip.address, static_cast<std::uint16_t>(first_port + service)});
    EXPECT_EQ(failed_, 0) << "service " << service;
    return counts;
  }
};

TEST_F(BigFarm, ServesAllButTheServiceThatIsOneTooMany) {
  constexpr int all = 65;
  attach();
  make_servers(1, all - 1, 1);
  advise_all(all, 1, "10");
  start_gwm();
  start_with(1, all, 1);
  ASSERT_TRUE(become_served(64, 256, true));
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{30}), 0);
  start_with(0, all, 1);
  ASSERT_TRUE(in_time([&] {
    return says(
        "tcp:192.0.2.10:1000: the service is not served: the maps of the XDP program have "
        "room for 64 services");
  }));
  advise_all(all, 1, "quiesce");
  ASSERT_TRUE(become_served(64, 256, false));
  EXPECT_FALSE(served().contains(0)) << "what was served stays";
  EXPECT_EQ(connect_to(1)[3], 0);
  EXPECT_EQ(connect_to(all - 1)[3], 0);
}

// And what stands behind --, --attach makes room for.
TEST_F(BigFarm, ServesAllButTheServersThatAreTooMany) {
  constexpr int services = 43;
  constexpr int each = 6;  // on four hosts: 1032 in all
  attach();
  make_servers(0, services - 1, each);
  advise_all(services, each, "10");
  start_gwm();
  start_with(0, services, each);
  ASSERT_TRUE(become_served(services, 1024, true));
  EXPECT_EQ(served()[services - 1].size(), 16U);
  EXPECT_TRUE(in_time([&] { return says("have room for 1024 servers"); }));
  advise_all(services, each, "quiesce");
  ASSERT_TRUE(become_served(services, 1024, false));
  EXPECT_EQ(connect_to(0)[3], 0);
  EXPECT_EQ(connect_to(services - 1)[3], 0);

  Arguments sized{"--", "--backend", "xdp", "--gwm", "127.0.0.1"};
  for (int service = 0; service < services; ++service)
    sized.insert(sized.end(), {"--service", spec(service)});
  for (const auto& flag : members_of(0, services, each))
    sized.push_back(flag);
  attach("native", sized);
  lb_settings settings{};
  ASSERT_TRUE(kernel::RawMaps(pins()).find("settings", 0U, settings));
  EXPECT_EQ(settings.max_backends, 4096U);
  EXPECT_EQ(settings.max_services, 128U);
  ASSERT_TRUE(become_served(services, 1032, false));
  EXPECT_TRUE(in_time([&] { return !says("no_room"); }));
  connect_to(services - 1);
}

TEST_F(BigFarm, ServesWhoIsConfiguredBeforeWhoRegisteredItself) {
  constexpr int services = 5;
  constexpr int each = 56;  // one configured and 55 that register, on four hosts: 1100 of these
  const std::set<std::string> configured{"1.2", "2.2", "3.2", "4.2"};
  const auto all_configured = [&] {
    const auto now = served();
    return std::all_of(now.begin(), now.end(), [&](const auto& service) {
      return std::all_of(configured.begin(), configured.end(),
                         [&](const auto& server) { return service.second.contains(server); });
    });
  };
  attach();
  make_servers(0, services - 1, each);
  advise_all(services, each, "10");
  start_gwm({"--max-self-registered", "2000", "--allow-foreign-members"});
  start_with(0, services, 1, ",manage", {"--trust"});
  ASSERT_TRUE(become_served(services, 20, true));
  network_.director.run([&] {
    saspd::testing::SaspClient agent(sasp::default_port);
    for (int service = 0; service < services; ++service) {
      sasp::GroupOfMemberData group{{lb_uid_, fmt::format("g{}", service)}, {}};
      for_each(1, each, [&](int, int host, int n) {
        const auto port = static_cast<std::uint16_t>(first_port + service);
        if (n == 2) return;
        group.items.push_back(
            sasp::MemberData::of({*IpAddress::parse(fmt::format("10.0.{}.{}", host, n)), 6, port}));
      });
      const auto reply = agent.answer_to<sasp::RegistrationReply>(
          sasp::RegistrationRequest{.flags = 0, .groups = {group}});
      ASSERT_EQ(reply.code, sasp::ReturnCode::successful);
    }
  });
  ASSERT_TRUE(become_served(services, 1024, true));
  EXPECT_TRUE(all_configured());
  EXPECT_TRUE(in_time([&] { return says("have room for 1024 servers"); }));

  // On empty maps, with all of them known to the GWM from the beginning.
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{30}), 0);
  std::string text;
  ASSERT_EQ(ends_with({"saspd", "--detach", "--pins", pins()}, &text), 0) << text;
  attach();
  start_with(0, services, 1, ",manage", {"--trust"});
  ASSERT_TRUE(become_served(services, 1024, true));
  EXPECT_TRUE(all_configured());
  advise_all(services, each, "quiesce");
  ASSERT_TRUE(become_served(services, 1024, false));
  EXPECT_EQ(connect_to(0)[3], 0);
  EXPECT_EQ(connect_to(services - 1)[3], 0);
}

}  // namespace
}  // namespace saspd::test
