// SPDX-License-Identifier: Apache-2.0
// Packets of many services on one CPU while their tables are flipped without pause on another: how
// many of them did not find their service, or a table of it.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <string_view>
#include <thread>

#include "tests/support/xdp_packets.hpp"
#include "tests/support/xdp_program.hpp"

namespace saspd::kernel {

struct FlipRace {
  std::uint64_t packets = 0;
  std::uint64_t flips = 0;   // while packets ran
  std::uint64_t passed = 0;  // to the host's own stack, as if there were no such service
  std::uint64_t astray = 0;  // neither led to the backend nor passed
};

class FlipRaceScene {
 public:
  static constexpr std::uint32_t services = 64;

  FlipRaceScene() : program_(services) {
    lb_settings settings{};
    settings.layout = LB_LAYOUT;
    put(program_.maps().settings, 0U, settings);
    put_device(program_.maps().devices, ingress, 0, {us});
    lb_table table{};
    for (std::uint32_t slot = 0; slot < LB_SLOTS; ++slot)
      table.backend[slot] = 1;
    for (std::uint32_t number = 0; number < services; ++number) {
      lb_backend backend{};
      backend.service = number;
      backend.family = LB_IPV4;
      backend.interface = ingress;
      backend.flags = LB_BACKEND_PRESENT | LB_BACKEND_RESOLVED;
      // So that what was sent is for us again.
      std::copy(us.begin(), us.end(), backend.next_hop);
      std::copy(router.begin(), router.end(), backend.source);
      put(program_.maps().backends, number + 1, backend);
      for (std::uint32_t slot = 0; slot < LB_SLOTS; ++slot)
        table.backend[slot] = static_cast<std::uint16_t>(number + 1);
      for (const std::uint32_t index : {2 * number, 2 * number + 1})
        put(program_.maps().tables, index, table);
      serve(number);
      flip(number, 0);
    }
  }

  // Returns when at least `packets` have run.
  FlipRace run(std::uint64_t packets) {
    FlipRace race;
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> flips = 0;
    std::thread writer([&] {
      stay_on(0);
      for (std::uint32_t table = 1; !stop; table ^= 1U) {
        for (std::uint32_t number = 0; number < services; ++number) {
          flip(number, table);
          change(number, BPF_F_LOCK);
        }
        flips += services;
      }
    });
    const auto before = program_.reasons();
    std::thread([&] {
      stay_on(1);
      constexpr std::uint32_t each = 50'000;
      for (std::uint32_t n = 0; race.packets < packets; ++n, race.packets += each)
        send(n % services, each);
      stop = true;
    }).join();
    writer.join();
    const auto after = program_.reasons();
    const auto counted = [&](lb_reason reason) { return after[reason] - before[reason]; };
    race.flips = flips;
    race.passed = counted(LB_PASS_NO_SERVICE);
    // The frame is not made anew for each packet, so that its hop limit ends, which is looked at
    // behind everything that is of interest here; nobody at a source like this one is told.
    race.astray = race.packets - race.passed - counted(LB_DROP_TTL) - counted(LB_SENT_TABLE);
    return race;
  }

 private:
  static constexpr std::uint32_t ingress = 1;
  static constexpr Mac us{2, 0, 0, 0, 0, 2}, router{2, 0, 0, 0, 0, 1};

  static void stay_on(unsigned cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu % std::thread::hardware_concurrency(), &cpus);
    ::pthread_setaffinity_np(::pthread_self(), sizeof cpus, &cpus);
  }
  static Endpoint endpoint(std::uint32_t number) {
    return {packets::address("192.0.2.10"), static_cast<std::uint16_t>(1000 + number)};
  }
  static lb_service_key key(std::uint32_t number) {
    return {{{192, 0, 2, 10}}, htobe16(endpoint(number).port), packets::tcp_number, LB_IPV4};
  }

  void serve(std::uint32_t number) const { change(number, BPF_NOEXIST); }
  // As Xdp writes it.
  void change(std::uint32_t number, std::uint64_t how) const {
    const lb_service_key of = key(number);
    const lb_service value{{}, number, LB_FORWARD_L2, LB_SERVICE_STATELESS, 0};
    if (bpf_map__update_elem(program_.maps().services, &of, sizeof of, &value, sizeof value, how) !=
        0)
      throw std::runtime_error(std::string("services: ") + std::strerror(errno));
  }
  void flip(std::uint32_t number, std::uint32_t table) const {
    put(program_.maps().tables_in_use, number, table);
  }
  void send(std::uint32_t number, std::uint32_t packets) const {
    const Bytes frame = packets::frame(
        us, router,
        packets::tcp({packets::address("127.0.0.7"), 1234}, endpoint(number), packets::ack));
    TestRun test(frame, ingress);
    test.options.repeat = static_cast<int>(packets);
    if (bpf_prog_test_run_opts(program_.balance(), &test.options) != 0) {
      throw std::runtime_error(std::string("test run: ") + std::strerror(errno));
    }
  }

  LbProgram program_;
};

}  // namespace saspd::kernel
