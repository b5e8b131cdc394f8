// The XDP programs, packet by packet: every verdict, every reason and every byte of what they send,
// against packets that are made here. They run in this machine's own kernel and are attached to
// nothing.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "tests/support/xdp_packets.hpp"
#include "tests/support/xdp_program.hpp"

namespace saspd::kernel {
namespace {

using namespace packets;

constexpr std::uint32_t ingress = 1;  // lo: the test run wants an interface that exists
constexpr std::uint32_t elsewhere = 77;
constexpr Mac router{2, 0, 0, 0, 0, 1}, us{2, 0, 0, 0, 0, 2}, us_elsewhere{2, 0, 0, 0, 0, 3};
constexpr std::uint32_t seed = 42;

Mac mac_of(std::uint32_t backend) {
  return {
      2, 0xBE, 0, 0, static_cast<std::uint8_t>(backend >> 8), static_cast<std::uint8_t>(backend)};
}

lb_address lb(const IpAddress& address) {
  lb_address value{};
  std::copy(address.bytes().begin(), address.bytes().end(), value.bytes);
  return value;
}

std::uint8_t lb(Family family) {
  return family == Family::v4 ? LB_IPV4 : LB_IPV6;
}

std::uint16_t network_order(std::uint16_t value) {
  return static_cast<std::uint16_t>(value << 8 | value >> 8);
}

// What the tests need to know of a service.
struct Service {
  std::uint32_t number = 0;
  std::uint8_t protocol = tcp_number;
  Endpoint endpoint;

  bool is_v4() const { return endpoint.address.family() == Family::v4; }
  Endpoint client(std::uint16_t port = 1234) const {
    return {address(is_v4() ? "198.51.100.7" : "2001:db8:c::7"), port};
  }
};

// From a client, in the middle of a TCP connection or any datagram.
Packet request(const Service& service, std::uint8_t flags = ack, std::uint16_t port = 1234,
               std::size_t data = 10) {
  return service.protocol == tcp_number ? tcp(service.client(port), service.endpoint, flags, data)
                                        : udp(service.client(port), service.endpoint, data);
}

// What a backend answers to it, past us.
Packet answer(const Service& service, std::uint16_t port = 1234) {
  return service.protocol == tcp_number ? tcp(service.endpoint, service.client(port), ack, 1400)
                                        : udp(service.endpoint, service.client(port), 1400);
}

lb_flow_key flow_of(const Packet& packet) {
  lb_flow_key flow{};
  flow.source = lb(packet.source);
  flow.destination = lb(packet.destination);
  std::copy_n(packet.payload.data(), 2, reinterpret_cast<std::uint8_t*>(&flow.source_port));
  std::copy_n(packet.payload.data() + 2, 2,
              reinterpret_cast<std::uint8_t*>(&flow.destination_port));
  flow.protocol = packet.protocol;
  flow.family = lb(packet.source.family());
  return flow;
}

Packet routed(Packet packet) {
  --packet.hop_limit;
  return packet;
}

// How a packet of `flow` is wrapped for a backend at `destination`.
Packet in_tunnel(const Packet& packet, const lb_flow_key& flow, const IpAddress& destination) {
  const auto hash = static_cast<std::uint32_t>(lb_hash(&flow, seed));
  const std::array<std::uint8_t, 4> source4{172, 16, static_cast<std::uint8_t>(hash >> 8),
                                            static_cast<std::uint8_t>(hash)};
  std::array<std::uint8_t, 16> source6{1};
  for (std::size_t i = 0; i < 4; ++i) {
    source6[12 + i] = static_cast<std::uint8_t>(hash >> (24 - 8 * i));
  }
  const bool over_v4 = destination.family() == Family::v4;
  Packet outer =
      wrapped(packet, over_v4 ? IpAddress::v4(source4) : IpAddress::v6(source6), destination);
  if (!over_v4) outer.flow_label = hash & 0xFFFFF;
  return outer;
}

Bytes received(const Packet& packet) {
  return frame(us, router, packet);
}
Bytes sent_to(std::uint32_t backend, const Packet& packet) {
  return frame(mac_of(backend), us_elsewhere, packet);
}
Bytes sent_back(const Packet& packet) {
  return frame(router, us, packet);
}

class Lb : public ::testing::Test {
 protected:
  Lb() { set({}); }

  void set(lb_settings settings) {
    settings.layout = LB_LAYOUT;
    settings.seed = seed;
    settings.outer_source_v4[0] = 172;
    settings.outer_source_v4[1] = 16;
    settings.outer_source_v6[0] = 0x01;
    put(program_.maps().settings, 0U, settings);
  }

  // A service with its next number. All its slots lead to nobody.
  Service serve(std::uint8_t protocol, std::string_view where, std::uint8_t forward,
                std::uint8_t flags = 0) {
    Service service{services_++, protocol, endpoint(where)};
    use_table(service, 0, forward, flags);
    const IpAddress& own = service.endpoint.address;
    put(program_.maps().addresses, lb_address_key{lb(own), lb(own.family())}, 1U);
    return service;
  }
  void use_table(const Service& service, std::uint32_t table, std::uint8_t forward,
                 std::uint8_t flags = 0) {
    lb_service_key key{};
    key.address = lb(service.endpoint.address);
    key.port = network_order(service.endpoint.port);
    key.protocol = service.protocol;
    key.family = lb(service.endpoint.address.family());
    put(program_.maps().tables_in_use, service.number, table);
    put(program_.maps().services, key, lb_service{{}, service.number, forward, flags, 0});
  }
  Service serve_l2(std::uint8_t protocol = tcp_number, bool v4 = true, std::uint8_t flags = 0) {
    return serve(protocol, v4 ? "192.0.2.10:443" : "[2001:db8::10]:443", LB_FORWARD_L2, flags);
  }

  lb_backend backend_of(const Service& service, std::uint32_t number,
                        std::string_view where = "10.0.0.1") const {
    lb_backend backend{};
    backend.address = lb(address(where));
    backend.service = service.number;
    backend.weight = 1;
    backend.interface = elsewhere;
    backend.generation = 1;
    backend.family = lb(address(where).family());
    backend.flags = LB_BACKEND_PRESENT | LB_BACKEND_RESOLVED;
    const Mac mac = mac_of(number);
    std::copy(mac.begin(), mac.end(), backend.next_hop);
    std::copy(us_elsewhere.begin(), us_elsewhere.end(), backend.source);
    return backend;
  }
  void put_backend(std::uint32_t number, const lb_backend& backend) {
    put(program_.maps().backends, number, backend);
  }
  // The slots lead to these, in turn.
  void put_table(std::uint32_t index, const std::vector<std::uint16_t>& backends) {
    lb_table table{};
    for (std::size_t slot = 0; slot < LB_SLOTS; ++slot) {
      table.backend[slot] = backends[slot % backends.size()];
    }
    put(program_.maps().tables, index, table);
  }
  // The service's only backend.
  void lead(const Service& service, std::uint16_t number, const lb_backend& backend) {
    put_backend(number, backend);
    put_table(2 * service.number, {number});
  }
  void lead(const Service& service, std::uint16_t number, std::string_view where = "10.0.0.1") {
    lead(service, number, backend_of(service, number, where));
  }
  bool knows_flow(const Packet& packet) const {
    const lb_flow_key key = flow_of(packet);
    lb_flow flow{};
    return bpf_map_lookup_elem(bpf_map__fd(program_.maps().flows), &key, &flow) == 0;
  }

