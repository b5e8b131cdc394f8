// SPDX-License-Identifier: Apache-2.0
// The other end of the tunnel.
#include <array>

#include "tests/kernel/xdp/packets_fixture.hpp"

namespace saspd::kernel {
namespace {

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
