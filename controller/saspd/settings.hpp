// SPDX-License-Identifier: Apache-2.0
// The operator's settings of groups, services and members, as values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/lb/service.hpp"
#include "controller/report/words.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::director {

// The operator's settings of one member; both may be absent.
struct MemberSettings {
  std::optional<std::uint32_t> weight;  // static weight
  std::string label;
};

using report::Backend;

// A service that saspd creates, fills and empties: an IPVS one with `manage`, and any of XDP.
struct ManageSettings {
  lb::Service
      service;  // the desired attributes; timeout and netmask count only if it is persistent
  lb::Forward forward = lb::Forward::masquerade;
  bool keeps_port = false;  // a destination has the port of the service, which is not rewritten
  bool tells_lost = false;  // the data plane distinguishes a dead destination from a draining one
  bool open = true;         // members that registered themselves belong to it
  // The longest time that a leaving destination keeps its connections; empty: as long as they last.
  std::optional<std::chrono::seconds> drain;
};

struct ServiceSettings {
  lb::ServiceKey key;
  lb::Protocol protocol =
      lb::Protocol::tcp;             // the protocol of its members: its own, or proto= of a fwmark
  std::optional<std::uint32_t> max;  // the largest weight, where weights are capacities
  std::optional<ManageSettings> manage;
};
// Whether it has no option.
ServiceSettings plain_service(const lb::ServiceKey& key);

struct GroupSettings {
  std::string name;
  std::vector<ServiceSettings> services;
  std::map<Endpoint, MemberSettings> members;
};

// The member that a destination of a service is for a GWM. One without a port of its own is a
// system member: protocol 0, port 0 (RFC 4678 5.1).
sasp::MemberKey member_of(const ServiceSettings& service, const Endpoint& destination);

// Whether a member of `group` is, or may become, a destination of its service `service`: it has the
// service's protocol, a port where the service has one, and the service's address family. A
// tunnelled destination may be of the other family, if no service of the group is of its own.
bool fits(const GroupSettings& group, const ServiceSettings& service,
          const sasp::MemberKey& member);

}  // namespace saspd::director