  // Runs the frame, which counts exactly this reason, and returns what was done.
  Verdict run(lb_reason reason, const Bytes& in, std::optional<lb_reason> besides = {}) const {
    const auto before = program_.reasons();
    Verdict verdict = program_.run(in, ingress);
    const auto after = program_.reasons();
    for (std::uint32_t i = 0; i < LB_REASONS; ++i) {
      const bool counted = i == std::uint32_t{reason} || (besides && i == std::uint32_t{*besides});
      EXPECT_EQ(after.at(i) - before.at(i), counted ? 1U : 0U) << "reason " << i;
    }
    return verdict;
  }
  void expect_passed(lb_reason reason, const Bytes& in) const {
    const Verdict verdict = run(reason, in);
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_PASS});
    EXPECT_EQ(verdict.frame, in);
  }
  void expect_dropped(lb_reason reason, const Bytes& in) const {
    EXPECT_EQ(run(reason, in).action, std::uint32_t{XDP_DROP});
  }
  void expect_sent(lb_reason reason, const Packet& packet, const Bytes& out,
                   std::optional<lb_reason> besides = {}) const {
    const Verdict verdict = run(reason, received(packet), besides);
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_REDIRECT});
    EXPECT_EQ(verdict.frame, out);
  }
  void expect_answered(lb_reason reason, const Packet& packet, const Packet& out) const {
    const Verdict verdict = run(reason, received(packet));
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_TX});
    EXPECT_EQ(verdict.frame, sent_back(out));
  }
  // By the MAC of whom it went to.
  void expect_led_to(std::uint32_t backend, lb_reason reason, const Packet& packet,
                     std::optional<lb_reason> besides = {}) const {
    expect_sent(reason, packet, sent_to(backend, routed(packet)), besides);
  }

  LbProgram program_;
  std::uint32_t services_ = 0;
};

// --- sending on

TEST_F(Lb, SendsByMacAndDecrementsTheHopLimit) {
  for (const bool v4 : {true, false}) {
    for (const std::uint8_t protocol : {tcp_number, udp_number}) {
      const Service service = serve_l2(protocol, v4);
      lead(service, 5);
      for (const int hop_limit : {2, 64, 255}) {
        Packet packet = request(service, syn, static_cast<std::uint16_t>(hop_limit));
        packet.hop_limit = static_cast<std::uint8_t>(hop_limit);
        packet.traffic_class = 0xB9;
        packet.dont_fragment = hop_limit != 64;
        expect_led_to(5, LB_SENT_TABLE, packet);
      }
      // The padding of a short frame stays where it is.
      Bytes padded = received(request(service, syn));
      padded.resize(padded.size() + 7, 0xEE);
      Bytes sent = sent_to(5, routed(request(service, syn)));
      sent.resize(sent.size() + 7, 0xEE);
      EXPECT_EQ(program_.run(padded, ingress).frame, sent);
    }
  }
}

TEST_F(Lb, ChangesEveryIpv4ChecksumRightly) {
  const Service service = serve_l2();
  lead(service, 5);
  Packet packet = request(service);
  expect_led_to(5, LB_SENT_TABLE, packet);
  for (std::uint32_t id = 0; id < 65536; ++id) {
    packet.id = static_cast<std::uint16_t>(id);
    ASSERT_EQ(program_.run(received(packet), ingress).frame, sent_to(5, routed(packet)));
  }
}

TEST_F(Lb, SendsOutOfTheInterfaceThatItCameInBy) {
  const Service service = serve_l2();
  lb_backend backend = backend_of(service, 5);
  backend.interface = ingress;
  lead(service, 5, backend);
  const Packet packet = request(service, syn);
  const Verdict verdict = run(LB_SENT_TABLE, received(packet));
  EXPECT_EQ(verdict.action, std::uint32_t{XDP_TX});
  EXPECT_EQ(verdict.frame, sent_to(5, routed(packet)));
}

TEST_F(Lb, WrapsEitherFamilyInEither) {
  for (const char* where : {"10.0.0.9", "2001:db8:b::9"}) {
    for (const char* own : {"192.0.2.10", "[2001:db8::10]"}) {
      for (const std::uint8_t protocol : {tcp_number, udp_number}) {
        const Service service = serve(protocol, fmt::format("{}:443", own), LB_FORWARD_IPIP);
        const auto number = static_cast<std::uint16_t>(9 + service.number);
        lead(service, number, where);
        for (std::uint16_t port = 1; port < 60; ++port) {
          Packet packet = request(service, syn, port, port);
          packet.traffic_class = static_cast<std::uint8_t>(4 * port);
          packet.id = port;
          packet.dont_fragment = port % 2 == 0;
          Packet outer = in_tunnel(routed(packet), flow_of(packet), address(where));
          const Verdict verdict = run(LB_SENT_TABLE, received(packet));
          // An outer IPv4 header of an IPv6 packet may be fragmented, so it has an id of its own.
          if (outer.is_v4() && !packet.is_v4()) {
            outer.id = static_cast<std::uint16_t>(verdict.frame.at(18) << 8 | verdict.frame.at(19));
          }
          EXPECT_EQ(verdict.action, std::uint32_t{XDP_REDIRECT});
          ASSERT_EQ(verdict.frame, sent_to(number, outer));
        }
      }
    }
  }
}

TEST_F(Lb, WrapsNoPadding) {
  for (const char* where : {"10.0.0.9", "2001:db8:b::9"}) {
    const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
    lead(service, 9, where);
    const Packet packet = request(service, syn, 1, 0);
    Bytes padded = received(packet);
    padded.resize(60);
    EXPECT_EQ(run(LB_SENT_TABLE, padded).frame,
              sent_to(9, in_tunnel(routed(packet), flow_of(packet), address(where))));
  }
}

TEST_F(Lb, SpreadsTheOuterSource) {
  const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
  lead(service, 9);
  std::set<Bytes> sources;
  for (std::uint16_t port = 1; port <= 500; ++port) {
    const Bytes out = program_.run(received(request(service, syn, port)), ingress).frame;
    sources.insert(Bytes(out.begin() + 26, out.begin() + 30));
  }
  EXPECT_GT(sources.size(), 490U);
}

TEST_F(Lb, CarriesOptionsAlong) {
  const Service direct = serve_l2();
  const Service tunnelled = serve(tcp_number, "192.0.2.20:443", LB_FORWARD_IPIP);
  lead(direct, 5);
  lead(tunnelled, 9);
  for (const std::size_t size : {4, 20, 40}) {
    Packet packet = request(direct, syn);
    packet.options.assign(size, 1);
    expect_led_to(5, LB_SENT_TABLE, packet);
    packet = request(tunnelled, syn);
    packet.options.assign(size, 1);
    expect_sent(LB_SENT_TABLE, packet,
                sent_to(9, in_tunnel(routed(packet), flow_of(packet), address("10.0.0.1"))));
  }
}

