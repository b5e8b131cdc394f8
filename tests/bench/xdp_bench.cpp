// SPDX-License-Identifier: Apache-2.0
// The XDP program and the switch of its tables, on this machine's kernel, as root:
//
//   cmake --build --preset release --target bench-xdp && sudo build/release/tests/bench-xdp
//
// Only figures of one run can be compared, so each is also given as a ratio. The floor of a packet
// is to parse its headers and to swap its MACs; that of a change is to write one table. The goals
// of packets are shares of what Katran took beside the same floor: 5.4 of it for a known flow, 25
// to store a new one, 2.7 to pass what is for none of its services.
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <numeric>

#include "bpf/attach.hpp"
#include "bpf/xdp.hpp"
#include "tests/bench/xdp_bench.skel.h"
#include "tests/support/director_network.hpp"
#include "tests/support/xdp_packets.hpp"
#include "tests/support/xdp_program.hpp"

namespace saspd {
namespace {

using packets::Bytes;
using packets::Mac;
using packets::Packet;

constexpr int rounds = 15;

class Samples {
 public:
  void add(double value) {
    values_.insert(std::upper_bound(values_.begin(), values_.end(), value), value);
  }
  double min() const { return values_.front(); }
  double median() const { return values_[values_.size() / 2]; }
  double max() const { return values_.back(); }

 private:
  std::vector<double> values_;
};

[[noreturn]] void give_up(const std::string& what) {
  throw std::runtime_error(what);
}

void stay_on_this_cpu() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &cpus);
  if (::sched_setaffinity(0, sizeof cpus, &cpus) != 0) kernel::give_up("sched_setaffinity");
}

double cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// --- packets

constexpr std::uint32_t ingress = 1;  // lo: the test run wants an interface that exists
constexpr std::uint32_t backends = 100;
constexpr Mac router{2, 0, 0, 0, 0, 1}, us{2, 0, 0, 0, 0, 2}, next_hop{2, 0, 0, 0, 0, 3};

Packet tcp(Family family, std::uint8_t flags = packets::ack, std::uint16_t port = 80) {
  const bool v4 = family == Family::v4;
  return packets::tcp({packets::address(v4 ? "198.51.100.7" : "2001:db8:c::7"), 1234},
                      {packets::address(v4 ? "192.0.2.10" : "2001:db8::10"), port}, flags, 10);
}
Bytes received(const Packet& packet) {
  return packets::frame(us, router, packet);
}
Bytes arp() {
  return packets::ethernet(us, router, 0x0806, Bytes(50));
}

// A program that is put to the same frame many times in one call.
struct Timed {
  int program = -1;
  Bytes frame;
  std::uint32_t action = XDP_TX;
  Samples ns{};

  // By the CPU time of this thread: the kernel's own figure has no fractions.
  void run(std::uint32_t packets) {
    kernel::TestRun test(frame, ingress);
    test.options.repeat = static_cast<int>(packets);
    const double start = cpu_ns();
    if (bpf_prog_test_run_opts(program, &test.options) != 0) kernel::give_up("test run");
    const double end = cpu_ns();
    if (test.options.retval != action) give_up(fmt::format("verdict {}", test.options.retval));
    ns.add((end - start) / packets);
  }
};

enum class Way { l2, stateless, ipip, pass };
// The undoing counts for a tunnel, as it does in what the goal was taken from.
struct Goal {
  double ratio = 0;  // 0: none
  bool with_undo = false;
};

struct Case {
  std::string_view name;
  Bytes frame;
  Way way = Way::l2;
  lb_reason reason = LB_SENT_FLOW;
  Goal goal;
  std::uint32_t last_flow = 0;  // as in xdp_bench.bpf.c
  std::uint32_t max_flows = 4096;
  std::uint32_t packets = 1'000'000;
};

