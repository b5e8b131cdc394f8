// SPDX-License-Identifier: Apache-2.0
// Ipvs keeps the contract of a Dataplane: ipvsadm is the judge.
#include <sstream>

#include "netlink/ipvs.hpp"
#include "tests/kernel/contract/contract.hpp"
#include "tests/support/kernel_namespace.hpp"

namespace saspd::contract {
namespace {

class IpvsKernel {
 public:
  static constexpr lb::Forward forward = lb::Forward::masquerade;
  static constexpr lb::Surplus surplus = lb::Surplus::keep;
  static constexpr bool is_shared = true;
  static constexpr long writes_by = SYS_sendto;
  static lb::Service attributes() { return {"wlc", lb::service_flag::hashed, 0, 0xFFFFFFFF, ""}; }
  static lb::Service attributes6() { return {"wlc", lb::service_flag::hashed, 0, 128, ""}; }

  lb::Dataplane& plane() {
    if (ipvs_) return *ipvs_;
    auto opened = netlink::Ipvs::open();
    if (!opened) throw std::runtime_error(opened.error().detail);
    ipvs_ = std::move(*opened);
    return *ipvs_;
  }
  void close() { ipvs_.reset(); }

  static std::string shown() {
    Weights weights;
    std::istringstream lines(kernel::Ipvsadm::saved());
    std::string word;
    std::string service;
    std::string at;
    while (lines >> word) {
      if (word == "-t" || word == "-u") {
        lines >> service;
        service.insert(0, word == "-t" ? "tcp:" : "udp:");
        weights[service];
      } else if (word == "-r") {
        lines >> at;
      } else if (word == "-w") {
        lines >> weights[service][at];
      }
    }
    return text(weights);
  }
  // Everything here is as pool() makes it.
  static std::string wrong() {
    std::string wrong;
    std::istringstream lines(kernel::Ipvsadm::saved());
    for (std::string line; std::getline(lines, line);) {
      const bool is_service = line.starts_with("-A");
      if (line.find(is_service ? "-s wlc" : "-m -w") == std::string::npos) wrong += line + '\n';
    }
    return wrong;
  }
  static void edit(const lb::ServiceKey& service, const Endpoint& at, std::uint32_t weight) {
    const auto& key = std::get<lb::VirtualEndpoint>(service);
    kernel::Ipvsadm::run(fmt::format("-e -{} {} -r {} -m -w {}\n",
                                     key.protocol == lb::Protocol::tcp ? 't' : 'u',
                                     key.endpoint.text(), at.text(), weight));
  }
  static lb::Change refused(const lb::Table& table) {
    lb::Change change{lb::Action::add_destination, web, {}, {}};
    change.destination = table.at(web).destinations.begin()->second;
    change.destination.endpoint = server(web, 99);
    change.destination.weight = lb::max_weight + 1;
    return change;
  }

 private:
  kernel::NetNamespace namespace_;
  std::unique_ptr<netlink::Ipvs> ipvs_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Ipvs, Contract, IpvsKernel);

}  // namespace
}  // namespace saspd::contract