TEST_F(Lb, CountsPacketsBytesAndFlows) {
  const Service first = serve_l2();
  const Service second = serve_l2(udp_number);
  lead(first, 5);
  lead(second, 6);
  const Packet opening = request(first, syn), next = request(first, ack, 1234, 100);
  run(LB_SENT_TABLE, received(opening));
  run(LB_SENT_FLOW, received(next));
  run(LB_SENT_TABLE, received(request(first, syn, 7)));
  const std::uint64_t bytes = 2 * received(opening).size() + received(next).size();
  for (const lb_counters& counters :
       {program_.service_counters(first.number), program_.backend_counters(5)}) {
    EXPECT_EQ(counters.packets, 3U);
    EXPECT_EQ(counters.bytes, bytes);
    EXPECT_EQ(counters.flows, 2U);
  }
  run(LB_SENT_TABLE, received(request(second)));
  run(LB_SENT_FLOW, received(request(second)));
  EXPECT_EQ(program_.backend_counters(6).packets, 2U);
  EXPECT_EQ(program_.service_counters(second.number).flows, 1U);
  EXPECT_EQ(program_.backend_counters(5).packets, 3U);
}

// --- passing

TEST_F(Lb, PassesWhatIsNotIp) {
  serve_l2();
  expect_passed(LB_PASS_NOT_IP, ethernet(us, router, 0x0806, some_data(28)));
  Bytes tagged;
  add16(tagged, 7);
  add16(tagged, 0x0800);
  add(tagged, bytes(tcp(endpoint("198.51.100.7:1"), endpoint("192.0.2.10:443"), syn)));
  expect_passed(LB_PASS_NOT_IP, ethernet(us, router, 0x8100, tagged));
  expect_passed(LB_PASS_NOT_IP, ethernet(us, router, 0x88CC, some_data(40)));
}

TEST_F(Lb, PassesWhatContradictsItself) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    lead(service, 5);
    const Bytes good = received(request(service));
    const auto with = [&](std::size_t offset, std::uint8_t value) {
      Bytes bad = good;
      bad.at(offset) = value;
      return bad;
    };
    expect_passed(LB_PASS_MALFORMED, with(14, v4 ? 0x65 : 0x40));
    expect_passed(LB_PASS_MALFORMED, with(v4 ? 16 : 18, 0x10));  // longer than the frame
    if (v4) {
      for (std::uint8_t words = 0; words < 5; ++words) {
        expect_passed(LB_PASS_MALFORMED, with(14, 0x40 | words));
      }
      for (std::uint8_t length = 0; length < 20; ++length) {
        expect_passed(LB_PASS_MALFORMED, with(17, length));
      }
      expect_passed(LB_PASS_MALFORMED, with(14, 0x4F));  // options as long as all the rest
    }
  }
}

// A header that the IP packet ends in, though the frame goes on.
TEST_F(Lb, PassesWhatIsTooShortForItsHeaders) {
  const auto shortened = [](const Packet& packet, unsigned length) {
    Bytes bad = received(packet);
    set16(bad, packet.is_v4() ? 16 : 18, packet.is_v4() ? 20 + length : length);
    return bad;
  };
  for (const bool v4 : {true, false}) {
    const Service stream = serve_l2(tcp_number, v4), datagrams = serve_l2(udp_number, v4);
    for (unsigned length = 0; length < 20; ++length) {
      expect_passed(LB_PASS_MALFORMED, shortened(request(stream), length));
      if (length >= 8) continue;
      expect_passed(LB_PASS_MALFORMED, shortened(request(datagrams), length));
      const Packet ping =
          icmp(stream.client().address, stream.endpoint.address, v4 ? 8 : 128, 0, 1, some_data(9));
      expect_passed(LB_PASS_MALFORMED, shortened(ping, length));
      if (!v4) {
        expect_passed(LB_PASS_MALFORMED,
                      shortened(ipv6_fragment(request(stream), 8, false), length));
      }
    }
  }
}

TEST_F(Lb, PassesOtherProtocols) {
  serve_l2();
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    if (protocol == tcp_number || protocol == udp_number) continue;
    Packet packet = tcp(endpoint("198.51.100.7:1"), endpoint("192.0.2.10:443"), syn, 40);
    packet.protocol = static_cast<std::uint8_t>(protocol);
    if (protocol != icmp_number) expect_passed(LB_PASS_PROTOCOL, received(packet));
    packet.source = address("2001:db8:c::7");
    packet.destination = address("2001:db8::10");
    if (protocol != icmpv6_number && protocol != fragment_number) {
      expect_passed(LB_PASS_PROTOCOL, received(packet));
    }
  }
}

TEST_F(Lb, PassesWhatIsOfNoService) {
  const Service service = serve_l2();
  lead(service, 5);
  const Endpoint client = service.client();
  for (const char* other : {"192.0.2.10:444", "192.0.2.11:443", "192.0.2.10:80"}) {
    expect_passed(LB_PASS_NO_SERVICE, received(tcp(client, endpoint(other), syn)));
    // Their options, fragments and hop limits are not ours to judge.
    Packet packet = tcp(client, endpoint(other), ack);
    packet.options.assign(8, 1);
    packet.hop_limit = 1;
    packet.more_fragments = true;
    packet.dont_fragment = false;
    expect_passed(LB_PASS_NO_SERVICE, received(packet));
  }
  expect_passed(LB_PASS_NO_SERVICE, received(udp(client, service.endpoint)));
  expect_passed(LB_PASS_NO_SERVICE,
                frame({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, router, request(service)));
  // Same bytes of an address, other family.
  expect_passed(LB_PASS_NO_SERVICE,
                received(tcp(endpoint("[2001:db8::1]:1"), endpoint("[c000:20a::]:443"), syn)));
}

Packet cut(Packet packet, std::uint16_t offset, bool more) {
  if (!packet.is_v4()) return ipv6_fragment(packet, offset, more);
  packet.dont_fragment = false;
  packet.more_fragments = more;
  packet.fragment_offset = offset;
  return packet;
}

TEST_F(Lb, DropsFirstFragmentsOfItsServicesAndPassesTheOthers) {
  for (const bool v4 : {true, false}) {
    for (const std::uint8_t protocol : {tcp_number, udp_number}) {
      const Service service = serve_l2(protocol, v4);
      lead(service, 5);
      const Packet packet = request(service);
      expect_dropped(LB_DROP_FRAGMENT, received(cut(packet, 0, true)));
      for (const std::uint16_t offset : std::array<std::uint16_t, 3>{1, 185, 8191}) {
        expect_passed(LB_PASS_FRAGMENT, received(cut(packet, offset, true)));
        expect_passed(LB_PASS_FRAGMENT, received(cut(packet, offset, false)));
      }
      Service other = service;
      other.endpoint.port = 1;
      expect_passed(LB_PASS_NO_SERVICE, received(cut(request(other), 0, true)));
    }
    const Packet ping = icmp(serve_l2(tcp_number, v4).client().address,
                             address(v4 ? "192.0.2.10" : "2001:db8::10"), v4 ? 8 : 128, 0, 1, {});
    expect_passed(LB_PASS_FRAGMENT, received(cut(ping, 0, true)));
  }
}

TEST_F(Lb, SendsAnAtomicFragmentAsTheWholePacketThatItIs) {  // RFC 6946
  const Service service = serve_l2(tcp_number, false);
  lead(service, 5);
  expect_led_to(5, LB_SENT_TABLE, cut(request(service), 0, false));
}

// --- dropping

TEST_F(Lb, DropsWhatNobodyTakes) {
  const Service service = serve_l2();
  const Packet packet = request(service);
  expect_dropped(LB_DROP_NO_BACKEND, received(packet));  // slots of 0

  lb_backend backend = backend_of(service, 5);
  backend.flags = LB_BACKEND_RESOLVED;
  lead(service, 5, backend);
  expect_dropped(LB_DROP_NO_BACKEND, received(packet));

  backend = backend_of(service, 5);
  backend.service = service.number + 1;
  lead(service, 5, backend);
  expect_dropped(LB_DROP_NO_BACKEND, received(packet));

  put_table(0, {65535});  // more than the map has
  expect_dropped(LB_DROP_NO_BACKEND, received(packet));
}

TEST_F(Lb, DropsWhatHasNoNextHop) {
  for (const std::uint8_t forward : {LB_FORWARD_L2, LB_FORWARD_IPIP}) {
    const Service service = serve(tcp_number, "192.0.2.10:443", forward);
    lb_backend backend = backend_of(service, 5);
    backend.flags = LB_BACKEND_PRESENT;
    lead(service, 5, backend);
    expect_dropped(LB_DROP_NO_NEXT_HOP, received(request(service)));
    EXPECT_EQ(program_.backend_counters(5).packets, 0U);
    EXPECT_FALSE(knows_flow(request(service)));
  }
}

TEST_F(Lb, DropsWhatHasTravelledTooFar) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    lead(service, 5);
    for (const std::uint8_t hop_limit : std::array<std::uint8_t, 2>{0, 1}) {
      Packet packet = request(service);
      packet.hop_limit = hop_limit;
      expect_dropped(LB_DROP_TTL, received(packet));
    }
  }
}

