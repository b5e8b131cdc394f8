// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/control.hpp"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/report/commands.hpp"
#include "controller/report/control_protocol.hpp"
#include "controller/report/json.hpp"

namespace saspd::gwm {

namespace json = boost::json;
using report::Command;
using report::control_refusal;
using report::Program;
using report::text_of;

namespace {

Result<MemberName> member_of(const json::object& request) {
  const auto text = text_of(request, "member");
  if (!text) return fail(std::errc::invalid_argument, "a member is needed");
  return MemberName::parse(*text);
}

json::object why(const json::object& request, const WorkloadManager& manager,
                 const Surroundings& around, TimePoint now) {
  const auto name = member_of(request);
  if (!name) return control_refusal(name.error());
  return report::answer_or_refusal(why_answer(manager, around, *name, now));
}

json::object members(const json::object& request, const WorkloadManager& manager, TimePoint now) {
  const auto group = text_of(request, "group");
  return report::answer_or_refusal(
      members_answer(manager, group ? std::optional<std::string>(*group) : std::nullopt, now));
}

// What the drains file drains of the same members; empty: nothing.
std::string drained_by_file(const MemberName& name, const WorkloadManager& manager,
                            const Surroundings& around) {
  std::vector<std::string> names;
  for (const auto& in_file : manager.weigher().drains().in_file(name))
    names.push_back(in_file.text());
  if (names.empty()) return {};
  return fmt::format("the drains file {} drains {}, until that line goes", around.drains_file,
                     fmt::join(names, " and "));
}

// sasp-interop row 40: the operator's quiesce is separate, and only the operator lifts it.
ControlOutcome drain(const json::object& request, WorkloadManager& manager,
                     const Surroundings& around, TimePoint now) {
  const auto name = member_of(request);
  if (!name) return {control_refusal(name.error()), {}};
  const auto members = manager.drain(*name, now, {around.requester, around.unix_time});
  if (members == 0) {
    return {control_refusal(fail(std::errc::no_such_device_or_address,
                                 fmt::format("no member '{}'", name->text()))),
            {}};
  }
  report::gwm::Drain answer;
  answer.member = name->text();
  answer.members = members;
  answer.kept = around.keep && around.keep();
  if (const auto also = drained_by_file(*name, manager, around); !also.empty()) answer.note = also;
  return {report::to_json(answer), fmt::format("{} drained, {} member(s)", name->text(), members)};
}

ControlOutcome undrain(const json::object& request, WorkloadManager& manager,
                       const Surroundings& around, TimePoint now) {
  const auto name = member_of(request);
  if (!name) return {control_refusal(name.error()), {}};
  const std::string also = drained_by_file(*name, manager, around);
  if (!manager.undrain(*name, now)) {
    return {control_refusal(fail(
                std::errc::no_such_device_or_address,
                also.empty()
                    ? fmt::format("'{}' is not drained under that name", name->text())
                    : fmt::format("'{}' is not drained by the operator: {}", name->text(), also))),
            {}};
  }
  if (around.keep) around.keep();
  report::gwm::Undrain answer;
  answer.member = name->text();
  answer.members = 1;
  if (!also.empty()) answer.note = also;
  return {report::to_json(answer),
          also.empty()
              ? fmt::format("{} is no longer drained", name->text())
              : fmt::format("{} is no longer drained by the operator, but {}", name->text(), also)};
}

}  // namespace

ControlOutcome carry_out(const json::object& request, bool may_write, WorkloadManager& manager,
                         const Surroundings& around, TimePoint now) {
  const auto command = text_of(request, "command");
  if (!command) return {report::control_error(ExitCode::usage, "no command"), {}};
  if (const auto refused = report::refusal(Program::sasp_gwm, *command))
    return {report::control_error(ExitCode::usage, *refused), {}};
  const auto& row = *report::find_command(*command);
  if (row.of(Program::sasp_gwm) == report::Support::writes && !may_write)
    return {report::control_forbidden(*command), {}};
  switch (row.command) {
    case Command::status: return {report::to_json(status_answer(manager, around, now)), {}};
    case Command::lbs: return {report::to_json(lbs_answer(manager, around, now)), {}};
    case Command::groups: return {report::to_json(groups_answer(manager, now)), {}};
    case Command::members: return {members(request, manager, now), {}};
    case Command::why: return {why(request, manager, around, now), {}};
    case Command::watch: return {report::to_json(watch_answer(manager, now)), {}};
    case Command::drain: return drain(request, manager, around, now);
    case Command::undrain: return undrain(request, manager, around, now);
    default: return {report::control_error(ExitCode::internal, "no answer to this command"), {}};
  }
}

}  // namespace saspd::gwm
