#pragma once

#include <string_view>

namespace saspd {

// Of the release, as CMakeLists.txt has it: 0.1.0.
extern const std::string_view program_version;

// Of the sources, in the words of git; empty where they were never exported or packed.
extern const std::string_view source_revision;

}  // namespace saspd
