// SPDX-License-Identifier: Apache-2.0

#include "bpf/unfinished.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include <fmt/format.h>

#include "bpf/links.hpp"
#include "bpf/map.hpp"
#include "bpf/share.hpp"

namespace saspd::bpf {
namespace {

Result<void> rename_pin(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return system_error(to);
  return {};
}

// The names that wait to become those of the present.
std::vector<std::string> names_of_next(const std::string& pins) {
  std::vector<std::string> names;
  for (const auto& name : names_in(pins)) {
    if (name.starts_with(next_prefix)) names.push_back(name.substr(next_prefix.size()));
  }
  return names;
}

Result<void> forget_next(const std::string& pins) {
  for (const auto& name : names_of_next(pins)) {
    if (auto gone = unpin(next_path(pins, name)); !gone) return gone;
  }
  return {};
}

// On how many of the record's shared interfaces that exist its program is in the dispatcher.
enum class Presence { nowhere, somewhere, everywhere };

Presence presence(const Record& record, std::uint32_t program) {
  std::size_t there = 0;
  std::size_t expected = 0;
  for (const auto& [name, interface] : record) {
    if (!shared_interface_of(name) || !name_of(interface)) continue;
    ++expected;
    if (is_sharing(interface, program) == true) ++there;
  }
  if (there == 0) return Presence::nowhere;
  return there < expected ? Presence::somewhere : Presence::everywhere;
}

// Whether the program of the present still stands in all its dispatchers: it leaves them only when
// its successor stands in all of its own.
bool present_is_whole(const std::string& pins) {
  const auto record = read_record(path_of(pins, record_pin));
  if (!record) return false;
  const auto program = record->find(std::string(program_entry));
  return program != record->end() && presence(*record, program->second) == Presence::everywhere;
}

}  // namespace

std::string next_path(const std::string& pins, std::string_view name) {
  return path_of(pins, fmt::format("{}{}", next_prefix, name));
}

Result<void> make_next_the_present(const std::string& pins, const Record& record) {
  const auto take = [&pins](std::string_view name) {
    return rename_pin(next_path(pins, name), path_of(pins, name));
  };
  const auto names = names_of_next(pins);
  const auto waits = [&names](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& name : names) {
    if (name == "settings" || name == record_pin || !record.contains(name)) continue;
    if (auto taken = take(name); !taken) return taken;
  }
  if (waits("settings")) {
    if (auto taken = take("settings"); !taken) return taken;
  }
  for (const auto& name : names_in(pins)) {
    const bool known = record.contains(name) || name == record_pin ||
                       name == fmt::format("{}{}", next_prefix, record_pin);
    if (known) continue;
    if (auto gone = unpin(path_of(pins, name)); !gone) return gone;
  }
  return take(record_pin);
}

Result<void> leave_before(const std::string& pins, std::uint32_t program) {
  const auto before = read_record(path_of(pins, record_pin));
  if (!before) return {};
  const auto known = before->find(std::string(program_entry));
  if (known == before->end() || known->second == program) return {};
  return leave_all(*before);
}

namespace {

Result<void> settle_shared(const std::string& pins, const Record& record, std::uint32_t program,
                           Presence where) {
  if (where == Presence::somewhere && present_is_whole(pins)) {
    if (auto left = leave_all(record); !left) return left;
    return forget_next(pins);
  }
  if (auto left = leave_before(pins, program); !left) return left;
  return make_next_the_present(pins, record);
}

}  // namespace

Result<void> settle(const std::string& pins) {
  const auto record = read_record(next_path(pins, record_pin));
  if (!record) return forget_next(pins);
  const auto program = record->find(std::string(program_entry));
  if (program == record->end()) return forget_next(pins);
  const auto shared = presence(*record, program->second);
  if (shared != Presence::nowhere) return settle_shared(pins, *record, program->second, shared);
  const auto links = living_links(pins);
  const bool linked = std::any_of(links.begin(), links.end(), [&](const auto& link) {
    return program_on(link.first).program == program->second;
  });
  return linked ? make_next_the_present(pins, *record) : forget_next(pins);
}

}  // namespace saspd::bpf
