// SPDX-License-Identifier: Apache-2.0
// The maps of layout 1 (lb.h), which earlier builds pinned, and how the current program takes them
// over.
#pragma once

#include <string_view>

#include "controller/base/error.hpp"

namespace saspd::bpf {

// Whether the map of that name keeps its contents as they are. Others start empty, except those of
// services.
bool is_same_in_layout_1(std::string_view map);

// Copies the services of layout 1, whose entries named the table in use, from the old map `from` to
// the current maps.
Result<void> copy_services_of_layout_1(int from, int services, int tables_in_use);

}  // namespace saspd::bpf
