// What a data plane has no room for: refused by name, while everything else goes on being steered.
// Pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "controller/lb/dataplane.hpp"
#include "controller/saspd/alarms.hpp"

namespace saspd {

class NoRoom {
 public:
  // A change that the data plane refused for want of room.
  void refused(const lb::Change& change, const lb::Failure& failure);
  void clear() { services_.clear(); }

  // Nothing: all of the service that shall be is there. The detail names who is left out, and what
  // brings room.
  std::optional<Alarm> alarm(const lb::ServiceKey& service) const;

 private:
  struct Service {
    bool whole = false;  // the service itself is not there
    std::set<Endpoint> servers;
    std::string why;
  };
  std::map<lb::ServiceKey, Service> services_;
};

}  // namespace saspd
