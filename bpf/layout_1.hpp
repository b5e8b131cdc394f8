// The maps of layout 1 (lb.h), which builds of before pinned: how the program of now takes them
// over.
#pragma once

#include <string_view>

#include "controller/base/error.hpp"

namespace saspd::bpf {

// Whether the map of that name keeps its contents as they are. Others begin anew, those of services
// aside.
bool is_same_in_layout_1(std::string_view map);

// The table in use stood in the entry of its service: from map `from` of then to the maps of now.
Result<void> copy_services_of_layout_1(int from, int services, int tables_in_use);

}  // namespace saspd::bpf
