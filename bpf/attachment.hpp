// SPDX-License-Identifier: Apache-2.0
// Checks whether what attach() attached is still there. Needs no capability.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/lb/observer.hpp"

namespace saspd::bpf {

// The name of a problem that attach() should warn of, too.
inline constexpr std::string_view strict_reverse_path = "strict_reverse_path";

// Compares the record of the pins with the kernel: interfaces without the program (not_attached),
// with another (other_program), or with that of an interrupted attach (attach_unfinished);
// interfaces that are gone, renamed or down (interface_gone, interface_renamed, interface_down);
// maps that replaced the program's (map_replaced) or whose pins are gone (pin_missing); an
// incomplete `blackhole` of attach() (blackhole_incomplete), or one that drops the answers of servers
// (strict_reverse_path). Interfaces are those of the current network namespace. Reports no problem if nothing is attached at all: that is an error of
// Xdp::open and list. mended_by_attach: reattach() (attach.hpp) repairs it.
std::vector<lb::Problem> attachment_problems(const std::string& pins);

}  // namespace saspd::bpf
