// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/control.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "controller/base/member_name.hpp"
#include "controller/base/nearest.hpp"
#include "controller/events/history.hpp"
#include "controller/report/commands.hpp"
#include "controller/report/control_protocol.hpp"
#include "controller/report/json.hpp"
#include "controller/saspd/control_overrides.hpp"

namespace saspd::director {

namespace json = boost::json;
using report::Command;
using report::Program;
using report::text_of;

namespace {

json::object not_listed(const Error& error) {
  return report::control_error(
      ExitCode::io, fmt::format("the kernel's table cannot be listed: {}", error.detail));
}

json::object members(const json::object& request, const Status& status, TimePoint now) {
  const auto group = text_of(request, "group");
  return report::answer_or_refusal(
      members_answer(status, group ? std::optional<std::string>(*group) : std::nullopt, now));
}

json::object why(const json::object& request, const Status& status, TimePoint now) {
  const auto member = text_of(request, "member");
  if (!member) return report::control_error(ExitCode::usage, "why needs a member");
  return report::answer_or_refusal(why_answer(status, *member, now));
}

json::object export_rules(Controller& controller) {
  const auto& backend = controller.backend();
  if (backend.rules == nullptr) {
    return report::control_error(
        ExitCode::usage,
        fmt::format("export prints rules of IPVS, and this saspd has --backend {}", backend.name));
  }
  const auto table = controller.plane().list_all();
  return table ? report::to_json(export_answer(backend.rules(*table))) : not_listed(table.error());
}

json::object plan(const Controller& controller, TimePoint now) {
  const auto plan = controller.plan(now);
  return plan ? report::to_json(plan_answer(*plan)) : not_listed(plan.error());
}

json::object trace(const json::object& request, Controller& controller) {
  const auto source = Endpoint::parse(text_of(request, "source").value_or(""));
  const auto service = lb::parse_service(text_of(request, "destination").value_or(""));
  const auto* at = service ? std::get_if<lb::VirtualEndpoint>(&*service) : nullptr;
  if (!source || at == nullptr) {
    return report::control_error(
        ExitCode::usage, "trace needs the client's ADDR:PORT and the service, tcp:ADDR:PORT");
  }
  const auto trace = controller.plane().trace(at->protocol, *source, at->endpoint);
  return trace ? report::to_json(trace_answer(*trace))
               : report::control_error(ExitCode::usage, trace.error().detail);
}

// What the periodic pass does, now: the listing and the first chunk of writes.
json::object reconcile(const Asker& asker, Controller& controller, const Surroundings& around) {
  controller.reconcile(asker.name);
  Work done = around.work();
  if (done.list_error) return not_listed(*done.list_error);
  done.failures.insert(done.failures.end(), done.no_room.begin(), done.no_room.end());
  return report::to_json(reconcile_answer(done, controller.dry_run(), done.remaining));
}

// The operator says that the advice may change a weight of 0, whichever program wrote it.
json::object undrain(const json::object& request, const Asker& asker, Controller& controller) {
  const auto member = text_of(request, "member");
  if (!member) return report::control_error(ExitCode::usage, "undrain needs a member");
  const auto name = MemberName::parse(*member);
  if (!name) return report::control_error(ExitCode::usage, name.error().detail);
  const auto lifted = controller.lift_overrides(*name, asker.name, true);
  const std::size_t services = controller.undrain(*name, asker.name) + lifted.size();
  if (services == 0) {
    return report::control_error(
        ExitCode::data,
        fmt::format("'{}' has no weight 0 of somebody else: nothing to undrain", name->text()));
  }
  return report::to_json(undrain_answer(name->text(), services));
}

json::object gwm_retry(const json::object& request, const Asker& asker, Controller& controller) {
  const auto gwm = text_of(request, "gwm");
  if (!gwm) return report::control_error(ExitCode::usage, "gwm retry needs a GWM");
  const auto retried = controller.retry(*gwm, asker.name);
  return retried ? report::to_json(gwm_retry_answer(*retried))
                 : report::control_error(ExitCode::data, retried.error().detail);
}

json::object history(const json::object& request, const Controller& controller) {
  const auto filter = events::parse_filter(request, controller.journal().wall());
  if (!filter) return report::control_refusal(filter.error());
  const auto names = controller.group_names();
  const auto& group = filter->group;
  const bool known = group.empty() || std::find(names.begin(), names.end(), group) != names.end();
  auto answer = controller.journal().history(*filter);
  if (!known && answer.events.empty()) {
    return report::control_error(ExitCode::data,
                                 fmt::format("no group '{}'{}", group, did_you_mean(group, names)));
  }
  answer.program = report::name(Program::saspd);
  return report::to_json(answer);
}

json::object answer_to(Command command, const json::object& request, const Asker& asker,
                       Controller& controller, const Surroundings& around, TimePoint now) {
  const auto status = [&] { return full_status(controller, around, now); };
  switch (command) {
    case Command::status: return report::to_json(status_answer(status(), now));
    case Command::gwm: return report::to_json(gwms_answer(status(), now));
    case Command::groups: return report::to_json(groups_answer(status(), now));
    case Command::members: return members(request, status(), now);
    case Command::watch: return report::to_json(watch_answer(status()));
    case Command::why: return why(request, status(), now);
    case Command::export_rules: return export_rules(controller);
    case Command::plan: return plan(controller, now);
    case Command::trace: return trace(request, controller);
    case Command::reconcile: return reconcile(asker, controller, around);
    case Command::gwm_retry: return gwm_retry(request, asker, controller);
    case Command::undrain: return undrain(request, asker, controller);
    case Command::history: return history(request, controller);
    case Command::drain: return drain(request, asker, controller, now);
    case Command::set_weight: return set_weight(request, asker, controller, now);
    case Command::hold: return hold(request, asker, controller, now);
    case Command::release: return release(request, asker, controller);
    default: return report::control_error(ExitCode::internal, "no answer to this command");
  }
}

}  // namespace

Status full_status(const Controller& controller, const Surroundings& around, TimePoint now) {
  Status status = controller.status(now);
  status.tls_error = around.tls_error;
  status.config_error = around.config_error;
  status.attach_request = around.attach_request;
  status.attach_requests = around.attach_requests;
  return status;
}

json::object carry_out(const json::object& request, const Asker& asker, Controller& controller,
                       const Surroundings& around, TimePoint now) {
  const auto name = text_of(request, "command");
  if (!name) return report::control_error(ExitCode::usage, "no command");
  if (const auto refused = report::refusal(Program::saspd, *name))
    return report::control_error(ExitCode::usage, *refused);
  const auto& row = *report::find_command(*name);
  if (row.of(Program::saspd) == report::Support::writes && !asker.may_write)
    return report::control_forbidden(*name);
  auto answer = answer_to(row.command, request, asker, controller, around, now);
  // How it is after what was asked for.
  if (!answer.contains("error")) answer["health"] = report::to_json(controller.journal().health());
  return answer;
}

}  // namespace saspd::director
