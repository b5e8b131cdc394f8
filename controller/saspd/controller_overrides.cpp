// SPDX-License-Identifier: Apache-2.0
// What the operator decides in place of the advice: as states of the journal, each with its end.
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/nearest.hpp"
#include "controller/saspd/controller.hpp"

namespace saspd::director {

using events::EventKind;
using events::EventLevel;
using events::HealthState;

namespace {

using Shown = std::vector<report::Override>;

events::StateKey key_of(const report::Override& override) {
  return {override.member ? EventKind::override_ : EventKind::hold,
          {},
          override.group,
          {},
          override.member.value_or("")};
}

std::string subject_of(const report::Override& override) {
  if (override.member) return fmt::format("{}/{}", override.group, *override.member);
  return override.group.empty() ? std::string("every group") : "group " + override.group;
}

std::string text_of(const report::Override& override) {
  std::string text = override.member
                         ? fmt::format("{}: weight {} instead of the advice", subject_of(override),
                                       override.weight.value_or(0))
                         : fmt::format("{}: nothing is written", subject_of(override));
  text += override.until ? ", until " + *override.until : std::string(", without end");
  text += ", by " + override.by;
  if (override.reason) text += ": " + *override.reason;
  return text;
}

Error too_many() {
  return fail(std::errc::no_buffer_space,
              fmt::format("there are {} overrides, which is the most: release some first",
                          Overrides::most));
}

}  // namespace

void Controller::note_override(const report::Override& override) {
  const auto key = key_of(override);
  const auto text = text_of(override);
  if (journal_.is_open(key)) log_.info("{}", text);
  events::State state{key, EventLevel::info, HealthState::ok, text};
  state.origin = override.by;
  state.reason = override.reason;
  journal_.begin(std::move(state));
  output_.overrides = output_.work = true;
}

void Controller::note_lifted(const report::Override& override, std::string_view how) {
  journal_.end(
      key_of(override),
      {EventLevel::info, fmt::format("{}: {} {}; the advice counts again", subject_of(override),
                                     override.member ? "the operator's weight" : "the hold", how)});
  output_.overrides = output_.work = true;
}

Result<Shown> Controller::override_member(const MemberName& member, std::uint32_t weight, Act act) {
  const auto groups = reconciler_.groups_with(member);
  if (groups.empty()) {
    std::vector<std::string> names;
    for (const auto& group : reconciler_.view()) {
      for (const auto& each : group.members)
        names.push_back(member_text(each.endpoint));
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    const auto wanted = member_text(member.endpoint);
    return fail(std::errc::no_such_device_or_address,
                fmt::format("no member '{}'{}", member.text(), did_you_mean(wanted, known)));
  }
  if (groups.size() > 1) {
    return fail(std::errc::no_such_device_or_address,
                fmt::format("'{}' is a member of {}: write GROUP/{}", member.text(),
                            fmt::join(groups, ", "), member.text()));
  }
  if (overrides().members().size() >= Overrides::most) return too_many();
  const Overrides::Member key{groups.front(), member.endpoint};
  Override override{weight, std::move(act)};
  Shown done{shown(key, override)};
  reconciler_.set_override(key, std::move(override));
  note_override(done.front());
  return done;
}

Result<Shown> Controller::hold(const std::string& group, Act act) {
  if (!group.empty() && !reconciler_.groups().contains(group)) {
    return fail(std::errc::no_such_device_or_address,
                fmt::format("no group '{}'{}", group, did_you_mean(group, group_names())));
  }
  if (overrides().holds().size() >= Overrides::most) return too_many();
  Shown done{shown(group, act)};
  reconciler_.hold(group, std::move(act));
  note_override(done.front());
  return done;
}

Shown Controller::lift_overrides(const MemberName& member, std::string_view asked_by,
                                 bool only_drains) {
  std::vector<std::pair<Overrides::Member, Override>> found;
  for (const auto& each : overrides().members()) {
    const bool is_meant = each.first.second == member.endpoint &&
                          (!member.group || each.first.first == *member.group);
    if (is_meant && (!only_drains || each.second.weight == 0)) found.push_back(each);
  }
  Shown lifted;
  for (const auto& [key, override] : found) {
    reconciler_.lift(key);
    lifted.push_back(shown(key, override));
    note_lifted(lifted.back(), fmt::format("was released by {}", asked_by));
  }
  return lifted;
}

Result<Shown> Controller::release(const std::string& group, std::string_view asked_by) {
  const auto held = overrides().holds().find(group);
  if (held == overrides().holds().end()) {
    std::vector<std::string_view> names;
    for (const auto& [name, act] : overrides().holds())
      names.push_back(name);
    return fail(std::errc::no_such_device_or_address,
                group.empty() ? std::string("not all groups are held: release GROUP, or MEMBER")
                              : fmt::format("'{}' is neither a held group nor a member with an "
                                            "override{}",
                                            group, did_you_mean(group, names)));
  }
  Shown done{shown(group, held->second)};
  reconciler_.release(group);
  note_lifted(done.front(), fmt::format("was released by {}", asked_by));
  return done;
}

void Controller::end_overrides(TimePoint now) {
  const auto ended = reconciler_.end_overrides(now);
  for (const auto& [member, override] : ended.members)
    note_lifted(shown(member, override), "expired");
  for (const auto& [group, act] : ended.holds)
    note_lifted(shown(group, act), "expired");
}

void Controller::remember_overrides(Overrides overrides) {
  reconciler_.remember(std::move(overrides));
  for (const auto& override : reconciler_.overrides().shown())
    note_override(override);
}

}  // namespace saspd::director
