// SPDX-License-Identifier: Apache-2.0
// Xdp keeps the contract of a Dataplane. Judged by the raw maps, read without any code of it, and
// by packets that the attached program is put to.
#include <net/if.h>

#include <cmath>
#include <cstdlib>

#include "bpf/attach.hpp"
#include "bpf/xdp.hpp"
#include "tests/kernel/contract/contract.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/kernel_namespace.hpp"
#include "tests/support/raw_maps.hpp"
#include "tests/support/xdp_packets.hpp"
#include "tests/support/xdp_program.hpp"

namespace saspd::contract {
namespace {

constexpr unsigned reachable = 8;

class XdpKernel {
 public:
  static constexpr lb::Forward forward = lb::Forward::route;
  static constexpr lb::Surplus surplus = lb::Surplus::remove;
  static constexpr bool is_shared = false;
  static constexpr long writes_by = SYS_bpf;
  static lb::Service attributes() { return {"minimal", 0, 0, 0, ""}; }
  static lb::Service attributes6() { return attributes(); }

  XdpKernel() {
    kernel::ip_batch(
        "link add in0 address 02:00:00:00:00:02 type veth peer name out0\n"
        "link set in0 up\nlink set out0 up\n");
    bpf::AttachSettings settings;
    settings.pins = pins_;
    settings.interfaces = {"in0"};
    settings.sizes = {4, 40, 1024};
    if (const auto attached = bpf::attach(settings); !attached) {
      throw std::runtime_error(attached.error().detail);
    }
    const Descriptor link(bpf_obj_get((pins_ + "/link_in0").c_str()));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0) kernel::give_up("link");
    program_ = Descriptor(bpf_prog_get_fd_by_id(info.prog_id));
  }

  lb::Dataplane& plane() {
    if (xdp_) return *xdp_;
    auto opened = bpf::Xdp::open(pins_);
    if (!opened) throw std::runtime_error(opened.error().detail);
    xdp_ = std::move(*opened);
    if (const auto set = xdp_->set_next_hops(next_hops()); !set) {
      xdp_.reset();
      throw std::runtime_error(set.error().detail);
    }
    return *xdp_;
  }
  void close() { xdp_.reset(); }

  std::string shown() const {
    Weights weights;
    for (const auto& service : seen()) {
      auto& of = weights[service.name];
      for (const auto& [number, server] : service.servers)
        of[server.name] = server.weight;
    }
    return text(weights);
  }

  // Slots are shares of the weights to less than one slot, and packets go where the slots say.
  std::string wrong() const {
    std::string wrong;
    for (const auto& service : seen()) {
      double total = 0;
      for (const auto& [number, server] : service.servers)
        total += server.weight;
      std::uint32_t slots = 0;
      for (const auto& [number, server] : service.servers) {
        slots += server.slots;
        const double share = total > 0 ? server.weight * LB_SLOTS / total : 0;
        if (std::abs(server.slots - share) < 1) continue;
        wrong += fmt::format("{} {} weight {}: {} slots, not {}\n", service.name, server.name,
                             server.weight, server.slots, share);
      }
      if (slots != (total > 0 ? LB_SLOTS : 0)) {
        wrong += fmt::format("{}: {} slots lead to its servers\n", service.name, slots);
      }
      wrong += wrong_packets(service);
    }
    return wrong;
  }

  static void edit(const lb::ServiceKey&, const Endpoint&, std::uint32_t) {}

  // Of a service that is not there.
  static lb::Change refused(const lb::Table& table) {
    lb::Change change{lb::Action::add_destination, *lb::parse_service("tcp:192.0.2.99:80"), {}, {}};
    change.destination = table.at(web).destinations.begin()->second;
    return change;
  }

 private:
  struct Server {
    std::string name;
    std::uint32_t weight = 0;
    std::uint32_t slots = 0;
    packets::Mac mac{};
  };
  struct Service {
    std::string name;
    lb_service_key key{};
    std::map<std::uint32_t, Server> servers;  // by number
  };

