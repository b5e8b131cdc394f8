// SPDX-License-Identifier: Apache-2.0

#include "bpf/layout_1.hpp"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bpf/lb.h"
#include "bpf/map.hpp"

namespace saspd::bpf {
namespace {

struct ServiceOfLayout1 {
  std::uint32_t number;
  std::uint32_t table;
  std::uint8_t forward;
  std::uint8_t flags;
  std::uint16_t zero;
};
static_assert(sizeof(ServiceOfLayout1) == sizeof(lb_service));

}  // namespace

bool is_same_in_layout_1(std::string_view map) {
  static constexpr std::array<std::string_view, 7> same{
      "addresses",        "tables",           "backends", "flows",
      "service_counters", "backend_counters", "settings"};
  return std::find(same.begin(), same.end(), map) != same.end();
}

Result<void> copy_services_of_layout_1(int from, int services, int tables_in_use) {
  lb_service_key key{};
  for (const lb_service_key* last = nullptr; bpf_map_get_next_key(from, last, &key) == 0;
       last = &key) {
    ServiceOfLayout1 before{};
    if (bpf_map_lookup_elem(from, &key, &before) != 0) {
      if (errno == ENOENT) continue;  // it has just gone
      return system_error("services");
    }
    const lb_service now{{}, before.number, before.forward, before.flags, 0};
    if (bpf_map_update_elem(tables_in_use, &now.number, &before.table, BPF_ANY) != 0 ||
        bpf_map_update_elem(services, &key, &now, BPF_ANY) != 0) {
      return system_error("services");
    }
  }
  return {};
}

}  // namespace saspd::bpf
