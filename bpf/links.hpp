// SPDX-License-Identifier: Apache-2.0
// Links between a program and its interfaces.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd::bpf {

enum class Mode { automatic, native, generic };

struct Interface {
  std::string name;
  std::uint32_t index = 0;
  Mode mode = Mode::automatic;  // of a link that must be created
};

struct Attached {
  std::string interface;
  std::string mode;  // "native" or "generic"
  std::string
      reason;  // why it is not native, in the kernel's words; empty if native was not requested
};

// Error: no_such_device.
Result<std::vector<Interface>> find_interfaces(const std::vector<std::string>& names, Mode mode);

// Empty if there is no interface with that index.
std::optional<std::string> name_of(std::uint32_t interface);
// For messages: the interface's name, or "interface 7".
std::string interface_name(std::uint32_t interface);

// The kernel's number of a loaded program, by its descriptor; empty on an error, with errno set.
std::optional<std::uint32_t> number_of(int program);

// What the kernel has on an interface.
struct OnInterface {
  std::uint32_t program = 0;  // its number; 0: none
  bool generic = false;
};
OnInterface program_on(std::uint32_t interface);

// The links that are pinned in `pins` and still hold an interface, by its index, whatever their
// names.
struct PinnedLink {
  std::string path;
  Descriptor link;
};
std::map<std::uint32_t, PinnedLink> living_links(const std::string& pins);

// Existing links get the program at once and without a gap. New links are created first, because
// that may fail: in that case nothing has changed, and the error has the kernel's reason.
// Interfaces that are no longer named lose the program.
Result<std::vector<Attached>> link_all(const std::string& pins,
                                       const std::vector<Interface>& interfaces, int program);

}  // namespace saspd::bpf
