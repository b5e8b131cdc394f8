// SPDX-License-Identifier: Apache-2.0
// An attach pins everything aside first, under names of the next, then gives the interfaces the
// program, then makes the next the present. What was interrupted between is settled here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bpf/pins.hpp"
#include "controller/base/error.hpp"

namespace saspd::bpf {

// Where a pin waits to get its name.
std::string next_path(const std::string& pins, std::string_view name);

// The settings come after the other maps, because they show that the others are there, and the
// record comes last, because until then all of this can be repeated.
Result<void> make_next_the_present(const std::string& pins, const Record& record);

// Takes what the record of the present names out of dispatchers, unless it is this program.
Result<void> leave_before(const std::string& pins, std::uint32_t program);

// An interrupted attach is completed if packets already go through its program; otherwise nothing
// of it counts. With --share, it is completed if its program stands in every dispatcher, and undone
// if only the previous program does. No interface is ever left without a program.
Result<void> settle(const std::string& pins);

}  // namespace saspd::bpf
