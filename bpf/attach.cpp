// SPDX-License-Identifier: Apache-2.0

#include "bpf/attach.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "bpf/blackhole.hpp"
#include "bpf/copy.hpp"
#include "bpf/decap.skel.h"
#include "bpf/devices.hpp"
#include "bpf/layout_1.hpp"
#include "bpf/lb.h"
#include "bpf/lb.skel.h"
#include "bpf/load.hpp"
#include "bpf/map.hpp"
#include "bpf/pins.hpp"
#include "bpf/pins_lock.hpp"
#include "bpf/share.hpp"
#include "bpf/writer_lock.hpp"
#include "bpf/xdp.hpp"

namespace saspd::bpf {
namespace {

struct Destroy {
  void operator()(lb_bpf* program) const { lb_bpf__destroy(program); }
  void operator()(decap_bpf* program) const { decap_bpf__destroy(program); }
};
using Program = std::unique_ptr<lb_bpf, Destroy>;
using Decapsulator = std::unique_ptr<decap_bpf, Destroy>;

constexpr std::chrono::seconds patience{10};

Result<bpf_map_info> info_of(int map) {
  bpf_map_info info{};
  std::uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(map, &info, &size) != 0) return system_error("map");
  return info;
}

Result<void> rename_pin(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return system_error(to);
  return {};
}

Error nothing_attached(const std::string& pins) {
  return fail(std::errc::no_such_file_or_directory,
              fmt::format("nothing is attached: {} is not there", pins));
}

// --- the maps

struct SizedMap {
  bpf_map* map;
  std::uint32_t entries;
};

std::vector<SizedMap> sized_maps(const lb_bpf& program, const Sizes& sizes) {
  const auto& maps = program.maps;
  return {{maps.services, sizes.services},         {maps.tables_in_use, sizes.services},
          {maps.addresses, sizes.services},        {maps.tables, 2 * sizes.services},
          {maps.backends, sizes.backends + 1},     {maps.flows, sizes.flows},
          {maps.service_counters, sizes.services}, {maps.backend_counters, sizes.backends + 1}};
}

// The maps that are pinned: libbpf has others of its own.
std::vector<bpf_map*> own_maps(const lb_bpf& program) {
  std::vector<bpf_map*> maps;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, program.obj) {
    if (std::string_view(bpf_map__name(map)).find('.') == std::string_view::npos)
      maps.push_back(map);
  }
  return maps;
}

// A map that takes the place of a pinned one of another size or layout.
struct Successor {
  bpf_map* map;
  Descriptor before;  // empty: there was none, or it is discarded
  bool of_layout_1 = false;
};

// Nothing: there are none of ours. An error is of a call that failed, and says nothing about what
// is there.
Result<std::optional<lb_settings>> pinned_settings(const std::string& pins) {
  const auto settings = Map<std::uint32_t, lb_settings>::open(path_of(pins, "settings"));
  if (!settings) {
    const auto& error = settings.error();
    const bool is_told = error.code == std::errc::no_such_file_or_directory ||
                         error.code == std::errc::invalid_argument;
    if (is_told) return std::nullopt;
    return fail(error);
  }
  const auto found = settings->get(0);
  if (!found) return fail(found.error());
  return *found;
}

bool can_be_taken_over(const lb_settings& settings) {
  return settings.layout == LB_LAYOUT || settings.layout == 1;
}

Error unfit(const std::string& pins, std::string_view why) {
  return fail(std::errc::not_supported,
              fmt::format("what is attached below {} does not fit: {}. Discard it, with the flows "
                          "in it: saspd --attach --replace",
                          pins, why));
}

struct Pinned {
  bpf_map* map;
  Descriptor fd;
  bool is_replaced = false;  // it is smaller, or of another layout
};

