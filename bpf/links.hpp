// A program on its interfaces.
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
  Mode mode = Mode::automatic;  // of a link that has to be made
};

struct Attached {
  std::string interface;
  std::string mode;    // "native" or "generic"
  std::string reason;  // why it is not native, in the kernel's words; empty: that was not wanted
};

// Error no_such_device.
Result<std::vector<Interface>> find_interfaces(const std::vector<std::string>& names, Mode mode);

// Nothing: there is no interface of that index.
std::optional<std::string> name_of(std::uint32_t interface);
// For people: its name, or "interface 7".
std::string interface_name(std::uint32_t interface);

// Of a loaded program, by its descriptor; nothing: it is none, and errno says why.
std::optional<std::uint32_t> number_of(int program);

// What the kernel has on an interface.
struct OnInterface {
  std::uint32_t program = 0;  // its number; 0: none
  bool generic = false;
};
OnInterface program_on(std::uint32_t interface);

// Those that are pinned in `pins` and still hold an interface, whatever they are named after, by
// its index.
struct PinnedLink {
  std::string path;
  Descriptor link;
};
std::map<std::uint32_t, PinnedLink> living_links(const std::string& pins);

// Links that are there get the program at once and without a gap; those to be made are made first,
// because they may fail: then nothing has changed, and the error says what the kernel has against
// it. Interfaces that are not named any more lose the program.
Result<std::vector<Attached>> link_all(const std::string& pins,
                                       const std::vector<Interface>& interfaces, int program);

}  // namespace saspd::bpf
