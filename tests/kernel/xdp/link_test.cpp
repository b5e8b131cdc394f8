// SPDX-License-Identifier: Apache-2.0
// Which frames are for this host: by MAC and VLAN; and with which tag they go on.

#include "tests/kernel/xdp/packets_fixture.hpp"

namespace saspd::kernel {
namespace {

constexpr Mac other{2, 0, 0, 0, 0, 0x77}, virtual_router{0, 0, 0x5E, 0, 1, 7};

// --- MACs

// As a switch floods it, or as a server's: nobody's copy goes round.
TEST_F(Lb, PassesFramesForAnotherMac) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    lead(service, 5);
    const Packet ping =
        icmp(service.client().address, service.endpoint.address, echo_type(v4), 0, 1, some_data(9));
    for (const Packet& packet :
         {request(service, syn), ping, error_about(service, answer(service), v4 ? 3 : 1, 60)}) {
      for (const Mac& mac : {other, mac_of(5), router}) {
        expect_passed(LB_PASS_OTHER_MAC, frame(mac, router, packet));
      }
      for (std::size_t i = 0; i < us.size(); ++i) {  // each byte counts
        Mac near = us;
        near.at(i) ^= 2;
        expect_passed(LB_PASS_OTHER_MAC, frame(near, router, packet));
      }
    }
    EXPECT_FALSE(knows_flow(request(service, syn)));
  }
}

TEST_F(Lb, PassesFramesOfAnInterfaceThatItDoesNotKnow) {
  const Service service = serve_l2();
  lead(service, 5);
  put(program_.maps().devices, lb_device_place(ingress, 0), lb_devices{});
  expect_passed(LB_PASS_OTHER_MAC, received(request(service)));
  put_device(ingress + 1, 0, {us});
  expect_passed(LB_PASS_OTHER_MAC, received(request(service)));
}

TEST_F(Lb, FindsADeviceAmongOthersOfItsPlace) {
  const Service service = serve_l2();
  lead(service, 5);
  for (std::size_t i = 0; i < LB_DEVICES_AT_PLACE; ++i) {
    lb_devices place{};
    for (std::size_t n = 0; n < LB_DEVICES_AT_PLACE; ++n)
      place.at[n] = device_of(ingress, static_cast<std::uint16_t>(n + 1), {other});
    place.at[i] = device_of(ingress, 0, {us});
    put(program_.maps().devices, lb_device_place(ingress, 0), place);
    run(LB_SENT_TABLE, received(request(service, syn)));
    expect_passed(LB_PASS_OTHER_MAC, frame(other, router, request(service, syn)));
    expect_dropped(LB_DROP_OWN_SOURCE, frame(us, us, request(service, syn)));
  }
}

// As many as a pair of directors with a virtual MAC for each of its addresses has.
TEST_F(Lb, LeadsFramesForMoreMacsThanADeviceHolds) {
  const Service service = serve_l2();
  lead(service, 5);
  lb_devices place{};
  for (std::uint8_t n = 0; n < LB_DEVICES_AT_PLACE; ++n) {
    std::vector<Mac> macs(LB_DEVICE_MACS, virtual_router);
    for (std::uint8_t i = 0; i < LB_DEVICE_MACS; ++i)
      macs[i][5] = static_cast<std::uint8_t>(n * LB_DEVICE_MACS + i);
    place.at[n] = device_of(ingress, 0, macs);
  }
  put(program_.maps().devices, lb_device_place(ingress, 0), place);
  for (std::uint8_t last = 0; last < 40; ++last) {
    Mac mac = virtual_router;
    mac[5] = last;
    if (last < LB_DEVICES_AT_PLACE * LB_DEVICE_MACS)
      run(LB_SENT_TABLE, frame(mac, router, request(service, syn)));
    else
      expect_passed(LB_PASS_OTHER_MAC, frame(mac, router, request(service, syn)));
  }
}

TEST_F(Lb, LeadsFramesForEachOfItsMacs) {
  const Service service = serve_l2();
  lead(service, 5);
  const Bytes out = sent_to(5, routed(request(service, syn)));
  const std::vector<Mac> macs{us, virtual_router, us_elsewhere, other};
  for (std::size_t count = 1; count <= macs.size(); ++count) {
    put_device(ingress, 0, {macs.begin(), macs.begin() + static_cast<std::ptrdiff_t>(count)});
    for (std::size_t i = 0; i < macs.size(); ++i) {
      const Bytes in = frame(macs[i], router, request(service, syn));
      if (i < count)
        EXPECT_EQ(run(LB_SENT_TABLE, in).frame, out);
      else
        expect_passed(LB_PASS_OTHER_MAC, in);
    }
  }
}

