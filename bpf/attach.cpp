#include "bpf/attach.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "bpf/decap.skel.h"
#include "bpf/devices.hpp"
#include "bpf/lb.h"
#include "bpf/lb.skel.h"
#include "bpf/load.hpp"
#include "bpf/map.hpp"
#include "bpf/writer_lock.hpp"
#include "bpf/xdp.hpp"

namespace saspd::bpf {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view link_prefix = "link_";

struct Destroy {
  void operator()(lb_bpf* program) const { lb_bpf__destroy(program); }
  void operator()(decap_bpf* program) const { decap_bpf__destroy(program); }
};
using Program = std::unique_ptr<lb_bpf, Destroy>;
using Decapsulator = std::unique_ptr<decap_bpf, Destroy>;

struct Interface {
  std::string name;
  std::uint32_t index = 0;
};

Result<std::vector<Interface>> find_interfaces(const std::vector<std::string>& names) {
  std::vector<Interface> interfaces;
  for (const auto& name : names) {
    const std::uint32_t index = if_nametoindex(name.c_str());
    if (index == 0) {
      return fail(std::errc::no_such_device, fmt::format("there is no interface '{}'", name));
    }
    interfaces.push_back({name, index});
  }
  return interfaces;
}

// The directory itself, made if need be. Its parent has to be the bpf file system: we never mount
// it, because whoever runs us may have a mount namespace that dies with them.
Result<void> make_directory(const std::string& pins) {
  std::error_code code;
  const fs::path parent = fs::path(pins).parent_path();
  struct statfs file_system {};
  if (::statfs(parent.c_str(), &file_system) != 0 || file_system.f_type != BPF_FS_MAGIC) {
    return fail(std::errc::no_such_device,
                fmt::format("{} is not on the bpf file system; mount it with 'mount -t bpf bpf "
                            "/sys/fs/bpf'",
                            parent.string()));
  }
  fs::create_directory(pins, code);
  if (code) return fail(code, fmt::format("{}: {}", pins, code.message()));
  return {};
}

std::vector<std::string> names_in(const std::string& pins) {
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(pins, code))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> linked_interfaces(const std::string& pins) {
  std::vector<std::string> interfaces;
  for (const auto& name : names_in(pins)) {
    if (name.starts_with(link_prefix)) interfaces.push_back(name.substr(link_prefix.size()));
  }
  return interfaces;
}

std::string link_path(const std::string& pins, const std::string& interface) {
  return fmt::format("{}/{}{}", pins, link_prefix, interface);
}

Result<void> unpin(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return system_error(path);
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

bool is_ours(const bpf_map* map) {
  return std::string_view(bpf_map__name(map)).find('.') == std::string_view::npos;
}

std::string map_path(const std::string& pins, const bpf_map* map) {
  return fmt::format("{}/{}", pins, bpf_map__name(map));
}

// Maps that are pinned already are taken over, if they are as this program wants them.
Result<void> reuse_maps(const lb_bpf& program, const std::string& pins) {
  const auto unfit = [&pins](std::string why) {
    return fail(std::errc::not_supported,
                fmt::format("what is attached below {} does not fit: {}. Throw it away, with the "
                            "flows that it knows: saspd --attach --replace",
                            pins, why));
  };
  const auto settings = Map<std::uint32_t, lb_settings>::open(pins + "/settings");
  const auto found = settings ? settings->find(0) : std::nullopt;
  if (!found || found->layout != LB_LAYOUT) {
    return unfit(fmt::format("its maps have layout {}, those of this saspd have {}",
                             found ? std::to_string(found->layout) : "unknown", LB_LAYOUT));
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, program.obj) {
    if (!is_ours(map)) continue;
    const Descriptor pinned(bpf_obj_get(map_path(pins, map).c_str()));
    if (pinned.get() < 0) return unfit(fmt::format("map {} is missing", bpf_map__name(map)));
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(pinned.get(), &info, &size) != 0) return system_error("map");
    if (info.max_entries != bpf_map__max_entries(map)) {
      return unfit(fmt::format("its map {} holds {}, and {} are wanted", bpf_map__name(map),
                               info.max_entries, bpf_map__max_entries(map)));
    }
    if (bpf_map__reuse_fd(map, pinned.get()) != 0) return system_error(bpf_map__name(map));
  }
  return {};
}

Result<void> write_settings(const lb_bpf& program, const AttachSettings& settings, bool fresh) {
  const int map = bpf_map__fd(program.maps.settings);
  const std::uint32_t zero = 0;
  lb_settings value{};
  // The seed stays with the flows: another one would give every flow another slot.
  if (fresh || bpf_map_lookup_elem(map, &zero, &value) != 0) {
    value.seed = settings.seed.value_or(std::random_device{}());
  }
  value.layout = LB_LAYOUT;
  value.max_services = settings.sizes.services;
  value.max_backends = settings.sizes.backends;
  value.max_flows = settings.sizes.flows;
  value.new_flow_limit = settings.new_flow_limit;
  value.syn = settings.defer_syn ? LB_SYN_DEFER : LB_SYN_STORE;
  // 172.16.0.0/16 is for private use (RFC 1918), 100::/64 for discarding (RFC 6666): nobody answers
  // to the outer source.
  value.outer_source_v4[0] = 172;
  value.outer_source_v4[1] = 16;
  value.outer_source_v6[0] = 1;
  if (bpf_map_update_elem(map, &zero, &value, BPF_ANY) != 0) return system_error("settings");
  return {};
}

// Of the program before; the interfaces have the new one by now.
Result<void> unpin_maps(const std::string& pins) {
  for (const auto& name : names_in(pins)) {
    if (name.starts_with(link_prefix) || name == WriterLock::directory) continue;
    if (auto gone = unpin(fmt::format("{}/{}", pins, name)); !gone) return gone;
  }
  return {};
}

Result<void> pin_maps(const lb_bpf& program, const AttachSettings& settings) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, program.obj) {
    if (!is_ours(map)) continue;
    const std::string path = map_path(settings.pins, map);
    if (bpf_obj_pin(bpf_map__fd(map), path.c_str()) != 0) return system_error(path);
  }
  return {};
}