// How the pinned maps, with `found` among them, compare with what this program wants.
// not_supported: they do not fit.
Result<std::vector<Pinned>> find_pinned(const lb_bpf& program, const std::string& pins,
                                        const std::optional<lb_settings>& found) {
  if (!found || !can_be_taken_over(*found)) {
    return unfit(pins, fmt::format("its maps have layout {}, but this saspd uses layout {}",
                                   found ? std::to_string(found->layout) : "unknown", LB_LAYOUT));
  }
  std::vector<Pinned> all;
  for (bpf_map* map : own_maps(program)) {
    const std::string name = bpf_map__name(map);
    const bool is_same = found->layout == LB_LAYOUT || is_same_in_layout_1(name);
    if (!is_same && map != program.maps.services) {
      all.push_back({map, Descriptor(), true});
      continue;
    }
    Descriptor fd(bpf_obj_get(path_of(pins, name).c_str()));
    if (!fd && errno == ENOENT) return unfit(pins, fmt::format("map {} is missing", name));
    if (!fd) return system_error(path_of(pins, name));
    const auto info = info_of(fd.get());
    if (!info) return fail(info.error());
    const std::uint32_t wanted = bpf_map__max_entries(map);
    if (info->type != bpf_map__type(map) || info->key_size != bpf_map__key_size(map) ||
        info->value_size != bpf_map__value_size(map)) {
      return unfit(pins, fmt::format("its map {} has another type", name));
    }
    if (info->max_entries > wanted) {
      return unfit(pins, fmt::format("its map {} holds {}, but {} are wanted", name,
                                     info->max_entries, wanted));
    }
    all.push_back({map, std::move(fd), !is_same || info->max_entries < wanted});
  }
  return all;
}

// Pinned maps stay in use; those that are too small, or of layout 1, get successors. A process that
// has them open notices by the settings (Xdp), which are then recreated.
Result<std::vector<Successor>> take_over(const lb_bpf& program, const std::string& pins) {
  const auto settings = pinned_settings(pins);
  if (!settings) return fail(settings.error());
  auto pinned = find_pinned(program, pins, *settings);
  if (!pinned) return fail(pinned.error());
  const bool any = std::any_of(pinned->begin(), pinned->end(),
                               [](const auto& each) { return each.is_replaced; });
  const bool of_layout_1 = (*settings)->layout == 1;
  std::vector<Successor> successors;
  for (auto& [map, fd, is_replaced] : *pinned) {
    if (is_replaced || (any && map == program.maps.settings)) {
      successors.push_back({map, std::move(fd), of_layout_1});
    } else if (bpf_map__reuse_fd(map, fd.get()) != 0) {
      return system_error(bpf_map__name(map));
    }
  }
  return successors;
}

std::vector<Successor> all_new(const lb_bpf& program) {
  std::vector<Successor> successors;
  for (bpf_map* map : own_maps(program))
    successors.push_back({map, Descriptor()});
  return successors;
}

Result<void> copy_contents(const lb_bpf& program, const std::vector<Successor>& successors) {
  for (const auto& [map, before, of_layout_1] : successors) {
    if (!before) continue;
    auto copied = of_layout_1 && map == program.maps.services
                      ? copy_services_of_layout_1(before.get(), bpf_map__fd(map),
                                                  bpf_map__fd(program.maps.tables_in_use))
                      : copy(before.get(), bpf_map__fd(map));
    if (!copied) return copied;
  }
  return {};
}

// What began in the maps of before since they were copied: only the program writes meanwhile, and
// of what it writes only flows matter.
Result<void> copy_late_flows(const lb_bpf& program, const std::vector<Successor>& successors) {
  for (const auto& [map, before, of_layout_1] : successors) {
    if (!before || map != program.maps.flows) continue;
    if (auto copied = copy(before.get(), bpf_map__fd(map), Existing::keep); !copied) return copied;
  }
  return {};
}

Result<void> write_settings(const lb_bpf& program, const AttachSettings& settings) {
  const int map = bpf_map__fd(program.maps.settings);
  const std::uint32_t zero = 0;
  lb_settings value{};
  // The seed stays: another one would give every flow another slot.
  if (bpf_map_lookup_elem(map, &zero, &value) != 0) return system_error("settings");
  if (value.layout == 0) {
    const auto before = pinned_settings(settings.pins);
    if (!before) return fail(before.error());
    value.seed = settings.seed.value_or(*before ? (*before)->seed : std::random_device{}());
  }
  value.layout = LB_LAYOUT;
  value.max_services = settings.sizes.services;
  value.max_backends = settings.sizes.backends;
  value.max_flows = settings.sizes.flows;
  value.new_flow_limit = settings.new_flow_limit;
  value.syn = settings.defer_syn ? LB_SYN_DEFER : LB_SYN_STORE;
  // 172.16.0.0/16 is for private use (RFC 1918), 100::/64 for discarding (RFC 6666): no host
  // answers to the outer source.
  value.outer_source_v4[0] = 172;
  value.outer_source_v4[1] = 16;
  value.outer_source_v6[0] = 1;
  if (bpf_map_update_elem(map, &zero, &value, BPF_ANY) != 0) return system_error("settings");
  return {};
}

