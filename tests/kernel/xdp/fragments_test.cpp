// SPDX-License-Identifier: Apache-2.0
// Fragments, and IPv6 extension headers.
#include <array>

#include "tests/kernel/xdp/packets_fixture.hpp"

namespace saspd::kernel {
namespace {

const auto both_protocols = std::array<std::uint8_t, 2>{tcp_number, udp_number};

TEST_F(Lb, LeadsAllFragmentsOfAPacketToOneBackend) {
  std::uint16_t port = 0;
  for (const std::uint8_t forward : {LB_FORWARD_L2, LB_FORWARD_IPIP}) {
    for (const char* own : {"192.0.2.10:443", "[2001:db8::10]:443"}) {
      for (const std::uint8_t protocol : both_protocols) {
        const Service service = serve(protocol, own, forward);
        lead(service, 5);
        put_backend(6, backend_of(service, 6));
        const Packet packet = request(service, syn, ++port);
        const auto expect_led = [&](lb_reason reason, const Packet& fragment, Mac mac) {
          const Verdict verdict = run(reason, received(fragment));
          EXPECT_EQ(verdict.action, std::uint32_t{XDP_REDIRECT});
          EXPECT_TRUE(std::equal(mac.begin(), mac.end(), verdict.frame.begin()));
          const Bytes inner = bytes(routed(fragment));
          ASSERT_GT(verdict.frame.size(), inner.size());
          EXPECT_TRUE(std::equal(inner.rbegin(), inner.rend(), verdict.frame.rbegin()));
        };
        expect_led(LB_SENT_TABLE, cut(packet, 0, true), mac_of(5));
        put_table(2 * service.number, {6});  // the others follow the first, not the table
        for (const std::uint16_t offset : std::array<std::uint16_t, 3>{1, 185, 8191}) {
          expect_led(LB_SENT_FRAGMENT, cut(packet, offset, true), mac_of(5));
          expect_led(LB_SENT_FRAGMENT, cut(packet, offset, false), mac_of(5));
        }
      }
    }
  }
}

// A flow's packets are not torn apart because one of them is in fragments.
TEST_F(Lb, LeadsFragmentsWithTheirFlow) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(udp_number, v4);
    const std::uint16_t number = v4 ? 5 : 7;
    lead(service, number);
    put_backend(6, backend_of(service, 6));
    expect_led_to(number, LB_SENT_TABLE, request(service));
    put_table(2 * service.number, {6});
    expect_led_to(number, LB_SENT_FLOW, cut(request(service), 0, true));
    expect_led_to(number, LB_SENT_FRAGMENT, cut(request(service), 9, false));
    EXPECT_EQ(program_.backend_counters(number).packets, 3U);
    EXPECT_EQ(program_.backend_counters(number).flows, 1U);
  }
}

TEST_F(Lb, PassesFragmentsWhoseFirstOneItHasNotLed) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(udp_number, v4);
    lead(service, 5);
    const Packet packet = request(service);
    expect_passed(LB_PASS_FRAGMENT, received(cut(packet, 9, false)));
    Service other = service;
    other.endpoint.port = 1;
    expect_passed(LB_PASS_NO_SERVICE, received(cut(request(other), 0, true)));
    expect_passed(LB_PASS_FRAGMENT, received(cut(packet, 9, false)));

    run(LB_SENT_TABLE, received(cut(packet, 0, true)));
    run(LB_SENT_FRAGMENT, received(cut(packet, 9, true)));
    Packet another = packet;
    another.source = address(v4 ? "198.51.100.8" : "2001:db8:c::8");
    expect_passed(LB_PASS_FRAGMENT, received(cut(another, 9, false)));
    another = packet;
    another.destination = address(v4 ? "192.0.2.11" : "2001:db8::11");
    expect_passed(LB_PASS_FRAGMENT, received(cut(another, 9, false)));
    if (!v4) continue;
    another = packet;
    ++another.id;
    expect_passed(LB_PASS_FRAGMENT, received(cut(another, 9, false)));
    another = packet;
    another.protocol = tcp_number;
    expect_passed(LB_PASS_FRAGMENT, received(cut(another, 9, false)));
  }
}

TEST_F(Lb, DropsFragmentsWhoseBackendIsGone) {
  const Service service = serve_l2(udp_number);
  lead(service, 5);
  run(LB_SENT_TABLE, received(cut(request(service), 0, true)));
  lb_backend backend = backend_of(service, 5);
  backend.generation = 2;
  put_backend(5, backend);
  expect_dropped(LB_DROP_NO_BACKEND, received(cut(request(service), 9, false)));
  backend.generation = 1;
  backend.flags = LB_BACKEND_PRESENT;
  put_backend(5, backend);
  expect_dropped(LB_DROP_NO_NEXT_HOP, received(cut(request(service), 9, false)));
}

