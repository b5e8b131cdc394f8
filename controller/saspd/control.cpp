#include "controller/saspd/control.hpp"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "controller/base/member_name.hpp"
#include "controller/base/version.hpp"
#include "controller/net/control_protocol.hpp"

namespace saspd {

namespace json = boost::json;

namespace {

std::optional<std::string_view> text_of(const json::object& request, std::string_view key) {
  const auto* value = request.if_contains(key);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  if (text == nullptr) return std::nullopt;
  return *text;
}

json::object not_listed(const Error& error) {
  return net::control_error(ExitCode::io,
                            fmt::format("the kernel's table cannot be listed: {}", error.detail));
}

json::object unknown_command(std::string_view name) {
  const auto refuse = [](std::string text) {
    return net::control_error(ExitCode::usage, std::move(text));
  };
  if (name == "lbs") return refuse("lbs is for sasp-gwm, this is saspd");
  if (name == "drain") {
    return refuse(
        fmt::format("{} is not built yet in saspd of this version ({}); for sasp-gwm: saspctl --of "
                    "sasp-gwm {} MEMBER",
                    name, program_version, name));
  }
  return refuse(fmt::format("unknown command '{}'; this is saspd", name));
}

json::object members(const json::object& request, const Status& status, TimePoint now) {
  const auto group = text_of(request, "group");
  auto members =
      members_json(status, group ? std::optional<std::string>(*group) : std::nullopt, now);
  if (members) return std::move(*members);
  return net::control_error(ExitCode::data, members.error().detail);
}

json::object why(const json::object& request, const Status& status, TimePoint now) {
  const auto member = text_of(request, "member");
  if (!member) return net::control_error(ExitCode::usage, "why needs a member");
  auto why = why_json(status, *member, now);
  if (why) return *why;
  return net::control_error(
      why.error().code == std::errc::invalid_argument ? ExitCode::usage : ExitCode::data,
      why.error().detail);
}

json::object export_rules(Controller& controller) {
  if (controller.backend() != "ipvs") {
    return net::control_error(ExitCode::usage,
                              "export prints rules of IPVS, and this saspd has --backend xdp");
  }
  const auto table = controller.plane().list_all();
  return table ? export_json(*table) : not_listed(table.error());
}

json::object plan(const Controller& controller, TimePoint now) {
  const auto plan = controller.plan(now);
  return plan ? plan_json(*plan) : not_listed(plan.error());
}

json::object trace(const json::object& request, Controller& controller) {
  const auto source = Endpoint::parse(text_of(request, "source").value_or(""));
  const auto service = lb::parse_service(text_of(request, "destination").value_or(""));
  const auto* at = service ? std::get_if<lb::VirtualEndpoint>(&*service) : nullptr;
  if (!source || at == nullptr) {
    return net::control_error(ExitCode::usage,
                              "trace needs the client's ADDR:PORT and the service, tcp:ADDR:PORT");
  }
  const auto trace = controller.plane().trace(at->protocol, *source, at->endpoint);
  return trace ? trace_json(*trace) : net::control_error(ExitCode::usage, trace.error().detail);
}

// What the periodic pass does, now: the listing and the first chunk of writes.
json::object reconcile(const Asker& asker, Controller& controller, const Surroundings& around,
                       TimePoint now) {
  if (!asker.may_write) return net::control_forbidden("reconcile");
  const auto plan = controller.reconcile(asker.name, now);
  if (!plan) return not_listed(plan.error());
  Work done = around.work();
  done.failures.insert(done.failures.end(), done.no_room.begin(), done.no_room.end());
  return reconcile_json(
      done, controller.dry_run(),
      plan->size() - done.applied.size() - done.failures.size() - done.overtaken.size());
}

// The operator says that a weight of 0 is the advice's to change, whoever wrote it.
json::object undrain(const json::object& request, const Asker& asker, Controller& controller) {
  if (!asker.may_write) return net::control_forbidden("undrain");
  const auto member = text_of(request, "member");
  if (!member) return net::control_error(ExitCode::usage, "undrain needs a member");
  const auto name = MemberName::parse(*member);
  if (!name) return net::control_error(ExitCode::usage, name.error().detail);
  const std::size_t services = controller.undrain(*name, asker.name);
  if (services == 0) {
    return net::control_error(
        ExitCode::data,
        fmt::format("'{}' has no weight 0 of somebody else: nothing to undrain", name->text()));
  }
  return undrain_json(name->text(), services);
}

}  // namespace

Status full_status(const Controller& controller, const Surroundings& around, TimePoint now) {
  Status status = controller.status(now);
  status.tls_error = around.tls_error;
  status.attach_request = around.attach_request;
  status.attach_requests = around.attach_requests;
  return status;
}

json::object carry_out(const json::object& request, const Asker& asker, Controller& controller,
                       const Surroundings& around, TimePoint now) {
  const auto name = text_of(request, "command");
  if (!name) return net::control_error(ExitCode::usage, "no command");
  const auto status = [&] { return full_status(controller, around, now); };
  if (*name == "status") return status_json(status(), now);
  if (*name == "gwm") return gwms_json(status(), now);
  if (*name == "groups") return groups_json(status(), now);
  if (*name == "members") return members(request, status(), now);
  if (*name == "watch") return watch_json(status());
  if (*name == "why") return why(request, status(), now);
  if (*name == "export") return export_rules(controller);
  if (*name == "plan") return plan(controller, now);
  if (*name == "trace") return trace(request, controller);
  if (*name == "reconcile") return reconcile(asker, controller, around, now);
  if (*name == "undrain") return undrain(request, asker, controller);
  return unknown_command(*name);
}

}  // namespace saspd
