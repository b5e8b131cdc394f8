// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/why.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace saspd::gwm {

using namespace sasp;

namespace {

using report::seconds_between;

bool has(std::uint8_t flags, std::uint8_t flag) {
  return (flags & flag) != 0;
}

bool is_quiescing_agent(const std::pair<ProbeTarget, const Health*>& probe) {
  const auto& [target, health] = probe;
  return target.spec.kind == ProbeSpec::Kind::agent && health != nullptr &&
         health->state() == Health::State::up && health->agent().admin != AgentAdmin::ready;
}

// sasp-interop row 40: a quiesce belongs to whom it came from.
std::vector<std::string> quiesced_by(const Case& of) {
  std::vector<std::string> origins;
  if (of.member.quiesced_by_lb) origins.emplace_back("load balancer");
  if (of.member.quiesced_by_member) origins.emplace_back("member");
  if (of.judgement.drained) origins.emplace_back("operator");
  if (of.judgement.drained_by_file) origins.emplace_back("drains file");
  if (of.of_file != nullptr && of.of_file->quiesce) origins.emplace_back("weights file");
  if (std::any_of(of.probes.begin(), of.probes.end(), is_quiescing_agent))
    origins.emplace_back("agent");
  return origins;
}

std::string sample_text(const Health* health) {
  if (health == nullptr || !health->last()) return "not probed yet";
  return health->last()->detail;
}

// Which of them turned the contact flag off, in words.
std::string no_contact_text(const Case& of) {
  for (const auto& [target, health] : of.probes) {
    if (health == nullptr) continue;
    const bool agent = target.spec.kind == ProbeSpec::Kind::agent;
    if (!agent && health->state() == Health::State::down) {
      return fmt::format("{} fails: {}", target.text(), sample_text(health));
    }
    if (agent && health->state() == Health::State::up && !health->agent().health.up()) {
      return fmt::format("{} says {}", target.text(), name(health->agent().health.word));
    }
  }
  return "the weights file says down";
}

// Which of them did not say enough.
std::string not_confident_text(const Case& of) {
  if (of.wait == Wait::members) {
    return fmt::format(
        "sasp-gwm started without the state of an earlier life, and for {} s more waits for members "
        "of the group to return (--start-grace); until then load balancers keep their weights",
        of.wait_s);
  }
  for (const auto& [target, health] : of.probes) {
    const bool agent = target.spec.kind == ProbeSpec::Kind::agent;
    const auto state = health != nullptr ? health->state() : Health::State::unknown;
    if (state == Health::State::unknown) {
      return fmt::format("{} does not have two samples yet", target.text());
    }
    if (agent && state == Health::State::down) {
      return fmt::format("{} does not answer: {}", target.text(), sample_text(health));
    }
  }
  if (of.wait == Wait::samples) {
    return "members of the group that are probed for the first time do not have two samples yet, "
           "and until then load balancers keep their weights";
  }
  return of.of_file != nullptr ? "the weights file says unknown"
                               : "it has neither a line in the weights file nor a probe";
}

std::string share_text(const Case& of) {
  std::string text = fmt::format("{:.0f}% of a member's share", of.judgement.share * 100);
  if (of.judgement.slow_start < 1) {
    text += fmt::format(", of which it gets {:.0f}% while it starts slowly",
                        of.judgement.slow_start * 100);
  }
  const auto over = std::find_if(of.probes.begin(), of.probes.end(), [&](const auto& probe) {
    return probe.second != nullptr && probe.second->agent().percent > of.agent_max;
  });
  if (over != of.probes.end()) {
    text += fmt::format(", its agent reports {}% and may report {}% (--agent-max)",
                        over->second->agent().percent, of.agent_max);
  }
  if (of.file_scale == 0) return text + "; weights are relative to the best member of the group";
  return text +
         fmt::format(
             "; a full share is {} here, the largest weight in the weights file for the group",
             of.file_scale);
}

std::string file_weight_text(const Case& of) {
  if (!of.remembered_s) return fmt::format("the weights file says {}", of.entry.weight);
  return fmt::format("the weights file said {}, no longer names it, and is remembered for {} s",
                     of.entry.weight, *of.remembered_s);
}

// --- the answer

std::optional<std::string> protocol_of(const MemberKey& key) {
  if (key.protocol == 0) return std::nullopt;  // a system member (RFC 4678 5.1)
  const std::string text = key.text();
  return text.substr(0, text.find(':'));
}

report::gwm::Probed probed(const ProbeTarget& target, const Health& health, TimePoint now) {
  const Sample& last = *health.last();
  report::gwm::Probed probed;
  probed.state_since_s = seconds_between(health.since(), now);
  probed.samples = health.samples();
  probed.failures = health.failures();
  probed.run = health.run();
  probed.last = {last.ok, last.detail, seconds_between(last.at, now),
                 std::chrono::round<std::chrono::milliseconds>(last.duration).count()};
  if (target.spec.kind == ProbeSpec::Kind::agent) {
    const AgentState& agent = health.agent();
    probed.agent = report::gwm::Agent{agent.percent, std::string(name(agent.health.word)),
                                      std::string(name(agent.admin))};
  }
  return probed;
}

report::gwm::Probe probe_answer(const ProbeTarget& target, const Health* health, TimePoint now) {
  report::gwm::Probe probe;
  probe.probe = target.spec.text();
  probe.endpoint = target.endpoint.text();
  probe.state = health != nullptr ? health->state() : Health::State::unknown;
  if (health != nullptr && health->last()) probe.probed = probed(target, *health, now);
  return probe;
}

std::optional<report::gwm::FileLine> file_line(const Case& of) {
  const Advice* advice = of.of_file;
  if (advice == nullptr) return std::nullopt;
  report::gwm::FileLine line;
  line.says = advice->quiesce      ? "quiesce"
              : !advice->contact   ? "down"
              : !advice->confident ? "unknown"
                                   : "weight";
  if (advice->confident && advice->contact && !advice->quiesce) line.weight = advice->weight;
  if (of.remembered_s) line.remembered_s = *of.remembered_s;
  return line;
}

std::vector<report::gwm::Probe> probes_of(const Case& of, TimePoint now) {
  std::vector<report::gwm::Probe> probes;
  for (const auto& [target, health] : of.probes)
    probes.push_back(probe_answer(target, health, now));
  return probes;
}

std::optional<report::gwm::Told> told_to_lb(const Member& member) {
  const auto& told = member.told;
  if (!told) return std::nullopt;
  return report::gwm::Told{told->weight, has(told->flags, weight_flag::contact),
                           has(told->flags, weight_flag::quiesce),
                           has(told->flags, weight_flag::confident)};
}

}  // namespace