// --- what is pinned

// The service user writes the maps; the links stay root's.
Result<void> give(const std::string& path, const AttachSettings& settings) {
  const auto [user, group] = settings.owner.value_or(Owner{0, 0});
  if (::chown(path.c_str(), user, group) != 0) return system_error(path);
  if (::chmod(path.c_str(), 0600) != 0) return system_error(path);
  return {};
}

std::string next_path(const std::string& pins, std::string_view name) {
  return path_of(pins, fmt::format("{}{}", next_prefix, name));
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

// The settings come after the other maps, because they show that the others are there, and the
// record comes last, because until then all of this can be repeated.
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

// What stands in dispatchers by the record of the present, unless it is this program.
Result<void> leave_before(const std::string& pins, std::uint32_t program) {
  const auto before = read_record(path_of(pins, record_pin));
  if (!before) return {};
  const auto known = before->find(std::string(program_entry));
  if (known == before->end() || known->second == program) return {};
  return leave_all(*before);
}

// An interrupted attach is completed if packets already go through its program; otherwise nothing
// of it counts.
Result<void> settle(const std::string& pins) {
  const auto record = read_record(next_path(pins, record_pin));
  if (!record) return forget_next(pins);
  const auto program = record->find(std::string(program_entry));
  const auto links = living_links(pins);
  if (program == record->end()) return forget_next(pins);
  const bool linked = std::any_of(links.begin(), links.end(), [&](const auto& link) {
    return program_on(link.first).program == program->second;
  });
  const bool shared = std::any_of(record->begin(), record->end(), [&](const auto& entry) {
    return shared_interface_of(entry.first) && is_sharing(entry.second, program->second) == true;
  });
  if (shared) {
    if (auto left = leave_before(pins, program->second); !left) return left;
  }
  return linked || shared ? make_next_the_present(pins, *record) : forget_next(pins);
}

// `balance`: the program that goes to the interfaces. `absent`: those that cannot have it now, and
// get it when they can.
Result<Record> record_of(const lb_bpf& program, int balance,
                         const std::vector<Interface>& interfaces, const Record& absent,
                         const AttachSettings& settings) {
  Record record = absent;
  if (settings.blackhole) record[std::string(blackhole_entry)] = netlink::Blackhole::table;
  for (const bpf_map* map : own_maps(program)) {
    const auto info = info_of(bpf_map__fd(map));
    if (!info) return fail(info.error());
    record[bpf_map__name(map)] = info->id;
  }
  const auto number = number_of(balance);
  if (!number) return system_error("XDP program");
  record[std::string(program_entry)] = *number;
  for (const auto& interface : interfaces)
    record[settings.share ? shared_entry(interface.name) : link_pin(interface.name)] =
        interface.index;
  return record;
}

Result<void> pin_aside(const std::vector<Successor>& successors, const Record& record,
                       const AttachSettings& settings) {
  for (const auto& [map, before, of_layout_1] : successors) {
    const std::string path = next_path(settings.pins, bpf_map__name(map));
    if (bpf_obj_pin(bpf_map__fd(map), path.c_str()) != 0) return system_error(path);
    if (auto given = give(path, settings); !given) return given;
  }
  return write_record(next_path(settings.pins, record_pin), record);
}

// Records which frames are ours on these interfaces, so that the program knows before it sees the
// first one. Existing attachments stay known until the change is complete.
Result<void> tell_new_devices(const lb_bpf& program, const std::vector<Interface>& interfaces) {
  const int map = bpf_map__fd(program.maps.devices);
  const auto links = netlink::read_links();
  const auto known = read_devices(map);
  if (!links) return fail(links.error());
  if (!known) return fail(known.error());
  std::vector<Attachment> all = attachments(*known);
  for (const auto& interface : interfaces) {
    const bool is_known = std::any_of(all.begin(), all.end(), [&](const Attachment& one) {
      return one.interface == interface.index;
    });
    if (!is_known) all.push_back({interface.index, false});
  }
  return write_devices(map, *links, all);
}

// And once it is attached, with the mode; that of absent interfaces stays known.
Result<void> tell_devices(const lb_bpf& program, const std::vector<Interface>& interfaces,
                          const std::vector<Attached>& attached, const Record& absent) {
  const int map = bpf_map__fd(program.maps.devices);
  const auto links = netlink::read_links();
  const auto known = read_devices(map);
  if (!links) return fail(links.error());
  if (!known) return fail(known.error());
  std::vector<Attachment> all;
  for (const Attachment& one : attachments(*known)) {
    const bool is_absent = std::any_of(absent.begin(), absent.end(), [&one](const auto& entry) {
      return entry.second == one.interface;
    });
    if (is_absent) all.push_back(one);
  }
  for (const auto& interface : interfaces) {
    const bool native = std::any_of(attached.begin(), attached.end(), [&](const Attached& one) {
      return one.interface == interface.name && one.mode == "native";
    });
    all.push_back({interface.index, native});
  }
  return write_devices(map, *links, all);
}

// These show later whether the dispatchers are still those that the program joined.
Result<void> record_dispatchers(const std::string& pins, const std::vector<Interface>& interfaces,
                                Record& record) {
  for (const auto& interface : interfaces)
    record[dispatcher_entry(interface.name)] = program_on(interface.index).program;
  return write_record(next_path(pins, record_pin), record);
}

// Everything is pinned aside, then the interfaces get the program, then the pins get their names:
// if interrupted anywhere, it leaves either the previous state, or one that the next attach
// completes.
Result<std::vector<Attached>> put_in_place(const lb_bpf& program,
                                           const std::vector<Successor>& successors,
                                           const std::vector<Interface>& interfaces,
                                           const Record& absent, const AttachSettings& settings) {
  Descriptor extension;
  if (settings.share) {
    auto loaded = load_extension(program);
    if (!loaded) return fail(loaded.error());
    extension = std::move(*loaded);
  }
  const int balance = settings.share ? extension.get() : bpf_program__fd(program.progs.balance);
  auto record = record_of(program, balance, interfaces, absent, settings);
  if (!record) return fail(record.error());
  if (auto pinned = pin_aside(successors, *record, settings); !pinned) return fail(pinned.error());
  auto attached = settings.share ? share_all(interfaces, balance)
                                 : link_all(settings.pins, interfaces, balance);
  if (!attached) return attached;
  // Only now, so that no packet finds neither program.
  const auto left = leave_before(settings.pins, record->at(std::string(program_entry)));
  if (!left) return fail(left.error());
  if (settings.share) {
    const auto recorded = record_dispatchers(settings.pins, interfaces, *record);
    if (!recorded) return fail(recorded.error());
  }
  if (auto told = tell_devices(program, interfaces, *attached, absent); !told)
    return fail(told.error());
  if (auto copied = copy_late_flows(program, successors); !copied) return fail(copied.error());
  const auto [user, group] = settings.owner.value_or(Owner{0, 0});
  if (auto made = WriterLock::make(settings.pins, user, group); !made) return fail(made.error());
  if (auto done = make_next_the_present(settings.pins, *record); !done) return fail(done.error());
  for (const bpf_map* map : own_maps(program)) {
    if (auto given = give(path_of(settings.pins, bpf_map__name(map)), settings); !given)
      return fail(given.error());
  }
  // Every user may see what is there.
  if (::chmod(settings.pins.c_str(), 0755) != 0) return system_error(settings.pins);
  return attached;
}

Error in_use(const std::string& pins, const std::string& writer, std::string_view what) {
  return fail(
      std::errc::address_in_use,
      fmt::format("{} is using what is attached below {}: {}. Stop it first, or give --force",
                  writer, pins, what));
}

Result<std::vector<Successor>> successors_of(const lb_bpf& program,
                                             const AttachSettings& settings) {
  if (names_in(settings.pins).empty()) return all_new(program);
  auto successors = take_over(program, settings.pins);
  const bool thrown_away =
      !successors && successors.error().code == std::errc::not_supported && settings.replace;
  if (!thrown_away) return successors;
  const auto writer = WriterLock::holder(settings.pins);
  if (writer && !settings.force) {
    return in_use(settings.pins, *writer,
                  "--replace removes its services until it writes them again");
  }
  return all_new(program);
}

Result<void> check_share(const AttachSettings& settings) {
  if (!settings.share) return {};
  if (auto allowed = may_share(); !allowed) return allowed;
  if (living_links(settings.pins).empty()) return {};
  return fail(std::errc::device_or_resource_busy,
              fmt::format("what is attached below {0} has its interfaces to itself; run saspd "
                          "--detach --pins {0} first, then attach with --share",
                          settings.pins));
}

// Under the lock of the pins, which are settled.
Result<std::vector<Attached>> load_and_attach(const AttachSettings& settings,
                                              const std::vector<Interface>& interfaces,
                                              const Record& absent = {}) {
  if (auto checked = check_share(settings); !checked) return fail(checked.error());
  const Program program(lb_bpf__open());
  if (!program) return system_error("XDP program");
  for (const auto& [map, entries] : sized_maps(*program, settings.sizes))
    bpf_map__set_max_entries(map, entries);
  const auto successors = successors_of(*program, settings);
  if (!successors) return fail(successors.error());
  if (auto loaded = load(*program->obj); !loaded) return fail(loaded.error());
  if (auto copied = copy_contents(*program, *successors); !copied) return fail(copied.error());
  if (auto written = write_settings(*program, settings); !written) return fail(written.error());
  if (auto told = tell_new_devices(*program, interfaces); !told) return fail(told.error());
  auto attached = put_in_place(*program, *successors, interfaces, absent, settings);
  if (!attached) (void)settle(settings.pins);
  return attached;
}

bool any_blackhole() {
  const auto none = netlink::is_in_place({});
  return none && !*none;
}

// Without a record, nothing else is known.
bool promises_blackhole(const std::string& pins) {
  const auto record = read_record(path_of(pins, record_pin));
  return record ? record->contains(std::string(blackhole_entry)) : any_blackhole();
}

Result<void> remove_blackhole() {
  if (auto gone = netlink::put_in_place({}); !gone) return fail(at("--blackhole", gone.error()));
  return {};
}

// As the services are now.
Result<std::vector<Attached>> with_blackhole(Result<std::vector<Attached>> attached,
                                             const AttachSettings& settings) {
  if (!attached || !settings.blackhole) return attached;
  const auto record = read_record(path_of(settings.pins, record_pin));
  if (!record) return fail(record.error());
  const auto wanted = wanted_blackhole(settings.pins, *record);
  if (!wanted) return fail(at("--blackhole", wanted.error()));
  if (auto put = netlink::put_in_place(*wanted); !put) return fail(at("--blackhole", put.error()));
  return attached;
}

Result<std::vector<Attached>> attach_balancer(const AttachSettings& settings,
                                              const std::vector<Interface>& interfaces) {
  const auto lock = PinsLock::take(settings.pins, patience);
  if (!lock) return fail(lock.error());
  if (auto settled = settle(settings.pins); !settled) return fail(settled.error());
  const bool had_blackhole = promises_blackhole(settings.pins);
  auto attached = load_and_attach(settings, interfaces);
  if (!attached || settings.blackhole || !had_blackhole) return with_blackhole(attached, settings);
  if (auto gone = remove_blackhole(); !gone) return fail(gone.error());
  return attached;
}

Result<std::vector<Attached>> attach_decapsulator_to(const AttachSettings& settings,
                                                     const std::vector<Interface>& interfaces,
                                                     const std::vector<IpAddress>& addresses) {
  const auto lock = PinsLock::take(settings.pins, patience);
  if (!lock) return fail(lock.error());
  const Decapsulator program(decap_bpf__open());
  if (!program) return system_error("XDP program");
  if (auto loaded = load(*program->obj); !loaded) return fail(loaded.error());
  for (const auto& address : addresses) {
    const lb_address_key key = address_key(address);
    const std::uint32_t value = 1;
    if (bpf_map_update_elem(bpf_map__fd(program->maps.addresses), &key, &value, BPF_ANY) != 0) {
      return system_error("addresses");
    }
  }
  return link_all(settings.pins, interfaces, bpf_program__fd(program->progs.decapsulate));
}

// With the interfaces found and the directory made, which goes again if nothing gets pinned in it.
template <class Action>
Result<std::vector<Attached>> in_directory(const AttachSettings& settings, Action action) {
  const auto interfaces = find_interfaces(settings.interfaces, settings.mode);
  if (!interfaces) return fail(interfaces.error());
  if (auto made = make_directory(settings.pins); !made) return fail(made.error());
  auto attached = action(*interfaces);
  if (!attached) remove_directory(settings.pins);
  return attached;
}

// --- attaching again

Result<AttachSettings> settings_as_attached(const std::string& pins) {
  const auto read = pinned_settings(pins);
  if (!read) return fail(read.error());
  const auto& found = *read;
  struct stat owner {};
  if (!found || ::stat(path_of(pins, "settings").c_str(), &owner) != 0)
    return nothing_attached(pins);
  AttachSettings as_attached;
  as_attached.pins = pins;
  as_attached.sizes = {found->max_services, found->max_backends, found->max_flows};
  as_attached.new_flow_limit = found->new_flow_limit;
  as_attached.defer_syn = found->syn == LB_SYN_DEFER;
  as_attached.owner = Owner{owner.st_uid, owner.st_gid};
  return as_attached;
}

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

struct Whereabouts {
  std::vector<Interface> present;  // that have the program, or can have it again
  Record absent;                   // gone, or with another program
  bool any_lost = false;           // of those present
};

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

// In dispatchers, by the record. One that others have changed counts as lost until its number is
// known anew.
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

bool shares(const Record& record) {
  return record.contains(std::string(program_entry)) &&
         std::any_of(record.begin(), record.end(), [](const auto& entry) {
           return shared_interface_of(entry.first).has_value();
         });
}

}  // namespace

