// SPDX-License-Identifier: Apache-2.0

#include "bpf/pins.hpp"

#include <bpf/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "bpf/map.hpp"
#include "bpf/writer_lock.hpp"

namespace saspd::bpf {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view link_prefix = "link_";
constexpr std::string_view shared_prefix = "shared_";
constexpr std::string_view dispatcher_prefix = "dispatcher_";

struct RecordKey {
  std::array<char, 64> name{};
};
constexpr std::uint32_t record_room = 256;

}  // namespace

std::string link_pin(std::string_view interface) {
  std::string name(link_prefix);
  for (const char character : interface) {
    if (character == '.' || character == '%') {
      name += fmt::format("%{:02X}", static_cast<unsigned char>(character));
    } else {
      name += character;
    }
  }
  return name;
}

std::optional<std::string> interface_of(std::string_view pin) {
  if (!pin.starts_with(link_prefix)) return std::nullopt;
  pin.remove_prefix(link_prefix.size());
  std::string interface;
  while (!pin.empty()) {
    unsigned char code = 0;
    const bool encoded =
        pin.front() == '%' && pin.size() >= 3 &&
        std::from_chars(pin.data() + 1, pin.data() + 3, code, 16).ptr == pin.data() + 3;
    interface += encoded ? static_cast<char>(code) : pin.front();
    pin.remove_prefix(encoded ? 3 : 1);
  }
  return interface;
}

std::string path_of(const std::string& pins, std::string_view name) {
  return fmt::format("{}/{}", pins, name);
}

std::vector<std::string> names_in(const std::string& pins) {
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(pins, code)) {
    if (entry.path().filename() != WriterLock::directory) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> linked_interfaces(const std::string& pins) {
  std::vector<std::string> interfaces;
  for (const auto& name : names_in(pins)) {
    if (auto interface = interface_of(name)) interfaces.push_back(std::move(*interface));
  }
  return interfaces;
}

std::string shared_entry(std::string_view interface) {
  return fmt::format("{}{}", shared_prefix, interface);
}

std::string dispatcher_entry(std::string_view interface) {
  return fmt::format("{}{}", dispatcher_prefix, interface);
}

bool is_dispatcher(std::string_view entry) {
  return entry.starts_with(dispatcher_prefix);
}

std::optional<std::string> shared_interface_of(std::string_view entry) {
  if (!entry.starts_with(shared_prefix)) return std::nullopt;
  return std::string(entry.substr(shared_prefix.size()));
}

Result<void> unpin(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return system_error(path);
}

Result<void> make_directory(const std::string& pins) {
  const fs::path parent = fs::path(pins).parent_path();
  struct statfs file_system {};
  if (::statfs(parent.c_str(), &file_system) != 0 || file_system.f_type != BPF_FS_MAGIC) {
    return fail(std::errc::no_such_device,
                fmt::format("{} is not on the bpf file system; mount it with 'mount -t bpf -o "
                            "mode=0711 bpf /sys/fs/bpf'",
                            parent.string()));
  }
  if (::mkdir(pins.c_str(), 0700) != 0 && errno != EEXIST) return system_error(pins);
  struct stat found {};
  if (::lstat(pins.c_str(), &found) != 0) return system_error(pins);
  const bool writable = (found.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (!S_ISDIR(found.st_mode) || found.st_uid != ::geteuid() || writable) {
    return fail(std::errc::device_or_resource_busy,
                fmt::format("{} is not a directory that only root could have filled; check its "
                            "contents, and remove it with 'rm -r {}'",
                            pins, pins));
  }
  return {};
}

void remove_directory(const std::string& pins) {
  if (!names_in(pins).empty()) return;
  (void)WriterLock::remove(pins);
  ::rmdir(pins.c_str());
}

Result<Record> read_record(const std::string& path) {
  LIBBPF_OPTS(bpf_obj_get_opts, read_only, .file_flags = BPF_F_RDONLY);
  const Descriptor map(bpf_obj_get_opts(path.c_str(), &read_only));
  if (!map) return system_error(path);
  Record record;
  RecordKey key;
  for (const RecordKey* last = nullptr; bpf_map_get_next_key(map.get(), last, &key) == 0;
       last = &key) {
    std::uint32_t number = 0;
    if (bpf_map_lookup_elem(map.get(), &key, &number) != 0) return system_error(path);
    record[std::string(key.name.data(), ::strnlen(key.name.data(), key.name.size()))] = number;
  }
  return record;
}

Result<void> write_record(const std::string& path, const Record& record) {
  const Descriptor map(bpf_map_create(BPF_MAP_TYPE_HASH, "record", sizeof(RecordKey),
                                      sizeof(std::uint32_t), record_room, nullptr));
  if (!map) return system_error(path);
  for (const auto& [name, number] : record) {
    RecordKey key;
    name.copy(key.name.data(), key.name.size() - 1);
    if (bpf_map_update_elem(map.get(), &key, &number, BPF_ANY) != 0) return system_error(path);
  }
  if (auto gone = unpin(path); !gone) return gone;
  if (bpf_obj_pin(map.get(), path.c_str()) != 0) return system_error(path);
  if (::chmod(path.c_str(), 0444) != 0) return system_error(path);
  return {};
}

}  // namespace saspd::bpf