TEST_F(Lb, DropsWhatATableThatIsNotThereWouldLead) {
  const Service service = serve_l2();
  lead(service, 5);
  use_table(service, 1000, LB_FORWARD_L2);
  expect_dropped(LB_DROP_INTERNAL, received(request(service)));
}

// --- flows

TEST_F(Lb, LeadsFlowsToTheirSlots) {
  const Service service = serve_l2();
  lb_table table{};
  for (std::size_t slot = 0; slot < LB_SLOTS; ++slot) {
    table.backend[slot] = static_cast<std::uint16_t>(1 + slot % 500);
  }
  put(program_.maps().tables, 0U, table);
  for (std::uint32_t number = 1; number <= 500; ++number) {
    put_backend(number, backend_of(service, number));
  }
  for (std::uint16_t port = 1; port < 2000; ++port) {
    const Packet packet = request(service, syn, port);
    const lb_flow_key flow = flow_of(packet);
    ASSERT_EQ(program_.run(received(packet), ingress).frame,
              sent_to(table.backend[lb_slot(&flow, seed)], routed(packet)));
  }
}

TEST_F(Lb, SharesFlowsAsTheTableSharesSlots) {
  constexpr int tuples = 20000;
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(v4 ? tcp_number : udp_number, v4);
    std::vector<std::uint16_t> tenths;  // 1, 2, 3 and 4 tenths of the slots
    for (std::uint16_t number = 1; number <= 4; ++number) {
      put_backend(number, backend_of(service, number));
      tenths.insert(tenths.end(), number, number);
    }
    put_table(2 * service.number, tenths);
    std::array<int, 5> got{};
    for (int i = 0; i < tuples; ++i) {
      // Ports as clients take them, one after the other, from a few hundred neighbours.
      Packet packet = request(service, syn, static_cast<std::uint16_t>(32768 + i / 200), 0);
      Bytes in = received(packet);
      in.at(v4 ? 29 : 37) = static_cast<std::uint8_t>(i % 200);
      ++got.at(program_.run(in, ingress).frame.at(5));
    }
    for (std::size_t number = 1; number <= 4; ++number) {
      EXPECT_NEAR(100.0 * got.at(number) / tuples, 10.0 * static_cast<double>(number), 2.0);
    }
  }
}

TEST_F(Lb, KeepsAFlowWhereItIsThroughAnotherTable) {
  for (const std::uint8_t protocol : {tcp_number, udp_number}) {
    const Service service = serve_l2(protocol);
    lead(service, 5);
    put_backend(6, backend_of(service, 6));
    expect_led_to(5, LB_SENT_TABLE, request(service, syn));

    put_table(2 * service.number + 1, {6});
    use_table(service, 1, LB_FORWARD_L2);
    lb_backend draining = backend_of(service, 5);
    draining.weight = 0;
    put_backend(5, draining);
    expect_led_to(5, LB_SENT_FLOW, request(service, ack));
    expect_led_to(5, LB_SENT_FLOW, request(service, fin | ack));
    expect_led_to(6, LB_SENT_TABLE, request(service, syn, 99));
    expect_led_to(6, LB_SENT_FLOW, request(service, ack, 99));
  }
}

TEST_F(Lb, LeadsAnOpeningSegmentByTheTableThoughItsPortsAreKnown) {
  const Service service = serve_l2();
  lead(service, 5);
  put_backend(6, backend_of(service, 6));
  expect_led_to(5, LB_SENT_TABLE, request(service, syn));
  put_table(0, {6});
  expect_led_to(5, LB_SENT_FLOW, request(service, syn | ack));  // opens nothing
  expect_led_to(6, LB_SENT_TABLE, request(service, syn));
  expect_led_to(6, LB_SENT_FLOW, request(service, ack));
}

TEST_F(Lb, LeadsAFlowAnewWhoseBackendIsGone) {
  const Service service = serve_l2();
  put_backend(6, backend_of(service, 6));
  const auto void_by = [&](auto change) {
    lead(service, 5);
    run(LB_SENT_TABLE, received(request(service, syn)));
    run(LB_SENT_FLOW, received(request(service, ack)));
    put_table(0, {6});
    lb_backend backend = backend_of(service, 5);
    change(backend);
    put_backend(5, backend);
    expect_led_to(6, LB_SENT_TABLE, request(service, ack));
    expect_led_to(6, LB_SENT_FLOW, request(service, ack));
  };
  void_by([](lb_backend& backend) { backend.flags = LB_BACKEND_RESOLVED; });
  void_by([](lb_backend& backend) { backend.generation = 2; });
  void_by([](lb_backend& backend) { backend.service = 3; });
}

TEST_F(Lb, StoresNoFlowOfAStatelessService) {
  for (const std::uint8_t protocol : {tcp_number, udp_number}) {
    const Service service = serve_l2(protocol, true, LB_SERVICE_STATELESS);
    lead(service, 5);
    put_backend(6, backend_of(service, 6));
    expect_led_to(5, LB_SENT_TABLE, request(service, syn));
    expect_led_to(5, LB_SENT_TABLE, request(service, ack));
    EXPECT_FALSE(knows_flow(request(service)));
    put_table(2 * service.number, {6});
    expect_led_to(6, LB_SENT_TABLE, request(service, ack));
  }
}

