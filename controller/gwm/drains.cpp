// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/drains.hpp"

#include <utility>

#include <fmt/format.h>

#include "controller/base/lines.hpp"
#include "controller/base/misread.hpp"
#include "controller/base/text.hpp"
#include "controller/sasp/names.hpp"

namespace saspd::gwm {
namespace {

// Both a map and a set of names.
template <class Names>
bool any_means(const Names& known, std::string_view group, const sasp::MemberKey& member) {
  if (known.empty()) return false;
  const Endpoint endpoint = member.endpoint();
  return known.contains(MemberName{std::nullopt, endpoint}) ||
         known.contains(MemberName{std::string(group), endpoint});
}

// What is allowed in the weights file, and what a group is named by a mistake.
Result<MemberName> parse_line(std::string_view line) {
  if (const auto ok = check_blanks(line); !ok) return fail(ok.error());
  if (const auto bare = without_quotes(line))
    return fail(std::errc::invalid_argument,
                fmt::format("a member is not quoted; write {}", *bare));
  auto name = MemberName::parse(line);
  if (!name) return fail(name.error());
  if (name->group) {
    if (const auto ok = sasp::check_group_name(*name->group); !ok) return fail(ok.error());
  }
  return name;
}

}  // namespace

bool names(const MemberName& name, std::string_view group, const sasp::MemberKey& member) {
  return (!name.group || *name.group == group) && name.endpoint == member.endpoint();
}

bool Drains::add(const MemberName& member, const Drain& drain) {
  return of_operator_.emplace(member, drain).second;
}

bool Drains::remove(const MemberName& member) {
  return of_operator_.erase(member) > 0;
}

bool Drains::use(std::set<MemberName> file) {
  return std::exchange(of_file_, std::move(file)) != of_file_;
}

bool Drains::by_operator(std::string_view group, const sasp::MemberKey& member) const {
  return any_means(of_operator_, group, member);
}

bool Drains::by_file(std::string_view group, const sasp::MemberKey& member) const {
  return any_means(of_file_, group, member);
}

std::vector<MemberName> Drains::in_file(const MemberName& member) const {
  std::vector<MemberName> found;
  for (const MemberName& name : of_file_) {
    const bool shares_group = !name.group || !member.group || *name.group == *member.group;
    if (shares_group && name.endpoint == member.endpoint) found.push_back(name);
  }
  return found;
}

Result<std::set<MemberName>> parse_drains(std::string_view text) {
  if (const auto ok = check_whole(text); !ok) return fail(ok.error());
  std::set<MemberName> drains;
  const auto read = for_each_line(text, [&](std::string_view line) -> Result<void> {
    auto name = parse_line(line);
    if (!name) return fail(name.error());
    const std::string shown = name->text();
    if (drains.insert(std::move(*name)).second) return {};
    return fail(std::errc::invalid_argument, fmt::format("{} is named twice", shown));
  });
  if (!read) return fail(read.error());
  return drains;
}

}  // namespace saspd::gwm