std::vector<Case> cases() {
  constexpr Family v4 = Family::v4, v6 = Family::v6;
  const Bytes known = received(tcp(v4)), begins = received(tcp(v4, packets::syn));
  constexpr std::uint32_t always_new = 0xFFFFFFFF, default_size = bpf::Sizes{}.flows;
  return {
      {"L2 v4, known flow", known, Way::l2, LB_SENT_FLOW, {4.0}},
      {"L2 v6, known flow", received(tcp(v6)), Way::l2, LB_SENT_FLOW, {4.0}},
      {"L2 v4, 4 096 known flows", known, Way::l2, LB_SENT_FLOW, {}, 4095, 65536},
      {"L2 v4, 524 288 known flows", known, Way::l2, LB_SENT_FLOW, {}, 524287, 1048576},
      {"IPIP v4, known flow", known, Way::ipip, LB_SENT_FLOW, {4.8, true}},
      {"L2 v4, stateless", known, Way::stateless, LB_SENT_TABLE, {3.0}},
      {"L2 v6, stateless", received(tcp(v6)), Way::stateless, LB_SENT_TABLE, {3.0}},
      {"L2 v4, SYN of a known flow", begins, Way::l2, LB_SENT_TABLE, {}},
      {"L2 v4, SYN of a new flow each",
       begins,
       Way::l2,
       LB_SENT_TABLE,
       {25.0},
       always_new,
       default_size,
       200'000},
      {"L2 v4, ACK of a new flow each",
       known,
       Way::l2,
       LB_SENT_TABLE,
       {},
       always_new,
       default_size,
       200'000},
      {"pass v4, no service",
       received(tcp(v4, packets::ack, 81)),
       Way::pass,
       LB_PASS_NO_SERVICE,
       {2.3}},
      {"pass v6, no service",
       received(tcp(v6, packets::ack, 81)),
       Way::pass,
       LB_PASS_NO_SERVICE,
       {2.3}},
      {"pass ARP", arp(), Way::pass, LB_PASS_NOT_IP, {}},
  };
}

// The programs and maps of one case alone, so that no other's flows push its own out.
class Balancer {
 public:
  explicit Balancer(Case of) : case_(std::move(of)), skeleton_(xdp_bench_bpf__open()) {
    if (skeleton_ == nullptr) give_up("xdp_bench_bpf__open");
    skeleton_->rodata->last_flow = case_.last_flow;
    bpf_map__set_max_entries(skeleton_->maps.tables, 2);
    bpf_map__set_max_entries(skeleton_->maps.flows, case_.max_flows);
    if (const auto loaded = bpf::load(*skeleton_->obj); !loaded) give_up(loaded.error().detail);
    serve();
    const auto& programs = skeleton_->progs;
    const bool tunnel = case_.way == Way::ipip;
    whole_ = {fd(tunnel ? programs.ipip : programs.l2), case_.frame};
    undo_ = {fd(tunnel ? programs.ipip_undo : programs.l2_undo), case_.frame};
    if (case_.way == Way::pass) {
      whole_ = {fd(programs.balance), case_.frame, XDP_PASS};
      undo_ = {fd(programs.send_back), case_.frame};
    }
    // From here on known flows are known, and the table is full where each is a new one.
    Timed(whole_).run(std::min(case_.last_flow, 2 * case_.max_flows) + 1);
    check_bytes();
  }
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;
  ~Balancer() { xdp_bench_bpf__destroy(skeleton_); }

  // Each single packet went the way that is measured, or the figure is worth nothing.
  void measure() {
    const std::uint64_t before = counted();
    whole_.run(case_.packets);
    if (counted() - before != case_.packets) give_up("some packets went another way");
    undo_.run(case_.packets);
  }

  const Case& what() const { return case_; }
  const Samples& whole() const { return whole_.ns; }
  const Samples& undo() const { return undo_.ns; }
  Timed send_back() const { return {fd(skeleton_->progs.send_back), case_.frame}; }
  Timed parse_and_swap() const { return {fd(skeleton_->progs.parse_and_swap), case_.frame}; }

 private:
  static int fd(const bpf_program* program) { return bpf_program__fd(program); }

  void serve() {
    const auto& maps = skeleton_->maps;
    lb_settings settings{};
    settings.layout = LB_LAYOUT;
    settings.outer_source_v4[0] = 172;
    settings.outer_source_v4[1] = 16;
    kernel::put(maps.settings, 0U, settings);
    kernel::put_device(maps.devices, ingress, 0, {us});
    lb_service service{};
    service.forward = case_.way == Way::ipip ? LB_FORWARD_IPIP : LB_FORWARD_L2;
    service.flags = case_.way == Way::stateless ? LB_SERVICE_STATELESS : 0;
    for (const Family family : {Family::v4, Family::v6}) {
      kernel::put(maps.services,
                  bpf::service_key({lb::Protocol::tcp, {tcp(family).destination, 80}}), service);
    }
    lb_table table{};
    for (std::uint32_t slot = 0; slot < LB_SLOTS; ++slot)
      table.backend[slot] = static_cast<std::uint16_t>(1 + slot % backends);
    kernel::put(maps.tables, 0U, table);
    for (std::uint32_t number = 1; number <= backends; ++number)
      kernel::put(maps.backends, number, backend(number));
  }
  static lb_backend backend(std::uint32_t number) {
    lb_backend backend{};
    backend.address = {{10, 1, 0, static_cast<std::uint8_t>(number)}};
    backend.family = LB_IPV4;
    backend.interface = ingress;
    backend.mtu = 1500;
    backend.flags = LB_BACKEND_PRESENT | LB_BACKEND_RESOLVED;
    std::copy(next_hop.begin(), next_hop.end(), backend.next_hop);
    std::copy(us.begin(), us.end(), backend.source);
    return backend;
  }

  void check_bytes() const {
    const bool passes = case_.way == Way::pass;
    const auto sent = kernel::run(fd(skeleton_->progs.balance), case_.frame, ingress);
    const bool rewritten = std::equal(next_hop.begin(), next_hop.end(), sent.frame.begin());
    const std::size_t outer = case_.way == Way::ipip ? 20 : 0;
    if (sent.action != whole_.action || rewritten == passes ||
        sent.frame.size() != case_.frame.size() + outer) {
      give_up("this is not what a balancer sends");
    }
    // The addresses and ports behind may be those of another flow.
    constexpr std::size_t compared = 14 + 12;
    const auto undone = kernel::run(whole_.program, case_.frame, ingress);
    if (undone.frame.size() != case_.frame.size() ||
        !std::equal(undone.frame.begin(), undone.frame.begin() + compared, case_.frame.begin())) {
      give_up("something is not undone");
    }
  }

  std::uint64_t counted() const {
    std::vector<std::uint64_t> by_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    const std::uint32_t reason = case_.reason;
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.reasons), &reason, by_cpu.data()) != 0)
      kernel::give_up("reasons");
    return std::accumulate(by_cpu.begin(), by_cpu.end(), std::uint64_t{0});
  }

  Case case_;
  xdp_bench_bpf* skeleton_;
  Timed whole_, undo_;
};