// The service user writes the maps; the links stay root's.
Result<void> hand_over(const lb_bpf& program, const AttachSettings& settings) {
  const auto [user, group] = settings.owner.value_or(std::pair<uid_t, gid_t>{0, 0});
  if (::chmod(settings.pins.c_str(), 0711) != 0) return system_error(settings.pins);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, program.obj) {
    if (!is_ours(map)) continue;
    const std::string path = map_path(settings.pins, map);
    if (::chown(path.c_str(), user, group) != 0) return system_error(path);
    if (::chmod(path.c_str(), 0600) != 0) return system_error(path);
  }
  return WriterLock::make(settings.pins, user, group);
}

// --- the interfaces

// Who has the interface, for an error that helps.
std::string other_program(std::uint32_t interface) {
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  if (bpf_xdp_query(static_cast<int>(interface), 0, &query) != 0 || query.prog_id == 0) return {};
  const Descriptor program(bpf_prog_get_fd_by_id(query.prog_id));
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  if (program.get() < 0 || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) {
    return fmt::format("XDP program number {}", query.prog_id);
  }
  return fmt::format("XDP program '{}' (number {})", info.name, query.prog_id);
}

struct NewLink {
  Descriptor link;
  Attached attached;
};

Result<NewLink> link_in(const Interface& interface, int program, std::uint32_t flags,
                        std::string_view mode) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
  Descriptor link(bpf_link_create(program, static_cast<int>(interface.index), BPF_XDP, &options));
  if (link.get() < 0) return system_error(fmt::format("{}, {} mode", interface.name, mode));
  return NewLink{std::move(link), {interface.name, std::string(mode)}};
}

Result<NewLink> link_to(const Interface& interface, int program, Mode mode) {
  if (mode != Mode::generic) {
    auto native = link_in(interface, program, XDP_FLAGS_DRV_MODE, "native");
    if (native) return native;
    if (native.error().code == std::errc::device_or_resource_busy) {
      const std::string other = other_program(interface.index);
      return fail(native.error().code,
                  fmt::format("interface '{}' is taken by {}; take that off first (ip link set dev "
                              "{} xdp off, or its own tool)",
                              interface.name, other.empty() ? "another XDP program" : other,
                              interface.name));
    }
    if (mode == Mode::native) {
      return fail(at("the driver takes no XDP program; --xdp-mode generic always works, slower",
                     native.error()));
    }
  }
  auto generic = link_in(interface, program, XDP_FLAGS_SKB_MODE, "generic");
  if (!generic && generic.error().code == std::errc::device_or_resource_busy) {
    const std::string other = other_program(interface.index);
    return fail(generic.error().code, fmt::format("interface '{}' is taken by {}", interface.name,
                                                  other.empty() ? "another XDP program" : other));
  }
  return generic;
}

std::string mode_of(std::uint32_t interface) {
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  if (bpf_xdp_query(static_cast<int>(interface), 0, &query) != 0) return "unknown";
  return query.attach_mode == XDP_ATTACHED_SKB ? "generic" : "native";
}

// Links that are there get the new program at once and without a gap; those to be made are made
// first, because they may fail.
Result<std::vector<Attached>> link_all(const std::vector<Interface>& interfaces, int program,
                                       const AttachSettings& settings) {
  std::vector<Attached> attached;
  std::vector<NewLink> made;
  std::vector<std::pair<Interface, Descriptor>> existing;
  for (const auto& interface : interfaces) {
    Descriptor pinned(bpf_obj_get(link_path(settings.pins, interface.name).c_str()));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    const bool alive = pinned.get() >= 0 &&
                       bpf_obj_get_info_by_fd(pinned.get(), &info, &size) == 0 &&
                       info.xdp.ifindex == interface.index;  // NOLINT: a union of the kernel
    if (alive) {
      existing.emplace_back(interface, std::move(pinned));
      continue;
    }
    auto link = link_to(interface, program, settings.mode);
    if (!link) return fail(link.error());
    made.push_back(std::move(*link));
  }
  for (const auto& [interface, link] : existing) {
    if (bpf_link_update(link.get(), program, nullptr) != 0) return system_error(interface.name);
    attached.push_back({interface.name, mode_of(interface.index)});
  }
  for (const auto& link : made) {
    const std::string path = link_path(settings.pins, link.attached.interface);
    if (auto gone = unpin(path); !gone) return fail(gone.error());  // of an interface that died
    if (bpf_obj_pin(link.link.get(), path.c_str()) != 0) return system_error(path);
    attached.push_back(link.attached);
  }
  for (const auto& name : linked_interfaces(settings.pins)) {
    const bool wanted = std::any_of(interfaces.begin(), interfaces.end(),
                                    [&](const auto& interface) { return interface.name == name; });
    if (wanted) continue;
    if (auto gone = unpin(link_path(settings.pins, name)); !gone) return fail(gone.error());
  }
  return attached;
}