TEST_F(Lb, ForgetsTheFlowsOfAServiceThatBecomesStateless) {
  const Service service = serve_l2();
  lead(service, 5);
  put_backend(6, backend_of(service, 6));
  expect_led_to(5, LB_SENT_TABLE, request(service, syn));
  put_table(0, {6});
  use_table(service, 0, LB_FORWARD_L2, LB_SERVICE_STATELESS);
  expect_led_to(6, LB_SENT_TABLE, request(service, ack));
}

TEST_F(Lb, DefersStoringToThePacketAfterTheSyn) {
  lb_settings settings{};
  settings.syn = LB_SYN_DEFER;
  set(settings);
  const Service service = serve_l2();
  lead(service, 5);
  put_backend(6, backend_of(service, 6));
  expect_led_to(5, LB_SENT_TABLE, request(service, syn));
  EXPECT_FALSE(knows_flow(request(service)));
  expect_led_to(5, LB_SENT_TABLE, request(service, ack));
  EXPECT_TRUE(knows_flow(request(service)));
  expect_led_to(5, LB_SENT_FLOW, request(service, ack));
  EXPECT_EQ(program_.backend_counters(5).flows, 1U);

  // The ports are used again: what is known of them must not lead the new connection astray.
  put_table(0, {6});
  expect_led_to(6, LB_SENT_TABLE, request(service, syn));
  expect_led_to(6, LB_SENT_TABLE, request(service, ack));
}

// The limit is per second and CPU: stays on one, and begins a second anew.
void begin_a_second() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
  sched_setaffinity(0, sizeof one, &one);
  using std::chrono::steady_clock;
  const auto now = steady_clock::now().time_since_epoch();
  const auto second = std::chrono::ceil<std::chrono::seconds>(now);
  std::this_thread::sleep_until(steady_clock::time_point(second));
}

TEST_F(Lb, StoresNoMoreFlowsInASecondThanTheLimitSays) {
  lb_settings settings{};
  settings.new_flow_limit = 3;
  set(settings);
  const Service service = serve_l2();
  lead(service, 5);
  put_backend(6, backend_of(service, 6));
  for (int second = 0; second < 2; ++second) {
    begin_a_second();
    const auto port = static_cast<std::uint16_t>(100 * second);
    for (std::uint16_t i = 0; i < 3; ++i) {
      run(LB_SENT_TABLE, received(request(service, syn, port + i)));
    }
    for (std::uint16_t i = 3; i < 5; ++i) {
      expect_led_to(5, LB_SENT_TABLE, request(service, syn, port + i), LB_FLOW_LIMIT);
      expect_led_to(5, LB_SENT_TABLE, request(service, ack, port + i), LB_FLOW_LIMIT);
      EXPECT_FALSE(knows_flow(request(service, syn, port + i)));
    }
    expect_led_to(5, LB_SENT_FLOW, request(service, ack, port));
  }
  // A SYN beyond the limit ends what is known of its ports.
  put_table(0, {6});
  expect_led_to(6, LB_SENT_TABLE, request(service, syn, 100), LB_FLOW_LIMIT);
  expect_led_to(6, LB_SENT_TABLE, request(service, ack, 100), LB_FLOW_LIMIT);
}

// --- ICMP

std::uint8_t echo_type(bool v4) {
  return v4 ? 8 : 128;
}

TEST_F(Lb, AnswersEchoForItsAddresses) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    const IpAddress own = service.endpoint.address, client = service.client().address;
    for (const std::size_t size : {0, 1, 56, 1400}) {
      Packet ping = icmp(client, own, echo_type(v4), 0, 0x12340007, some_data(size));
      ping.hop_limit = 1;
      ping.traffic_class = 0x28;
      Packet pong = icmp(own, client, v4 ? 0 : 129, 0, 0x12340007, some_data(size));
      pong.traffic_class = 0x28;
      expect_answered(LB_ANSWERED_ECHO, ping, pong);
    }
    // Each value that the checksum may have to wrap around.
    for (std::uint32_t id = 0; id < 65536; id += 13) {
      ASSERT_EQ(
          program_.run(received(icmp(client, own, echo_type(v4), 0, id << 16, {})), ingress).frame,
          sent_back(icmp(own, client, v4 ? 0 : 129, 0, id << 16, {})));
    }
  }
}

TEST_F(Lb, AnswersNoOtherEcho) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    const IpAddress own = service.endpoint.address, client = service.client().address;
    const std::uint8_t type = echo_type(v4);
    const auto expect_left = [&](const Packet& packet) {
      expect_passed(LB_PASS_ICMP, received(packet));
    };
    expect_left(icmp(client, address(v4 ? "192.0.2.11" : "2001:db8::11"), type, 0, 1, {}));
    expect_left(icmp(client, own, type, 1, 1, {}));
    expect_left(icmp(own, client, type, 0, 1, {}));
    for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
      if (v4) expect_left(icmp(address(source), own, type, 0, 1, {}));
    }
    for (const char* source : {"::", "ff02::1"}) {
      if (!v4) expect_left(icmp(address(source), own, type, 0, 1, {}));
    }
    Packet with_options = icmp(client, own, type, 0, 1, {});
    with_options.options.assign(4, 1);
    if (v4) expect_left(with_options);
    if (!v4) expect_left(cut(icmp(client, own, type, 0, 1, {}), 0, false));
  }
}

TEST_F(Lb, PassesIcmpThatIsNoErrorAndNoEcho) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    lead(service, 5);
    for (unsigned type = 0; type < 256; ++type) {
      const bool error = v4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
      if (error || type == echo_type(v4)) continue;
      expect_passed(
          LB_PASS_ICMP,
          received(icmp(address(v4 ? "198.51.100.1" : "2001:db8:c::1"), service.endpoint.address,
                        static_cast<std::uint8_t>(type), 0, 0, bytes(answer(service)))));
    }
    Packet short_one = icmp(service.client().address, service.endpoint.address, 3, 0, 0, {});
    short_one.payload.resize(7);
    expect_passed(LB_PASS_MALFORMED, received(short_one));
  }
}

// An error that a router sends about an answer, with so many bytes of it.
Packet error_about(const Service& service, const Packet& about, std::uint8_t type,
                   std::size_t embedded) {
  Bytes part = bytes(about);
  part.resize(std::min(part.size(), embedded));
  return icmp(address(service.is_v4() ? "203.0.113.1" : "2001:db8:f::1"), about.source, type, 1,
              0x05DC, part);
}