  static packets::Mac mac(unsigned n) { return {2, 0, 0, 0, 1, static_cast<std::uint8_t>(n)}; }
  static std::map<IpAddress, bpf::NextHop> next_hops() {
    std::map<IpAddress, bpf::NextHop> hops;
    for (const auto& service : {web, web6}) {
      for (unsigned n = 1; n <= reachable; ++n) {
        auto& hop = hops[server(service, n).address];
        hop.interface = if_nametoindex("in0");
        hop.mac = mac(n);
        hop.source = mac(99);
        hop.mtu = 1500;
      }
    }
    return hops;
  }
  static IpAddress address(const lb_address& bytes, std::uint8_t family) {
    const std::span<const std::uint8_t, 16> all(bytes.bytes);
    return family == LB_IPV4 ? IpAddress::v4(all.first<4>()) : IpAddress::v6(all);
  }
  static Endpoint virtual_endpoint(const lb_service_key& key) {
    return {address(key.address, key.family),
            static_cast<std::uint16_t>(key.port << 8 | key.port >> 8)};
  }

  std::vector<Service> seen() const {
    std::vector<Service> services;
    const Descriptor map(bpf_obj_get((pins_ + "/services").c_str()));
    lb_service_key key{};
    for (const void* last = nullptr; bpf_map_get_next_key(map.get(), last, &key) == 0;
         last = &key) {
      lb_service entry{};
      if (!raw_.find("services", key, entry)) continue;
      const Endpoint at = virtual_endpoint(key);
      services.push_back({fmt::format("{}:{}", key.protocol == 6 ? "tcp" : "udp", at.text()), key,
                          servers_of(entry.number, at.port)});
    }
    return services;
  }
  std::map<std::uint32_t, Server> servers_of(std::uint32_t service, std::uint16_t port) const {
    std::map<std::uint32_t, Server> servers;
    lb_backend backend{};
    for (std::uint32_t number = 1; raw_.find("backends", number, backend); ++number) {
      if ((backend.flags & LB_BACKEND_PRESENT) == 0 || backend.service != service) continue;
      Server& server = servers[number];
      server.name = Endpoint{address(backend.address, backend.family), port}.text();
      server.weight = backend.weight;
      std::copy(std::begin(backend.next_hop), std::end(backend.next_hop), server.mac.begin());
    }
    const auto table = table_of(service);
    for (std::size_t slot = 0; slot < LB_SLOTS; ++slot) {
      const auto found = servers.find(table->backend[slot]);
      if (found != servers.end()) ++found->second.slots;
    }
    return servers;
  }
  std::unique_ptr<lb_table> table_of(std::uint32_t service) const {
    auto table = std::make_unique<lb_table>();
    std::uint32_t in_use = 0;
    if (!raw_.find("tables_in_use", service, in_use)) kernel::give_up("tables_in_use");
    if (!raw_.find("tables", 2 * service + in_use, *table)) kernel::give_up("tables");
    return table;
  }

  // New connections from many ports.
  std::string wrong_packets(const Service& service) const {
    const Endpoint at = virtual_endpoint(service.key);
    static std::uint16_t port = 1024;
    std::string wrong;
    for (int n = 0; n < 40; ++n) {
      const Endpoint client{
          packets::address(at.address.family() == Family::v4 ? "198.51.100.1" : "2001:db8:c::1"),
          ++port == 0 ? port = 1024 : port};
      const auto packet = service.key.protocol == 6 ? packets::tcp(client, at, packets::syn)
                                                    : packets::udp(client, at);
      const auto verdict =
          kernel::run(program_.get(), packets::frame({2, 0, 0, 0, 0, 2}, mac(98), packet),
                      if_nametoindex("in0"));
      const bool sent = verdict.action == XDP_TX || verdict.action == XDP_REDIRECT;
      packets::Mac to{};
      std::copy_n(verdict.frame.begin(), to.size(), to.begin());
      const bool any = std::any_of(service.servers.begin(), service.servers.end(),
                                   [](const auto& entry) { return entry.second.weight > 0; });
      const bool right = std::any_of(
          service.servers.begin(), service.servers.end(),
          [&](const auto& entry) { return entry.second.weight > 0 && entry.second.mac == to; });
      if (sent == any && (!sent || right)) continue;
      wrong += fmt::format("{}: a packet from port {} met action {}\n", service.name, client.port,
                           verdict.action);
    }
    return wrong;
  }

  kernel::NetNamespace namespace_;
  kernel::BpfFileSystem file_system_;
  const std::string pins_ = file_system_.path() + "/saspd";
  const kernel::RawMaps raw_{pins_};
  Descriptor program_;
  std::unique_ptr<bpf::Xdp> xdp_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Xdp, Contract, XdpKernel);

}  // namespace
}  // namespace saspd::contract
