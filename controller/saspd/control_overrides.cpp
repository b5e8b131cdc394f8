// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/control_overrides.hpp"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "controller/events/history.hpp"
#include "controller/report/control_protocol.hpp"
#include "controller/report/json.hpp"

namespace saspd::director {

namespace json = boost::json;
using report::text_of;

namespace {

constexpr std::int64_t most_seconds = std::int64_t{366} * 86'400;
constexpr std::size_t most_reason = 200;

Error usage(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

// Who asks, until when, and why.
Result<Act> act_of(const json::object& request, const Asker& asker, const Controller& controller,
                   TimePoint now) {
  Act act;
  act.by = asker.name;
  act.since = controller.journal().wall();
  act.reason = text_of(request, "reason").value_or("");
  if (act.reason.size() > most_reason)
    return usage(fmt::format("a reason has at most {} bytes", most_reason));
  const auto* seconds = request.if_contains("for_s");
  const auto until = text_of(request, "until");
  const auto* forever = request.if_contains("forever");
  const bool without_end = forever != nullptr && *forever == true;
  if ((seconds != nullptr) + until.has_value() + without_end != 1) {
    return usage("it needs an end: one of --for TIME and --until HH:MM; or --forever, written out");
  }
  if (without_end) return act;
  if (seconds != nullptr) {
    boost::system::error_code ec;
    const auto count = seconds->to_number<std::int64_t>(ec);
    if (ec || count < 1 || count > most_seconds)
      return usage(fmt::format("for_s is from 1 to {} seconds", most_seconds));
    act.until_wall = act.since + std::chrono::seconds{count};
  } else {
    act.until_wall = events::parse_time(*until);
    if (!act.until_wall || *act.until_wall <= act.since)
      return usage(fmt::format("'{}' is no time to come", *until));
  }
  act.until = now + std::chrono::duration_cast<Duration>(*act.until_wall - act.since);
  return act;
}

Result<MemberName> member_in(const json::object& request) {
  const auto member = text_of(request, "member");
  if (!member) return usage("it needs a member: ADDR:PORT or GROUP/ADDR:PORT");
  auto name = MemberName::parse(*member);
  if (!name) return usage(name.error().detail);
  return name;
}

json::object answer(std::string_view done, const Result<std::vector<report::Override>>& overrides,
                    const Controller& controller) {
  if (!overrides) return report::control_refusal(overrides.error());
  report::Overridden answer;
  answer.done = done;
  answer.overrides = *overrides;
  answer.kept = controller.keeps_overrides();
  return report::to_json(answer);
}

json::object override_member(std::string_view command, const json::object& request,
                             std::uint32_t weight, const Asker& asker, Controller& controller,
                             TimePoint now) {
  const auto member = member_in(request);
  if (!member) return report::control_refusal(member.error());
  auto act = act_of(request, asker, controller, now);
  if (!act) return report::control_refusal(act.error());
  return answer(command, controller.override_member(*member, weight, std::move(*act)), controller);
}

}  // namespace

json::object drain(const json::object& request, const Asker& asker, Controller& controller,
                   TimePoint now) {
  return override_member("drain", request, 0, asker, controller, now);
}

json::object set_weight(const json::object& request, const Asker& asker, Controller& controller,
                        TimePoint now) {
  const auto text = text_of(request, "weight").value_or("");
  std::uint16_t weight = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data(), end, weight);
  if (ec != std::errc() || rest != end) {
    return report::control_error(ExitCode::usage,
                                 fmt::format("'{}': expected a weight from 0 to 65535", text));
  }
  return override_member("set-weight", request, weight, asker, controller, now);
}

json::object hold(const json::object& request, const Asker& asker, Controller& controller,
                  TimePoint now) {
  auto act = act_of(request, asker, controller, now);
  if (!act) return report::control_refusal(act.error());
  const std::string group(text_of(request, "group").value_or(""));
  return answer("hold", controller.hold(group, std::move(*act)), controller);
}

// A group that is held has precedence over a member of that name.
json::object release(const json::object& request, const Asker& asker, Controller& controller) {
  const std::string of(text_of(request, "of").value_or(""));
  const auto member = MemberName::parse(of);
  if (member && !controller.overrides().holds().contains(of)) {
    auto lifted = controller.lift_overrides(*member, asker.name, false);
    if (lifted.empty()) {
      return report::control_error(ExitCode::data,
                                   fmt::format("'{}' has no override: nothing to release", of));
    }
    return answer("release", std::move(lifted), controller);
  }
  return answer("release", controller.release(of, asker.name), controller);
}

}  // namespace saspd::director
