#include "controller/gwm/status.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>

#include "controller/base/nearest.hpp"
#include "controller/base/version.hpp"

namespace saspd::gwm {

namespace json = boost::json;
using namespace sasp;

namespace {

constexpr std::string_view program = "sasp-gwm";
// How long an event is an alarm; a metric counts it for ever.
constexpr auto alarm_time = std::chrono::hours{1};
// Of the status: more is for `members`.
constexpr std::size_t max_listed = 50;
// Of errors: what was meant instead.
constexpr std::size_t max_names_compared = 1000;
constexpr std::size_t max_names_shown = 5;

json::object answer() {
  return {{"schema_version", 1}, {"program", program}};
}

std::int64_t seconds_since(TimePoint then, TimePoint now) {
  return std::chrono::floor<std::chrono::seconds>(now - then).count();
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

bool has(std::uint8_t flags, std::uint8_t flag) {
  return (flags & flag) != 0;
}

// --- load balancers and groups

json::object lb_json(const std::string& uid, const LoadBalancer& lb, const Surroundings& around,
                     TimePoint now) {
  const auto peer = lb.connection ? around.peer(*lb.connection) : std::nullopt;
  json::object object{{"uid", uid}, {"connected", lb.connection.has_value()}};
  object["endpoint"] = peer ? json::value(peer->text()) : nullptr;
  // RFC 4678 9.1: it may come back until then.
  object["forgotten_in_s"] =
      lb.connection ? json::value(nullptr) : json::value(seconds_since(now, lb.forgotten_at));
  object["mode"] = has(lb.flags, lb_flag::push) ? "push" : "pull";
  object["trust"] = lb.trusts();
  object["no_change"] = has(lb.flags, lb_flag::no_change);
  object["health"] = lb.health;
  object["groups"] = lb.extent.groups;
  object["members"] = lb.extent.members;
  object["replacements"] = lb.replacements;
  return object;
}

json::object counts_json(const MemberCounts& counts) {
  return {{"all", counts.all()},
          {"available", counts.available},
          {"quiesced", counts.quiesced},
          {"no_contact", counts.no_contact},
          {"not_confident", counts.not_confident}};
}

// Calls each(LB UID, group name, group) in order.
template <class Each>
void for_each_group(const WorkloadManager& manager, Each each) {
  for (const auto& [uid, lb] : manager.load_balancers()) {
    for (const auto& [name, group] : lb.groups)
      each(uid, name, group);
  }
}

MemberCounts counts_of(const WorkloadManager& manager, const std::string& name, const Group& group,
                       TimePoint now) {
  MemberCounts counts;
  for (const auto& entry : manager.weigher().weigh(name, group, now))
    counts.add(entry);
  return counts;
}

bool is_unauthorized_lately(const Surroundings& around, TimePoint now) {
  return around.unauthorized.requests > 0 && now - around.unauthorized.last_at < alarm_time;
}

json::object alarm_json(const Alarm& alarm) {
  json::object object{{"name", alarm.name}, {"urgent", alarm.urgent}, {"detail", alarm.detail}};
  if (!alarm.lb_uid.empty()) object["lb_uid"] = alarm.lb_uid;
  if (!alarm.group.empty()) object["group"] = alarm.group;
  return object;
}

// The form of saspd's alarms.
json::array alarms_json(const Surroundings& around, TimePoint now) {
  json::array alarms;
  for (const Alarm& alarm : around.alarms)
    alarms.push_back(alarm_json(alarm));
  if (is_unauthorized_lately(around, now)) {
    const Unauthorized& unauthorized = around.unauthorized;
    alarms.push_back(
        {{"name", alarm::unauthorized},
         {"urgent", true},
         {"detail", fmt::format("{} request(s) without right to it, the last {} s ago "
                                "from {}",
                                unauthorized.requests, seconds_since(unauthorized.last_at, now),
                                unauthorized.last)}});
  }
  return alarms;
}

// --- members

json::value protocol_json(const MemberKey& key) {
  if (key.protocol == 0) return nullptr;  // a system member (RFC 4678 5.1)
  const std::string text = key.text();
  return json::string(std::string_view(text).substr(0, text.find(':')));
}

json::object member_json(const WeightEntry& entry) {
  const MemberKey key = entry.member.key();
  return {{"address", key.address.text()},
          {"port", key.port},
          {"protocol", protocol_json(key)},
          {"label", entry.member.label},
          {"weight", entry.weight},
          {"flags",
           {{"contact", has(entry.flags, weight_flag::contact)},
            {"quiesce", has(entry.flags, weight_flag::quiesce)},
            {"registered_by_lb", has(entry.flags, weight_flag::registered_by_lb)},
            {"confident", has(entry.flags, weight_flag::confident)}}},
          {"state", entry.state}};
}

json::object group_json(const std::string& uid, const std::string& name) {
  return {{"name", name}, {"lb_uid", uid}};
}

// --- why

// All that was said about a member of a group.
struct Case {
  const std::string& group;
  const Member& member;
  WeightEntry entry;
  Judgement judgement;
  const Advice* of_file = nullptr;           // nullptr: the weights file does not name it
  std::optional<std::int64_t> remembered_s;  // it does no longer, and its last word stays so long
  std::uint16_t file_scale = 0;              // Weigher::file_scale() of the group
  unsigned agent_max = 0;
  std::vector<std::pair<ProbeTarget, const Health*>> probes;

  bool quiesced_by_agent() const;
};

bool is_quiescing_agent(const std::pair<ProbeTarget, const Health*>& probe) {
  const auto& [target, health] = probe;
  return target.spec.kind == ProbeSpec::Kind::agent && health != nullptr &&
         health->state() == Health::State::up && health->agent().admin != AgentAdmin::ready;
}

bool Case::quiesced_by_agent() const {
  return std::any_of(probes.begin(), probes.end(), is_quiescing_agent);
}

// sasp-interop row 40: a quiesce belongs to whom it came from.
std::vector<std::string_view> quiesced_by(const Case& of) {
  std::vector<std::string_view> origins;
  if (of.member.quiesced_by_lb) origins.emplace_back("load balancer");
  if (of.member.quiesced_by_member) origins.emplace_back("member");
  if (of.judgement.drained) origins.emplace_back("operator");
  if (of.of_file != nullptr && of.of_file->quiesce) origins.emplace_back("weights file");
  if (of.quiesced_by_agent()) origins.emplace_back("agent");
  return origins;
}

std::string sample_text(const Health* health) {
  if (health == nullptr || !health->last()) return "not probed yet";
  return health->last()->detail;
}

json::object probe_json(const ProbeTarget& target, const Health* health, TimePoint now) {
  json::object object{{"probe", target.spec.text()}, {"endpoint", target.endpoint.text()}};
  object["state"] = name(health != nullptr ? health->state() : Health::State::unknown);
  if (health == nullptr || !health->last()) return object;
  const Sample& last = *health->last();
  object["state_since_s"] = seconds_since(health->since(), now);
  object["samples"] = health->samples();
  object["failures"] = health->failures();
  object["run"] = health->run();
  object["last"] = {
      {"ok", last.ok},
      {"detail", last.detail},
      {"age_s", seconds_since(last.at, now)},
      {"duration_ms", std::chrono::round<std::chrono::milliseconds>(last.duration).count()}};
  if (target.spec.kind == ProbeSpec::Kind::agent) {
    const AgentState& agent = health->agent();
    object["agent"] = {{"percent", agent.percent},
                       {"health", name(agent.health.word)},
                       {"admin", name(agent.admin)}};
  }
  return object;
}

json::value file_json(const Case& of) {
  const Advice* advice = of.of_file;
  if (advice == nullptr) return nullptr;
  const char* says = advice->quiesce      ? "quiesce"
                     : !advice->contact   ? "down"
                     : !advice->confident ? "unknown"
                                          : "weight";
  json::object object{{"says", says}};
  if (advice->confident && advice->contact && !advice->quiesce) object["weight"] = advice->weight;
  if (of.remembered_s) object["remembered_s"] = *of.remembered_s;
  return object;
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
  for (const auto& [target, health] : of.probes) {
    const bool agent = target.spec.kind == ProbeSpec::Kind::agent;
    const auto state = health != nullptr ? health->state() : Health::State::unknown;
    if (state == Health::State::unknown) {
      return fmt::format("{} has not had two samples yet", target.text());
    }
    if (agent && state == Health::State::down) {
      return fmt::format("{} does not answer: {}", target.text(), sample_text(health));
    }
  }
  return of.of_file != nullptr ? "the weights file says unknown"
                               : "neither a line of the weights file nor a probe tells of it";
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
    text += fmt::format(", its agent says {}% and may say {}% (--agent-max)",
                        over->second->agent().percent, of.agent_max);
  }
  if (of.file_scale == 0) return text + "; weights are relative to the best member of the group";
  return text + fmt::format(
                    "; a whole share is {} here, the largest weight that the weights file "
                    "gives in the group",
                    of.file_scale);
}

std::string file_weight_text(const Case& of) {
  if (!of.remembered_s) return fmt::format("the weights file says {}", of.entry.weight);
  return fmt::format("the weights file said {}, names it no more, and is remembered for {} s",
                     of.entry.weight, *of.remembered_s);
}

// The rule that decided, highest precedence first (sasp-interop rows 6, 43 and 44).
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

json::object case_json(const std::string& uid, const Case& of, TimePoint now) {
  json::object object = member_json(of.entry);
  object["lb_uid"] = uid;
  object["group"] = of.group;
  object["detail"] = explain(of);
  json::array origins;
  for (const auto origin : quiesced_by(of))
    origins.emplace_back(origin);
  object["quiesced_by"] = std::move(origins);
  object["weights_file"] = file_json(of);
  json::array probes;
  for (const auto& [target, health] : of.probes)
    probes.push_back(probe_json(target, health, now));
  object["probes"] = std::move(probes);
  object["told"] = nullptr;
  if (const auto& told = of.member.told) {
    object["told"] = {{"weight", told->weight},
                      {"contact", has(told->flags, weight_flag::contact)},
                      {"quiesce", has(told->flags, weight_flag::quiesce)},
                      {"confident", has(told->flags, weight_flag::confident)}};
  }
  return object;
}

Case case_of(const WorkloadManager& manager, const Surroundings& around, const std::string& name,
             const Group& group, const Member& member, WeightEntry entry, TimePoint now) {
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
          {}};
  const auto until =
      around.book != nullptr ? around.book->remembered_until({name, key}) : std::nullopt;
  if (until) of.remembered_s = seconds_since(now, *until);
  for (const auto& target : weigher.targets_of(name, key))
    of.probes.emplace_back(target, around.health(target));
  return of;
}

// --- what is not available

// Calls each(LB UID, Case) for every member of the group that can get no work by what is known.
template <class Each>
void for_each_unavailable(const WorkloadManager& manager, const Surroundings& around,
                          const std::string& uid, const std::string& name, const Group& group,
                          const std::vector<WeightEntry>& entries, TimePoint now, Each each) {
  auto entry = entries.begin();
  for (const auto& [key, member] : group) {
    const WeightEntry& of_member = *entry++;
    MemberCounts counts;
    counts.add(of_member);
    if (counts.available == 0)
      each(uid, case_of(manager, around, name, group, member, of_member, now));
  }
}

json::object unavailable_json(const std::string& uid, const Case& of) {
  return {{"lb_uid", uid},
          {"group", of.group},
          {"member", of.entry.member.key().text()},
          {"label", of.entry.member.label},
          {"detail", explain(of)}};
}

json::array strays_json(const WorkloadManager& manager) {
  json::array strays;
  for (const Stray& stray : strays_of(manager)) {
    if (strays.size() == max_listed) break;
    json::object object{{"group", stray.group}};
    object["member"] = stray.member ? json::value(stray.member->text()) : nullptr;
    object["nearest"] = text_or_null(stray.nearest);
    strays.push_back(std::move(object));
  }
  return strays;
}

// --- watch

// "weight 40", "weight 0, quiesced": what an LB is told of it.
std::string watched_text(const WeightEntry& entry) {
  std::string text = fmt::format("weight {}", entry.weight);
  if (has(entry.flags, weight_flag::quiesce)) text += ", quiesced";
  if (!has(entry.flags, weight_flag::contact)) text += ", no contact";
  if (!has(entry.flags, weight_flag::confident)) text += ", not confident";
  return text;
}

// --- what was probably meant

std::string near_group(const WorkloadManager& manager, const std::string& wanted) {
  std::vector<std::string_view> names;
  for_each_group(manager, [&](const auto&, const auto& name, const auto&) {
    if (names.size() < max_names_compared) names.emplace_back(name);
  });
  return did_you_mean(wanted, names);
}

// Those at the same address: a port was forgotten, or is another one.
std::string near_members(const WorkloadManager& manager, const MemberName& wanted) {
  std::set<std::string> names;
  for_each_group(manager, [&](const auto&, const auto&, const auto& group) {
    for (const auto& [key, member] : group) {
      if (names.size() < max_names_shown && key.address == wanted.endpoint.address)
        names.insert(MemberName{{}, {key.address, key.port}}.text());
    }
  });
  return names.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(names, ", "));
}

}  // namespace

