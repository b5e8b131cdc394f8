// SPDX-License-Identifier: Apache-2.0
// The XDP program with its maps, filled by hand: every verdict, every reason and every byte of what
// it sends, against packets that are made here. It runs in this machine's own kernel and is
// attached to nothing. The tests are cut by chapter.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "tests/support/xdp_packets.hpp"
#include "tests/support/xdp_program.hpp"

namespace saspd::kernel {

using namespace packets;

constexpr std::uint32_t ingress = 1;  // lo: the test run wants an interface that exists
constexpr std::uint32_t elsewhere = 77;
constexpr Mac router{2, 0, 0, 0, 0, 1}, us{2, 0, 0, 0, 0, 2}, us_elsewhere{2, 0, 0, 0, 0, 3};
constexpr std::uint32_t seed = 42;

inline Mac mac_of(std::uint32_t backend) {
  return {
      2, 0xBE, 0, 0, static_cast<std::uint8_t>(backend >> 8), static_cast<std::uint8_t>(backend)};
}

inline lb_address lb(const IpAddress& address) {
  lb_address value{};
  std::copy(address.bytes().begin(), address.bytes().end(), value.bytes);
  return value;
}

inline std::uint8_t lb(Family family) {
  return family == Family::v4 ? LB_IPV4 : LB_IPV6;
}

inline std::uint16_t network_order(std::uint16_t value) {
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
inline Packet request(const Service& service, std::uint8_t flags = ack, std::uint16_t port = 1234,
                      std::size_t data = 10) {
  return service.protocol == tcp_number ? tcp(service.client(port), service.endpoint, flags, data)
                                        : udp(service.client(port), service.endpoint, data);
}

// What a backend answers to it, past us.
inline Packet answer(const Service& service, std::uint16_t port = 1234) {
  return service.protocol == tcp_number ? tcp(service.endpoint, service.client(port), ack, 1400)
                                        : udp(service.endpoint, service.client(port), 1400);
}

inline lb_flow_key flow_of(const Packet& packet) {
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

inline Packet routed(Packet packet) {
  --packet.hop_limit;
  return packet;
}

// How a packet of `flow` is wrapped for a backend at `destination`.
inline Packet in_tunnel(const Packet& packet, const lb_flow_key& flow,
                        const IpAddress& destination) {
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

inline Bytes received(const Packet& packet) {
  return frame(us, router, packet);
}
inline Bytes sent_to(std::uint32_t backend, const Packet& packet) {
  return frame(mac_of(backend), us_elsewhere, packet);
}
inline Bytes sent_back(const Packet& packet) {
  return frame(router, us, packet);
}

class Lb : public ::testing::Test {
 protected:
  Lb() {
    set({});
    put_device(ingress, 0, {us});
  }

  void set(lb_settings settings) {
    settings.layout = LB_LAYOUT;
    settings.seed = seed;
    settings.outer_source_v4[0] = 172;
    settings.outer_source_v4[1] = 16;
    settings.outer_source_v6[0] = 0x01;
    put(program_.maps().settings, 0U, settings);
  }

  void put_device(std::uint32_t interface, std::uint16_t vlan, const std::vector<Mac>& macs) {
    kernel::put_device(program_.maps().devices, interface, vlan, macs);
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

inline Packet cut(Packet packet, std::uint16_t offset, bool more) {
  if (!packet.is_v4()) return ipv6_fragment(packet, offset, more);
  packet.dont_fragment = false;
  packet.more_fragments = more;
  packet.fragment_offset = offset;
  return packet;
}

// The limit is per second and CPU: stays on one, and begins a second anew.
inline void begin_a_second() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
  sched_setaffinity(0, sizeof one, &one);
  using std::chrono::steady_clock;
  const auto now = steady_clock::now().time_since_epoch();
  const auto second = std::chrono::ceil<std::chrono::seconds>(now);
  std::this_thread::sleep_until(steady_clock::time_point(second));
}

inline std::uint8_t echo_type(bool v4) {
  return v4 ? 8 : 128;
}

// An error that a router sends about an answer, with so many bytes of it.
inline Packet error_about(const Service& service, const Packet& about, std::uint8_t type,
                          std::size_t embedded) {
  Bytes part = bytes(about);
  part.resize(std::min(part.size(), embedded));
  return icmp(address(service.is_v4() ? "203.0.113.1" : "2001:db8:f::1"), about.source, type, 1,
              0x05DC, part);
}

}  // namespace saspd::kernel
