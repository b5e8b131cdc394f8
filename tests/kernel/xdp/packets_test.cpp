// SPDX-License-Identifier: Apache-2.0
// What is sent on, passed and dropped, and that nothing else happens.
#include <random>
#include <set>

#include "tests/kernel/xdp/packets_fixture.hpp"

namespace saspd::kernel {
namespace {

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
    const bool extension =
        protocol == 0 || protocol == 43 || protocol == fragment_number || protocol == 60;
    if (protocol != icmpv6_number && !extension) {
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

TEST_F(Lb, DropsWhatATableThatIsNotThereWouldLead) {
  const Service service = serve_l2();
  lead(service, 5);
  use_table(service, 1000, LB_FORWARD_L2);
  expect_dropped(LB_DROP_INTERNAL, received(request(service)));
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
          cut(request(service), 0, true), cut(request(service), 9, false), behind_options(service),
          icmp(service.client().address, service.endpoint.address, echo_type(v4), 0, 1,
               some_data(20)),
          error_about(service, answer(service), v4 ? 3 : 2, 100),
          error_about(service, cut(answer(service), 0, true), v4 ? 11 : 3, 68)}) {
      frames_.push_back(received(packet));
    }
  }
  static Packet behind_options(const Service& service) {
    const Packet packet = request(service);
    return service.is_v4() ? packet : extended(extended(packet, 60, 16), 0, 8);
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
      case LB_PASS_OTHER_MAC: return frame(us_elsewhere, router, packet);
      case LB_PASS_VLAN: return tagged(7, received(packet));
      case LB_PASS_PROTOCOL: packet.protocol = 89; break;
      case LB_PASS_FRAGMENT: packet = cut(packet, 8, false); break;
      case LB_PASS_NO_SERVICE: packet = request(other); break;
      case LB_PASS_ICMP: packet = icmp(packet.source, packet.destination, 13, 0, 0, {}); break;
      case LB_SENT_FLOW:
        lead(service, 5, backend);
        (void)program_.run(received(packet), ingress);
        return received(request(service, ack));
      case LB_SENT_TABLE: break;
      case LB_SENT_FRAGMENT:
        lead(service, 5, backend);
        (void)program_.run(received(cut(packet, 0, true)), ingress);
        return received(cut(packet, 3, false));
      case LB_SENT_ICMP_ERROR: packet = error_about(service, answer(service), 3, 28); break;
      case LB_ANSWERED_ECHO: packet = icmp(packet.source, packet.destination, 8, 0, 0, {}); break;
      case LB_ANSWERED_TOO_BIG: backend.mtu = 68; break;
      case LB_ANSWERED_TIME_EXCEEDED: packet.hop_limit = 1; break;
      case LB_DROP_FRAGMENT: {
        lb_settings settings{};
        settings.new_flow_limit = 1;
        set(settings);
        lead(service, 5, backend);
        begin_a_second();
        (void)program_.run(received(cut(packet, 0, true)), ingress);
        packet = cut(request(service, syn, 99), 0, true);
        break;
      }
      case LB_DROP_OWN_SOURCE: lead(service, 5, backend); return frame(us, us, packet);
      case LB_DROP_NO_BACKEND: backend.flags = 0; break;
      case LB_DROP_NO_NEXT_HOP: backend.flags = LB_BACKEND_PRESENT; break;
      case LB_DROP_TTL:
        packet.hop_limit = 1;
        packet.source = address("224.0.0.1");
        break;
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
  const bool answered = reason >= LB_ANSWERED_ECHO && reason < LB_DROP_FRAGMENT;
  const std::uint32_t action = reason < LB_SENT_FLOW       ? XDP_PASS
                               : answered                  ? XDP_TX
                               : reason < LB_DROP_FRAGMENT ? XDP_REDIRECT
                               : reason == LB_FLOW_LIMIT   ? XDP_REDIRECT
                                                           : XDP_DROP;
  EXPECT_EQ(verdict.action, action);
}
INSTANTIATE_TEST_SUITE_P(Lb, EveryReason, ::testing::Range(0, static_cast<int>(LB_REASONS)));

}  // namespace
}  // namespace saspd::kernel
