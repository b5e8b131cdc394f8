// SPDX-License-Identifier: Apache-2.0
// The maps of an attach: new ones, those that are pinned, or larger successors of those with what
// is in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/attach.hpp"
#include "bpf/lb.h"
#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

struct bpf_map;
struct bpf_object_skeleton;
struct lb_bpf;

namespace saspd::bpf {

// By the name that the program has for it, and its pin. libbpf's own name becomes the kernel's once
// a map is reused, and the kernel's may be empty: libbpf gives maps none where it could not find
// out whether the kernel takes names.
struct OwnMap {
  std::string name;
  bpf_map* map;
};

// The maps that are pinned: libbpf has others of its own. The elements of a skeleton are as long as
// it says, not as libbpf's header has them: bpftool 7.5 leaves a member out that no map of ours
// needs.
std::vector<OwnMap> own_maps(const bpf_object_skeleton& skeleton);

// Before the program is loaded.
void set_sizes(const lb_bpf& program, const Sizes& sizes);

// A map that takes the place of a pinned one of another size or layout.
struct Successor {
  std::string name;
  bpf_map* map;
  Descriptor before;  // empty: there was none, or it is discarded
  bool of_layout_1 = false;
};

// Nothing: there are none of ours. An error is of a call that failed, and says nothing about what
// is there.
Result<std::optional<lb_settings>> pinned_settings(const std::string& pins);

// Whether this program can go on with what has these settings.
bool can_be_taken_over(const lb_settings& settings);

std::vector<Successor> all_new(const lb_bpf& program);

// Pinned maps stay in use; those that are too small, or of layout 1, get successors. A process that
// has them open notices by the settings (Xdp), which are then recreated. Error not_supported: they
// do not fit.
Result<std::vector<Successor>> take_over(const lb_bpf& program, const std::string& pins);

Result<void> copy_contents(const lb_bpf& program, const std::vector<Successor>& successors);

// Copies the flows that began in the old maps after these were copied. Meanwhile only the program
// writes, and of what it writes only flows matter.
Result<void> copy_late_flows(const lb_bpf& program, const std::vector<Successor>& successors);

// The seed of existing settings stays: another one would give every flow another slot.
Result<void> write_settings(const lb_bpf& program, const AttachSettings& settings);

}  // namespace saspd::bpf
