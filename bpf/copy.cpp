// SPDX-License-Identifier: Apache-2.0

#include "bpf/copy.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cstdint>
#include <vector>

#include "bpf/map.hpp"

namespace saspd::bpf {
namespace {

bool is_per_cpu(std::uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

bool is_array(std::uint32_t type) {
  return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

std::size_t value_size(const bpf_map_info& info) {
  if (!is_per_cpu(info.type)) return info.value_size;
  const std::size_t rounded = (info.value_size + 7U) / 8U * 8U;
  return rounded * static_cast<std::size_t>(libbpf_num_possible_cpus());
}

Result<void> copy_element(int from, int to, const void* key, std::vector<std::uint8_t>& value,
                          std::uint64_t flags) {
  if (bpf_map_lookup_elem(from, key, value.data()) != 0) {
    if (errno == ENOENT) return {};  // it has just gone
    return system_error("map");
  }
  if (bpf_map_update_elem(to, key, value.data(), flags) != 0 && errno != EEXIST)
    return system_error("map");
  return {};
}

Result<void> copy_array(int from, int to, const bpf_map_info& info) {
  std::vector<std::uint8_t> value(value_size(info));
  for (std::uint32_t index = 0; index < info.max_entries; ++index) {
    if (auto copied = copy_element(from, to, &index, value, BPF_ANY); !copied) return copied;
  }
  return {};
}

// In batches, which the kernel takes whole buckets for: walking by keys would begin anew whenever
// the last one has gone, and a table of flows changes all the time.
Result<void> copy_hash(int from, int to, const bpf_map_info& info, std::uint64_t flags) {
  std::uint32_t room = 4096;
  std::uint32_t position = 0;
  std::vector<std::uint8_t> keys;
  std::vector<std::uint8_t> values;
  const std::size_t value_bytes = value_size(info);
  for (bool first = true;;) {
    keys.resize(std::size_t{room} * info.key_size);
    values.resize(room * value_bytes);
    std::uint32_t count = room;
    std::uint32_t next = 0;
    const bool more = bpf_map_lookup_batch(from, first ? nullptr : &position, &next, keys.data(),
                                           values.data(), &count, nullptr) == 0;
    if (!more && errno == ENOSPC) {  // a bucket that is bigger than the room
      room *= 2;
      continue;
    }
    if (!more && errno != ENOENT) return system_error("map");
    for (std::uint32_t i = 0; i < count; ++i) {
      const bool put =
          bpf_map_update_elem(to, &keys[i * info.key_size], &values[i * value_bytes], flags) == 0;
      if (!put && errno != EEXIST) return system_error("map");
    }
    if (!more) return {};
    position = next;
    first = false;
  }
}

}  // namespace

Result<void> copy(int from, int to, Existing existing) {
  const auto info = info_of(from);
  if (!info) return fail(info.error());
  if (is_array(info->type)) return copy_array(from, to, *info);
  return copy_hash(from, to, *info, existing == Existing::keep ? BPF_NOEXIST : BPF_ANY);
}

}  // namespace saspd::bpf