TEST_F(Lb, AnswersNoLaterFragment) {
  const Service service = serve_l2(udp_number);
  lead(service, 5);
  run(LB_SENT_TABLE, received(cut(request(service), 0, true)));
  Packet far = cut(request(service), 9, false);
  far.hop_limit = 1;
  expect_dropped(LB_DROP_TTL, received(far));
}

TEST_F(Lb, PassesFragmentsOfPings) {
  for (const bool v4 : {true, false}) {
    const Packet ping = icmp(serve_l2(tcp_number, v4).client().address,
                             address(v4 ? "192.0.2.10" : "2001:db8::10"), v4 ? 8 : 128, 0, 1, {});
    expect_passed(LB_PASS_FRAGMENT, received(cut(ping, 0, true)));
    expect_passed(LB_PASS_FRAGMENT, received(cut(ping, 9, false)));
  }
}

TEST_F(Lb, SendsAnAtomicFragmentAsTheWholePacketThatItIs) {  // RFC 6946
  const Service service = serve_l2(tcp_number, false);
  lead(service, 5);
  expect_led_to(5, LB_SENT_TABLE, cut(request(service), 0, false));
}

// --- IPv6 extension headers

constexpr std::uint8_t hop_by_hop = 0, routing = 43, destination_options = 60, no_next = 59;

TEST_F(Lb, LooksBehindExtensionHeaders) {
  for (const std::uint8_t protocol : both_protocols) {
    const Service service = serve_l2(protocol, false);
    lead(service, 5);
    std::uint16_t port = 0;
    for (const std::size_t size : {8, 16, 264, 1024}) {
      for (const std::uint8_t header : {hop_by_hop, routing, destination_options}) {
        const Packet packet = request(service, syn, ++port);
        expect_led_to(5, LB_SENT_TABLE, extended(packet, header, size));
        EXPECT_TRUE(knows_flow(packet));
      }
    }
    const Packet packet = request(service, syn, 999);
    Packet many = extended(cut(extended(packet, destination_options, 8), 0, true), routing, 24);
    many = extended(extended(many, destination_options, 16), hop_by_hop, 8);
    expect_led_to(5, LB_SENT_TABLE, many);  // five
    EXPECT_TRUE(knows_flow(packet));
    Packet later = cut(packet, 9, false);
    expect_led_to(5, LB_SENT_FRAGMENT, extended(later, hop_by_hop, 8));
    expect_passed(LB_PASS_PROTOCOL, received(extended(many, destination_options, 8)));
  }
}

TEST_F(Lb, PassesWhatIsNotToEndHere) {
  const Service service = serve_l2(tcp_number, false);
  lead(service, 5);
  expect_passed(LB_PASS_PROTOCOL, received(extended(request(service), routing, 24, 1)));
  Packet nothing = request(service);
  nothing.protocol = no_next;
  expect_passed(LB_PASS_PROTOCOL, received(extended(nothing, destination_options, 8)));
}

// Longer than the packet, or than the frame.
TEST_F(Lb, PassesExtensionHeadersThatAreCutOff) {
  const Service service = serve_l2(tcp_number, false);
  lead(service, 5);
  for (const std::uint8_t header : {hop_by_hop, routing, destination_options}) {
    Bytes in = received(extended(request(service), header, 16));
    for (const std::uint8_t length : std::array<std::uint8_t, 3>{100, 254, 255}) {
      in.at(55) = length;
      expect_passed(LB_PASS_MALFORMED, in);
    }
    Bytes part = received(extended(request(service), header, 64));
    for (unsigned size = 0; size < 64; ++size) {
      set16(part, 18, size);
      expect_passed(LB_PASS_MALFORMED, part);
    }
  }
}

TEST_F(Lb, WrapsAndTellsBehindExtensionHeaders) {
  const Service service = serve(tcp_number, "[2001:db8::10]:443", LB_FORWARD_IPIP);
  lead(service, 9);
  const Packet packet = request(service, syn);
  const Packet with_options = extended(packet, destination_options, 16);
  const Verdict verdict = run(LB_SENT_TABLE, received(with_options));
  Packet outer = in_tunnel(routed(with_options), flow_of(packet), address("10.0.0.1"));
  outer.id = static_cast<std::uint16_t>(verdict.frame.at(18) << 8 | verdict.frame.at(19));
  EXPECT_EQ(verdict.frame, sent_to(9, outer));
}

}  // namespace
}  // namespace saspd::kernel