void print_packets(const Samples& samples, std::string_view name) {
  fmt::print("{:<30} {:6.1f} {:6.1f} {:6.1f}", name, samples.min(), samples.median(),
             samples.max());
}

void bench_packets() {
  std::deque<Balancer> balancers;
  for (auto& each : cases())
    balancers.emplace_back(std::move(each));
  Timed nothing = balancers[0].send_back();
  Timed swap_v4 = balancers[0].parse_and_swap(), swap_v6 = balancers[1].parse_and_swap();
  for (int round = 0; round < rounds; ++round) {
    for (Timed* floor : {&nothing, &swap_v4, &swap_v6})
      floor->run(balancers[0].what().packets);
    for (auto& balancer : balancers)
      balancer.measure();
  }

  fmt::print("{:<30} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}  goal\n", "ns per packet", "min",
             "med", "max", "undo", "net", "ratio", "net");
  print_packets(nothing.ns, "floor: return XDP_TX");
  fmt::print("\n");
  print_packets(swap_v4.ns, "floor: parse, swap MACs, v4");
  fmt::print("\n");
  print_packets(swap_v6.ns, "floor: parse, swap MACs, v6");
  fmt::print("\n");
  for (const auto& balancer : balancers) {
    const Case& what = balancer.what();
    const double floor = (what.frame[12] == 0x86 ? swap_v6 : swap_v4).ns.min();
    const double undo = std::max(0.0, balancer.undo().min() - nothing.ns.min());
    const double net = balancer.whole().min() - undo;
    const double whole_ratio = balancer.whole().min() / floor, net_ratio = net / floor;
    print_packets(balancer.whole(), what.name);
    fmt::print(" {:6.1f} {:6.1f} {:6.2f} {:6.2f}  ", undo, net, whole_ratio, net_ratio);
    if (what.goal.ratio > 0) {
      const bool met = (what.goal.with_undo ? whole_ratio : net_ratio) <= what.goal.ratio;
      fmt::print("{}<= {} {}", what.goal.with_undo ? "" : "net ", what.goal.ratio,
                 met ? "met" : "MISSED");
    }
    fmt::print("\n");
  }
}

// --- tables

constexpr unsigned services = 64;

lb::ServiceKey service(unsigned n) {
  return lb::VirtualEndpoint{lb::Protocol::tcp,
                             {packets::address("192.0.2.10"), static_cast<std::uint16_t>(80 + n)}};
}

lb::Destination destination(unsigned of_service, unsigned n, std::uint32_t weight) {
  const std::array<std::uint8_t, 4> address{10, 0, static_cast<std::uint8_t>(of_service),
                                            static_cast<std::uint8_t>(n)};
  return {
      .endpoint = {IpAddress::v4(address), 80}, .weight = weight, .forward = lb::Forward::route};
}

