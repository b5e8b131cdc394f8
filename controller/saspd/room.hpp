// SPDX-License-Identifier: Apache-2.0
// What a data plane has no room for: reported by name, while everything else follows its advice.
// Pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "controller/lb/dataplane.hpp"
#include "controller/saspd/alarms.hpp"

namespace saspd::director {

class NoRoom {
 public:
  // A change that the data plane refused for lack of room.
  void refused(const lb::Change& change, const lb::Failure& failure);
  void clear() { services_.clear(); }

  // Empty if the whole service fits. The detail names what is left out, and how to make room.
  std::optional<Alarm> alarm(const lb::ServiceKey& service) const;

 private:
  struct Service {
    bool whole = false;  // the service itself is not there
    std::set<Endpoint> servers;
    std::string why;
  };
  std::map<lb::ServiceKey, Service> services_;
};

}  // namespace saspd::director
