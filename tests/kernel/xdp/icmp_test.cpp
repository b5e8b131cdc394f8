// SPDX-License-Identifier: Apache-2.0
// ICMP: what is answered, and where errors go.
#include <array>

#include "tests/kernel/xdp/packets_fixture.hpp"

namespace saspd::kernel {
namespace {

// --- ICMP

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
Packet told(const Packet& packet, std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
  const bool v4 = packet.is_v4();
  Bytes part = bytes(packet);
  part.resize(std::min<std::size_t>(part.size() & ~std::size_t{3}, v4 ? 548 : 1232));
  Packet error = icmp(packet.destination, packet.source, type, code, rest, part);
  error.id = 0;
  error.traffic_class = v4 ? 0xC0 : 0;
  return error;
}
Packet too_big(const Packet& packet, std::uint32_t mtu) {
  return packet.is_v4() ? told(packet, 3, 4, mtu) : told(packet, 2, 0, mtu);
}
Packet time_exceeded(const Packet& packet) {
  return told(packet, packet.is_v4() ? 11 : 3, 0, 0);
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
    expect_answered(LB_ANSWERED_TIME_EXCEEDED, far, time_exceeded(far));
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

TEST_F(Lb, TellsThatAPacketHasTravelledTooFar) {
  for (const std::uint8_t forward : {LB_FORWARD_L2, LB_FORWARD_IPIP}) {
    for (const char* own : {"192.0.2.10:53", "[2001:db8::10]:53"}) {
      for (const std::uint8_t protocol : {tcp_number, udp_number}) {
        const Service service = serve(protocol, own, forward);
        lead(service, 5);
        for (const std::uint8_t hop_limit : std::array<std::uint8_t, 2>{0, 1}) {
          for (const std::size_t data : {0, 1, 2, 3, 100, 525, 1300}) {
            Packet packet = request(service, syn, 1, data);
            packet.hop_limit = hop_limit;
            expect_answered(LB_ANSWERED_TIME_EXCEEDED, packet, time_exceeded(packet));
            EXPECT_FALSE(knows_flow(packet));
          }
        }
      }
    }
  }
}

TEST_F(Lb, TellsNobodyWhoIsNoSingleHost) {
  const Service service = serve_l2(), service6 = serve_l2(tcp_number, false);
  lead(service, 5);
  lead(service6, 6);
  for (const char* source : {"224.0.0.1", "0.0.0.0", "127.0.0.1", "::", "ff02::1"}) {
    const IpAddress from = address(source);
    Packet packet = request(from.family() == Family::v4 ? service : service6);
    packet.source = from;
    packet.hop_limit = 1;
    expect_dropped(LB_DROP_TTL, received(packet));
  }
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
  Packet far = request(service);
  far.hop_limit = 1;
  expect_dropped(LB_DROP_TTL, received(far));
  begin_a_second();
  run(LB_ANSWERED_TOO_BIG, in);
}

}  // namespace
}  // namespace saspd::kernel
