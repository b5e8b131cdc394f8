// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/view.hpp"

#include <set>

namespace saspd::director {
namespace {

template <class Map, class Key>
auto value_or_empty(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found != map.end() ? found->second : typename Map::mapped_type{};
}

std::string label_of(const Group& group, const Endpoint& endpoint, const sasp::MemberKey& member) {
  if (const auto* configured = group.configured(endpoint)) return configured->label;
  return value_or_empty(group.self_registered.members(), member).label;
}

MemberView member_view(const Knowledge& known, const Decisions& decisions, const Group& group,
                       const ServiceSettings& service, const Endpoint& endpoint) {
  const auto as_member = member_of(service, endpoint);
  MemberView view;
  view.endpoint = endpoint;
  view.service = service.key;
  view.protocol = as_member.protocol;
  view.label = label_of(group, endpoint, as_member);
  if (const Advice* advice = group.advice_for(as_member)) view.advice = *advice;
  view.quiesced_by = group.quiesced_by(as_member);
  const auto& destinations = known.pool(service.key).destinations;
  const auto destination = destinations.find(endpoint);
  if (destination != destinations.end()) {
    view.kernel_weight = view.effective_weight = destination->second.weight;
    view.reason = Reason::static_weight;
    view.zero = known.ledger().zero(service.key, endpoint);
  }
  const Decision* decided = decisions.find(service.key, endpoint);
  if (decided == nullptr) return view;
  view.effective_weight = decided->weight;
  view.target = decided->target;
  view.unscaled = decided->unscaled;
  view.pending = decided->pending;
  view.nobody_known = decisions.find(service.key)->nobody_known;
  if (view.kernel_weight) view.reason = decided->reason;
  return view;
}

ServiceView service_view(const Knowledge& known, const Decisions& decisions,
                         const ServiceSettings& service, WeightChanges weight_changes) {
  const ServiceDecision* decision = decisions.find(service.key);
  return {service.key,
          known.table().contains(service.key),
          service.manage.has_value(),
          known.pool(service.key).scheduler,
          decision != nullptr ? decision->held : std::nullopt,
          std::move(weight_changes)};
}

}  // namespace

std::vector<GroupView> view(const Knowledge& known, const Decisions& decisions,
                            const std::map<lb::ServiceKey, WeightChanges>& weight_changes,
                            const AlarmsByGroup& alarms) {
  std::vector<GroupView> views;
  for (const auto& [name, group] : known.advice().groups()) {
    GroupView& view =
        views.emplace_back(GroupView{name, group.gwm(), {}, {}, value_or_empty(alarms, name)});
    view.gwms = group.choice.counted();
    for (const auto& service : group.settings.services) {
      view.services.push_back(
          service_view(known, decisions, service, value_or_empty(weight_changes, service.key)));
      std::set<Endpoint> endpoints = group.members(service);
      for (const auto& [endpoint, destination] : known.pool(service.key).destinations)
        endpoints.insert(endpoint);
      for (const auto& endpoint : endpoints)
        view.members.push_back(member_view(known, decisions, group, service, endpoint));
    }
  }
  return views;
}

}  // namespace saspd::director
