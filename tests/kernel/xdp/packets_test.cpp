// The XDP program, packet by packet: every verdict, every reason and every byte of what it sends,
// against packets that are made here. It runs in this machine's own kernel and is attached to
// nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/xdp_packets.hpp"
#include "tests/support/xdp_program.hpp"

namespace saspd::kernel {
namespace {

using namespace packets;

constexpr std::uint32_t ingress = 1;  // lo: the test run wants an interface that exists
constexpr std::uint32_t elsewhere = 77;
constexpr Mac router{2, 0, 0, 0, 0, 1}, us{2, 0, 0, 0, 0, 2}, us_elsewhere{2, 0, 0, 0, 0, 3};

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

class Lb : public ::testing::Test {
 protected:
  Lb() { set(lb_settings{}); }

  void set(lb_settings settings) {
    settings.layout = LB_LAYOUT;
    settings.seed = seed;
    settings.outer_source_v4[0] = 172;
    settings.outer_source_v4[1] = 16;
    settings.outer_source_v6[0] = 0x01;
    put(program_.maps().settings, 0U, settings);
  }

  // One service, by number, with its address and its tables.
  void serve(std::uint32_t number, std::uint8_t protocol, std::string_view where,
             std::uint8_t forward, std::uint8_t flags = 0) {
    const Endpoint service = endpoint(where);
    lb_service_key key{};
    key.address = lb(service.address);
    key.port = network_order(service.port);
    key.protocol = protocol;
    key.family = lb(service.address.family());
    lb_service value{};
    value.number = number;
    value.table = 2 * number;
    value.forward = forward;
    value.flags = flags;
    put(program_.maps().services, key, value);
    put(program_.maps().addresses, lb_address_key{key.address, key.family}, 1U);
  }

  lb_backend backend(std::uint32_t number, std::uint32_t service, std::string_view where) {
    lb_backend backend{};
    backend.address = lb(address(where));
    backend.service = service;
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
  // All slots lead to these, in turn.
  void put_table(std::uint32_t index, const std::vector<std::uint16_t>& backends) {
    lb_table table{};
    for (std::size_t slot = 0; slot < LB_SLOTS; ++slot) {
      table.backend[slot] = backends[slot % backends.size()];
    }
    put(program_.maps().tables, index, table);
  }

  // Runs the frame, expects exactly this reason to be counted, and returns what was done.
  Verdict expect(lb_reason reason, const Bytes& frame) {
    const auto before = program_.reasons();
    Verdict verdict = program_.run(frame, ingress);
    const auto after = program_.reasons();
    for (std::uint32_t i = 0; i < LB_REASONS; ++i) {
      EXPECT_EQ(after.at(i) - before.at(i), i == static_cast<std::uint32_t>(reason) ? 1U : 0U)
          << "reason " << i;
    }
    return verdict;
  }
  void expect_passed(lb_reason reason, const Bytes& frame) {
    const Verdict verdict = expect(reason, frame);
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_PASS});
    EXPECT_EQ(verdict.frame, frame);
  }
  void expect_sent(lb_reason reason, const Packet& packet, const Bytes& expected) {
    const Verdict verdict = expect(reason, frame(us, router, packet));
    EXPECT_EQ(verdict.action, std::uint32_t{XDP_REDIRECT});
    EXPECT_EQ(verdict.frame, expected);
  }

  static constexpr std::uint32_t seed = 42;
  LbProgram program_;
};

Packet routed(Packet packet) {
  --packet.hop_limit;
  return packet;
}

TEST_F(Lb, SendsAPacketOfAServiceToTheMacOfItsBackend) {
  serve(0, tcp_number, "192.0.2.10:443", LB_FORWARD_L2);
  put_backend(5, backend(5, 0, "10.0.0.5"));
  put_table(0, {5});
  const Packet packet = tcp(endpoint("198.51.100.7:1234"), endpoint("192.0.2.10:443"), syn);
  expect_sent(LB_SENT_TABLE, packet, frame(mac_of(5), us_elsewhere, routed(packet)));
  expect_passed(
      LB_PASS_NO_SERVICE,
      frame(us, router, tcp(endpoint("198.51.100.7:1234"), endpoint("192.0.2.10:80"), syn)));
}

}  // namespace
}  // namespace saspd::kernel
