// SPDX-License-Identifier: Apache-2.0
// On which interfaces what was attached still is, and which can have it again.
#pragma once

#include <string>
#include <vector>

#include "bpf/devices.hpp"
#include "bpf/links.hpp"
#include "bpf/pins.hpp"

namespace saspd::bpf {

struct Whereabouts {
  std::vector<Interface> present;  // that have the program, or can have it again
  Record absent;                   // gone, or with another program
  bool any_lost = false;           // of those present
};

// By the links.
Whereabouts look_for_links(const std::string& pins);

// In dispatchers, by the record. One that others have changed counts as lost until its number is
// known anew.
Whereabouts look_for_shares(const Record& record);

// Adds the interfaces of the record that are missing in `attached` and have the program, or the
// dispatcher that took it in, now; by what the kernel says of them.
void add_recorded(const std::string& pins, std::vector<Attachment>& attached);

// Whether it was attached with --share.
bool shares(const Record& record);

}  // namespace saspd::bpf