std::vector<std::pair<std::string_view, std::size_t>> alarm_counts(const Surroundings& around,
                                                                   TimePoint now) {
  std::vector<std::pair<std::string_view, std::size_t>> counts;
  for (const auto name : alarm::all) {
    const auto count =
        std::count_if(around.alarms.begin(), around.alarms.end(),
                      [&, name = name](const Alarm& alarm) { return alarm.name == name; });
    const bool lately = name == alarm::unauthorized && is_unauthorized_lately(around, now);
    counts.emplace_back(name, static_cast<std::size_t>(count) + (lately ? 1 : 0));
  }
  return counts;
}

void MemberCounts::add(const WeightEntry& entry) {
  ++(has(entry.flags, weight_flag::quiesce)      ? quiesced
     : !has(entry.flags, weight_flag::contact)   ? no_contact
     : !has(entry.flags, weight_flag::confident) ? not_confident
                                                 : available);
}

void Unauthorized::count(const Endpoint& peer, const std::string& refusal, TimePoint now) {
  ++requests;
  last = fmt::format("{}: {}", peer.text(), refusal);
  last_at = now;
}

json::object status_json(const WorkloadManager& manager, const Surroundings& around,
                         TimePoint now) {
  MemberCounts all;
  std::size_t groups = 0;
  json::array unavailable;
  const auto list = [&](const std::string& uid, const Case& of) {
    if (unavailable.size() < max_listed) unavailable.push_back(unavailable_json(uid, of));
  };
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    ++groups;
    const auto entries = manager.weigher().weigh(name, group, now);
    for (const auto& entry : entries)
      all.add(entry);
    if (unavailable.size() < max_listed)
      for_each_unavailable(manager, around, uid, name, group, entries, now, list);
  });
  json::object object = answer();
  object["version"] = program_version;
  json::array listen;
  for (const auto& endpoint : around.listen)
    listen.emplace_back(endpoint.text());
  object["listen"] = std::move(listen);
  object["interval_s"] = around.interval.count();
  object["connections"] = around.connections;
  object["weights_file"] = text_or_null(around.weights_file);
  object["weights_error"] = text_or_null(around.weights_error);
  object["authority_file"] = text_or_null(around.authority_file);
  object["authority_error"] = text_or_null(around.authority_error);
  object["tls_error"] = text_or_null(around.tls_error);
  object["alarms"] = alarms_json(around, now);
  object["groups"] = groups;
  object["member_counts"] = counts_json(all);
  object["unavailable"] = std::move(unavailable);
  object["unavailable_left_out"] =
      all.all() - all.available - object.at("unavailable").as_array().size();
  object["unregistered"] = strays_json(manager);
  json::array drained;
  for (const auto& name : manager.weigher().drained())
    drained.emplace_back(name.text());
  object["drained"] = std::move(drained);
  object["lbs"] = lbs_json(manager, around, now).at("lbs");
  return object;
}

