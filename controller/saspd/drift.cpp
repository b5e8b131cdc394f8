// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/drift.hpp"

#include <fmt/format.h>

namespace saspd::director {
namespace {

std::string thresholds(const lb::Destination& destination) {
  return fmt::format("{}/{}", destination.upper_threshold, destination.lower_threshold);
}

// Collects what is different about one destination.
class Differences {
 public:
  Differences(const lb::ServiceKey& service, const Endpoint& endpoint,
              std::vector<ForeignWrite>& found)
      : service_(service), endpoint_(endpoint), found_(found) {}

  void weight(std::uint32_t before, std::uint32_t now) {
    if (before == now) return;
    found_.push_back({service_, endpoint_, fmt::format("weight {} -> {}", before, now),
                      ForeignWrite::Weights{before, now}});
  }
  void attribute(std::string_view name, std::string_view before, std::string_view now) {
    if (before == now) return;
    found_.push_back({service_, endpoint_, fmt::format("{} {} -> {}", name, before, now), {}});
  }

 private:
  const lb::ServiceKey& service_;
  const Endpoint& endpoint_;
  std::vector<ForeignWrite>& found_;
};

// Without what the kernel itself adds to a service that was created.
lb::Service as_configured(lb::Service service) {
  service.flags &= ~lb::service_flag::hashed;
  return service;
}

std::string tunnel(const lb::Destination& destination) {
  const auto& [type, port, flags] = destination.tunnel;
  return fmt::format("{}:{}:{}", type, port, flags);
}

}  // namespace

std::string ForeignWrite::subject() const {
  return endpoint ? fmt::format("{} {}", lb::text(service), endpoint->text()) : lb::text(service);
}

std::vector<ForeignWrite> foreign_writes(const lb::ServiceKey& service, const lb::Pool& before,
                                         const lb::Pool& now, const UncertainWeights& ours) {
  std::vector<ForeignWrite> found;
  if (as_configured(before) != as_configured(now))
    found.push_back({service, {}, fmt::format("{} -> {}", before.text(), now.text()), {}});
  for (const auto& [endpoint, destination] : now.destinations) {
    const auto known = before.destinations.find(endpoint);
    if (known == before.destinations.end()) continue;
    const lb::Destination& old = known->second;
    Differences differences(service, endpoint, found);
    const auto tried = ours.find(endpoint);
    if (tried == ours.end() || tried->second != destination.weight)
      differences.weight(old.weight, destination.weight);
    differences.attribute("forwarding", lb::name(old.forward), lb::name(destination.forward));
    differences.attribute("thresholds", thresholds(old), thresholds(destination));
    differences.attribute("tunnel", tunnel(old), tunnel(destination));
  }
  return found;
}

void let_stand(const StandingWeights& standing, const lb::Pool& kernel, ServiceDecision& decision) {
  for (const auto& [endpoint, foreign] : standing) {
    const auto member = decision.members.find(endpoint);
    const auto destination = kernel.destinations.find(endpoint);
    if (member == decision.members.end() || destination == kernel.destinations.end()) continue;
    if (member->second.target != foreign.target || destination->second.weight != foreign.weight)
      continue;
    member->second.weight = foreign.weight;
    member->second.reason = Reason::foreign_weight;
  }
}

std::string what_follows(const ForeignWrite& write, const ServiceDecision* decision,
                         DriftPolicy policy, bool ours_alone) {
  if (!write.weights) return ours_alone ? "it is set as configured" : "it stays";
  if (decision == nullptr || !write.endpoint) return "nothing";
  const auto found = decision->members.find(*write.endpoint);
  if (found == decision->members.end()) return "nothing";
  const Decision& member = found->second;
  if (member.reason == Reason::foreign_zero)
    return "it stays 0 until its owner raises it, and the GWM is told that it is quiesced";
  if (member.reason == Reason::foreign_weight) {
    return policy == DriftPolicy::adopt ? "it is adopted, until other advice comes (--drift adopt)"
                                        : "it stays until other advice comes (--drift report)";
  }
  const std::uint32_t weight = member.pending ? member.target : member.weight;
  if (weight == write.weights->now)
    return fmt::format("it stays, as decided ({})", report::name(member.reason));
  return fmt::format("weight {} is written ({})", weight, report::name(member.reason));
}

std::string Drift::text() const {
  return fmt::format("{}: another program has changed {}: {}", write.subject(), write.what,
                     follows);
}

}  // namespace saspd::director
