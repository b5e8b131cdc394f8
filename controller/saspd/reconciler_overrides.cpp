// SPDX-License-Identifier: Apache-2.0
// What the operator decides in place of the advice.
#include <algorithm>
#include <utility>

#include "controller/saspd/reconciler.hpp"

namespace saspd::director {

std::vector<std::string> Reconciler::groups_with(const MemberName& member) const {
  std::vector<std::string> found;
  for (const auto& [name, group] : known_.advice().groups()) {
    if (member.group && name != *member.group) continue;
    const bool has = std::any_of(
        group.settings.services.begin(), group.settings.services.end(), [&](const auto& service) {
          return known_.pool(service.key).destinations.contains(member.endpoint) ||
                 (service.manage && group.members(service).contains(member.endpoint));
        });
    if (has) found.push_back(name);
  }
  return found;
}

// "" is every group.
void Reconciler::mark_group(const std::string& name) {
  for (const auto& [each, group] : known_.advice().groups()) {
    if (!name.empty() && each != name) continue;
    for (const auto& service : group.settings.services)
      known_.mark(service.key);
  }
  at_once_ = true;
}

void Reconciler::remember(Overrides overrides) {
  known_.overrides() = std::move(overrides);
  mark_group("");
}

void Reconciler::set_override(const Overrides::Member& member, Override override) {
  known_.overrides().set(member, std::move(override));
  mark_group(member.first);
}

void Reconciler::hold(const std::string& group, Act act) {
  known_.overrides().hold(group, std::move(act));
  mark_group(group);
}

bool Reconciler::lift(const Overrides::Member& member) {
  if (!known_.overrides().lift(member)) return false;
  mark_group(member.first);
  return true;
}

bool Reconciler::release(const std::string& group) {
  if (!known_.overrides().release(group)) return false;
  mark_group(group);
  return true;
}

Overrides::Ended Reconciler::end_overrides(TimePoint now) {
  auto ended = known_.overrides().take_ended(now);
  for (const auto& [member, override] : ended.members)
    mark_group(member.first);
  for (const auto& [group, act] : ended.holds)
    mark_group(group);
  return ended;
}

}  // namespace saspd::director
