#include "controller/saspd/status.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "controller/base/member_name.hpp"
#include "controller/base/version.hpp"
#include "controller/saspd/ipvsadm_rules.hpp"

namespace saspd {

namespace json = boost::json;

namespace {

json::object answer() {
  return {{"schema_version", 1}, {"program", "saspd"}};
}

std::int64_t seconds_since(TimePoint then, TimePoint now) {
  return std::chrono::floor<std::chrono::seconds>(now - then).count();
}

json::object tolerances_json(const sasp::ToleranceCounts& counts) {
  json::object object;
  for (std::size_t i = 0; i < sasp::tolerance_count; ++i) {
    const auto tolerance = static_cast<sasp::Tolerance>(i);
    if (counts[tolerance] > 0) object[sasp::name(tolerance)] = counts[tolerance];
  }
  return object;
}

json::object gwm_json(const GwmStatus& gwm, TimePoint now) {
  json::object object;
  object["endpoint"] = gwm.endpoint;
  object["state"] = gwm.state;
  object["state_since_s"] = seconds_since(gwm.state_since, now);
  object["last_message_age_s"] =
      gwm.last_message ? json::value(seconds_since(*gwm.last_message, now)) : nullptr;
  object["interval_s"] = gwm.interval.count();
  object["last_error"] =
      gwm.last_error.empty() ? json::value(nullptr) : json::value(gwm.last_error);
  object["protocol_errors"] = gwm.protocol_errors;
  object["tolerances"] = tolerances_json(gwm.tolerances);
  object["duplicate_uid"] = gwm.duplicate_suspected;
  return object;
}

json::value advice_json(const std::optional<Advice>& advice, TimePoint now) {
  if (!advice) return nullptr;
  return {{"weight", advice->weight},
          {"flags",
           {{"contact", advice->contact()},
            {"quiesce", advice->quiesced()},
            {"registered_by_lb", advice->registered_by_lb()},
            {"confident", advice->confident()}}},
          {"state", advice->state},
          {"age_s", seconds_since(advice->received, now)}};
}

json::object member_json(const Reconciler::MemberView& member, TimePoint now) {
  json::object object;
  object["address"] = member.endpoint.address.text();
  object["port"] = member.endpoint.port;
  // A system member has neither protocol nor port (RFC 4678 5.1).
  object["protocol"] = member.protocol == 0
                           ? json::value(nullptr)
                           : json::value(lb::name(static_cast<lb::Protocol>(member.protocol)));
  object["label"] = member.label;
  object["service"] = lb::text(member.service);
  object["advice"] = advice_json(member.advice, now);
  object["effective_weight"] = member.effective_weight;
  object["kernel_weight"] = member.kernel_weight ? json::value(*member.kernel_weight) : nullptr;
  object["reason"] = name(member.reason);
  object["zero"] = member.zero.author == ZeroAuthor::nobody
                       ? json::value(nullptr)
                       : json::value({{"author", name(member.zero.author)},
                                      {"doubt", name(member.zero.doubt)},
                                      {"keepalived", member.zero.keepalived}});
  if (member.state) {
    object["slots"] = member.state->slots;
    object["reachable"] = member.state->reachable;
    object["next_hop"] = member.state->next_hop;
    object["packets"] = member.state->packets;
    object["bytes"] = member.state->bytes;
    object["flows"] = member.state->flows;
  }
  return object;
}

json::array alarms_json(const std::vector<Alarm>& alarms) {
  json::array array;
  for (const auto& alarm : alarms) {
    array.push_back(
        {{"name", alarm.name},
         {"urgent", alarm.urgent},
         {"service", alarm.service.empty() ? json::value(nullptr) : json::value(alarm.service)},
         {"detail", alarm.detail}});
  }
  return array;
}

json::array problems_json(const std::vector<lb::Problem>& problems) {
  json::array array;
  for (const auto& problem : problems) {
    array.push_back(
        {{"name", problem.name}, {"subject", problem.subject}, {"detail", problem.detail}});
  }
  return array;
}

constexpr std::string_view held_prefix = "held_";

json::object group_json(const Status& status, const Reconciler::GroupView& group, TimePoint now) {
  json::array services;
  bool bound = false;
  std::optional<Reason> held;
  for (const auto& service : group.services) {
    bound = bound || service.present;
    if (held != Reason::held_all_zero && service.held) held = service.held;
    services.push_back({{"spec", lb::text(service.key)},
                        {"present", service.present},
                        {"managed", service.managed},
                        {"scheduler", service.present ? json::value(service.scheduler) : nullptr}});
  }
  json::array members;
  for (const auto& member : group.members)
    members.push_back(member_json(member, now));
  json::object object;
  object["name"] = group.name;
  object["gwm"] = group.gwm ? json::value(status.gwms.at(*group.gwm).endpoint) : nullptr;
  object["bound"] = bound;
  object["held"] = held ? json::value(name(*held).substr(held_prefix.size())) : nullptr;
  object["alarms"] = alarms_json(group.alarms);
  object["services"] = std::move(services);
  object["members"] = std::move(members);
  return object;
}

json::object change_json(const lb::Change& change) {
  using enum lb::Action;
  const auto action = change.action;
  const auto unless = [](bool absent, auto value) {
    return absent ? json::value(nullptr) : json::value(std::move(value));
  };
  const bool of_service = action == add_service || action == set_service;
  const auto& [address, port] = change.destination.endpoint;
  json::object object;
  object["action"] = name(action);
  object["service"] = lb::text(change.service);
  object["address"] = unless(of_service, address.text());
  object["port"] = unless(of_service, port);
  object["old_weight"] = unless(of_service || action == add_destination, change.old_weight);
  object["weight"] = unless(of_service || action == remove_destination, change.destination.weight);
  object["text"] = change.text();
  return object;
}

json::array changes_json(const lb::Plan& changes) {
  json::array array;
  for (const auto& change : changes)
    array.push_back(change_json(change));
  return array;
}

std::string explain(const Reconciler::MemberView& member) {
  const std::uint32_t advised = member.advice ? member.advice->weight : 0;
  switch (member.reason) {
    case Reason::leaving:
      return "it belongs to the managed service no more: no new connections, and it is removed "
             "when "
             "the last one has ended, or after drain=SECONDS";
    case Reason::foreign_zero:
    case Reason::unclear_zero:
      return fmt::format(
          "its weight 0 is not the advice's to change: {}; saspctl undrain gives it "
          "back to the advice",
          explain(member.zero));
    case Reason::quiesced: return "the GWM says that it is quiesced: no new connections";
    case Reason::no_contact: return "the GWM cannot reach it: no new connections";
    case Reason::not_confident:
      return member.effective_weight == 0 ? "the GWM does not know its state, but that of others "
                                            "of the group: it is avoided "
                                            "(RFC 4678 5.3)"
                                          : "the GWM knows the state of no member of the group: "
                                            "that is no advice, and the weight "
                                            "stays (RFC 4678 5.3)";
    case Reason::advice:
      return advised == member.effective_weight ? fmt::format("the GWM advises weight {}", advised)
                                                : fmt::format(
                                                      "the GWM advises weight {}; it is {}: scaled "
                                                      "for the scheduler of the service, or "
                                                      "nearer than --min-change",
                                                      advised, member.effective_weight);
    case Reason::static_weight:
      return member.advice
                 ? "static weight"
                 : "no GWM has advised a weight for it yet: its static weight, or the one "
                   "it has";
    case Reason::held_all_zero:
      return "the advice would leave the service without any server, so it is held back "
             "(--on-all-zero hold)";
    case Reason::held_panic:
      return "the advice would leave the service too few servers, so it is held back (--panic)";
    case Reason::unbound: return "it is not in the kernel's table";
  }
  return {};
}

}  // namespace

json::object trace_json(const lb::Trace& trace) {
  json::object object{{"schema_version", 1}, {"is_service", trace.is_service}};
  std::string verdict = "pass: no service of ours";
  if (trace.is_service) {
    object["forward"] = trace.forward == lb::Forward::tunnel ? "ipip" : "l2";
    object["slot"] = trace.slot;
    object["known_flow"] = trace.known_flow;
    object["destination"] =
        trace.destination ? json::value(trace.destination->text()) : json::value(nullptr);
    object["next_hop"] = trace.next_hop;
    verdict = !trace.destination ? "drop: nobody of the service has a weight (no_backend)"
              : !trace.reachable ? "drop: the next hop is not known (no_next_hop)"
              : trace.known_flow ? "sent: the flow is known"
                                 : "sent: by its slot";
  }
  object["verdict"] = verdict;
  return object;
}

json::object status_json(const Status& status, TimePoint now) {
  json::array gwms;
  for (const auto& gwm : status.gwms)
    gwms.push_back(gwm_json(gwm, now));
  json::array groups;
  for (const auto& group : status.groups)
    groups.push_back(group_json(status, group, now));
  json::object object = answer();
  object["version"] = program_version;
  object["lb_uid"] = status.lb_uid;
  object["backend"] = status.backend;
  if (!status.packets.empty()) {
    json::object packets;
    for (const auto& [reason, count] : status.packets)
      packets[reason] = count;
    object["packets"] = std::move(packets);
  }
  if (!status.kernel_settings.empty()) {
    json::object settings;
    for (const auto& [name, value] : status.kernel_settings)
      settings[name] = value ? json::value(*value) : nullptr;  // null: it cannot be read
    object["kernel_settings"] = std::move(settings);
  }
  object["dry_run"] = status.dry_run;
  object["kernel_error"] =
      status.kernel_error.empty() ? json::value(nullptr) : json::value(status.kernel_error);
  object["problems"] = problems_json(status.problems);
  object["attach_requests"] = status.attach_requests;
  object["attach_request"] =
      status.attach_request.empty() ? json::value(nullptr) : json::value(status.attach_request);
  object["ledger_error"] =
      status.ledger_error.empty() ? json::value(nullptr) : json::value(status.ledger_error);
  object["keepalived_error"] =
      status.keepalived_error.empty() ? json::value(nullptr) : json::value(status.keepalived_error);
  object["tls_error"] =
      status.tls_error.empty() ? json::value(nullptr) : json::value(status.tls_error);
  object["gwm"] = std::move(gwms);
  object["groups"] = std::move(groups);
  return object;
}

json::object gwms_json(const Status& status, TimePoint now) {
  json::object object = answer();
  object["gwm"] = status_json(status, now).at("gwm");
  return object;
}

json::object groups_json(const Status& status, TimePoint now) {
  json::array groups;
  for (const auto& group : status.groups) {
    json::object object = group_json(status, group, now);
    object.erase("members");
    object["member_counts"] = {{"all", group.members.size()}};
    groups.push_back(std::move(object));
  }
  json::object object = answer();
  object["groups"] = std::move(groups);
  return object;
}

Result<json::object> members_json(const Status& status, const std::optional<std::string>& wanted,
                                  TimePoint now) {
  json::array groups;
  for (const auto& group : status.groups) {
    if (wanted && group.name != *wanted) continue;
    json::array members;
    for (const auto& member : group.members)
      members.push_back(member_json(member, now));
    groups.push_back({{"name", group.name}, {"members", std::move(members)}});
  }
  if (wanted && groups.empty()) {
    return fail(std::errc::no_such_device_or_address, fmt::format("no group '{}'", *wanted));
  }
  json::object object = answer();
  object["groups"] = std::move(groups);
  return object;
}

json::object watch_json(const Status& status) {
  json::object items;
  items["kernel"] = status.kernel_error.empty() ? "ok" : status.kernel_error;
  for (const auto& problem : status.problems)
    items[fmt::format("problem {} {}", problem.name, problem.subject)] = problem.detail;
  for (const auto& gwm : status.gwms)
    items[fmt::format("gwm {}", gwm.endpoint)] = gwm.state;
  for (const auto& group : status.groups) {
    for (const auto& service : group.services) {
      items[fmt::format("service {} of {}", lb::text(service.key), group.name)] =
          !service.present ? "not in the kernel"
          : service.held   ? "advice is held back"
                           : "ok";
    }
    for (const auto& member : group.members) {
      items[fmt::format("{} of {} {}", MemberName{{}, member.endpoint}.text(), group.name,
                        lb::text(member.service))] =
          fmt::format("weight {}, {}", member.effective_weight, name(member.reason));
    }
  }
  json::object object = answer();
  object["items"] = std::move(items);
  return object;
}

Result<json::object> why_json(const Status& status, std::string_view member, TimePoint now) {
  const auto name = MemberName::parse(member);
  if (!name) return fail(name.error());
  json::array found;
  for (const auto& group : status.groups) {
    if (name->group && group.name != *name->group) continue;
    for (const auto& candidate : group.members) {
      if (candidate.endpoint != name->endpoint) continue;
      json::object object = member_json(candidate, now);
      object["group"] = group.name;
      object["detail"] = explain(candidate);
      found.push_back(std::move(object));
    }
  }
  if (found.empty()) {
    return fail(std::errc::no_such_device_or_address, fmt::format("no member '{}'", member));
  }
  return json::object{{"schema_version", 1}, {"members", std::move(found)}};
}

json::object export_json(const lb::Table& table) {
  json::array rules;
  for (const auto& rule : ipvsadm_rules(table))
    rules.emplace_back(rule);
  return {{"schema_version", 1}, {"rules", std::move(rules)}};
}

json::object plan_json(const lb::Plan& plan) {
  return {{"schema_version", 1}, {"plan", changes_json(plan)}};
}

json::object undrain_json(std::string_view member, std::size_t services) {
  json::object object = answer();
  object["done"] = "undrain";
  object["member"] = member;
  object["services"] = services;
  return object;
}

json::object reconcile_json(const Work& done, bool dry_run, std::size_t remaining) {
  const lb::Plan none;
  json::array failures;
  for (const auto& failure : done.failures)
    failures.emplace_back(failure.detail);
  return {{"schema_version", 1},
          {"dry_run", dry_run},
          {"written", changes_json(dry_run ? none : done.applied)},
          {"plan", changes_json(dry_run ? done.applied : none)},
          {"failures", std::move(failures)},
          {"remaining", remaining}};
}

}  // namespace saspd