TEST_F(Lb, DropsFramesOfItsServicesThatItSentItself) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(udp_number, v4);
    lead(service, 5);
    put_device(ingress, 0, {us, virtual_router});
    for (const Mac& source : {us, virtual_router}) {
      const Packet ping =
          icmp(service.client().address, service.endpoint.address, echo_type(v4), 0, 1, {});
      (void)program_.run(received(cut(request(service), 0, true)), ingress);
      for (const Packet& packet : {request(service, syn), ping, cut(request(service), 9, false),
                                   error_about(service, answer(service), v4 ? 3 : 1, 60)}) {
        expect_dropped(LB_DROP_OWN_SOURCE, frame(us, source, packet));
      }
      // What is of no service is not ours to judge.
      Service none = service;
      none.endpoint.port = 1;
      expect_passed(LB_PASS_NO_SERVICE, frame(us, source, request(none)));
    }
  }
}

// --- VLANs

constexpr std::uint16_t vlan = 100, elsewhere_vlan = 200, priority = 5 << 13;

// Frames of a VLAN device on the interface: served, with the tag of the way on.
class LbOnATrunk : public Lb {
 protected:
  LbOnATrunk() { put_device(ingress, vlan, {us_elsewhere}); }

  Bytes in_vlan(std::uint16_t tci, const Packet& packet) const {
    return tagged(tci, frame(us_elsewhere, router, packet));
  }
  void lead_into(const Service& service, std::uint16_t number, std::uint16_t vlan_id,
                 std::uint32_t interface = elsewhere) {
    lb_backend backend = backend_of(service, number);
    backend.vlan = vlan_id;
    backend.interface = interface;
    lead(service, number, backend);
  }
};

TEST_F(LbOnATrunk, LeadsATaggedFrameWithTheTagOfItsWay) {
  for (const bool v4 : {true, false}) {
    for (const std::uint8_t protocol : {tcp_number, udp_number}) {
      const Service service = serve_l2(protocol, v4);
      std::uint16_t port = 0;
      const auto expect_led = [&](std::uint16_t way, const auto& in,
                                  std::optional<std::uint16_t> out) {
        lead_into(service, 5, way);
        const Packet packet = request(service, syn, ++port);
        const Bytes sent = sent_to(5, routed(packet));
        EXPECT_EQ(run(LB_SENT_TABLE, in(packet)).frame, out ? tagged(*out, sent) : sent);
      };
      const auto plain = [&](const Packet& packet) { return received(packet); };
      const auto with = [&](std::uint16_t tci) {
        return [this, tci](const Packet& packet) { return in_vlan(tci, packet); };
      };
      expect_led(vlan, with(vlan), vlan);
      expect_led(elsewhere_vlan, with(priority | vlan), priority | elsewhere_vlan);
      expect_led(0, with(vlan), {});
      expect_led(vlan, plain, vlan);
      expect_led(0, plain, {});
    }
  }
}

TEST_F(LbOnATrunk, SendsBackOutOfTheTrunk) {
  const Service service = serve_l2();
  lead_into(service, 5, vlan, ingress);
  const Packet packet = request(service, syn);
  const Verdict verdict = run(LB_SENT_TABLE, in_vlan(vlan, packet));
  EXPECT_EQ(verdict.action, std::uint32_t{XDP_TX});
  EXPECT_EQ(verdict.frame, tagged(vlan, sent_to(5, routed(packet))));
}

TEST_F(LbOnATrunk, WrapsInsideOfTheTag) {
  for (const char* where : {"10.0.0.9", "2001:db8:b::9"}) {
    const Service service = serve(tcp_number, "192.0.2.10:443", LB_FORWARD_IPIP);
    lb_backend backend = backend_of(service, 9, where);
    backend.vlan = vlan;
    lead(service, 9, backend);
    const Packet packet = request(service, syn);
    const Bytes out = sent_to(9, in_tunnel(routed(packet), flow_of(packet), address(where)));
    Bytes padded = in_vlan(vlan, packet);
    padded.resize(padded.size() + 5);
    EXPECT_EQ(run(LB_SENT_TABLE, padded).frame, tagged(vlan, out));
    EXPECT_EQ(run(LB_SENT_TABLE, received(packet)).frame, tagged(vlan, out));
  }
}

