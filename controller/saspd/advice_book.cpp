// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/advice_book.hpp"

#include <algorithm>
#include <utility>

#include "controller/base/host_address.hpp"

namespace saspd::director {
namespace {

Endpoint endpoint_of(const sasp::MemberKey& member) {
  return {member.address, member.port};
}

bool has_destination(const lb::Table& table, const lb::ServiceKey& service,
                     const Endpoint& endpoint) {
  const auto pool = table.find(service);
  return pool != table.end() && pool->second.destinations.contains(endpoint);
}

// A destination of a managed service that is seen for the first time, and that nobody configured.
void find_self_registered(Group& group, const lb::Table& before, const lb::Table& now) {
  for (const auto& service : group.settings.services) {
    const auto pool = now.find(service.key);
    if (!service.manage || !service.manage->open || pool == now.end()) continue;
    for (const auto& [endpoint, destination] : pool->second.destinations) {
      if (group.configured(endpoint) != nullptr) continue;
      if (has_destination(before, service.key, endpoint)) continue;
      group.self_registered.found(member_of(service, endpoint));
    }
  }
}

}  // namespace

// --- one group

const Advice* Group::advice_for(const sasp::MemberKey& member) const {
  if (!gwm) return nullptr;
  const auto found = advice[*gwm].find(member);
  return found != advice[*gwm].end() ? &found->second : nullptr;
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
    if (fits(settings, service, key)) members.insert(endpoint_of(key));
  }
  return members;
}

bool Group::knows(const sasp::MemberKey& member, const lb::Table& kernel) const {
  if (self_registered.members().contains(member)) return true;
  const Endpoint endpoint = endpoint_of(member);
  const bool is_configured = configured(endpoint) != nullptr;
  return std::any_of(settings.services.begin(), settings.services.end(), [&](const auto& service) {
    if (member_of(service, endpoint) != member) return false;
    return has_destination(kernel, service.key, endpoint) ||
           (service.manage && is_configured && fits(settings, service, member));
  });
}

// --- all of them

AdviceBook::AdviceBook(std::vector<GroupSettings> groups, std::size_t gwms, bool trust)
    : trust_(trust), connections_(gwms), heard_(gwms) {
  for (auto& settings : groups) {
    for (const auto& service : settings.services)
      services_.push_back(service.key);
    Group& group = groups_[settings.name];
    group.settings = std::move(settings);
    group.advice.resize(gwms);
  }
}

std::size_t AdviceBook::update(std::size_t gwm, const sasp::WeightsReceived& weights,
                               const lb::Table& kernel, TimePoint now) {
  std::size_t ignored = 0;
  std::map<std::string, std::map<sasp::MemberKey, std::string>> self_registered;
  for (const auto& received : weights.groups) {
    const auto found = groups_.find(received.group.name);
    if (found == groups_.end()) {
      ignored += received.items.size();
      continue;
    }
    auto& [name, group] = *found;
    for (const auto& entry : received.items) {
      const Advice advice{entry.weight, entry.flags, entry.state, now};
      const auto member = entry.member.key();
      const bool joins = trust_ && group.is_open() && !advice.registered_by_lb() &&
                         group.configured(endpoint_of(member)) == nullptr &&
                         kind_of_no_host(member.address).empty();
      if (joins) self_registered[name][member] = entry.member.label;
      if (joins || group.knows(member, kernel))
        group.advice.at(gwm)[member] = advice;
      else
        ++ignored;
    }
  }
  if (trust_ && gwm == first_connected()) {
    for (auto& [name, group] : groups_)
      group.self_registered.told(connections_[gwm], self_registered[name], weights.full, now);
  }
  return ignored;
}

bool AdviceBook::set_connected(std::size_t gwm, bool connected) {
  auto& connection = connections_.at(gwm);
  if (connected == (connection != 0)) return false;
  connection = connected ? ++last_connection_ : 0;
  return true;
}

std::optional<std::size_t> AdviceBook::first_connected() const {
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [](const auto connection) { return connection != 0; });
  if (found == connections_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - connections_.begin());
}

AdviceBook::Adviser AdviceBook::adviser_of(const Group& group) const {
  const auto gwm = group.gwm ? group.gwm : first_connected();
  if (!gwm) return {};
  return {connections_[*gwm] != 0, heard_[*gwm]};
}

void AdviceBook::choose_gwms() {
  for (auto& [name, group] : groups_)
    choose_gwm(group);
}

void AdviceBook::choose_gwm(Group& group) const {
  for (std::size_t gwm = 0; gwm < connections_.size(); ++gwm) {
    if (connections_[gwm] == 0 || group.advice[gwm].empty()) continue;
    group.gwm = gwm;
    return;
  }
}

void AdviceBook::look(const lb::Table& before, const lb::Table& now) {
  for (auto& [name, group] : groups_) {
    if (trust_) find_self_registered(group, before, now);
    for (auto& advice : group.advice) {
      std::erase_if(advice, [&](const auto& entry) { return !group.knows(entry.first, now); });
    }
  }
}

void AdviceBook::adopt(const lb::Table& kernel,
                       const std::map<lb::ServiceKey, TimePoint>& remembered) {
  std::erase_if(groups_, [&](const auto& entry) {
    const auto& [name, group] = entry;
    if (!group.adopted) return false;
    const auto& key = group.settings.services.front().key;
    return !kernel.contains(key) && !remembered.contains(key);
  });
  for (const auto& [key, pool] : kernel) {
    if (is_configured(key)) continue;
    const auto [entry, added] = groups_.try_emplace(lb::text(key));
    if (!added) continue;
    Group& group = entry->second;
    group.adopted = true;
    group.settings = {entry->first, {plain_service(key)}, {}};
    group.advice.resize(connections_.size());
  }
}

bool AdviceBook::is_configured(const lb::ServiceKey& service) const {
  return std::find(services_.begin(), services_.end(), service) != services_.end();
}

bool AdviceBook::has(const lb::ServiceKey& service) const {
  return groups_.contains(lb::text(service)) || is_configured(service);
}

}  // namespace saspd::director
