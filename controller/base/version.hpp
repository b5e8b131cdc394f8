// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

namespace saspd {

// The release, as in CMakeLists.txt: 0.1.0.
extern const std::string_view program_version;

// The sources, as git describes them; empty if they were never exported or packed.
extern const std::string_view source_revision;

}  // namespace saspd
