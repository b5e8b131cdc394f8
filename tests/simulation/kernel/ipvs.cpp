// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/kernel/ipvs.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace saspd::simulation {
namespace {

constexpr std::array<std::string_view, 9> schedulers{"rr", "wrr", "lc", "wlc", "sh",
                                                     "mh", "sed", "nq", "twos"};

bool is_known(const std::string& scheduler) {
  return std::find(schedulers.begin(), schedulers.end(), scheduler) != schedulers.end();
}

// ip_vs_add_dest(), ip_vs_edit_dest(): the weight is an int there.
int refusal(const Real& real) {
  if (real.weight > 0x7FFFFFFFU) return ERANGE;
  if (real.lower > real.upper) return ERANGE;
  return 0;
}

}  // namespace

std::string_view name(Author author) {
  constexpr std::array<std::string_view, 4> names{"us", "human", "keepalived", "restore"};
  return names.at(static_cast<std::size_t>(author));
}

IpvsKernel::Row* IpvsKernel::Service::find(const Server& server) {
  const auto row = std::find_if(destinations.begin(), destinations.end(),
                                [&](const Row& each) { return each.server == server; });
  return row != destinations.end() ? &*row : nullptr;
}
const IpvsKernel::Row* IpvsKernel::Service::find(const Server& server) const {
  return const_cast<Service*>(this)->find(server);
}

bool IpvsKernel::Service::any_positive() const {
  return std::any_of(destinations.begin(), destinations.end(),
                     [](const Row& row) { return row.real.weight > 0; });
}

int IpvsKernel::add_service(Author author, const lb::ServiceKey& key, const Virtual& settings) {
  if (services_.contains(key)) return EEXIST;
  if (!is_known(settings.scheduler)) return ENOENT;
  services_[key].settings = settings;
  services_[key].settings.flags |= lb::service_flag::hashed;
  witness_.wrote(author, key, std::nullopt, services_[key].settings);
  return 0;
}

int IpvsKernel::edit_service(Author author, const lb::ServiceKey& key, const Virtual& settings) {
  const auto found = services_.find(key);
  if (found == services_.end()) return ESRCH;
  if (!is_known(settings.scheduler)) return ENOENT;
  const Virtual before = std::exchange(found->second.settings, settings);
  found->second.settings.flags |= lb::service_flag::hashed;
  witness_.wrote(author, key, before, found->second.settings);
  return 0;
}

int IpvsKernel::delete_service(Author author, const lb::ServiceKey& key) {
  const auto found = services_.find(key);
  if (found == services_.end()) return ESRCH;
  const Service gone = std::move(found->second);
  services_.erase(found);
  for (const Row& row : gone.destinations)
    witness_.wrote(author, key, row.server, row.real, std::nullopt);
  witness_.wrote(author, key, gone.settings, std::nullopt);
  return 0;
}

int IpvsKernel::add(Author author, const lb::ServiceKey& key, const Server& server,
                    const Real& real) {
  const auto found = services_.find(key);
  if (found == services_.end()) return ESRCH;
  if (const int refused = refusal(real)) return refused;
  if (found->second.find(server) != nullptr) return EEXIST;
  found->second.destinations.insert(found->second.destinations.begin(), {server, real, 0});
  witness_.wrote(author, key, server, std::nullopt, real);
  return 0;
}

int IpvsKernel::edit(Author author, const lb::ServiceKey& key, const Server& server,
                     const Real& real) {
  const auto found = services_.find(key);
  if (found == services_.end()) return ESRCH;
  if (const int refused = refusal(real)) return refused;
  Row* row = found->second.find(server);
  if (row == nullptr) return ENOENT;
  const Real before = std::exchange(row->real, real);
  witness_.wrote(author, key, server, before, real);
  return 0;
}

int IpvsKernel::remove(Author author, const lb::ServiceKey& key, const Server& server) {
  const auto found = services_.find(key);
  if (found == services_.end()) return ESRCH;
  auto& rows = found->second.destinations;
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const Row& each) { return each.server == server; });
  if (row == rows.end()) return ENOENT;
  const Real before = row->real;
  rows.erase(row);
  witness_.wrote(author, key, server, before, std::nullopt);
  return 0;
}

void IpvsKernel::flush(Author author) {
  while (!services_.empty()) {
    const lb::ServiceKey key = services_.begin()->first;
    delete_service(author, key);
  }
}

const IpvsKernel::Service* IpvsKernel::find(const lb::ServiceKey& key) const {
  const auto found = services_.find(key);
  return found != services_.end() ? &found->second : nullptr;
}

void IpvsKernel::set_connections(const lb::ServiceKey& key, const Server& server,
                                 std::uint32_t count) {
  const auto found = services_.find(key);
  if (found == services_.end()) return;
  if (Row* row = found->second.find(server)) row->connections = count;
}

void IpvsKernel::unload() {
  flush(Author::human);
  loaded_ = false;
  ++family_;
}

}  // namespace saspd::simulation
