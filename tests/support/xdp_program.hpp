// SPDX-License-Identifier: Apache-2.0
// A loaded XDP program that is attached nowhere: frames are put through it by the kernel's test
// run, and its maps are filled by hand.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "bpf/decap.skel.h"
#include "bpf/lb.h"
#include "bpf/lb.skel.h"
#include "bpf/load.hpp"
#include "tests/support/xdp_packets.hpp"

namespace saspd::kernel {

using packets::Bytes;
using packets::Mac;

template <class Key, class Value>
void put(const bpf_map* map, const Key& key, const Value& value) {
  if (bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, BPF_ANY) != 0) {
    throw std::runtime_error(std::string(bpf_map__name(map)) + ": " + std::strerror(errno));
  }
}

// Frames to these MACs are ours; up to LB_DEVICE_MACS.
inline lb_device device_of(std::uint32_t interface, std::uint16_t vlan,
                           const std::vector<Mac>& macs) {
  lb_device device{};
  device.interface = interface;
  device.vlan = vlan;
  device.flags = macs.size() == 1 ? LB_DEVICE_SIMPLE : 0;
  for (std::size_t i = 0; i < LB_DEVICE_MACS; ++i) {
    const Mac& mac = macs[i < macs.size() ? i : 0];
    std::copy(mac.begin(), mac.end(), device.mac[i]);
  }
  return device;
}
// Alone at its place.
inline void put_device(const bpf_map* devices, std::uint32_t interface, std::uint16_t vlan,
                       const std::vector<Mac>& macs) {
  put(devices, lb_device_place(interface, vlan), lb_devices{{device_of(interface, vlan, macs)}});
}

// What the program did with a frame.
struct Verdict {
  std::uint32_t action = 0;  // xdp_action
  Bytes frame;
};

// One call of the kernel that runs a program on a frame; `frame` and this object outlive it.
struct TestRun {
  TestRun(const Bytes& frame, std::uint32_t ingress) {
    context.data_end = static_cast<std::uint32_t>(frame.size());
    context.ingress_ifindex = ingress;
    options.sz = sizeof options;
    options.data_in = frame.data();
    options.data_size_in = context.data_end;
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
  }
  TestRun(const TestRun&) = delete;
  TestRun& operator=(const TestRun&) = delete;

  xdp_md context{};
  bpf_test_run_opts options{};
};

inline Verdict run(int program, const Bytes& frame, std::uint32_t ingress) {
  Verdict verdict;
  verdict.frame.resize(4096);
  TestRun test(frame, ingress);
  test.options.data_out = verdict.frame.data();
  test.options.data_size_out = static_cast<std::uint32_t>(verdict.frame.size());
  if (bpf_prog_test_run_opts(program, &test.options) != 0) {
    throw std::runtime_error(std::string("test run: ") + std::strerror(errno));
  }
  verdict.frame.resize(test.options.data_size_out);
  verdict.action = test.options.retval;
  return verdict;
}

class LbProgram {
 public:
  explicit LbProgram(std::uint32_t services = max_services) {
    skeleton_ = lb_bpf__open();
    if (skeleton_ == nullptr) throw std::runtime_error("lb_bpf__open");
    bpf_map__set_max_entries(skeleton_->maps.tables, 2 * services);
    bpf_map__set_max_entries(skeleton_->maps.flows, max_flows);
    if (const auto loaded = bpf::load(*skeleton_->obj); !loaded) {
      throw std::runtime_error(loaded.error().detail);
    }
  }
  LbProgram(const LbProgram&) = delete;
  LbProgram& operator=(const LbProgram&) = delete;
  ~LbProgram() { lb_bpf__destroy(skeleton_); }

  static constexpr std::uint32_t max_services = 16;
  static constexpr std::uint32_t max_flows = 65536;

  const auto& maps() const { return skeleton_->maps; }

  int balance() const { return bpf_program__fd(skeleton_->progs.balance); }
  Verdict run(const Bytes& frame, std::uint32_t ingress) const {
    return kernel::run(balance(), frame, ingress);
  }

  // Sums over the CPUs.
  std::array<std::uint64_t, LB_REASONS> reasons() const {
    std::array<std::uint64_t, LB_REASONS> sums{};
    for (std::uint32_t reason = 0; reason < LB_REASONS; ++reason) {
      for (const std::uint64_t count : per_cpu<std::uint64_t>(maps().reasons, reason)) {
        sums.at(reason) += count;
      }
    }
    return sums;
  }
  lb_counters service_counters(std::uint32_t number) const {
    return sum(maps().service_counters, number);
  }
  lb_counters backend_counters(std::uint32_t number) const {
    return sum(maps().backend_counters, number);
  }

 private:
  template <class Value>
  static std::vector<Value> per_cpu(const bpf_map* map, std::uint32_t key) {
    std::vector<Value> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    if (bpf_map_lookup_elem(bpf_map__fd(map), &key, values.data()) != 0) {
      throw std::runtime_error(std::string(bpf_map__name(map)) + ": " + std::strerror(errno));
    }
    return values;
  }
  static lb_counters sum(const bpf_map* map, std::uint32_t number) {
    lb_counters total{};
    for (const lb_counters& counters : per_cpu<lb_counters>(map, number)) {
      total.packets += counters.packets;
      total.bytes += counters.bytes;
      total.flows += counters.flows;
    }
    return total;
  }

  lb_bpf* skeleton_ = nullptr;
};

class DecapProgram {
 public:
  DecapProgram() {
    skeleton_ = decap_bpf__open_and_load();
    if (skeleton_ == nullptr) throw std::runtime_error("decap_bpf__open_and_load");
  }
  DecapProgram(const DecapProgram&) = delete;
  DecapProgram& operator=(const DecapProgram&) = delete;
  ~DecapProgram() { decap_bpf__destroy(skeleton_); }

  const bpf_map* addresses() const { return skeleton_->maps.addresses; }
  Verdict run(const Bytes& frame, std::uint32_t ingress) const {
    return kernel::run(bpf_program__fd(skeleton_->progs.decapsulate), frame, ingress);
  }

 private:
  decap_bpf* skeleton_ = nullptr;
};

}  // namespace saspd::kernel
