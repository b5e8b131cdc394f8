// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/drift.hpp"

#include <fmt/format.h>

namespace saspd::director {
namespace {

std::string thresholds(const lb::Destination& destination) {
  return fmt::format("{}/{}", destination.upper_threshold, destination.lower_threshold);
}

using Kind = ForeignWrite::Kind;

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

bool is_tried(const UncertainWeights& ours, const Endpoint& endpoint,
              std::optional<std::uint32_t> weight) {
  const auto tried = ours.find(endpoint);
  return tried != ours.end() && tried->second == weight;
}

// What follows for a destination that has other weight now than before, or is new or gone.
std::string what_follows(const ForeignWrite& write, const Decision& member, DriftPolicy policy) {
  if (write.kind == Kind::removed)
    return fmt::format("it is added again with weight {}", member.weight);
  if (member.reason == Reason::foreign_zero)
    return "it stays 0 until its owner raises it, and the GWM is told that it is quiesced";
  if (write.kind == Kind::added)
    return fmt::format("its weight is {} ({})", member.weight, report::name(member.reason));
  if (member.reason == Reason::foreign_weight) {
    return policy == DriftPolicy::adopt ? "it is adopted, until other advice comes (--drift adopt)"
                                        : "it stays until other advice comes (--drift report)";
  }
  const std::uint32_t weight = member.pending ? member.target : member.weight;
  if (weight == write.weights->now)
    return fmt::format("it stays, as decided ({})", report::name(member.reason));
  return fmt::format("weight {} is written ({})", weight, report::name(member.reason));
}

}  // namespace

std::string ForeignWrite::subject() const {
  return endpoint ? fmt::format("{} {}", lb::text(service), endpoint->text()) : lb::text(service);
}

std::string ForeignWrite::deed() const {
  switch (kind) {
    case Kind::changed: return "changed " + what;
    case Kind::added: return "added it with " + what;
    case Kind::removed: break;
  }
  return "removed it, at " + what;
}

std::vector<ForeignWrite> foreign_writes(const lb::ServiceKey& service, const lb::Pool& before,
                                         const lb::Pool& now, const UncertainWeights& ours) {
  std::vector<ForeignWrite> found;
  if (as_configured(before) != as_configured(now))
    found.push_back({service, {}, fmt::format("{} -> {}", before.text(), now.text()), {}});
  for (const auto& [endpoint, destination] : before.destinations) {
    if (now.destinations.contains(endpoint) || is_tried(ours, endpoint, std::nullopt)) continue;
    found.push_back(
        {service, endpoint, fmt::format("weight {}", destination.weight), {}, Kind::removed});
  }
  for (const auto& [endpoint, destination] : now.destinations) {
    const bool tried = is_tried(ours, endpoint, destination.weight);
    const auto known = before.destinations.find(endpoint);
    if (known == before.destinations.end()) {
      if (tried) continue;
      found.push_back(
          {service, endpoint, fmt::format("weight {}", destination.weight), {}, Kind::added});
      continue;
    }
    const lb::Destination& old = known->second;
    Differences differences(service, endpoint, found);
    if (!tried) differences.weight(old.weight, destination.weight);
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
  const bool is_attribute = write.kind == Kind::changed && !write.weights;
  if (is_attribute) return ours_alone ? "it is set as configured" : "it stays";
  const std::string_view nothing =
      write.kind == Kind::removed ? "it gets no connections" : "nothing";
  if (decision == nullptr || !write.endpoint) return std::string(nothing);
  const auto found = decision->members.find(*write.endpoint);
  if (found == decision->members.end()) return std::string(nothing);
  return what_follows(write, found->second, policy);
}

std::string Drift::text() const {
  return fmt::format("{}: another program has {}: {}", write.subject(), write.deed(), follows);
}

}  // namespace saspd::director
