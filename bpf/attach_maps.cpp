// SPDX-License-Identifier: Apache-2.0

#include "bpf/attach_maps.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "bpf/copy.hpp"
#include "bpf/layout_1.hpp"
#include "bpf/lb.skel.h"
#include "bpf/map.hpp"
#include "bpf/pins.hpp"

namespace saspd::bpf {
namespace {

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

Error unfit(const std::string& pins, std::string_view why) {
  return fail(std::errc::not_supported,
              fmt::format("what is attached below {} does not fit: {}. Discard it, with the flows "
                          "in it: saspd --attach --replace",
                          pins, why));
}

struct Pinned {
  std::string name;
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
  for (const auto& [name, map] : own_maps(*program.skeleton)) {
    const bool is_same = found->layout == LB_LAYOUT || is_same_in_layout_1(name);
    if (!is_same && map != program.maps.services) {
      all.push_back({name, map, Descriptor(), true});
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
    all.push_back({name, map, std::move(fd), !is_same || info->max_entries < wanted});
  }
  return all;
}

}  // namespace

std::vector<OwnMap> own_maps(const bpf_object_skeleton& skeleton) {
  std::vector<OwnMap> maps;
  const auto* element = reinterpret_cast<const std::byte*>(skeleton.maps);
  for (int i = 0; i < skeleton.map_cnt; ++i, element += skeleton.map_skel_sz) {
    const auto& map = *reinterpret_cast<const bpf_map_skeleton*>(element);
    if (std::string_view(map.name).find('.') == std::string_view::npos)
      maps.push_back({map.name, *map.map});
  }
  return maps;
}

void set_sizes(const lb_bpf& program, const Sizes& sizes) {
  for (const auto& [map, entries] : sized_maps(program, sizes))
    bpf_map__set_max_entries(map, entries);
}

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

Result<std::vector<Successor>> take_over(const lb_bpf& program, const std::string& pins) {
  const auto settings = pinned_settings(pins);
  if (!settings) return fail(settings.error());
  auto pinned = find_pinned(program, pins, *settings);
  if (!pinned) return fail(pinned.error());
  const bool any = std::any_of(pinned->begin(), pinned->end(),
                               [](const auto& each) { return each.is_replaced; });
  const bool of_layout_1 = (*settings)->layout == 1;
  std::vector<Successor> successors;
  for (auto& [name, map, fd, is_replaced] : *pinned) {
    if (is_replaced || (any && map == program.maps.settings)) {
      successors.push_back({name, map, std::move(fd), of_layout_1});
    } else if (bpf_map__reuse_fd(map, fd.get()) != 0) {
      return system_error(name);
    }
  }
  return successors;
}

std::vector<Successor> all_new(const lb_bpf& program) {
  std::vector<Successor> successors;
  for (const auto& [name, map] : own_maps(*program.skeleton))
    successors.push_back({name, map, Descriptor()});
  return successors;
}

Result<void> copy_contents(const lb_bpf& program, const std::vector<Successor>& successors) {
  for (const auto& [name, map, before, of_layout_1] : successors) {
    if (!before) continue;
    auto copied = of_layout_1 && map == program.maps.services
                      ? copy_services_of_layout_1(before.get(), bpf_map__fd(map),
                                                  bpf_map__fd(program.maps.tables_in_use))
                      : copy(before.get(), bpf_map__fd(map));
    if (!copied) return copied;
  }
  return {};
}

Result<void> copy_late_flows(const lb_bpf& program, const std::vector<Successor>& successors) {
  for (const auto& [name, map, before, of_layout_1] : successors) {
    if (!before || map != program.maps.flows) continue;
    if (auto copied = copy(before.get(), bpf_map__fd(map), Existing::keep); !copied) return copied;
  }
  return {};
}

Result<void> write_settings(const lb_bpf& program, const AttachSettings& settings) {
  const int map = bpf_map__fd(program.maps.settings);
  const std::uint32_t zero = 0;
  lb_settings value{};
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

}  // namespace saspd::bpf