// An attached program with 64 services of 100 backends, in a namespace of its own.
class Director {
 public:
  explicit Director(std::string scheduler) {
    bpf::AttachSettings settings;
    settings.pins = file_system_.path() + "/saspd";
    settings.interfaces = {"lo"};
    settings.mode = bpf::Mode::generic;
    settings.sizes = {services, services * backends, 1024};
    if (auto attached = bpf::attach(settings); !attached) give_up(attached.error().detail);
    auto opened = bpf::Xdp::open(settings.pins);
    auto tables = bpf::Map<std::uint32_t, lb_table>::open(settings.pins + "/tables");
    auto in_use = bpf::Map<std::uint32_t, std::uint32_t>::open(settings.pins + "/tables_in_use");
    if (!opened || !tables || !in_use) give_up("the maps cannot be opened");
    xdp_ = std::move(*opened);
    tables_ = std::move(*tables);
    in_use_ = std::move(*in_use);
    fill(std::move(scheduler));
  }

  // Each by its first backend's weight, 10 and 5 by turns.
  void change_weights(unsigned of_services) {
    weight_ = 15 - weight_;
    lb::Plan plan;
    for (unsigned n = 0; n < of_services; ++n)
      plan.push_back({lb::Action::set_destination,
                      service(n),
                      {},
                      destination(n, 0, weight_),
                      destination(n, 0, 15 - weight_)});
    apply(plan);
  }

  // The least that a change needs: the table that is not in use is written and put in use.
  void write_maps(unsigned of_services) const {
    for (unsigned n = 0; n < of_services; ++n) {
      const auto in_use = in_use_->find(n);
      if (!in_use || !tables_->put(2 * n + (*in_use ^ 1U), table_) || !in_use_->put(n, *in_use))
        give_up("the maps cannot be written");
    }
  }

 private:
  void fill(std::string scheduler) {
    lb::Table desired;
    std::map<IpAddress, bpf::NextHop> next_hops;
    for (unsigned n = 0; n < services; ++n) {
      lb::Pool& pool = desired[service(n)];
      pool.scheduler = scheduler;
      for (unsigned b = 0; b < backends; ++b) {
        const lb::Destination to = destination(n, b, 10);
        pool.destinations[to.endpoint] = to;
        next_hops[to.endpoint.address] = {ingress, next_hop, us, 1500};
      }
    }
    if (!xdp_->set_next_hops(next_hops)) give_up("next hops");
    apply(lb::diff({}, desired));
  }
  void apply(const lb::Plan& plan) {
    const auto failures = xdp_->apply(plan);
    if (!failures.empty()) give_up(failures[0].error.detail);
  }

  kernel::NetNamespace namespace_;
  kernel::BpfFileSystem file_system_;
  std::unique_ptr<bpf::Xdp> xdp_;
  std::optional<bpf::Map<std::uint32_t, lb_table>> tables_;
  std::optional<bpf::Map<std::uint32_t, std::uint32_t>> in_use_;
  const lb_table table_{};
  std::uint32_t weight_ = 10;
};

double microseconds(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

void bench_tables() {
  Director minimal("minimal"), independent("independent");
  struct Row {
    std::string_view name;
    std::function<void()> action;
    double goal_us = 0;  // 0: none
    Samples us{};
  };
  std::vector<Row> rows{
      {"floor: one table written", [&] { minimal.write_maps(1); }},
      {"a weight of 100, minimal", [&] { minimal.change_weights(1); }, 1000},
      {"a weight of 100, independent", [&] { independent.change_weights(1); }, 5000},
      {"64 services, only maps written", [&] { minimal.write_maps(services); }, 5000},
      {"64 services, minimal", [&] { minimal.change_weights(services); }},
      {"64 services, independent", [&] { independent.change_weights(services); }},
  };
  for (int round = 0; round < rounds; ++round) {
    for (auto& row : rows)
      row.us.add(microseconds(row.action));
  }
  fmt::print("\n{:<30} {:>7} {:>7} {:>7} {:>7}  goal\n", "us per change", "min", "med", "max",
             "ratio");
  for (const Row& row : rows) {
    fmt::print("{:<30} {:7.0f} {:7.0f} {:7.0f} {:7.1f}  ", row.name, row.us.min(), row.us.median(),
               row.us.max(), row.us.min() / rows[0].us.min());
    if (row.goal_us > 0) {
      fmt::print("med < {} us {}", row.goal_us, row.us.median() < row.goal_us ? "met" : "MISSED");
    }
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace saspd

int main() {
  try {
    saspd::stay_on_this_cpu();
    saspd::bench_packets();
    saspd::bench_tables();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench-xdp: {}\n", error.what());
    return 1;
  }
}
