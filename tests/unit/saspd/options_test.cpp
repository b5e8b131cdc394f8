// SPDX-License-Identifier: Apache-2.0
// Every way to say it wrongly that the issue names: exit code, and an error with the flag, the
// value and the accepted form.

#include "controller/saspd/options.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "controller/programs/saspd/backends.hpp"

namespace saspd::director {

using programs::backends;
namespace {

struct Parsed {
  std::optional<Options> options;
  int code = 0;
  std::string out;
  std::string err;
};

Parsed parse(std::vector<std::string> arguments, Backends rows = backends) {
  arguments.insert(arguments.begin(), "saspd");
  std::vector<const char*> argv;
  for (const auto& argument : arguments)
    argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  auto result = parse_options(static_cast<int>(argv.size()), argv.data(), rows);
  std::fflush(stdout);
  Parsed parsed;
  parsed.out = testing::internal::GetCapturedStdout();
  parsed.err = testing::internal::GetCapturedStderr();
  if (auto* options = std::get_if<Options>(&result)) {
    parsed.options = std::move(*options);
  } else {
    parsed.code = static_cast<int>(std::get<ExitCode>(result));
  }
  return parsed;
}

// Good flags with more behind them.
Parsed parse_more(std::vector<std::string> more) {
  std::vector<std::string> arguments{"--gwm", "127.0.0.1", "--lb-uid",
                                     "d1",    "--service", "web=tcp:192.0.2.10:80"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return parse(arguments);
}

struct Bad {
  std::vector<std::string> flags;
  int code;
  std::vector<std::string> said;  // all of these
};

// Nothing here knows which backends there are.
TEST(SaspdOptions, TakeABackendThatIsARowMore) {
  static const lb::Backend third{
      .name = "nft",
      .title = "nftables",
      .help = "the kernel's nftables",
      .service_help = "Options of a --service with --backend nft: none",
      .not_adopted = "it has no services",
      .parse_options = [](const lb::ServiceKey& key,
                          std::string_view options) -> Result<lb::ServiceSettings> {
        if (!options.empty()) return fail(std::errc::invalid_argument, "no options");
        return lb::plain_service(key);
      },
      .many_addresses = "one each",
      .doubt = [](const lb::ServiceSettings&) -> std::optional<std::string> { return "really?"; },
  };
  std::vector<const lb::Backend*> rows(backends.begin(), backends.end());
  rows.push_back(&third);
  const auto with = [&rows](std::vector<std::string> more) {
    std::vector<std::string> all{"--gwm", "127.0.0.1", "--lb-uid", "d", "--backend", "nft"};
    all.insert(all.end(), more.begin(), more.end());
    return parse(all, rows);
  };
  const auto good = with({"--service", "web=tcp:192.0.2.10:80"});
  ASSERT_TRUE(good.options) << good.err;
  EXPECT_EQ(good.options->backend, &third);
  EXPECT_EQ(doubts(*good.options),
            std::vector<std::string>{"--service web=tcp:192.0.2.10:80: really?"});
  EXPECT_NE(with({"--service", "web=tcp:192.0.2.10:80,x"}).err.find("no options"),
            std::string::npos);
  EXPECT_NE(with({"--service", "web=tcp:255.255.255.255:80"}).err.find("connect to, one each"),
            std::string::npos);
  EXPECT_NE(with({"--adopt"}).err.find("--adopt is for --backend ipvs: it has no services"),
            std::string::npos);
  const auto help = parse({"--help"}, rows).out;
  EXPECT_NE(help.find("--backend ipvs|xdp|nft"), std::string::npos);
  EXPECT_NE(help.find("Options of a --service with --backend nft: none"), std::string::npos);
}

TEST(SaspdOptions, TakeServicesAndMembersOfAGroup) {
  const auto parsed =
      parse_more({"--service", "web=tcp:[2001:db8::10]:80", "--member",
                  "web=10.0.0.1:80,weight=7,label=one, two", "--member", "web=[2001:db8::1]:80"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  ASSERT_EQ(parsed.options->groups.size(), 1U);
  const auto& group = parsed.options->groups[0];
  EXPECT_EQ(group.name, "web");
  EXPECT_EQ(group.services.size(), 2U);
  const auto& member = group.members.at(*Endpoint::parse("10.0.0.1:80"));
  EXPECT_EQ(member.weight, 7U);
  EXPECT_EQ(member.label, "one, two");
  EXPECT_EQ(group.members.at(*Endpoint::parse("[2001:db8::1]:80")).weight, std::nullopt);
}

TEST(SaspdOptions, TakeEveryKindOfService) {
  const auto parsed = parse_more(
      {"--service", "dns=udp:[2001:db8::10]:53", "--service", "sig=sctp:192.0.2.10:2905",
       "--service", "mark=fwmark:7,proto=udp,max=500", "--service", "all=fwmark6:8", "--service",
       "any=tcp:192.0.2.10:0", "--member", "all=[2001:db8::1]:0", "--adopt"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  const auto& groups = parsed.options->groups;
  ASSERT_EQ(groups.size(), 6U);
  EXPECT_EQ(groups[1].services[0].protocol, lb::Protocol::udp);
  EXPECT_EQ(groups[2].services[0].protocol, lb::Protocol::sctp);
  EXPECT_EQ(groups[3].services[0].protocol, lb::Protocol::udp);
  EXPECT_EQ(groups[3].services[0].max, 500U);
  EXPECT_EQ(groups[4].services[0].protocol, lb::Protocol::tcp) << "unless proto= says otherwise";
  EXPECT_TRUE(parsed.options->adopt);
  EXPECT_TRUE(parse({"--gwm", "127.0.0.1", "--adopt"}).options) << "needs no service";
}

TEST(SaspdOptions, TakeAManagedService) {
  const auto parsed =
      parse_more({"--service",
                  "m=udp:192.0.2.11:53,manage,scheduler=mh,forward=tunnel,drain=30,mh-port,"
                  "persistent=300,one-packet",
                  "--member", "m=10.0.0.1:53", "--member", "m=[2001:db8::1]:53"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  const auto& service = parsed.options->groups.at(1).services.at(0);
  ASSERT_TRUE(service.manage);
  using namespace lb::service_flag;
  EXPECT_EQ(
      service.manage->service,
      (lb::Service{"mh", fallback | hash_port | persistent | one_packet, 300, 0xFFFFFFFF, ""}));
  EXPECT_EQ(service.manage->forward, lb::Forward::tunnel);
  EXPECT_EQ(service.manage->drain, std::chrono::seconds{30});
}

Parsed parse_xdp(std::vector<std::string> more) {
  std::vector<std::string> arguments{"--gwm", "127.0.0.1", "--backend", "xdp"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return parse(arguments);
}

TEST(SaspdOptions, TakeServicesOfXdp) {
  const auto parsed =
      parse_xdp({"--service", "web=tcp:192.0.2.10:80,forward=ipip,stateless", "--service",
                 "dns=udp:[2001:db8::1]:53,manage,table=independent", "--member", "web=10.0.0.1:80",
                 "--member", "web=[2001:db8::2]:80", "--trust"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  const auto& web = *parsed.options->groups.at(0).services.at(0).manage;
  EXPECT_EQ(web.service.scheduler, "minimal");
  EXPECT_EQ(web.service.flags, lb::service_flag::stateless);
  EXPECT_EQ(web.forward, lb::Forward::tunnel);
  EXPECT_FALSE(web.open);
  const auto& dns = *parsed.options->groups.at(1).services.at(0).manage;
  EXPECT_EQ(dns.service.scheduler, "independent");
  EXPECT_EQ(dns.forward, lb::Forward::route);
  EXPECT_TRUE(dns.open);
}

TEST(SaspdOptions, TakeWhetherTheFlowsOfALostServerEnd) {
  const auto flags = [](const std::string& option) -> std::optional<std::uint32_t> {
    const auto parsed =
        parse_xdp({"--service", "web=tcp:192.0.2.10:80" + option, "--member", "web=10.0.0.1:80"});
    if (!parsed.options) return std::nullopt;
    return parsed.options->groups.at(0).services.at(0).manage->service.flags;
  };
  EXPECT_EQ(flags(""), 0U);
  EXPECT_EQ(flags(",on-lost=keep"), 0U);
  EXPECT_EQ(flags(",on-lost=drop"), lb::service_flag::drop_lost);
  for (const char* option :
       {",on-lost", ",on-lost=", ",on-lost=reset", ",on-lost=drop,on-lost=keep"})
    EXPECT_EQ(flags(option), std::nullopt) << option;
}

TEST(SaspdOptions, RefuseWhatXdpDoesNotHave) {
  const std::vector<Bad> table{
      {{"--service", "x=fwmark:7"}, 64, {"fwmark", "--backend ipvs"}},
      {{"--service", "x=sctp:192.0.2.1:9"}, 64, {"sctp", "--backend ipvs"}},
      {{"--service", "x=tcp:192.0.2.1:0"}, 64, {"port 0"}},
      {{"--service", "x=tcp:192.0.2.1:80,scheduler=wrr"}, 64, {"scheduler=wrr", "--backend xdp"}},
      {{"--service", "x=tcp:192.0.2.1:80,forward=nat"}, 64, {"forward=nat", "l2 or ipip"}},
      {{"--service", "x=tcp:192.0.2.1:80"}, 64, {"--member"}},
      {{"--service", "x=tcp:192.0.2.1:80", "--member", "x=10.0.0.1:8080"}, 64, {"8080", "port"}},
      {{"--service", "x=tcp:192.0.2.1:80", "--member", "x=[2001:db8::1]:80"}, 64, {"IPv6", "ipip"}},
      {{"--adopt"}, 64, {"--adopt", "--backend ipvs"}},
  };
  for (const auto& bad : table) {
    const auto parsed = parse_xdp(bad.flags);
    SCOPED_TRACE(bad.flags.back());
    EXPECT_EQ(parsed.code, bad.code);
    for (const auto& part : bad.said)
      EXPECT_NE(parsed.err.find(part), std::string::npos) << part << " is not in: " << parsed.err;
  }
}

TEST(SaspdOptions, TakeAttachWithoutAGwm) {
  const auto parsed = parse({"--attach", "--interface", "eth0", "--interface", "eth1", "--xdp-mode",
                             "generic", "--max-backends", "65535", "--syn", "defer"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->verb, cli::Verb::attach);
  EXPECT_EQ(parsed.options->xdp.interfaces, (std::vector<std::string>{"eth0", "eth1"}));
  EXPECT_EQ(parsed.options->xdp.mode, XdpOptions::Mode::generic);
  EXPECT_EQ(parsed.options->xdp.max_backends, 65535U);
  EXPECT_TRUE(parsed.options->xdp.defer_syn);
  EXPECT_EQ(parse({"--detach"}).options.value().verb, cli::Verb::detach);
  EXPECT_EQ(parse({"--attach"}).code, 64);
  EXPECT_NE(parse({"--attach"}).err.find("--interface"), std::string::npos);
  EXPECT_EQ(parse({"--attach", "--interface", "eth0", "--max-backends", "65536"}).code, 64);
}

// As the packaged unit attaches: what saspd runs with stands behind, whatever it has beside
// services.
TEST(SaspdOptions, TakeWhatAttachMakesRoomFor) {
  const auto attach = [](std::vector<std::string> behind) {
    std::vector<std::string> all{"--attach", "--interface", "eth0", "--pins", "/p", "--"};
    all.insert(all.end(), behind.begin(), behind.end());
    return parse(std::move(all));
  };
  const auto parsed =
      attach({"--backend", "xdp", "--gwm", "gwm.example.net", "--insecure-plaintext", "--lb-uid",
              "d1", "--pins", "/q", "--dry-run", "--log-level", "debug", "--service",
              "web=tcp:192.0.2.10:80,manage,on-lost=drop", "--member", "web=10.0.0.1:80"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->verb, cli::Verb::attach);
  EXPECT_EQ(parsed.options->xdp.pins, "/p");
  EXPECT_FALSE(parsed.options->dry_run);
  ASSERT_EQ(parsed.options->groups.size(), 1U);
  EXPECT_EQ(parsed.options->groups[0].members.size(), 1U);
  EXPECT_TRUE(attach({}).options.value().groups.empty());
  EXPECT_TRUE(attach({"--gwm", "127.0.0.1", "--adopt"}).options) << "an instance for IPVS";
  EXPECT_TRUE(attach({"--service", "a=tcp:192.0.2.10:1"}).options.value().groups.empty())
      << "IPVS needs no room in the maps";

  const std::string path = testing::TempDir() + "served.conf";
  std::ofstream(path)
      << "backend = xdp\nservice = a=tcp:192.0.2.10:1\nservice = b=udp:192.0.2.10:2\n";
  EXPECT_EQ(attach({"--config", path}).options.value().groups.size(), 2U);
  std::ofstream(path) << "servcie = a=tcp:192.0.2.10:1\n";
  EXPECT_EQ(attach({"--config", path}).code, 78);
  std::filesystem::remove(path);
  EXPECT_EQ(attach({"--config", path}).code, 66);
  EXPECT_NE(attach({"--backend", "xdp", "--service", "web"}).err.find("--service: 'web'"),
            std::string::npos);

  for (const auto* verb : {"--check", "--print-config", "--detach", "--attach"}) {
    const auto refused = attach({verb});
    EXPECT_EQ(refused.code, 64) << verb;
    EXPECT_EQ(refused.out, "");
    EXPECT_NE(refused.err.find("only the options that saspd runs with may follow --"),
              std::string::npos)
        << refused.err;
  }
  const auto lonely = parse_more({"--", "--dry-run"});
  EXPECT_EQ(lonely.code, 64);
  EXPECT_NE(lonely.err.find("-- goes with --attach"), std::string::npos) << lonely.err;
}

// Whoever asks "what would be?" does not lose the data plane.
TEST(SaspdOptions, TakeOneVerbPerRun) {
  const std::vector<std::string> verbs{"--attach", "--reattach", "--detach", "--check",
                                       "--print-config"};
  for (const auto& first : verbs) {
    for (const auto& second : verbs) {
      if (first == second) continue;
      const auto parsed = parse_more({"--interface", "eth0", first, second});
      SCOPED_TRACE(first + " " + second);
      EXPECT_EQ(parsed.code, 64);
      EXPECT_EQ(parsed.out, "");
      EXPECT_NE(parsed.err.find(first), std::string::npos) << parsed.err;
      EXPECT_NE(parsed.err.find(" at once: a run does one of them"), std::string::npos)
          << parsed.err;
    }
  }
  EXPECT_EQ(parse_more({"--detach=false", "--check"}).options.value().verb, cli::Verb::check);
  for (const std::string verb : {"--attach", "--reattach", "--detach"}) {
    const auto parsed = parse({verb, "--interface", "eth0", "--dry-run"});
    EXPECT_EQ(parsed.code, 64) << verb;
    EXPECT_NE(parsed.err.find("--dry-run=false"), std::string::npos) << parsed.err;
  }
  EXPECT_EQ(parse_more({"--replace"}).code, 64);
  EXPECT_EQ(parse({"--detach", "--replace"}).code, 64);
}

// Its unit gives it the flags of the attach unit, of which the pins count.
TEST(SaspdOptions, TakeTheFlagsOfAttachBesideReattach) {
  const auto parsed = parse({"--reattach", "--interface", "eth0", "--replace", "--pins", "/x/y"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.options->verb, cli::Verb::reattach);
  EXPECT_EQ(parsed.options->xdp.pins, "/x/y");
  EXPECT_EQ(parse({"--reattach"}).options.value().xdp.pins, "/sys/fs/bpf/saspd");
}

TEST(SaspdOptions, HaveTheDefaultsOfTheFace) {
  const auto parsed = parse({"--gwm", "127.0.0.1", "--service", "web=tcp:192.0.2.10:80"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  EXPECT_EQ(parsed.options->lb_uid, host);
  EXPECT_EQ(parsed.options->gwms.at(0).port, 3860);
  EXPECT_EQ(parsed.options->interval, std::nullopt);
  EXPECT_EQ(parsed.options->retry_min, std::chrono::seconds{20});
  EXPECT_EQ(parsed.options->reconcile_interval, std::chrono::seconds{5});
  EXPECT_EQ(parsed.options->control, "/run/saspd/control");
  EXPECT_TRUE(parsed.options->policy.hold_all_zero);
  EXPECT_EQ(parsed.options->policy.panic, 0U);
  EXPECT_FALSE(parsed.options->dry_run);
}

TEST(SaspdOptions, TakeTheFlagsOfSetLbState) {
  const auto parsed =
      parse_more({"--mode", "push", "--trust", "--no-change", "--gwm", "127.0.0.2:3861"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  EXPECT_TRUE(parsed.options->push);
  EXPECT_TRUE(parsed.options->trust);
  EXPECT_TRUE(parsed.options->no_change);
  EXPECT_EQ(parsed.options->gwms.at(1).text(), "127.0.0.2:3861") << "in order of precedence";
}

TEST(SaspdOptions, RefuseWhatIsWrongAndSayWhy) {
  const std::string long_uid(65, 'u');
  const std::string long_name(256, 'g');
  const std::vector<Bad> table{
      {{"--lb-uid", "x"}, 64, {"--lb-uid"}},  // given twice
      {{"--member", "web=10.0.0.1:80", "--member", "web=10.0.0.1:80"},
       64,
       {"--member", "10.0.0.1:80"}},
      {{"--service", "two=tcp:192.0.2.10:80"}, 64, {"--service", "tcp:192.0.2.10:80", "web"}},
      {{"--service", "tcp:192.0.2.11:80"}, 64, {"--service", "GROUP=SPEC"}},
      {{"--service", "x=192.0.2.11:80"}, 64, {"--service", "192.0.2.11:80", "tcp:"}},
      {{"--service", "x=tcp:192.0.2.11"}, 64, {"--service", "192.0.2.11:PORT"}},
      {{"--service", "x=tcp:192.0.2.11:65536"}, 64, {"--service", "65536", "65535"}},
      {{"--service", "x=tcp:2001:db8::1:80"}, 64, {"--service", "[2001:db8::1]:80"}},
      {{"--service", "x=fwmark:0"}, 64, {"--service", "'0'", "1 to"}},
      {{"--service", "x=fwmark:0x"}, 64, {"--service", "'0x'", "from 0x1"}},
      {{"--service", "x=tcp:www.example.org:80"}, 64, {"names are not resolved here"}},
      {{"--service", "web"}, 64, {"'web' has no '='", "GROUP=SPEC"}},
      {{"--service", "x=192.0.2.10:80"}, 64, {"did you mean tcp:192.0.2.10:80?"}},
      {{"--service", "x=fwmark:7,mangae,forward=route"}, 64, {"did you mean 'manage'?"}},
      {{"--service", "x=fwmark:7,manage,forward=tunel"}, 64, {"did you mean 'tunnel'?"}},
      {{"--service", "x=fwmark:7,manage,forward=route,drain=5 min"}, 64, {"drain", "as in 5m"}},
      {{"--member", "web=10.0.0.14:80,label=blade-14,weight=7"},
       64,
       {"the label would be 'blade-14,weight=7'", "label=\"blade-14\",weight=7"}},
      {{"--member", "web=10.0.0.14:80,label=a, weight=7"}, 64, {"label=\"a\",weight=7"}},
      {{"--member", "web=10.0.0.14:80,label=\"a\"b,weight=7"}, 64, {"the label would be"}},
      {{"--member", "web=10.0.0.14:80,wieght=7"}, 64, {"did you mean 'weight'?"}},
      {{"--member", "web=10.0.0.14"}, 64, {"has no port; write 10.0.0.14:PORT"}},
      {{"--member", "web=2001:db8::1:80"}, 64, {"[2001:db8::1]:80"}},
      {{"--gvm", "127.0.0.1"}, 64, {"unknown flag '--gvm'", "did you mean '--gwm'?"}},
      {{"\xE2\x80\x93gwm", "127.0.0.1"}, 64, {"did you mean '--gwm'?"}},
      {{"--gwm", "2001:db8::1"}, 64, {"write [2001:db8::1]"}},
      {{"--metrics", ":9860"}, 64, {"127.0.0.1:9860"}},
      {{"--metrics", "metrics.example:9860"}, 64, {"names are not resolved here"}},
      {{"--interval", "10 s"}, 64, {"the units are s, m, h and d", "or auto"}},
      {{"--decapsulate", "www.example.org"}, 64, {"not an IP address"}},
      {{"--service", "x=fwmark:7,color=red"}, 64, {"--service", "color=red", "manage"}},
      {{"--service", "x=tcp:192.0.2.11:80,proto=udp"}, 64, {"proto=", "fwmark"}},
      {{"--service", "x=fwmark:7,proto=icmp"}, 64, {"proto=icmp", "sctp"}},
      {{"--service", "x=fwmark:7,max=0"}, 64, {"max", "1 to 65535"}},
      {{"--service", "x=fwmark:7,scheduler=wrr"}, 64, {"--service", "manage"}},
      {{"--service", "x=tcp:192.0.2.11:80,manage"}, 64, {"--service", "forward=masquerade"}},
      {{"--service", "x=fwmark:7,manage,forward=bridge"}, 64, {"forward=bridge", "route"}},
      {{"--service", "x=fwmark:7,manage,forward=route,scheduler=W"}, 64, {"scheduler=W"}},
      {{"--service", "x=fwmark:7,manage,forward=route,drain=x"}, 64, {"drain", "'x'"}},
      {{"--service", "x=fwmark:7,manage,forward=route,mh-port"}, 64, {"mh-port", "wlc"}},
      {{"--service", "x=fwmark:7,manage,forward=route,one-packet"}, 64, {"one-packet", "UDP"}},
      {{"--service", "x=fwmark:7,manage,forward=route"}, 64, {"--member", "--trust"}},
      {{"--service", long_name + "=tcp:192.0.2.11:80"}, 64, {"--service", "256", "255"}},
      {{"--service", "=tcp:192.0.2.11:80"}, 64, {"--service", "0 bytes"}},
      {{"--member", "web=10.0.0.1:80,weight=65536"}, 64, {"--member", "65536", "65535"}},
      {{"--member", "web=10.0.0.1:80,weight=-1"}, 64, {"--member", "-1"}},
      {{"--member", "web=10.0.0.1:0"}, 64, {"--member", "port 0", "web"}},
      {{"--service", "m=fwmark:7", "--member", "m=10.0.0.1:0", "--member", "m=10.0.0.2:80"},
       64,
       {"--member", "one kind"}},
      {{"--member", "web=10.0.0.1:80,color=red"}, 64, {"--member", "color=red", "weight=N"}},
      {{"--member", "web=10.0.0.1:80,label=" + long_name}, 64, {"--member", "256", "255"}},
      {{"--service", "m=tcp:192.0.2.11:80,manage,forward=route", "--member", "m=[2001:db8::1]:80"},
       64,
       {"--member", "IPv6", "IPv4", "forward=tunnel"}},
      {{"--member", "web=0.0.0.0:80"},
       64,
       {"--member: '0.0.0.0:80'", "unspecified", "write the server's own"}},
      {{"--member", "web=224.0.0.1:80"}, 64, {"--member", "224.0.0.1 is a multicast address"}},
      {{"--member", "web=255.255.255.255:80"}, 64, {"255.255.255.255 is the broadcast address"}},
      {{"--member", "web=[::]:80,weight=3"}, 64, {"--member", ":: is the unspecified address"}},
      {{"--member", "web=[ff02::1]:80"}, 64, {"--member", "ff02::1 is a multicast address"}},
      {{"--service", "any=tcp:0.0.0.0:80"},
       64,
       {"--service: 'any=tcp:0.0.0.0:80'", "unspecified", "clients connect to", "fwmark:N"}},
      {{"--service", "any=udp:[::]:53,manage,forward=route"}, 64, {":: is the unspecified"}},
      {{"--service", "any=tcp:224.0.0.5:0"}, 64, {"224.0.0.5 is a multicast address"}},
      {{"--backend", "xdp", "--service", "any=tcp:255.255.255.255:80"},
       64,
       {"the broadcast address", "a --service for each"}},
      {{"--backend", "xdp", "--service", "any=tcp:[ff0e::1]:80"}, 64, {"a multicast address"}},
      {{"--member", "none=10.0.0.1:80"}, 64, {"--member", "none"}},
      {{"--member", "web=server1:80"}, 64, {"--member", "server1"}},
      {{"--gwm", "127.0.0.1:3860"}, 64, {"--gwm", "127.0.0.1:3860", "before"}},
      {{"--interval", "0"}, 64, {"--interval", "'0'", "1 to 3600", "auto"}},
      {{"--interval", "3601"}, 64, {"--interval", "3601"}},
      {{"--mode", "shove"}, 64, {"--mode", "pull", "push"}},
      {{"--backend", "nft"}, 64, {"--backend", "ipvs", "xdp"}},
      {{"--on-all-zero", "maybe"}, 64, {"--on-all-zero", "hold", "apply"}},
      {{"--panic", "101"}, 64, {"--panic", "0 to 100"}},
      {{"--panic", "50", "--on-all-zero", "apply"}, 64, {"--panic", "--on-all-zero apply"}},
      {{"--reconcile-interval", "soon"}, 64, {"--reconcile-interval", "soon"}},
      {{"--tls-cert", "cert.pem"}, 78, {"--tls-cert", "needs --tls-key"}},
      {{"--tls-min", "1.3"}, 78, {"TLS needs --tls-ca"}},
      {{"--metrics", "on"}, 64, {"--metrics", "'on'", "or off"}},
      {{"--metrics", "127.0.0.1:0"}, 64, {"--metrics", "1 to 65535"}},
      {{"--metrics-members", "some"}, 64, {"--metrics-members", "on", "off"}},
      {{"--colour"}, 64, {"--colour"}},
  };
  for (const auto& bad : table) {
    const auto parsed = parse_more(bad.flags);
    SCOPED_TRACE(bad.flags.front() + " " + bad.flags.back());
    EXPECT_EQ(parsed.code, bad.code);
    EXPECT_FALSE(parsed.options);
    for (const auto& part : bad.said)
      EXPECT_NE(parsed.err.find(part), std::string::npos) << part << " is not in: " << parsed.err;
  }
  for (const std::string& uid : {std::string(), long_uid,
                                 std::string("a\x01"
                                             "b")}) {
    const auto parsed =
        parse({"--gwm", "127.0.0.1", "--service", "web=tcp:192.0.2.10:80", "--lb-uid", uid});
    EXPECT_EQ(parsed.code, 64);
    EXPECT_NE(parsed.err.find("--lb-uid"), std::string::npos) << parsed.err;
    EXPECT_NE(parsed.err.find("1 to 64"), std::string::npos) << parsed.err;
  }
}

// operator 5: what is meant is clear, so it is taken.
TEST(SaspdOptions, AreTakenAsTheyAreMeant) {
  const auto parsed = parse_more({"--service",
                                  "a=TCP:192.0.2.11:80,manage,forward=nat,drain=5m,persistent=2h",
                                  "--service",
                                  "b=fwmark:0x10,manage,forward=dr",
                                  "--service",
                                  "c=fwmark6:0XFF,manage,forward=ipip",
                                  "--member",
                                  "a=10.0.0.1:80,label=\"rack 4, blade 2\",weight=7",
                                  "--member",
                                  "a=10.0.0.2:80,label='x,weight=1'",
                                  "--member",
                                  "a=10.0.0.3:80,label=5\" disk, red",
                                  "--member",
                                  "b=10.0.0.1:0",
                                  "--member",
                                  "c=10.0.0.1:0",
                                  "--interval",
                                  "1m",
                                  "--reconcile-interval",
                                  "10s",
                                  "--metrics",
                                  "9862"});
  ASSERT_TRUE(parsed.options) << parsed.err;
  const auto& groups = parsed.options->groups;
  EXPECT_EQ(lb::text(groups.at(1).services.at(0).key), "tcp:192.0.2.11:80");
  const auto& managed = *groups.at(1).services.at(0).manage;
  EXPECT_EQ(managed.forward, lb::Forward::masquerade);
  EXPECT_EQ(managed.drain, std::chrono::minutes{5});
  EXPECT_EQ(managed.service.timeout, 7200U);
  EXPECT_EQ(lb::text(groups.at(2).services.at(0).key), "fwmark:16");
  EXPECT_EQ(groups.at(2).services.at(0).manage->forward, lb::Forward::route);
  EXPECT_EQ(lb::text(groups.at(3).services.at(0).key), "fwmark6:255");
  EXPECT_EQ(groups.at(3).services.at(0).manage->forward, lb::Forward::tunnel);
  const auto member = [&](const char* endpoint) {
    return groups.at(1).members.at(*Endpoint::parse(endpoint));
  };
  EXPECT_EQ(member("10.0.0.1:80").label, "rack 4, blade 2");
  EXPECT_EQ(member("10.0.0.1:80").weight, 7U);
  EXPECT_EQ(member("10.0.0.2:80").label, "x,weight=1");
  EXPECT_EQ(member("10.0.0.2:80").weight, std::nullopt);
  EXPECT_EQ(member("10.0.0.3:80").label, "5\" disk, red");
  EXPECT_EQ(parsed.options->interval, std::chrono::seconds{60});
  EXPECT_EQ(parsed.options->reconcile_interval, std::chrono::seconds{10});
  EXPECT_EQ(parsed.options->metrics->text(), "127.0.0.1:9862");
  EXPECT_TRUE(doubts(*parsed.options).empty());
}

TEST(SaspdOptions, AreDoubtedWhereTheyMayBeMeantSo) {
  const auto odd = parse_more(
      {"--service", "m=fwmark:7,manage,forward=route,scheduler=wwr", "--member", "m=10.0.0.1:80"});
  ASSERT_TRUE(odd.options) << odd.err;
  const auto found = doubts(*odd.options);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].find("scheduler=wwr"), std::string::npos) << found[0];
  EXPECT_NE(found[0].find("did you mean 'wrr'?"), std::string::npos) << found[0];
  auto both = *odd.options;
  both.groups.clear();
  both.insecure_plaintext = true;
  EXPECT_TRUE(doubts(both).empty());
  both.tls.ca = "ca.pem";
  ASSERT_EQ(doubts(both).size(), 1U);
  EXPECT_NE(doubts(both)[0].find("--insecure-plaintext has no effect"), std::string::npos);
}

TEST(SaspdOptions, MergeSeveralGwms) {
  EXPECT_EQ(parse_more({}).options->merge, GwmMerge::primary);
  const auto two = parse_more({"--gwm", "127.0.0.1:3861", "--gwm-merge", "min"});
  ASSERT_TRUE(two.options) << two.err;
  EXPECT_EQ(two.options->merge, GwmMerge::min);
  EXPECT_TRUE(doubts(*two.options).empty());
  const auto one = parse_more({"--gwm-merge", "max"});
  ASSERT_TRUE(one.options) << one.err;
  EXPECT_EQ(doubts(*one.options),
            std::vector<std::string>{"--gwm-merge has no effect: there is one --gwm"});
  const auto bad = parse_more({"--gwm-merge", "median"});
  EXPECT_EQ(bad.code, 64);
  EXPECT_NE(bad.err.find("is not one of: primary, mean, min, max"), std::string::npos) << bad.err;
}

TEST(SaspdOptions, NeedAGwmAndAService) {
  EXPECT_EQ(parse({}).code, 64);
  EXPECT_NE(parse({}).err.find("--gwm"), std::string::npos);
  EXPECT_EQ(parse({"--gwm", "127.0.0.1"}).code, 64);
}

TEST(SaspdOptions, AllowPlaintextOnlyWhereItWasAskedFor) {
  const std::vector<std::string> remote{"--gwm", "192.0.2.1", "--service", "web=tcp:192.0.2.10:80"};
  const auto refused = parse(remote);
  EXPECT_EQ(refused.code, 78);
  EXPECT_NE(refused.err.find("--insecure-plaintext"), std::string::npos) << refused.err;
  auto allowed = remote;
  allowed.emplace_back("--insecure-plaintext");
  EXPECT_TRUE(parse(allowed).options);
  allowed.insert(allowed.end(), {"--retry-min", "5"});
  const auto hasty = parse(allowed);  // RFC 4678 9.2
  EXPECT_EQ(hasty.code, 64);
  EXPECT_NE(hasty.err.find("--retry-min"), std::string::npos) << hasty.err;
  EXPECT_TRUE(parse_more({"--retry-min", "1"}).options);
}

TEST(SaspdOptions, NameTheLineOfABadConfigFile) {
  char path[] = "/tmp/saspd-options-XXXXXX";
  ASSERT_GE(::mkstemp(path), 0);
  std::ofstream(path) << "# comment\ngwm = 127.0.0.1\nservice = web=tcp:192.0.2.10:80\nservice = "
                         "web=tcp:192.0.2.10:80\n";
  const auto parsed = parse({"--config", path});
  EXPECT_EQ(parsed.code, 78);
  EXPECT_NE(parsed.err.find(std::string(path) + ":4"), std::string::npos) << parsed.err;
  ::unlink(path);
  EXPECT_EQ(parse({"--config", path}).code, 66);
}

TEST(SaspdOptions, NameEveryBadLineOfAConfigFileAndNothingThatFollowsFromIt) {
  char path[] = "/tmp/saspd-options-XXXXXX";
  ASSERT_GE(::mkstemp(path), 0);
  std::ofstream(path) << "\xEF\xBB\xBFgwm: 127.0.0.1\r\n"
                         "[saspd]\r\n"
                         "adopt\r\n"
                         "lb-uid = \"director-1\"\r\n"
                         "servce = web=tcp:192.0.2.10:80\r\n"
                         "service = web=192.0.2.10:80 # the web\r\n"
                         "service = api=tcp:api.example:80\r\n"
                         "member = api=10.0.0.1:80\r\n"
                         "interval = 0\r\n";
  const auto parsed = parse({"--config", path});
  const std::string at = "saspd: " + std::string(path) + ":";
  EXPECT_EQ(parsed.code, 78);
  EXPECT_EQ(
      parsed.err,
      at + "1: 'gwm: 127.0.0.1' is not 'key = value'; write 'gwm = 127.0.0.1'\n" + at +
          "2: '[saspd]' is not 'key = value'; there are no sections: leave it out\n" + at +
          "3: 'adopt' is not 'key = value'; write 'adopt = true'\n" + at +
          "5: unknown key 'servce'; did you mean 'service'?\n" + at +
          "6: '# the web' follows the value; a comment needs a line of its own: "
          "'service = web=192.0.2.10:80', and if it belongs to the value, quote that\n" +
          at +
          "7: service: 'api=tcp:api.example:80': 'api.example:80' is not ADDR:PORT: names are "
          "not resolved here; give the address\n" +
          at + "9: interval: '0' is not a whole number of seconds from 1 to 3600, or auto\n");
  ::unlink(path);
}

TEST(SaspdOptions, PrintAConfigThatReadsBackTheSame) {
  const auto printed =
      parse_more({"--member", "web=10.0.0.1:80,label=a, \"b\" = c", "--print-config"});
  EXPECT_EQ(printed.code, 0);
  char path[] = "/tmp/saspd-options-XXXXXX";
  ASSERT_GE(::mkstemp(path), 0);
  std::ofstream(path) << printed.out;
  const auto again = parse({"--config", path, "--print-config"});
  EXPECT_EQ(again.out, printed.out);
  const auto options = parse({"--config", path}).options;
  ASSERT_TRUE(options);
  EXPECT_EQ(options->groups.at(0).members.begin()->second.label, "a, \"b\" = c");
  ::unlink(path);
}

}  // namespace
}  // namespace saspd::director
