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
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "bpf/attach_maps.hpp"
#include "bpf/blackhole.hpp"
#include "bpf/decap.skel.h"
#include "bpf/devices.hpp"
#include "bpf/lb.h"
#include "bpf/lb.skel.h"
#include "bpf/load.hpp"
#include "bpf/map.hpp"
#include "bpf/pins.hpp"
#include "bpf/pins_lock.hpp"
#include "bpf/share.hpp"
#include "bpf/unfinished.hpp"
#include "bpf/whereabouts.hpp"
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

Error nothing_attached(const std::string& pins) {
  return fail(std::errc::no_such_file_or_directory,
              fmt::format("nothing is attached: {} is not there", pins));
}

// --- what is pinned

// The service user writes the maps; the links stay root's.
Result<void> give(const std::string& path, const AttachSettings& settings) {
  const auto [user, group] = settings.owner.value_or(Owner{0, 0});
  if (::chown(path.c_str(), user, group) != 0) return system_error(path);
  if (::chmod(path.c_str(), 0600) != 0) return system_error(path);
  return {};
}

// `balance`: the program that goes to the interfaces. `absent`: those that cannot have it now, and
// get it when they can.
Result<Record> record_of(const lb_bpf& program, int balance,
                         const std::vector<Interface>& interfaces, const Record& absent,
                         const AttachSettings& settings) {
  Record record = absent;
  if (settings.blackhole) record[std::string(blackhole_entry)] = netlink::Blackhole::table;
  for (const auto& [name, map] : own_maps(*program.skeleton)) {
    const auto info = info_of(bpf_map__fd(map));
    if (!info) return fail(info.error());
    record[name] = info->id;
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
  for (const auto& [name, map, before, of_layout_1] : successors) {
    const std::string path = next_path(settings.pins, name);
    if (bpf_obj_pin(bpf_map__fd(map), path.c_str()) != 0) return system_error(path);
    if (auto given = give(path, settings); !given) return given;
  }
  return write_record(next_path(settings.pins, record_pin), record);
}

// All of it or nothing.
Result<void> write_all_devices(int map, const DeviceTable& before, const netlink::Links& links,
                               const std::vector<Attachment>& attached) {
  const auto [after, surplus] = arrange_devices(before, links, attached);
  if (surplus.empty()) return write_devices(map, before, after);
  return fail(std::errc::no_space_on_device,
              fmt::format("{} does not fit: there are too many VLAN devices on the interfaces of "
                          "the XDP program, or too many MAC addresses",
                          surplus.front().text()));
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
  return write_all_devices(map, *known, *links, all);
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
  return write_all_devices(map, *known, *links, all);
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
  for (const auto& [name, map] : own_maps(*program.skeleton)) {
    if (auto given = give(path_of(settings.pins, name), settings); !given)
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
  set_sizes(*program, settings.sizes);
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