std::optional<Sizes> attached_sizes(const std::string& pins) {
  const auto read = pinned_settings(pins);
  if (!read || !*read || !can_be_taken_over(**read)) return std::nullopt;
  const lb_settings& found = **read;
  return Sizes{found.max_services, found.max_backends, found.max_flows};
}

Result<std::vector<Attached>> attach(const AttachSettings& settings) {
  return in_directory(
      settings, [&](const auto& interfaces) { return attach_balancer(settings, interfaces); });
}

Result<std::vector<Attached>> attach_decapsulator(const AttachSettings& settings,
                                                  const std::vector<IpAddress>& addresses) {
  return in_directory(settings, [&](const auto& interfaces) {
    return attach_decapsulator_to(settings, interfaces, addresses);
  });
}

Result<std::vector<Attached>> reattach(const std::string& pins) {
  if (!std::filesystem::exists(pins)) return nothing_attached(pins);
  const auto lock = PinsLock::take(pins, patience);
  if (!lock) return fail(lock.error());
  auto settings = settings_as_attached(pins);
  if (!settings) return fail(settings.error());
  if (auto settled = settle(pins); !settled) return fail(settled.error());
  const auto record = read_record(path_of(pins, record_pin));
  settings->share = record && shares(*record);
  settings->blackhole = promises_blackhole(pins);
  const auto [present, absent, any_lost] =
      settings->share ? look_for_shares(*record) : look_for_links(pins);
  const bool nowhere = present.empty() && absent.empty();
  const bool as_it_was = nowhere || (!any_lost && record);
  return with_blackhole(
      as_it_was ? std::vector<Attached>{} : load_and_attach(*settings, present, absent), *settings);
}

