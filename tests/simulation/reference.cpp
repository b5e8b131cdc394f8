// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/reference.hpp"

#include <algorithm>

namespace saspd::simulation {
namespace {

using Weights = std::set<std::uint32_t>;

const gwm::Advice* advice_for(const gwm::AdviceTable& table, const std::string& group,
                              const Server& server) {
  const auto found = table.find(group);
  if (found == table.end()) return nullptr;
  const auto member = found->second.find({server.address, 6, server.port});
  return member != found->second.end() ? &member->second : nullptr;
}

}  // namespace

// In the order of precedence: foreign zero, quiesce, contact off, confidence, advice.
Allowed reference(const Options& options, const Judge& judge, const lb::ServiceKey& service,
                  const IpvsKernel::Service& now, const gwm::AdviceTable& advice) {
  using Zero = Judge::Zero;
  const auto group = judge.group_of(service);
  std::map<Server, Zero> zeros;
  for (const auto& row : now.destinations)
    zeros[row.server] = row.real.weight == 0 ? judge.zero_of(service, row.server) : Zero::ours;

  // Who is confident, of those that may serve at all. Where more than a third is not, saspd may keep
  // those that serve.
  std::size_t may_serve = 0;
  std::size_t unknown = 0;
  bool anyone_confident = false;
  for (const auto& [server, zero] : zeros) {
    const auto* said = advice_for(advice, group, server);
    if (zero != Zero::ours || said == nullptr || said->quiesce || !said->contact) continue;
    anyone_confident = anyone_confident || said->confident;
    ++may_serve;
    if (!said->confident) ++unknown;
  }
  const bool few_known = options.hold_all_zero && 3 * unknown > may_serve;
  Allowed allowed;
  std::size_t serving = 0;
  std::size_t not_withdrawn = 0;
  for (const auto& [server, zero] : zeros) {
    const auto* said = advice_for(advice, group, server);
    auto& weights = allowed[server];
    if (zero == Zero::others) {
      weights = {0};
      continue;
    }
    const bool withdrawn = said != nullptr && said->quiesce;
    if (said == nullptr || withdrawn || !said->contact) {
      weights = {0};
    } else if (!said->confident) {
      if (anyone_confident && !few_known) weights = {0};
    } else {
      weights = {said->weight};
    }
    const bool may_be_zero = zero == Zero::unclear || judge.may_be_locked(service, server);
    if (may_be_zero && !weights.empty()) weights.insert(0);
    if (!withdrawn) ++not_withdrawn;
    // One that is kept as it was serves, or it does not.
    const bool kept = few_known && anyone_confident && said != nullptr && !said->confident;
    if (!withdrawn && zero == Zero::ours && !weights.contains(0) && !kept) ++serving;
  }
  // What happens when nobody, or too few, would serve depends on who served before.
  const bool held =
      options.hold_all_zero && (serving == 0 || serving * 100 < not_withdrawn * options.panic);
  // A GWM that was told of somebody's zero does not say that server's weight, by which all are
  // measured.
  const bool measured = options.merge == "primary" || options.gwms == 1;
  const bool all_said =
      std::none_of(now.destinations.begin(), now.destinations.end(),
                   [&](const auto& row) { return judge.may_be_told(service, row.server); });
  // sh has 256 slots, to which weights are fitted; those of a merge, and static ones, may be above what
  // mh and wrr take, and what they are fitted by is kept.
  const bool large = !measured || options.on_stale == "static" || options.reloads;
  const bool fitted = options.scheduler == "sh" || (options.scheduler != "wlc" && large);
  for (auto& [server, weights] : allowed) {
    if (!measured && !weights.empty() && *weights.rbegin() > 0) {
      const auto weight = *weights.rbegin();
      weights.insert({std::max(1U, weight - 1), weight + 1});
      if (!all_said) weights.clear();
    }
    if (options.drift != "overwrite" && judge.is_foreign(service, server)) weights.clear();
    if (held && zeros[server] != Zero::others) weights.clear();
    if (fitted && weights != Weights{0}) weights.clear();
  }
  return allowed;
}

std::map<Server, unsigned> clients_reach(const IpvsKernel::Service& service) {
  std::map<Server, unsigned> reached;
  std::uint64_t all = 0;
  for (const auto& row : service.destinations)
    all += row.real.weight;
  for (std::uint64_t tuple = 0; all > 0 && tuple < 64; ++tuple) {
    std::uint64_t slot = (tuple * 0x9E3779B97F4A7C15U >> 16U) % all;
    for (const auto& row : service.destinations) {
      if (slot < row.real.weight) {
        ++reached[row.server];
        break;
      }
      slot -= row.real.weight;
    }
  }
  return reached;
}

}  // namespace saspd::simulation