TEST_F(Lb, LeadsErrorsToTheBackendThatTheyAreAbout) {
  for (const bool v4 : {true, false}) {
    for (const std::uint8_t protocol : {tcp_number, udp_number}) {
      const Service service = serve_l2(protocol, v4);
      lead(service, 5);
      put_backend(6, backend_of(service, 6));
      run(LB_SENT_TABLE, received(request(service, syn)));
      put_table(2 * service.number, {6});
      const auto types =
          v4 ? std::vector<std::uint8_t>{3, 11, 12} : std::vector<std::uint8_t>{1, 2, 3, 4};
      for (const std::uint8_t type : types) {
        for (const std::size_t behind_ip : {8, 20, 500}) {  // RFC 792 promises 8
          const std::size_t embedded = (v4 ? 20U : 40U) + behind_ip;
          expect_led_to(5, LB_SENT_ICMP_ERROR,
                        error_about(service, answer(service), type, embedded));
          // Of a flow that is not known: where its slot leads.
          expect_led_to(6, LB_SENT_ICMP_ERROR,
                        error_about(service, answer(service, 77), type, embedded));
        }
      }
      EXPECT_FALSE(knows_flow(request(service, syn, 77)));
    }
  }
}

TEST_F(Lb, LeadsErrorsAboutPacketsWithOptionsAndFirstFragments) {
  const Service service = serve_l2(udp_number), service6 = serve_l2(udp_number, false);
  lead(service, 5);
  lead(service6, 6);
  Packet about = cut(answer(service), 0, true);
  about.options.assign(12, 1);
  Packet error = error_about(service, about, 3, 20 + 12 + 8);
  error.options.assign(8, 1);
  expect_led_to(5, LB_SENT_ICMP_ERROR, error);
  expect_led_to(6, LB_SENT_ICMP_ERROR,
                error_about(service6, cut(answer(service6), 0, true), 2, 40 + 8 + 8));
}

TEST_F(Lb, WrapsErrorsAsItWrapsTheirFlow) {
  const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
  lead(service, 9);
  const Packet error = error_about(service, answer(service), 3, 28);
  expect_sent(LB_SENT_ICMP_ERROR, error,
              sent_to(9, in_tunnel(routed(error), flow_of(request(service)), address("10.0.0.1"))));
}

TEST_F(Lb, DropsErrorsForTheSameReasonsAsOtherPackets) {
  const Service service = serve_l2();
  Packet error = error_about(service, answer(service), 3, 28);
  expect_dropped(LB_DROP_NO_BACKEND, received(error));
  lb_backend backend = backend_of(service, 5);
  backend.flags = LB_BACKEND_PRESENT;
  lead(service, 5, backend);
  expect_dropped(LB_DROP_NO_NEXT_HOP, received(error));
  backend = backend_of(service, 5);
  backend.mtu = 50;  // an error is never answered with an error
  lead(service, 5, backend);
  expect_dropped(LB_DROP_TOO_BIG, received(error));
  lead(service, 5);
  error.hop_limit = 1;
  expect_dropped(LB_DROP_TTL, received(error));
  use_table(service, 1000, LB_FORWARD_L2);
  error.hop_limit = 2;
  expect_dropped(LB_DROP_INTERNAL, received(error));
}

TEST_F(Lb, PassesErrorsAboutSomethingElse) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    lead(service, 5);
    const std::uint8_t type = v4 ? 3 : 1;
    const auto expect_left = [&](const Packet& error) {
      expect_passed(LB_PASS_ICMP, received(error));
    };
    const std::size_t ip = v4 ? 20 : 40;
    for (std::size_t size = 0; size < ip + 8; ++size) {  // less than RFC 792 promises
      const Packet error = error_about(service, answer(service), type, size);
      expect_left(error);
      Bytes padded = received(error);  // what is behind the packet is not of it
      const Bytes whole = received(error_about(service, answer(service), type, ip + 8));
      padded.insert(padded.end(), whole.begin() + static_cast<std::ptrdiff_t>(padded.size()),
                    whole.end());
      expect_passed(LB_PASS_ICMP, padded);
    }
    Service other = service;
    other.endpoint.port = 1;
    expect_left(error_about(other, answer(other), type, ip + 8));
    expect_left(error_about(service, request(service), type, ip + 8));  // not an answer
    // About our answer, but sent to somebody else.
    Packet astray = error_about(service, answer(service), type, ip + 8);
    astray.destination = address(v4 ? "192.0.2.11" : "2001:db8::11");
    expect_left(astray);
    expect_left(error_about(service, cut(answer(service), 7, false), type, ip + 16));
    Packet odd = answer(service);
    odd.protocol = 132;
    expect_left(error_about(service, odd, type, ip + 8));
  }
}

// --- too big

// What the sender of `packet` is told.
Packet too_big(const Packet& packet, std::uint32_t mtu) {
  const bool v4 = packet.is_v4();
  Bytes part = bytes(packet);
  part.resize(std::min<std::size_t>(part.size() & ~std::size_t{3}, v4 ? 548 : 1232));
  Packet told = icmp(packet.destination, packet.source, v4 ? 3 : 2, v4 ? 4 : 0, mtu, part);
  told.id = 0;
  told.traffic_class = v4 ? 0xC0 : 0;
  return told;
}

TEST_F(Lb, TellsWhatWouldFitTheTunnel) {
  struct Case {
    const char* own;
    const char* backend;
    std::uint32_t overhead;
  };
  for (const auto& [own, where, overhead] : {Case{"192.0.2.10", "10.0.0.9", 20},
                                             {"192.0.2.10", "2001:db8:b::9", 40},
                                             {"[2001:db8::10]", "10.0.0.9", 20},
                                             {"[2001:db8::10]", "2001:db8:b::9", 40}}) {
    const Service service = serve(tcp_number, fmt::format("{}:443", own), LB_FORWARD_IPIP);
    lb_backend backend = backend_of(service, 9, where);
    backend.mtu = 1500;
    lead(service, 9, backend);
    const std::size_t headers = service.is_v4() ? 40 : 60;
    const std::size_t fits = 1500 - overhead - headers;
    run(LB_SENT_TABLE, received(request(service, syn, 1, fits)));
    for (std::size_t data = fits + 1; data <= 1500 - headers; ++data) {
      const Packet packet = request(service, ack, 1, data);
      expect_answered(LB_ANSWERED_TOO_BIG, packet, too_big(packet, 1500 - overhead));
    }
    Packet far = request(service, ack, 1, 1500 - headers);
    far.hop_limit = 1;
    expect_dropped(LB_DROP_TTL, received(far));
  }
}

TEST_F(Lb, TellsWithWhatThereIsOfSmallPackets) {
  const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
  lb_backend backend = backend_of(service, 9);
  backend.mtu = 68;
  lead(service, 9, backend);
  for (std::size_t data = 9; data < 600; ++data) {
    Packet packet = request(service, ack, 1, data);
    if (data % 3 == 0) packet.options.assign(12, 1);
    Bytes padded = received(packet);
    padded.resize(padded.size() + data % 5);
    const Verdict verdict = run(LB_ANSWERED_TOO_BIG, padded);
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_TX});
    ASSERT_EQ(verdict.frame, sent_back(too_big(packet, 48)));
  }
}