// Which frames are ours on these interfaces, so that the program knows before it sees the first
// one. What it is attached to already stays known until that is over.
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

// And once it is attached, with the mode.
Result<void> tell_devices(const lb_bpf& program, const std::vector<Interface>& interfaces,
                          const std::vector<Attached>& attached) {
  const auto links = netlink::read_links();
  if (!links) return fail(links.error());
  std::vector<Attachment> all;
  for (const auto& interface : interfaces) {
    const bool native = std::any_of(attached.begin(), attached.end(), [&](const Attached& one) {
      return one.interface == interface.name && one.mode == "native";
    });
    all.push_back({interface.index, native});
  }
  return write_devices(bpf_map__fd(program.maps.devices), *links, all);
}

Result<std::vector<Attached>> attach_balancer(const AttachSettings& settings) {
  const auto interfaces = find_interfaces(settings.interfaces);
  if (!interfaces) return fail(interfaces.error());
  if (auto made = make_directory(settings.pins); !made) return fail(made.error());
  const Program program(lb_bpf__open());
  if (!program) return system_error("XDP program");
  for (const auto& [map, entries] : sized_maps(*program, settings.sizes))
    bpf_map__set_max_entries(map, entries);
  const bool exists = fs::exists(settings.pins + "/settings");
  const bool fresh = !exists || settings.replace;
  if (!fresh) {
    if (auto reused = reuse_maps(*program, settings.pins); !reused) return fail(reused.error());
  }
  if (auto loaded = load(*program->obj); !loaded) return fail(loaded.error());
  if (auto written = write_settings(*program, settings, fresh); !written) {
    return fail(written.error());
  }
  if (auto told = tell_new_devices(*program, *interfaces); !told) return fail(told.error());
  auto attached = link_all(*interfaces, bpf_program__fd(program->progs.balance), settings);
  if (!attached) {
    if (!exists) (void)detach(settings.pins);
    return attached;
  }
  if (auto told = tell_devices(*program, *interfaces, *attached); !told) return fail(told.error());
  if (fresh) {
    if (auto gone = unpin_maps(settings.pins); !gone) return fail(gone.error());
    if (auto pinned = pin_maps(*program, settings); !pinned) return fail(pinned.error());
  }
  if (auto handed = hand_over(*program, settings); !handed) return fail(handed.error());
  return attached;
}

Result<std::vector<Attached>> attach_decapsulator_to(const AttachSettings& settings,
                                                     const std::vector<IpAddress>& addresses) {
  const auto interfaces = find_interfaces(settings.interfaces);
  if (!interfaces) return fail(interfaces.error());
  if (auto made = make_directory(settings.pins); !made) return fail(made.error());
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
  auto attached = link_all(*interfaces, bpf_program__fd(program->progs.decapsulate), settings);
  if (!attached && linked_interfaces(settings.pins).empty()) (void)detach(settings.pins);
  return attached;
}

// A directory in which nothing was pinned in the end.
Result<std::vector<Attached>> cleaned_up(Result<std::vector<Attached>> attached,
                                         const std::string& pins) {
  if (!attached) ::rmdir(pins.c_str());
  return attached;
}

}  // namespace

Result<std::vector<Attached>> attach(const AttachSettings& settings) {
  return cleaned_up(attach_balancer(settings), settings.pins);
}

Result<std::vector<Attached>> attach_decapsulator(const AttachSettings& settings,
                                                  const std::vector<IpAddress>& addresses) {
  return cleaned_up(attach_decapsulator_to(settings, addresses), settings.pins);
}

Result<std::vector<std::string>> detach(const std::string& pins) {
  if (!fs::exists(pins)) {
    return fail(std::errc::no_such_file_or_directory,
                fmt::format("nothing is attached: {} is not there", pins));
  }
  const auto interfaces = linked_interfaces(pins);
  if (auto gone = WriterLock::remove(pins); !gone) return fail(gone.error());
  for (const auto& name : names_in(pins)) {
    if (auto gone = unpin(fmt::format("{}/{}", pins, name)); !gone) return fail(gone.error());
  }
  if (::rmdir(pins.c_str()) != 0) return system_error(pins);
  return interfaces;
}

}  // namespace saspd::bpf
