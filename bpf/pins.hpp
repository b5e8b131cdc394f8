// What stands in a directory of pins beside the maps: a link for each interface (link_eth0), which
// holds the program there and is root's; and the record of all that attach() has put there, by
// which anybody can see later whether it still is. Names that begin with next_ are of an attach
// that is under way, or was cut off. "writer" is no pin: writer_lock.hpp.
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

// The file system takes no dots in names: "eth0.100" is pinned as "link_eth0%2E100".
std::string link_pin(std::string_view interface);
// Nothing: it is the name of another pin.
std::optional<std::string> interface_of(std::string_view pin);

std::string path_of(const std::string& pins, std::string_view name);
// In order; without the directory of the writer's lock.
std::vector<std::string> names_in(const std::string& pins);
std::vector<std::string> linked_interfaces(const std::string& pins);
Result<void> unpin(const std::string& path);

// The directory, made if need be, on the bpf file system (which is never mounted here: whoever runs
// us may have a mount namespace that dies with them). One that anybody but us could have prepared
// is refused.
Result<void> make_directory(const std::string& pins);
// If nothing is pinned in it.
void remove_directory(const std::string& pins);

// The name of a pin, and its number: of a map or program its id, of a link the interface's index.
// The program is on the record as "program", and is pinned nowhere.
using Record = std::map<std::string, std::uint32_t>;
// An interface that is shared (share.hpp) has two entries and no pin: its index, and the number of
// the dispatcher.
inline constexpr std::string_view record_pin = "record";
inline constexpr std::string_view program_entry = "program";
inline constexpr std::string_view next_prefix = "next_";

std::string shared_entry(std::string_view interface);
std::string dispatcher_entry(std::string_view interface);
bool is_dispatcher(std::string_view entry);
// Nothing: it is another entry.
std::optional<std::string> shared_interface_of(std::string_view entry);

Result<Record> read_record(const std::string& path);
// Makes the map and pins it there, in place of what is there.
Result<void> write_record(const std::string& path, const Record& record);

}  // namespace saspd::bpf