TEST_F(Lb, DropsWhatIsTooBigForThoseWhoCannotBeTold) {
  const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
  const Service service6 = serve(tcp_number, "[2001:db8::10]:443", LB_FORWARD_IPIP);
  lb_backend backend = backend_of(service, 9);
  backend.mtu = 1280;
  lead(service, 9, backend);
  backend.service = service6.number;
  lead(service6, 10, backend);
  Packet packet = request(service, ack, 1, 1300);
  packet.dont_fragment = false;
  expect_dropped(LB_DROP_TOO_BIG, received(packet));
  // RFC 8200 5: no sender has to go below 1280.
  const Packet smallest = request(service6, ack, 1, 1280 - 60);
  expect_dropped(LB_DROP_TOO_BIG, received(smallest));
  const Packet larger = request(service6, ack, 1, 1281 - 60);
  expect_answered(LB_ANSWERED_TOO_BIG, larger, too_big(larger, 1280));
  packet = request(service, ack, 1, 1300);
  packet.source = address("224.0.0.1");
  expect_dropped(LB_DROP_TOO_BIG, received(packet));
}

TEST_F(Lb, TellsWhatFitsAnotherInterfaceAndNotItsOwn) {
  const Service service = serve_l2();
  lb_backend backend = backend_of(service, 5);
  backend.mtu = 1000;
  lead(service, 5, backend);
  const Packet packet = request(service, ack, 1, 1000);
  expect_answered(LB_ANSWERED_TOO_BIG, packet, too_big(packet, 1000));
  backend.interface = ingress;
  put_backend(5, backend);
  EXPECT_EQ(run(LB_SENT_TABLE, received(packet)).action, std::uint32_t{XDP_TX});
}

TEST_F(Lb, TellsOnlySoOftenInASecond) {
  const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
  lb_backend backend = backend_of(service, 9);
  backend.mtu = 1500;
  lead(service, 9, backend);
  const Bytes in = received(request(service, ack, 1, 1460));
  begin_a_second();
  for (int i = 0; i < 1000; ++i)
    (void)program_.run(in, ingress);
  expect_dropped(LB_DROP_TOO_BIG, in);
  begin_a_second();
  run(LB_ANSWERED_TOO_BIG, in);
}

// --- anything

// One service of each protocol, family and forwarding, and a frame of each kind about each.
class LbOfAllKinds : public Lb {
 protected:
  LbOfAllKinds() {
    for (const bool tunnel : {false, true}) {
      for (const bool v4 : {true, false}) {
        for (const std::uint8_t protocol : {tcp_number, udp_number}) {
          const Service service =
              serve(protocol,
                    fmt::format(fmt::runtime(v4 ? "192.0.2.{}:443" : "[2001:db8::{}]:443"),
                                tunnel ? 20 : 10),
                    tunnel ? LB_FORWARD_IPIP : LB_FORWARD_L2);
          lb_backend backend = backend_of(service, 1 + service.number,
                                          protocol == tcp_number ? "10.0.0.1" : "2001:db8:b::1");
          backend.mtu = 1500;
          put_backend(1 + service.number, backend);
          put_table(2 * service.number, {static_cast<std::uint16_t>(1 + service.number)});
          add_frames(service);
        }
      }
    }
  }

  std::vector<Bytes> frames_;

 private:
  void add_frames(const Service& service) {
    const bool v4 = service.is_v4();
    Packet with_options = request(service);
    with_options.options.assign(16, 1);
    for (const Packet& packet :
         {request(service, syn), request(service, ack, 1, 1455), with_options,
          cut(request(service), 0, true), cut(request(service), 9, false),
          icmp(service.client().address, service.endpoint.address, echo_type(v4), 0, 1,
               some_data(20)),
          error_about(service, answer(service), v4 ? 3 : 2, 100),
          error_about(service, cut(answer(service), 0, true), v4 ? 11 : 3, 68)}) {
      frames_.push_back(received(packet));
    }
  }
};

TEST_F(LbOfAllKinds, PassesEveryFrameThatIsCutOff) {
  for (const Bytes& whole : frames_) {
    for (std::size_t size = 14; size < whole.size(); size += size < 200 ? 1 : 97) {
      const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      expect_passed(LB_PASS_MALFORMED, part);
    }
  }
}

// A frame that does not make sense does no harm: what is passed is untouched, what is sent is a
// whole packet, and it is counted once.
void expect_sense(const Verdict& verdict, const Bytes& in) {
  switch (verdict.action) {
    case XDP_PASS: EXPECT_EQ(verdict.frame, in); break;
    case XDP_DROP: break;
    case XDP_TX:
    case XDP_REDIRECT: EXPECT_GE(verdict.frame.size(), 34U); break;
    default: ADD_FAILURE() << "action " << verdict.action;
  }
}

TEST_F(LbOfAllKinds, KeepsItsHeadOverPacketsThatEndEarly) {
  for (const Bytes& whole : frames_) {
    const bool v4 = whole.at(12) == 0x08;
    for (std::size_t size = v4 ? 34 : 54; size < whole.size(); size += size < 200 ? 1 : 97) {
      Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      set16(part, v4 ? 16 : 18, static_cast<unsigned>(v4 ? size - 14 : size - 54));
      expect_sense(program_.run(part, ingress), part);
    }
  }
}

std::uint64_t verdicts(const LbProgram& program) {
  std::uint64_t sum = 0;
  const auto reasons = program.reasons();
  for (std::uint32_t reason = 0; reason < LB_FLOW_LIMIT; ++reason)
    sum += reasons.at(reason);
  return sum;
}

TEST_F(LbOfAllKinds, KeepsItsHeadOverMutatedFrames) {
  constexpr int runs = 30000;
  std::mt19937 random(4711);  // NOLINT(cert-msc51-cpp): the same each time
  const auto below = [&](std::size_t bound) { return random() % bound; };
  for (int i = 0; i < runs; ++i) {
    Bytes in = frames_.at(below(frames_.size()));
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
      in.at(12 + below(std::min<std::size_t>(in.size() - 12, 110))) =
          static_cast<std::uint8_t>(random());
    }
    if (below(8) == 0) in.resize(14 + below(in.size() - 13));
    expect_sense(program_.run(in, ingress), in);
  }
  EXPECT_EQ(verdicts(program_), static_cast<std::uint64_t>(runs));
}

// --- the reasons are complete