Result<std::vector<std::string>> detach(const std::string& pins, bool force) {
  if (!std::filesystem::exists(pins)) {
    if (!any_blackhole()) return nothing_attached(pins);
    if (auto gone = remove_blackhole(); !gone) return fail(gone.error());
    return std::vector<std::string>{};
  }
  const auto lock = PinsLock::take(pins, patience);
  if (!lock) return fail(lock.error());
  if (const auto writer = WriterLock::holder(pins); writer && !force) {
    return in_use(pins, *writer, "--detach ends its service");
  }
  if (promises_blackhole(pins)) {
    if (auto gone = remove_blackhole(); !gone) return fail(gone.error());
  }
  auto interfaces = linked_interfaces(pins);
  if (const auto record = read_record(path_of(pins, record_pin))) {
    if (auto left = leave_all(*record); !left) return fail(left.error());
    for (const auto& [name, number] : *record) {
      if (auto shared = shared_interface_of(name)) interfaces.push_back(std::move(*shared));
    }
  }
  for (const auto& name : names_in(pins)) {
    if (auto gone = unpin(path_of(pins, name)); !gone) return fail(gone.error());
  }
  if (auto gone = WriterLock::remove(pins); !gone) return fail(gone.error());
  if (::rmdir(pins.c_str()) != 0) return system_error(pins);
  return interfaces;
}

}  // namespace saspd::bpf
