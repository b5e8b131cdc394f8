// SPDX-License-Identifier: Apache-2.0
// Alone in here, so that another version compiles nothing else again.
#include "controller/base/version.hpp"

namespace saspd {

constinit const std::string_view program_version = SASPD_VERSION;
constinit const std::string_view source_revision = SASPD_REVISION;

}  // namespace saspd
