// SPDX-License-Identifier: Apache-2.0
// The contents of a directory of pins besides the maps: a link for each interface (link_eth0),
// which holds the program there and belongs to root; and the record of everything that attach() has
// put there, by which any process can check later whether it is still there. Names that begin with
// next_ belong to an attach that is running or was interrupted. "writer" is not a pin:
// writer_lock.hpp.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/error.hpp"

namespace saspd::bpf {

using Owner = std::pair<uid_t, gid_t>;

// The file system allows no dots in names: "eth0.100" is pinned as "link_eth0%2E100".
std::string link_pin(std::string_view interface);
// Empty if it is the name of another pin.
std::optional<std::string> interface_of(std::string_view pin);

std::string path_of(const std::string& pins, std::string_view name);
// Sorted, and without the directory of the writer's lock.
std::vector<std::string> names_in(const std::string& pins);
std::vector<std::string> linked_interfaces(const std::string& pins);
Result<void> unpin(const std::string& path);

// Creates the directory if needed, on the bpf file system (which is never mounted here: the caller
// may have a mount namespace that ends with it). Refuses a directory that another user could have
// prepared.
Result<void> make_directory(const std::string& pins);
// Removes the directory if nothing is pinned in it.
void remove_directory(const std::string& pins);

// The name of each pin and its number: the id of a map or program, the interface index of a link.
// The program is on the record as "program", but is not pinned.
using Record = std::map<std::string, std::uint32_t>;
// An interface that is shared (share.hpp) has two entries and no pin: its index, and the number of
// the dispatcher.
inline constexpr std::string_view record_pin = "record";
inline constexpr std::string_view program_entry = "program";
inline constexpr std::string_view next_prefix = "next_";

std::string shared_entry(std::string_view interface);
std::string dispatcher_entry(std::string_view interface);
bool is_dispatcher(std::string_view entry);
// Empty if it is another entry.
std::optional<std::string> shared_interface_of(std::string_view entry);

Result<Record> read_record(const std::string& path);
// Creates the map and pins it there, replacing what is there.
Result<void> write_record(const std::string& path, const Record& record);

}  // namespace saspd::bpf
