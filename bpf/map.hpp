// SPDX-License-Identifier: Apache-2.0
// A typed BPF map of the kernel. Keys and values are the structs of lb.h.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd::bpf {

// The error of the call that has just failed.
inline Error system_error(std::string what) {
  const std::error_code code(errno, std::generic_category());
  return fail(code, what + ": " + code.message());
}

inline Result<bpf_map_info> info_of(int map, const std::string& name = "map") {
  bpf_map_info info{};
  std::uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(map, &info, &size) != 0) return system_error(name);
  return info;
}

template <class Key, class Value>
class Map {
 public:
  // Opens a map by its pin. Error std::errc::no_such_file_or_directory: there is none.
  static Result<Map> open(const std::string& path) {
    Map map;
    map.name_ = path.substr(path.rfind('/') + 1);
    map.fd_ = Descriptor(bpf_obj_get(path.c_str()));
    if (map.fd_.get() < 0) return system_error(path);
    const auto found = info_of(map.fd_.get(), path);
    if (!found) return fail(found.error());
    const auto& info = *found;
    if (info.key_size != sizeof(Key) || info.value_size != sizeof(Value)) {
      return fail(std::errc::invalid_argument, path + " is not a map of this saspd");
    }
    map.max_entries_ = info.max_entries;
    map.id_ = info.id;
    return map;
  }

  std::optional<Value> find(const Key& key) const {
    Value value;
    if (bpf_map_lookup_elem(fd_.get(), &key, &value) != 0) return std::nullopt;
    return value;
  }
  // For an array, which has every key: a failed read is an error.
  Result<Value> get(const Key& key) const {
    if (auto value = find(key)) return std::move(*value);
    return system_error(name_);
  }
  // With BPF_F_LOCK, an existing element is changed in place, and never missing meanwhile.
  Result<void> put(const Key& key, const Value& value, std::uint64_t flags = BPF_ANY) const {
    if (bpf_map_update_elem(fd_.get(), &key, &value, flags) != 0) return system_error(name_);
    return {};
  }
  Result<void> erase(const Key& key) const {
    if (bpf_map_delete_elem(fd_.get(), &key) != 0 && errno != ENOENT) return system_error(name_);
    return {};
  }
  // For a map that does not change meanwhile: all entries, or an error.
  Result<std::vector<std::pair<Key, Value>>> entries() const {
    std::vector<Key> keys(max_entries_);
    std::vector<Value> values(max_entries_);
    std::uint32_t position = 0;
    std::uint32_t count = max_entries_;
    if (auto read = read_all(position, keys.data(), values.data(), count); !read) {
      return fail(read.error());
    }
    std::vector<std::pair<Key, Value>> entries;
    for (std::uint32_t i = 0; i < count; ++i)
      entries.emplace_back(keys[i], values[i]);
    return entries;
  }

  // For an array: all values, by index.
  Result<std::vector<Value>> values() const {
    std::vector<std::uint32_t> indices(max_entries_);
    std::vector<Value> values(max_entries_);
    std::uint32_t position = 0;
    std::uint32_t count = max_entries_;
    if (auto read = read_all(position, indices.data(), values.data(), count); !read) {
      return fail(read.error());
    }
    return values;
  }
  // Reads an existing element, or returns an error.
  Result<void> read(const Key& key, Value& into) const {
    if (bpf_map_lookup_elem(fd_.get(), &key, &into) != 0) return system_error(name_);
    return {};
  }

  int descriptor() const { return fd_.get(); }
  // The kernel's number of the map, unique while this map exists.
  std::uint32_t id() const { return id_; }

 private:
  // `position` receives where the kernel would continue.
  Result<void> read_all(std::uint32_t& position, void* keys, void* values,
                        std::uint32_t& count) const {
    if (bpf_map_lookup_batch(fd_.get(), nullptr, &position, keys, values, &count, nullptr) != 0 &&
        errno != ENOENT) {  // ENOENT: no more elements
      return system_error(name_);
    }
    return {};
  }

  Descriptor fd_;
  std::string name_;
  std::uint32_t max_entries_ = 0;
  std::uint32_t id_ = 0;
};

// A per-CPU array: a value for each possible CPU under each key. Value consists of 8-byte words.
template <class Value>
class PerCpuArray {
 public:
  static Result<PerCpuArray> open(const std::string& path) {
    PerCpuArray array;
    array.fd_ = Descriptor(bpf_obj_get(path.c_str()));
    if (array.fd_.get() < 0) return system_error(path);
    array.cpus_ = static_cast<std::size_t>(libbpf_num_possible_cpus());
    return array;
  }

  std::vector<Value> find(std::uint32_t key) const {
    std::vector<Value> values(cpus_);
    if (bpf_map_lookup_elem(fd_.get(), &key, values.data()) != 0) values.clear();
    return values;
  }
  Result<void> clear(std::uint32_t key) const {
    const std::vector<Value> zeros(cpus_);
    if (bpf_map_update_elem(fd_.get(), &key, zeros.data(), BPF_ANY) != 0) {
      return system_error("counters");
    }
    return {};
  }

 private:
  Descriptor fd_;
  std::size_t cpus_ = 0;
};

}  // namespace saspd::bpf