json::object lbs_json(const WorkloadManager& manager, const Surroundings& around, TimePoint now) {
  json::array lbs;
  for (const auto& [uid, lb] : manager.load_balancers())
    lbs.push_back(lb_json(uid, lb, around, now));
  json::object object = answer();
  object["lbs"] = std::move(lbs);
  return object;
}

json::object groups_json(const WorkloadManager& manager, TimePoint now) {
  json::array groups;
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    json::object object = group_json(uid, name);
    object["member_counts"] = counts_json(counts_of(manager, name, group, now));
    groups.push_back(std::move(object));
  });
  json::object object = answer();
  object["groups"] = std::move(groups);
  return object;
}

Result<json::object> members_json(const WorkloadManager& manager,
                                  const std::optional<std::string>& wanted, TimePoint now) {
  json::array groups;
  std::size_t shown = 0;
  std::size_t left_out = 0;
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    if (wanted && name != *wanted) return;
    json::object object = group_json(uid, name);
    json::array members;
    for (const auto& entry : manager.weigher().weigh(name, group, now)) {
      if (shown == max_members_shown) {
        ++left_out;
        continue;
      }
      members.push_back(member_json(entry));
      ++shown;
    }
    object["members"] = std::move(members);
    groups.push_back(std::move(object));
  });
  if (wanted && groups.empty()) {
    return fail(std::errc::no_such_device_or_address,
                fmt::format("no group '{}'{}", *wanted, near_group(manager, *wanted)));
  }
  json::object object = answer();
  object["groups"] = std::move(groups);
  object["left_out"] = left_out;
  return object;
}

