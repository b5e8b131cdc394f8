// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/metrics.hpp"

#include <algorithm>
#include <string>
#include <variant>

#include <fmt/format.h>

#include "controller/base/ascii.hpp"
#include "controller/base/ip_protocol.hpp"
#include "controller/base/version.hpp"

namespace saspd::gwm {

using metrics::add;
using metrics::counter;
using metrics::Families;
using metrics::Family;
using metrics::gauge;
using metrics::Labels;
using namespace sasp;

namespace {

double real(std::uint64_t count) {
  return static_cast<double>(count);
}

Family one(Family family, double value) {
  add(family, value);
  return family;
}

// --- the program

void add_file(Families& families, const char* name, const char* help, const std::string& file,
              const std::string& error) {
  if (!file.empty()) families.push_back(one(gauge(name, help), error.empty() ? 1 : 0));
}

void add_program(Families& families, const Surroundings& around) {
  Family info = gauge("sasp_gwm_build_info", "Always 1; the version is a label.");
  add(info, 1, {{"version", std::string(program_version)}});
  families.push_back(std::move(info));
  families.push_back(
      one(gauge("sasp_gwm_connections", "Connections of load balancers and members."),
          real(around.connections)));
  add_file(families, "sasp_gwm_weights_file_ok", "1 if the weights file could be read last time.",
           around.weights_file, around.weights_error);
  add_file(families, "sasp_gwm_authority_file_ok",
           "1 if the authority file could be read last time.", around.authority_file,
           around.authority_error);
  add_file(families, "sasp_gwm_drains_file_ok", "1 if the drains file could be read last time.",
           around.drains_file, around.drains_error);
  add_file(families, "sasp_gwm_state_file_ok", "1 if the state file could be written last time.",
           around.state_file, around.state_error);
}

// "get_weights" of "get weights request"
std::string request_name(std::string_view type) {
  std::string name(type.substr(0, type.rfind(" request")));
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

void add_counters(Families& families, const Surroundings& around, const MetricCounters& counters,
                  const ProbeCounts& probes) {
  Family requests =
      counter("sasp_gwm_requests_total", "Requests by the return code of the answer.");
  for (const auto& [what, count] : counters.requests) {
    const auto& [type, code] = what;
    add(requests, real(count),
        {{"type", request_name(type)},
         {"code", fmt::format("{:#04x}", static_cast<unsigned>(code))}});
  }
  Family probed =
      counter("sasp_gwm_probes_total",
              "Probes by result; local_error: no probe was sent, for a reason on this machine.");
  add(probed, real(probes.probes - probes.failures), {{"result", "ok"}});
  add(probed, real(probes.failures), {{"result", "failed"}});
  add(probed, real(probes.local_errors), {{"result", "local_error"}});
  families.push_back(std::move(requests));
  families.push_back(one(
      counter("sasp_gwm_not_understood_total", "Messages that are not requests of the protocol."),
      real(counters.not_understood)));
  families.push_back(one(counter("sasp_gwm_unauthorized_requests_total",
                                 "Requests of peers that were not authorized for them."),
                         real(around.unauthorized.requests)));
  families.push_back(one(counter("sasp_gwm_pushes_total", "Send Weights messages that were sent."),
                         real(counters.pushed)));
  families.push_back(
      one(counter("sasp_gwm_connections_rejected_total", "Connections that were not accepted."),
          real(counters.rejected)));
  families.push_back(std::move(probed));
}

// --- alarms

void add_alarms(Families& families, const WorkloadManager& manager, const Surroundings& around,
                TimePoint now) {
  Family alarms = gauge("sasp_gwm_alarms", "Current alarms, by name.");
  for (const auto& [name, count] : alarm_counts(around, now))
    add(alarms, real(count), {{"alarm", std::string(name)}});
  families.push_back(std::move(alarms));
  families.push_back(one(gauge("sasp_gwm_unregistered_file_entries",
                               "Groups, and members of registered groups, that the weights file "
                               "names and that are not registered."),
                         real(strays_of(manager).size())));
}

// --- load balancers

void add_lbs(Families& families, const WorkloadManager& manager) {
  Family lbs = gauge("sasp_gwm_lbs", "Load balancers; retained: without a connection.");
  Family connected = gauge("sasp_gwm_lb_connected", "1 if this load balancer has a connection.");
  Family replaced = counter("sasp_gwm_lb_replacements_total",
                            "Live connections that another one with the same LB UID replaced.");
  std::size_t living = 0;
  for (const auto& [uid, lb] : manager.load_balancers()) {
    living += lb.connection ? 1 : 0;
    add(connected, lb.connection ? 1 : 0, {{"lb_uid", uid}});
    add(replaced, real(lb.replacements), {{"lb_uid", uid}});
  }
  add(lbs, real(living), {{"state", "connected"}});
  add(lbs, real(manager.load_balancers().size() - living), {{"state", "retained"}});
  families.push_back(std::move(lbs));
  families.push_back(std::move(connected));
  families.push_back(std::move(replaced));
}

// --- members

Labels labels_of(const std::string& uid, const std::string& group, const MemberKey& key) {
  return {{"lb_uid", uid},
          {"group", group},
          {"remote_address", key.address.text()},
          {"remote_port", std::to_string(key.port)},
          {"proto", key.protocol == 0 ? "" : ascii::upper_case(ip_protocol_text(key.protocol))}};
}

struct MemberFamilies {
  Family weight = gauge("sasp_gwm_member_weight", "The weight that is advised.");
  Family state = gauge("sasp_gwm_member_state", "1 if the member is in this state.");

  void add_member(const std::string& uid, const std::string& group, const WeightEntry& entry);
};

void MemberFamilies::add_member(const std::string& uid, const std::string& group,
                                const WeightEntry& entry) {
  Labels labels = labels_of(uid, group, entry.member.key());
  add(weight, entry.weight, labels);
  const auto add_state = [&](const char* name, std::uint8_t flag) {
    Labels with_state = labels;
    with_state.emplace_back("state", name);
    add(state, (entry.flags & flag) != 0 ? 1 : 0, with_state);
  };
  add_state("contact", weight_flag::contact);
  add_state("quiesced", weight_flag::quiesce);
  add_state("confident", weight_flag::confident);
}

void add_members(Families& families, const WorkloadManager& manager, bool with_members,
                 TimePoint now) {
  MemberCounts counts;
  MemberFamilies members;
  for (const auto& [uid, lb] : manager.load_balancers()) {
    for (const auto& [name, group] : lb.groups) {
      for (const auto& entry : manager.weigher().weigh(name, group, now)) {
        counts.add(entry);
        if (with_members && counts.all() <= max_members_shown) members.add_member(uid, name, entry);
      }
    }
  }
  Family all = gauge("sasp_gwm_members", "Members, each counted in the first state that applies.");
  add(all, real(counts.quiesced), {{"state", "quiesced"}});
  add(all, real(counts.no_contact), {{"state", "no_contact"}});
  add(all, real(counts.not_confident), {{"state", "not_confident"}});
  add(all, real(counts.available), {{"state", "available"}});
  families.push_back(std::move(all));
  families.push_back(one(gauge("sasp_gwm_members_drained", "Names that the operator has drained."),
                         real(manager.weigher().drains().of_operator().size())));
  families.push_back(
      one(gauge("sasp_gwm_members_drained_by_file", "Names that the drains file drains."),
          real(manager.weigher().drains().of_file().size())));
  families.push_back(std::move(members.weight));
  families.push_back(std::move(members.state));
}

}  // namespace

void MetricCounters::count(const Message& request, const Message& reply) {
  const auto code = std::visit(
      [](const auto& message) {
        if constexpr (requires { message.code; }) {
          return message.code;
        } else {
          return ReturnCode::successful;
        }
      },
      reply);
  ++requests[{name(type_of(request)), code}];
}

Families metric_families(const WorkloadManager& manager, const Surroundings& around,
                         const MetricCounters& counters, const ProbeCounts& probes,
                         bool with_members, TimePoint now) {
  Families families;
  add_program(families, around);
  add_counters(families, around, counters, probes);
  add_alarms(families, manager, around, now);
  add_lbs(families, manager);
  add_members(families, manager, with_members, now);
  return families;
}

}  // namespace saspd::gwm
