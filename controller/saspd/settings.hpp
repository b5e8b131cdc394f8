// SPDX-License-Identifier: Apache-2.0
// The operator's settings of groups, services and members, as values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/lb/service_settings.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::director {

// The operator's settings of one member; both may be absent.
struct MemberSettings {
  std::optional<std::uint32_t> weight;  // static weight
  std::string label;
};

using lb::ManageSettings;
using lb::ServiceSettings;

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