TEST_F(LbOnATrunk, ServesAPriorityTagAsNone) {
  const Service service = serve_l2();
  lead(service, 5);
  const Packet packet = request(service, syn);
  for (const std::uint16_t tci : std::array<std::uint16_t, 3>{0, priority, 0x1000}) {
    EXPECT_EQ(run(LB_SENT_TABLE, tagged(tci, received(packet))).frame, sent_to(5, routed(packet)));
  }
  lead_into(service, 5, vlan);
  EXPECT_EQ(run(LB_SENT_TABLE, tagged(priority, received(packet))).frame,
            tagged(priority | vlan, sent_to(5, routed(packet))));
}

TEST_F(LbOnATrunk, AnswersWithTheTagThatTheRequestHad) {
  for (const bool v4 : {true, false}) {
    const Service service = serve_l2(tcp_number, v4);
    lb_backend backend = backend_of(service, 5);
    backend.mtu = 1300;
    lead(service, 5, backend);
    Packet far = request(service);
    far.hop_limit = 1;
    const Packet ping = icmp(service.client().address, service.endpoint.address, echo_type(v4), 0,
                             1, some_data(30));
    const Packet big = request(service, ack, 1, 1400);
    for (const std::uint16_t tci : std::array<std::uint16_t, 3>{vlan, priority | vlan, priority}) {
      const Mac& mac = (tci & 0xFFF) != 0 ? us_elsewhere : us;
      for (const auto& [reason, packet] : {std::pair{LB_ANSWERED_ECHO, ping},
                                           {LB_ANSWERED_TIME_EXCEEDED, far},
                                           {LB_ANSWERED_TOO_BIG, big}}) {
        const Bytes untagged = frame(us, router, packet);
        Bytes expected = program_.run(untagged, ingress).frame;
        std::copy(mac.begin(), mac.end(), expected.begin() + 6);
        const Verdict verdict = run(reason, tagged(tci, frame(mac, router, packet)));
        EXPECT_EQ(verdict.action, std::uint32_t{XDP_TX});
        EXPECT_EQ(verdict.frame, tagged(tci, expected));
      }
    }
  }
}

TEST_F(LbOnATrunk, PassesWhatItDoesNotServeWithItsTag) {
  const Service service = serve_l2();
  lead(service, 5);
  Service none = service;
  none.endpoint.port = 1;
  expect_passed(LB_PASS_NO_SERVICE, in_vlan(priority | vlan, request(none)));
  expect_passed(LB_PASS_NO_SERVICE, tagged(0, received(request(none))));
  expect_passed(LB_PASS_NOT_IP,
                tagged(vlan, ethernet(us_elsewhere, router, 0x0806, some_data(28))));
  expect_passed(LB_PASS_OTHER_MAC, tagged(vlan, received(request(service))));
  expect_passed(LB_PASS_OTHER_MAC, tagged(0, frame(us_elsewhere, router, request(service))));
}

TEST_F(LbOnATrunk, PassesOtherVlans) {
  const Service service = serve_l2();
  lead(service, 5);
  for (const std::uint16_t other_vlan :
       std::array<std::uint16_t, 5>{1, vlan - 1, vlan + 1, elsewhere_vlan, 4095}) {
    expect_passed(LB_PASS_VLAN, in_vlan(other_vlan, request(service)));
    expect_passed(LB_PASS_VLAN, tagged(other_vlan, received(request(service))));
  }
  const Bytes once = in_vlan(vlan, request(service));
  expect_passed(LB_PASS_VLAN, tagged(vlan, once));
  expect_passed(LB_PASS_VLAN, tagged(0, once));
  expect_passed(LB_PASS_VLAN, tagged(vlan, once, 0x88A8));
  expect_passed(LB_PASS_VLAN, tagged(vlan, received(request(service)), 0x88A8));
}

TEST_F(LbOnATrunk, PassesTaggedFramesThatAreCutOff) {
  const Service service = serve_l2();
  lead(service, 5);
  const Bytes whole = in_vlan(vlan, request(service));
  for (std::size_t size = 14; size < whole.size(); ++size) {
    expect_passed(LB_PASS_MALFORMED,
                  Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
  }
}

TEST_F(LbOnATrunk, TellsWhatFitsAnotherVlanOfTheSameTrunk) {
  const Service service = serve_l2();
  lb_backend backend = backend_of(service, 5);
  backend.interface = ingress;
  backend.vlan = vlan;
  backend.mtu = 1000;
  lead(service, 5, backend);
  const Packet packet = request(service, ack, 1, 1000);
  run(LB_SENT_TABLE, in_vlan(vlan, packet));
  run(LB_ANSWERED_TOO_BIG, received(packet));
}

}  // namespace
}  // namespace saspd::kernel
