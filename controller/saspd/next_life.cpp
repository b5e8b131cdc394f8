// SPDX-License-Identifier: Apache-2.0
// What Knowledge writes into the ledger for a next life, and takes over from the last one.

#include <algorithm>

#include "controller/saspd/knowledge.hpp"

namespace saspd::director {

// What only GWMs knew that are not ours any more is forgotten.
void Knowledge::restore_quiesces() {
  std::map<std::string, LastingQuiesces> quiesces;
  const auto number_of = [this](const std::string& gwm) {
    return static_cast<std::size_t>(std::find(gwm_names_.begin(), gwm_names_.end(), gwm) -
                                    gwm_names_.begin());
  };
  for (const auto& [group, kept] : ledger_.quiesces()) {
    for (const auto& [member, quiesce] : kept) {
      std::set<std::size_t> known_to;
      for (const auto& gwm : quiesce.known_to)
        known_to.insert(number_of(gwm));
      known_to.erase(gwm_names_.size());
      if (known_to.empty()) continue;
      const auto by = number_of(quiesce.by);
      quiesces[group].restore(member, by < gwm_names_.size() ? by : *known_to.begin(), known_to);
    }
  }
  advice_.restore(std::move(quiesces));
}

void Knowledge::keep_quiesces(const std::string& name) {
  KeptQuiesces kept;
  const auto group = advice_.groups().find(name);
  if (group != advice_.groups().end() && !gwm_names_.empty()) {
    for (const auto& [member, quiesce] : group->second.quiesces.all()) {
      auto& [by, known_to] = kept[member];
      by = gwm_names_.at(quiesce.by);
      for (const std::size_t gwm : quiesce.known_to)
        known_to.insert(gwm_names_.at(gwm));
    }
  }
  ledger_.quiesced(name, std::move(kept));
}

// Since when, for a next life.
void Knowledge::note_who_is_out(const lb::ServiceKey& service) {
  const SeenOfService& of_service = seen(service);
  for (const auto& [endpoint, destination] : pool(service).destinations) {
    const auto known = of_service.find(endpoint);
    const bool may_share = destination.weight == 0 && known != of_service.end();
    ledger_.served(service, endpoint, may_share ? known->second.served : std::nullopt);
  }
}

}  // namespace saspd::director