Result<json::object> why_json(const WorkloadManager& manager, const Surroundings& around,
                              const MemberName& wanted, TimePoint now) {
  json::array found;
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    const bool any = std::any_of(group.begin(), group.end(), [&](const auto& member) {
      return names(wanted, name, member.first);
    });
    if (!any) return;
    auto entries = manager.weigher().weigh(name, group, now);
    auto entry = entries.begin();
    for (const auto& [key, member] : group) {
      WeightEntry& of_member = *entry++;
      if (!names(wanted, name, key)) continue;
      found.push_back(case_json(
          uid, case_of(manager, around, name, group, member, std::move(of_member), now), now));
    }
  });
  if (found.empty()) {
    return fail(std::errc::no_such_device_or_address,
                fmt::format("no member '{}'{}", wanted.text(), near_members(manager, wanted)));
  }
  json::object object = answer();
  object["members"] = std::move(found);
  return object;
}

json::object watch_json(const WorkloadManager& manager, TimePoint now) {
  json::object items;
  for (const auto& [uid, lb] : manager.load_balancers())
    items[fmt::format("lb {}", uid)] = lb.connection ? "connected" : "not connected";
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    for (const auto& entry : manager.weigher().weigh(name, group, now)) {
      if (items.size() >= max_members_shown) return;
      items[fmt::format("{} of {}/{}", entry.member.key().text(), uid, name)] = watched_text(entry);
    }
  });
  json::object object = answer();
  object["items"] = std::move(items);
  return object;
}

}  // namespace saspd::gwm
