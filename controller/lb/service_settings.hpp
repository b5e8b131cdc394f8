// SPDX-License-Identifier: Apache-2.0
// What the operator asks for of a service, as values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "controller/lb/service.hpp"

namespace saspd::lb {

// A service that saspd creates, fills and empties: an IPVS one with `manage`, and any of XDP.
struct ManageSettings {
  Service service;  // the desired attributes; timeout and netmask count only if it is persistent
  Forward forward = Forward::masquerade;
  bool keeps_port = false;  // a destination has the port of the service, which is not rewritten
  bool tells_lost = false;  // the data plane distinguishes a dead destination from a draining one
  bool open = true;         // members that registered themselves belong to it
  // The longest time that a leaving destination keeps its connections; empty: as long as they last.
  std::optional<std::chrono::seconds> drain;
};

struct ServiceSettings {
  ServiceKey key;
  Protocol protocol = Protocol::tcp;  // of its members: its own, or proto= of a fwmark
  std::optional<std::uint32_t> max;   // the largest weight, where weights are capacities
  std::optional<ManageSettings> manage;
};
// One without any option.
ServiceSettings plain_service(const ServiceKey& key);

}  // namespace saspd::lb
