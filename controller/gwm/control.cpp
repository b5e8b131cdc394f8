#include "controller/gwm/control.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "controller/net/control_protocol.hpp"

namespace saspd::gwm {

namespace json = boost::json;

namespace {

// Commands of saspd, which shares the tool.
constexpr std::array<std::string_view, 5> of_saspd{"gwm", "plan", "reconcile", "export", "trace"};

std::optional<std::string_view> text_of(const json::object& request, std::string_view key) {
  const auto* value = request.if_contains(key);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  if (text == nullptr) return std::nullopt;
  return *text;
}

json::object unknown(std::string_view command) {
  const bool known = std::find(of_saspd.begin(), of_saspd.end(), command) != of_saspd.end();
  return net::control_error(ExitCode::usage,
                            known ? fmt::format("{} is for saspd, this is sasp-gwm", command)
                                  : fmt::format("unknown command '{}'; this is sasp-gwm", command));
}

// What is wrong with a name is usage, that there is nothing of that name data.
json::object answer_or_error(Result<json::object> answer) {
  if (answer) return std::move(*answer);
  const bool usage = answer.error().code == std::errc::invalid_argument;
  return net::control_error(usage ? ExitCode::usage : ExitCode::data, answer.error().detail);
}

Result<MemberName> member_of(const json::object& request) {
  const auto text = text_of(request, "member");
  if (!text) return fail(std::errc::invalid_argument, "a member is needed");
  return MemberName::parse(*text);
}

json::object why(const json::object& request, const WorkloadManager& manager,
                 const Surroundings& around, TimePoint now) {
  const auto name = member_of(request);
  return answer_or_error(name ? why_json(manager, around, *name, now) : fail(name.error()));
}

json::object members(const json::object& request, const WorkloadManager& manager, TimePoint now) {
  const auto group = text_of(request, "group");
  return answer_or_error(
      members_json(manager, group ? std::optional<std::string>(*group) : std::nullopt, now));
}

json::object done(std::string_view command, const MemberName& name, std::size_t members) {
  return {{"schema_version", 1},
          {"program", "sasp-gwm"},
          {"done", command},
          {"member", name.text()},
          {"members", members}};
}

// sasp-interop row 40: the operator's quiesce is separate, and only the operator lifts it.
ControlOutcome drain(const json::object& request, WorkloadManager& manager, TimePoint now) {
  const auto name = member_of(request);
  if (!name) return {answer_or_error(name.error()), {}};
  const auto members = manager.drain(*name, now);
  if (members == 0) {
    return {answer_or_error(fail(std::errc::no_such_device_or_address,
                                 fmt::format("no member '{}'", name->text()))),
            {}};
  }
  return {done("drain", *name, members),
          fmt::format("{} drained, {} member(s)", name->text(), members)};
}

ControlOutcome undrain(const json::object& request, WorkloadManager& manager, TimePoint now) {
  const auto name = member_of(request);
  if (!name) return {answer_or_error(name.error()), {}};
  if (!manager.undrain(*name, now)) {
    return {answer_or_error(fail(std::errc::no_such_device_or_address,
                                 fmt::format("'{}' is not drained under that name", name->text()))),
            {}};
  }
  return {done("undrain", *name, 1), fmt::format("{} is no longer drained", name->text())};
}

}  // namespace

ControlOutcome carry_out(const json::object& request, bool may_write, WorkloadManager& manager,
                         const Surroundings& around, TimePoint now) {
  const auto command = text_of(request, "command");
  if (!command) return {net::control_error(ExitCode::usage, "no command"), {}};
  if (*command == "status") return {status_json(manager, around, now), {}};
  if (*command == "lbs") return {lbs_json(manager, around, now), {}};
  if (*command == "groups") return {groups_json(manager, now), {}};
  if (*command == "members") return {members(request, manager, now), {}};
  if (*command == "why") return {why(request, manager, around, now), {}};
  if (*command == "watch") return {watch_json(manager, now), {}};
  if (*command != "drain" && *command != "undrain") return {unknown(*command), {}};
  if (!may_write) return {net::control_forbidden(*command), {}};
  return *command == "drain" ? drain(request, manager, now) : undrain(request, manager, now);
}

}  // namespace saspd::gwm
