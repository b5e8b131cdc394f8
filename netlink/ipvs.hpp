// SPDX-License-Identifier: Apache-2.0
// The IPVS of the current network namespace as a Dataplane.
#pragma once

#include <memory>
#include <string>

#include "controller/lb/backend.hpp"
#include "netlink/genl.hpp"

namespace saspd::netlink {

class Ipvs final : public lb::ObservedDataplane {
 public:
  // Errors that callers distinguish: std::errc::no_protocol_option, the kernel has no IPVS and
  // cannot load it; std::errc::operation_not_permitted, CAP_NET_ADMIN is missing (in the initial
  // user namespace; IPVS requires it for reading too). Their details name the remedy.
  static Result<std::unique_ptr<Ipvs>> open();

  const std::string& version() const { return version_; }  // "1.2.1"

  // Not an atomic snapshot: the kernel releases its lock between services, and between every ~90
  // destinations. If the table is edited meanwhile, the list may lack a destination that moved (it
  // is back in the next listing), and have a deleted service without destinations. Writing by such
  // a list does no harm: what is not there is not written or fails with ENOENT.
  Result<lb::Table> list(std::span<const lb::ServiceKey> services) override;
  // Leaves out services of protocols for which we have no name.
  Result<lb::Table> list_all() override;

  lb::KernelSettings settings() override;

  // Writes as lb::Dataplane promises, although the kernel's command replaces a whole destination or
  // service: both are read again immediately before, and what was read is written back around the
  // change. So an edit by another program survives whenever it was made, except in one window,
  // which the kernel leaves open because it cannot read and write in one step: from the moment in
  // which the read reaches a destination until its write, with nothing in between but the rest of
  // both. It grows with the service: about 0.1 ms with 10 destinations, 1 ms with 100, 5 ms with 1
  // 000 (kernel.ipvs.edits_test measures it), and more if we are preempted in it. One read serves
  // up to 256 consecutive changes of a service, and costs as much as listing the service once.
  //
  // Errors: ESRCH, no such service; ENOENT, no such destination or scheduler; EEXIST, another
  // program has added it; ERANGE, weight above lb::max_weight; EIO, the destinations could not be
  // read; ECANCELED, see lb::Failure::changed_meanwhile(). After std::errc::no_buffer_space and
  // timed_out it is unknown whether it was written.
  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override;

 private:
  // What the kernel has immediately before the changes of one service are written, limited to what
  // they touch.
  struct Present;

  Ipvs();

  Result<void> resolve();
  Result<void> read_version();
  Result<lb::Table> with_destinations(Result<lb::Table> services);
  Result<lb::Table> list_each(std::span<const lb::ServiceKey> services);
  Result<lb::Table> list_services();
  Result<void> list_destinations(const lb::ServiceKey& service, lb::Pool& pool);
  Result<lb::Service> read_service(const lb::ServiceKey& service);
  Result<Present> read_present(std::span<const lb::Change> changes);
  Result<void> read_destinations(std::span<const lb::Change> changes, Present& present);
  void apply_batch(std::span<const lb::Change> changes, const Result<Present>& present,
                   std::size_t offset, std::vector<lb::Failure>& failures);
  Result<bool> add_write(const lb::Change& change, const Present& present);
  Result<bool> add_destination_write(const lb::Change& change, const Present& present);
  nlmsghdr& add_request(std::uint8_t command, std::uint16_t flags = 0);
  nlmsghdr& only_request(std::uint8_t command, std::uint16_t flags = 0);

  GenlSocket socket_;
  Requests requests_;
  std::uint16_t family_ = 0;
  std::string version_;
};

}  // namespace saspd::netlink