class EveryReason : public Lb, public ::testing::WithParamInterface<int> {
 protected:
  // A frame that comes to this reason.
  Bytes frame_for(lb_reason reason) {
    const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
    lb_backend backend = backend_of(service, 5);
    Packet packet = request(service, syn);
    Service other = service;
    other.endpoint.port = 1;
    switch (reason) {
      case LB_PASS_NOT_IP: return ethernet(us, router, 0x0806, some_data(28));
      case LB_PASS_MALFORMED: return ethernet(us, router, 0x0800, some_data(5));
      case LB_PASS_PROTOCOL: packet.protocol = 89; break;
      case LB_PASS_FRAGMENT: packet = cut(packet, 8, false); break;
      case LB_PASS_NO_SERVICE: packet = request(other); break;
      case LB_PASS_ICMP: packet = icmp(packet.source, packet.destination, 13, 0, 0, {}); break;
      case LB_SENT_FLOW:
        lead(service, 5, backend);
        (void)program_.run(received(packet), ingress);
        return received(request(service, ack));
      case LB_SENT_TABLE: break;
      case LB_SENT_ICMP_ERROR: packet = error_about(service, answer(service), 3, 28); break;
      case LB_ANSWERED_ECHO: packet = icmp(packet.source, packet.destination, 8, 0, 0, {}); break;
      case LB_ANSWERED_TOO_BIG: backend.mtu = 68; break;
      case LB_DROP_FRAGMENT: packet = cut(packet, 0, true); break;
      case LB_DROP_NO_BACKEND: backend.flags = 0; break;
      case LB_DROP_NO_NEXT_HOP: backend.flags = LB_BACKEND_PRESENT; break;
      case LB_DROP_TTL: packet.hop_limit = 1; break;
      case LB_DROP_TOO_BIG:
        backend.mtu = 68;
        packet.dont_fragment = false;
        break;
      case LB_DROP_INTERNAL: use_table(service, 1000, LB_FORWARD_IPIP); break;
      case LB_FLOW_LIMIT: {
        lb_settings settings{};
        settings.new_flow_limit = 1;
        set(settings);
        lead(service, 5, backend);
        begin_a_second();
        (void)program_.run(received(packet), ingress);
        packet = request(service, syn, 99);
        break;
      }
      case LB_REASONS: break;
    }
    lead(service, 5, backend);
    return received(packet);
  }
};

TEST_P(EveryReason, HasAFrameThatComesToIt) {
  const auto reason = static_cast<lb_reason>(GetParam());
  const Bytes in = frame_for(reason);
  const auto before = program_.reasons();
  const Verdict verdict = program_.run(in, ingress);
  EXPECT_EQ(program_.reasons().at(reason) - before.at(reason), 1U);
  const std::uint32_t action = reason < LB_SENT_FLOW ? XDP_PASS
                               : reason == LB_ANSWERED_ECHO || reason == LB_ANSWERED_TOO_BIG
                                   ? XDP_TX
                               : reason < LB_DROP_FRAGMENT ? XDP_REDIRECT
                               : reason == LB_FLOW_LIMIT   ? XDP_REDIRECT
                                                           : XDP_DROP;
  EXPECT_EQ(verdict.action, action);
}
INSTANTIATE_TEST_SUITE_P(Lb, EveryReason, ::testing::Range(0, static_cast<int>(LB_REASONS)));

// --- the other end of the tunnel

class Decapsulation : public Lb {
 protected:
  void own(const IpAddress& address) {
    put(decap_.addresses(), lb_address_key{lb(address), lb(address.family())}, 1U);
  }
  Verdict unwrap(const Bytes& in) const { return decap_.run(in, ingress); }
  void expect_untouched(const Bytes& in) const {
    const Verdict verdict = unwrap(in);
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_PASS});
    EXPECT_EQ(verdict.frame, in);
  }
  void expect_unwrapped(const Packet& outer, const Packet& inner) const {
    const Verdict verdict = unwrap(received(outer));
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_PASS});
    EXPECT_EQ(verdict.frame, received(inner));
  }

  DecapProgram decap_;
};

Packet inner_of(bool v4, std::uint8_t traffic_class = 0) {
  Service service{0, tcp_number, endpoint(v4 ? "192.0.2.10:443" : "[2001:db8::10]:443")};
  Packet packet = request(service);
  packet.traffic_class = traffic_class;
  return packet;
}

// Of the other end in the family of `where`.
Packet outer_of(const Packet& inner, const IpAddress& where) {
  return wrapped(inner, address(where.family() == Family::v4 ? "172.16.0.1" : "100::1"), where);
}

TEST_F(Decapsulation, GivesBackWhatWasWrapped) {
  for (const char* where : {"10.0.0.9", "2001:db8:b::9"}) {
    for (const char* vip : {"192.0.2.10:443", "[2001:db8::10]:443"}) {
      const Service service = serve(tcp_number, vip, LB_FORWARD_IPIP);
      lead(service, 9, where);
      own(service.endpoint.address);
      for (std::uint16_t size = 0; size < 300; ++size) {
        const Packet packet = request(service, syn, size, size);
        const Verdict wire = program_.run(received(packet), ingress);
        const Verdict verdict = unwrap(wire.frame);
        EXPECT_EQ(verdict.action, std::uint32_t{XDP_PASS});
        ASSERT_EQ(verdict.frame, sent_to(9, routed(packet)));
      }
    }
  }
}

TEST_F(Decapsulation, LeavesAloneWhatIsNotForItsAddresses) {
  const IpAddress where = address("10.0.0.9"), where6 = address("2001:db8:b::9");
  for (const bool v4 : {true, false}) {
    const Packet inner = inner_of(v4);
    expect_untouched(received(inner));
    expect_untouched(received(outer_of(inner, where)));
    expect_untouched(received(outer_of(inner, where6)));
  }
  own(address("192.0.2.10"));
  own(address("2001:db8::10"));
  for (const bool v4 : {true, false}) {
    for (const IpAddress& there : {where, where6}) {
      const Packet inner = inner_of(v4), outer = outer_of(inner, there);
      expect_unwrapped(outer, inner);
      expect_untouched(received(cut(outer, 0, true)));
      expect_untouched(received(cut(outer, 8, false)));
      Packet mislabelled = outer;
      mislabelled.protocol = v4 ? ipv6_in : ipip;
      expect_untouched(received(mislabelled));
      mislabelled.protocol = 47;
      expect_untouched(received(mislabelled));
      Packet longer_inside = outer;
      longer_inside.payload.pop_back();
      expect_untouched(received(longer_inside));
      const Bytes whole = received(outer);
      for (std::size_t size = 14; size < whole.size(); ++size) {
        expect_untouched(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      }
    }
  }
  expect_untouched(ethernet(us, router, 0x0806, some_data(28)));
}

TEST_F(Decapsulation, TakesOuterOptionsOffToo) {
  own(address("192.0.2.10"));
  Packet outer = outer_of(inner_of(true), address("10.0.0.9"));
  outer.options.assign(24, 1);
  expect_unwrapped(outer, inner_of(true));
}

TEST_F(Decapsulation, PropagatesCongestion) {  // RFC 6040 4.2
  constexpr std::uint8_t class_of_service = 0xB8, ect1 = 1, ect0 = 2, ce = 3;
  for (const bool v4 : {true, false}) {
    own(inner_of(v4).destination);
    for (const char* where : {"10.0.0.9", "2001:db8:b::9"}) {
      for (const std::uint8_t ecn : {ect0, ect1, ce}) {
        Packet outer = outer_of(inner_of(v4, class_of_service | ecn), address(where));
        outer.traffic_class = ce;
        expect_unwrapped(outer, inner_of(v4, class_of_service | ce));
        outer.traffic_class = ect0;
        expect_unwrapped(outer, inner_of(v4, class_of_service | ecn));
      }
      Packet outer = outer_of(inner_of(v4, class_of_service), address(where));
      outer.traffic_class = ce;
      EXPECT_EQ(unwrap(received(outer)).action, std::uint32_t{XDP_DROP});
    }
  }
}

}  // namespace
}  // namespace saspd::kernel