std::string explain(const Case& of) {
  if (has(of.entry.flags, weight_flag::quiesce)) {
    return fmt::format("quiesced by the {}: no new work", fmt::join(quiesced_by(of), ", the "));
  }
  if (!has(of.entry.flags, weight_flag::contact)) {
    return fmt::format("not in contact: {}", no_contact_text(of));
  }
  if (!has(of.entry.flags, weight_flag::confident)) {
    return fmt::format("not known: {}", not_confident_text(of));
  }
  if (of.judgement.weight_fixed && of.entry.weight == of.judgement.advice.weight) {
    return file_weight_text(of);
  }
  if (of.judgement.weight_fixed || of.judgement.share == 0) {
    return "no member of the group has a weight, so each that is available gets 1";
  }
  return share_text(of);
}

std::int64_t restored_s(const WorkloadManager& manager, TimePoint now) {
  return seconds_between(manager.recalled_at().value_or(now), now);
}

Case case_of(const WorkloadManager& manager, const Surroundings& around, const NamedGroup& named,
             const Member& member, WeightEntry entry, TimePoint now) {
  const auto& [name, group, wait] = named;
  const Weigher& weigher = manager.weigher();
  const MemberKey key = member.data.key();
  Case of{name,
          member,
          std::move(entry),
          weigher.judge(name, key, now),
          weigher.of_file(name, key),
          {},
          weigher.file_scale(name, group),
          weigher.agent_max(),
          {},
          wait,
          {},
          {}};
  if (const auto end = weigher.waits_until()) of.wait_s = seconds_between(now, *end);
  if (member.restored) of.restored = restored_s(manager, now);
  const auto until =
      around.book != nullptr ? around.book->remembered_until({name, key}) : std::nullopt;
  if (until) of.remembered_s = seconds_between(now, *until);
  for (const auto& target : weigher.targets_of(name, key))
    of.probes.emplace_back(target, around.health(target));
  return of;
}

report::gwm::Member member_answer(const WeightEntry& entry) {
  const MemberKey key = entry.member.key();
  report::gwm::Member member;
  member.address = key.address.text();
  member.port = key.port;
  member.protocol = protocol_of(key);
  member.label = entry.member.label;
  member.weight = entry.weight;
  member.flags = {has(entry.flags, weight_flag::contact), has(entry.flags, weight_flag::quiesce),
                  has(entry.flags, weight_flag::registered_by_lb),
                  has(entry.flags, weight_flag::confident)};
  member.state = entry.state;
  return member;
}

report::gwm::ExplainedMember explained(const std::string& uid, const Case& of, TimePoint now) {
  report::gwm::Member member = member_answer(of.entry);
  if (of.restored) member.restored_s = *of.restored;
  return {std::move(member), uid,           of.group,           explain(of),
          quiesced_by(of),   file_line(of), probes_of(of, now), told_to_lb(of.member)};
}

}  // namespace saspd::gwm
