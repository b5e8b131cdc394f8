// SPDX-License-Identifier: Apache-2.0
// Of one group, what AdviceBook knows of it (advice_book.hpp).

#include <algorithm>

#include "controller/saspd/advice_book.hpp"

namespace saspd::director {
const Advice* Group::said_by(std::size_t gwm, const sasp::MemberKey& member) const {
  const auto found = advice[gwm].find(member);
  return found != advice[gwm].end() ? &found->second : nullptr;
}

const Advice* Group::advice_for(const sasp::MemberKey& member) const {
  if (const auto found = instead.find(member); found != instead.end()) return &found->second;
  return gwm() ? said_by(*gwm(), member) : nullptr;
}

std::optional<std::size_t> Group::quiesced_by(const sasp::MemberKey& member) const {
  const auto found = quiesces.all().find(member);
  if (found == quiesces.all().end()) return std::nullopt;
  const auto& counted = choice.counted();
  const bool is_advised = std::any_of(counted.begin(), counted.end(), [&](std::size_t gwm) {
    const Advice* word = said_by(gwm, member);
    return word != nullptr && word->quiesced();
  });
  return is_advised ? std::nullopt : std::optional(found->second.by);
}

const MemberSettings* Group::configured(const Endpoint& endpoint) const {
  const auto found = settings.members.find(endpoint);
  return found != settings.members.end() ? &found->second : nullptr;
}

bool Group::is_open() const {
  return std::any_of(settings.services.begin(), settings.services.end(),
                     [](const auto& service) { return service.manage && service.manage->open; });
}

std::set<Endpoint> Group::members(const ServiceSettings& service) const {
  std::set<Endpoint> members;
  for (const auto& [endpoint, member] : settings.members) {
    if (fits(settings, service, member_of(service, endpoint))) members.insert(endpoint);
  }
  if (!service.manage || !service.manage->open) return members;
  for (const auto& [key, member] : self_registered.members()) {
    if (fits(settings, service, key)) members.insert(key.endpoint());
  }
  return members;
}

Membership::Membership(const Group& group, const lb::Table& kernel) : group_(group) {
  for (const auto& service : group.settings.services) {
    const auto pool = kernel.find(service.key);
    places_.push_back({&service, pool != kernel.end() ? &pool->second : nullptr});
  }
}

bool Membership::has(const sasp::MemberKey& member) const {
  if (group_.self_registered.members().contains(member)) return true;
  const Endpoint endpoint = member.endpoint();
  return std::any_of(places_.begin(), places_.end(), [&](const Place& place) {
    if (member_of(*place.service, endpoint) != member) return false;
    if (place.pool != nullptr && place.pool->destinations.contains(endpoint)) return true;
    return place.service->manage && group_.configured(endpoint) != nullptr &&
           fits(group_.settings, *place.service, member);
  });
}

}  // namespace saspd::director
