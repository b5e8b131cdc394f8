// SPDX-License-Identifier: Apache-2.0
// IPVS of one network namespace, as net/netfilter/ipvs/ip_vs_ctl.c behaves: what its commands do to
// its tables, and with which errors it refuses them. Written from the kernel; it knows nothing of
// ours. One call is one step: whoever else writes does so before or after it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/lb/service.hpp"

namespace saspd::simulation {

// Whoever writes. The kernel does not keep it; the judges do.
enum class Author : std::uint8_t { us, human, keepalived, restored };
std::string_view name(Author author);

// A destination as the kernel has it, but for its counters.
struct Real {
  std::uint32_t weight = 0;
  std::uint32_t forward = 0;
  std::uint32_t upper = 0;
  std::uint32_t lower = 0;
  std::uint8_t tunnel_type = 0;
  std::uint16_t tunnel_port = 0;
  std::uint16_t tunnel_flags = 0;

  auto attributes() const {
    return std::tuple(forward, upper, lower, tunnel_type, tunnel_port, tunnel_flags);
  }
  bool operator==(const Real&) const = default;
};

struct Virtual {
  std::string scheduler;
  std::uint32_t flags = 0;
  std::uint32_t timeout = 0;
  std::uint32_t netmask = 0;
  bool operator==(const Virtual&) const = default;
};

// What commands name a destination by.
using Server = Endpoint;
// Who looks over the kernel's shoulder.
class Witness {
 public:
  Witness() = default;
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  virtual ~Witness() = default;
  // Nothing: it is not there. A command that wrote what was there already is one, too.
  virtual void wrote(Author author, const lb::ServiceKey& service, const Server& server,
                     const std::optional<Real>& before, const std::optional<Real>& after) = 0;
  virtual void wrote(Author author, const lb::ServiceKey& service,
                     const std::optional<Virtual>& before, const std::optional<Virtual>& after) = 0;
};

class IpvsKernel {
 public:
  struct Row {
    Server server;
    Real real;
    std::uint32_t connections = 0;
  };
  struct Service {
    Virtual settings;
    std::vector<Row> destinations;  // newest first, as list_add() has it

    Row* find(const Server& server);
    const Row* find(const Server& server) const;
    bool any_positive() const;
  };
  using Services = std::map<lb::ServiceKey, Service>;

  explicit IpvsKernel(Witness& witness) : witness_(witness) {}

  // The commands of ipvsadm(8) and of generic netlink. Returns 0 or the errno.
  int add_service(Author author, const lb::ServiceKey& key, const Virtual& settings);
  int edit_service(Author author, const lb::ServiceKey& key, const Virtual& settings);
  int delete_service(Author author, const lb::ServiceKey& key);
  int add(Author author, const lb::ServiceKey& key, const Server& server, const Real& real);
  // Replaces all that a destination has.
  int edit(Author author, const lb::ServiceKey& key, const Server& server, const Real& real);
  int remove(Author author, const lb::ServiceKey& key, const Server& server);
  void flush(Author author);

  const Services& services() const { return services_; }
  const Service* find(const lb::ServiceKey& key) const;
  // Clients come and go.
  void set_connections(const lb::ServiceKey& key, const Server& server, std::uint32_t count);

  // Whether ip_vs is loaded; a module that goes takes its tables along.
  bool loaded() const { return loaded_; }
  void load() { loaded_ = true; }
  void unload();
  // The id of its family; another one each time that it is loaded.
  std::uint16_t family() const { return family_; }

 private:
  Witness& witness_;
  Services services_;
  bool loaded_ = true;
  std::uint16_t family_ = 30;
};

}  // namespace saspd::simulation
