// SPDX-License-Identifier: Apache-2.0

#include "bpf/whereabouts.hpp"

#include <bpf/bpf.h>
#include <net/if.h>

#include <algorithm>
#include <map>
#include <utility>

#include "bpf/attachment.hpp"
#include "bpf/devices.hpp"
#include "bpf/map.hpp"
#include "bpf/share.hpp"

namespace saspd::bpf {
namespace {

// The names of the links, and the indices that their interfaces had; without a record, from the
// links that are left.
Record recorded_links(const std::string& pins) {
  Record links;
  if (auto record = read_record(path_of(pins, record_pin))) {
    links = std::move(*record);
    std::erase_if(links, [](const auto& entry) { return !interface_of(entry.first); });
    return links;
  }
  std::map<std::string, std::uint32_t> indices;
  for (const auto& [index, link] : living_links(pins))
    indices[link.path] = index;
  for (const auto& name : linked_interfaces(pins)) {
    const auto living = indices.find(path_of(pins, link_pin(name)));
    links[link_pin(name)] = living != indices.end() ? living->second : if_nametoindex(name.c_str());
  }
  return links;
}

// With their modes, as the program knows them; none if that cannot be read.
std::vector<Attachment> attachments_on(const std::string& pins) {
  const Descriptor map(bpf_obj_get(path_of(pins, "devices").c_str()));
  const auto table = read_devices(map.get());
  return table ? attachments(*table) : std::vector<Attachment>{};
}

}  // namespace

Whereabouts look_for_links(const std::string& pins) {
  const auto living = living_links(pins);
  const auto known = attachments_on(pins);
  const auto mode_of = [&known](std::uint32_t index) {
    const bool generic = std::any_of(known.begin(), known.end(), [index](const Attachment& one) {
      return one.interface == index && !one.native;
    });
    return generic ? Mode::generic : Mode::automatic;
  };
  Whereabouts found;
  for (const auto& [name, recorded] : recorded_links(pins)) {
    const std::string interface = *interface_of(name);
    const std::uint32_t index = if_nametoindex(interface.c_str());
    if (living.contains(recorded)) {
      found.present.push_back({interface, recorded, mode_of(recorded)});
    } else if (index == 0 || program_on(index).program != 0) {
      found.absent[name] = recorded;
    } else {
      found.present.push_back({interface, index, mode_of(recorded)});
      found.any_lost = true;
    }
  }
  return found;
}

Whereabouts look_for_shares(const Record& record) {
  Whereabouts found;
  for (const auto& [name, recorded] : record) {
    const auto interface = shared_interface_of(name);
    if (!interface) continue;
    const std::uint32_t index = if_nametoindex(interface->c_str());
    const auto dispatcher = record.find(dispatcher_entry(*interface));
    const bool unchanged = index == recorded && dispatcher != record.end() &&
                           dispatcher->second == program_on(index).program &&
                           is_sharing(index, record.at(std::string(program_entry))) == true;
    if (index == 0) {
      found.absent[name] = recorded;
    } else {
      found.present.push_back({*interface, index});
      found.any_lost = found.any_lost || !unchanged;
    }
  }
  return found;
}

void add_recorded(const std::string& pins, std::vector<Attachment>& attached) {
  const auto record = read_record(path_of(pins, record_pin));
  if (!record) return;
  const auto is_known = [&attached](std::uint32_t interface) {
    return std::any_of(attached.begin(), attached.end(),
                       [interface](const auto& one) { return one.interface == interface; });
  };
  for (const auto& [name, index] : *record) {
    const auto shared = shared_interface_of(name);
    if ((!shared && !interface_of(name)) || is_known(index)) continue;
    const auto program =
        record->find(shared ? dispatcher_entry(*shared) : std::string(program_entry));
    const auto there = program_on(index);
    if (program != record->end() && there.program != 0 && there.program == program->second)
      attached.push_back({index, !there.generic});
  }
}

bool shares(const Record& record) {
  return record.contains(std::string(program_entry)) &&
         std::any_of(record.begin(), record.end(), [](const auto& entry) {
           return shared_interface_of(entry.first).has_value();
         });
}

}  // namespace saspd::bpf
