// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/settings.hpp"

#include <algorithm>

namespace saspd::director {

sasp::MemberKey member_of(const ServiceSettings& service, const Endpoint& destination) {
  if (destination.port == 0) return {destination.address, 0, 0};
  return {destination.address, static_cast<std::uint8_t>(service.protocol), destination.port};
}

bool fits(const GroupSettings& group, const ServiceSettings& service,
          const sasp::MemberKey& member) {
  if (member_of(service, member.endpoint()) != member) return false;
  const auto* at = std::get_if<lb::VirtualEndpoint>(&service.key);
  if (at != nullptr && at->endpoint.port != 0 && member.port == 0) return false;
  if (service.manage && service.manage->keeps_port && member.port != at->endpoint.port)
    return false;
  const Family family = member.address.family();
  if (family == lb::family(service.key)) return true;
  return service.manage && service.manage->forward == lb::Forward::tunnel &&
         std::none_of(group.services.begin(), group.services.end(),
                      [&](const auto& other) { return lb::family(other.key) == family; });
}

}  // namespace saspd::director
