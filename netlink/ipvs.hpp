// The IPVS of the current network namespace as a Dataplane.
#pragma once

#include <memory>
#include <string>

#include "controller/lb/dataplane.hpp"
#include "netlink/genl.hpp"

namespace saspd::netlink {

class Ipvs final : public lb::Dataplane {
 public:
  // Errors to tell apart: std::errc::no_protocol_option, the kernel has no IPVS and cannot load it;
  // std::errc::operation_not_permitted, CAP_NET_ADMIN is missing (in the initial user namespace;
  // IPVS wants it for reading too). Their details name the way out.
  static Result<std::unique_ptr<Ipvs>> open();

  const std::string& version() const { return version_; }  // "1.2.1"

  // Not one moment of the kernel: its lock is free between services, and between every ~90
  // destinations. A table edited meanwhile may lack a destination that moved (it is back in the
  // next listing), and a service deleted meanwhile may be listed without destinations. Writing by
  // such a list does no harm: what is not there is not written or fails with ENOENT.
  Result<lb::Table> list(std::span<const lb::ServiceKey> services) override;
  // Services of protocols that we have no name for are left out.
  Result<lb::Table> list_all() override;

  // A write replaces the whole destination: what others changed of it since the list, other than
  // its weight, becomes again what the list said. Errors of the kernel: ESRCH, no such service;
  // ENOENT, no such destination or scheduler; EEXIST, somebody else has added it; ERANGE, weight
  // above lb::max_weight. std::errc::no_buffer_space and timed_out: not known whether it is
  // written.
  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override;

 private:
  Ipvs();

  Result<void> resolve();
  Result<void> read_version();
  Result<lb::Table> with_destinations(Result<lb::Table> services);
  Result<lb::Table> list_each(std::span<const lb::ServiceKey> services);
  Result<lb::Table> list_services();
  Result<void> list_destinations(const lb::ServiceKey& service, lb::Pool& pool);
  void add_write(const lb::Change& change);
  void apply_batch(std::span<const lb::Change> changes, std::size_t offset,
                   std::vector<lb::Failure>& failures);
  nlmsghdr& add_request(std::uint8_t command, std::uint16_t flags = 0);
  nlmsghdr& only_request(std::uint8_t command, std::uint16_t flags = 0);

  GenlSocket socket_;
  Requests requests_;
  std::uint16_t family_ = 0;
  std::string version_;
};

}  // namespace saspd::netlink
