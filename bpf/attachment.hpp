// Whether what attach() brought to the interfaces is still there. Looking needs no capability.
#pragma once

#include <string>
#include <vector>

#include "controller/lb/dataplane.hpp"

namespace saspd::bpf {

// By the record of the pins, against the kernel: interfaces without the program (not_attached),
// with another (other_program) or with that of an attach which was cut off (attach_unfinished),
// gone, renamed or down (interface_gone, interface_renamed, interface_down); maps that others have
// put in the place of the program's (map_replaced) or whose pins are gone (pin_missing); what
// attach() with `blackhole` promised (blackhole_incomplete). Interfaces
// are those of the present network namespace. Nothing is said where nothing is attached at all:
// that is an error of Xdp::open and list. mended_by_attach: by reattach() (attach.hpp).
std::vector<lb::Problem> attachment_problems(const std::string& pins);

}  // namespace saspd::bpf
