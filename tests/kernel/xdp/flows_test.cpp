// SPDX-License-Identifier: Apache-2.0
// Which backend a packet is led to.
#include <array>

#include "tests/kernel/xdp/packets_fixture.hpp"

namespace saspd::kernel {
namespace {

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

// A dead server is not a draining one.
TEST_F(Lb, MovesTheFlowsOfALostBackendWhereTheyCanGoOn) {
  for (const std::uint8_t protocol : {tcp_number, udp_number}) {
    for (const std::uint8_t flags : std::array<std::uint8_t, 2>{0, LB_SERVICE_DROP_LOST}) {
      const Service service = serve_l2(protocol, true, flags);
      lead(service, 5);
      put_backend(6, backend_of(service, 6));
      const Packet packet = request(service, ack, static_cast<std::uint16_t>(100 + flags));
      expect_led_to(5, LB_SENT_TABLE, packet);
      put_table(2 * service.number, {6});
      expect_led_to(5, LB_SENT_FLOW, packet);
      lb_backend lost = backend_of(service, 5);
      lost.weight = 0;
      lost.flags |= LB_BACKEND_LOST;
      put_backend(5, lost);
      const bool stays = protocol == tcp_number && flags == 0;
      expect_led_to(stays ? 5 : 6, stays ? LB_SENT_FLOW : LB_SENT_TABLE, packet);
      put_backend(5, backend_of(service, 5));
      expect_led_to(stays ? 5 : 6, LB_SENT_FLOW, packet);  // and stays where it went
      // Where nobody else has slots it goes on as it was.
      put_table(2 * service.number, {5});
      put_backend(5, lost);
      put_backend(6, lb_backend{});
      expect_led_to(5, stays ? LB_SENT_FLOW : LB_SENT_TABLE, packet);
    }
  }
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

}  // namespace
}  // namespace saspd::kernel
