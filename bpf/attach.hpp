// SPDX-License-Identifier: Apache-2.0
// Attaches the XDP program to its interfaces and detaches it: the privileged part (CAP_BPF,
// CAP_NET_ADMIN and the right to write to the bpf file system).
//
// Everything that stays is pinned below one directory (pins.hpp), and needs no process of ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/links.hpp"
#include "bpf/pins.hpp"
#include "controller/base/address.hpp"
#include "controller/base/error.hpp"
#include "controller/lb/map_sizes.hpp"

namespace saspd::bpf {

using Sizes = lb::MapSizes;

struct AttachSettings {
  std::string pins;
  std::vector<std::string> interfaces;
  Mode mode = Mode::automatic;
  Sizes sizes;
  std::uint32_t new_flow_limit = 0;  // flows stored per second and CPU; 0: no limit
  bool defer_syn = false;            // stores a flow at the packet after its SYN
  // For the hash from flows to slots; balancers that share traffic need the same. Empty: random.
  std::optional<std::uint32_t> seed;
  std::optional<Owner> owner;  // of the pins; empty: root
  bool replace = false;        // discards existing maps that do not fit, including their flows
  bool force = false;          // does so even while a saspd is using them
  bool share = false;  // attaches in the dispatcher of libxdp, beside other programs (share.hpp)
  bool blackhole = false;  // netlink/blackhole.hpp; reattach() keeps it up to date
};

// An existing attachment keeps its maps and flows and gets the current program. Maps that are
// smaller than wanted are copied into larger ones, while a saspd keeps writing and without losing a
// flow; maps of layout 1 are taken over with all flows as well. Interfaces that are no longer named
// lose the program. On an error, nothing is attached or changed: an interface that does not exist
// or has another XDP program (which is named); maps of another layout, or larger than wanted,
// without `replace` (not_supported); a program that the kernel refuses (with the verifier's text);
// a saspd that would lose its services (address_in_use).
Result<std::vector<Attached>> attach(const AttachSettings& settings);

// The sizes of what is attached there; empty if this version does not know it.
std::optional<Sizes> attached_sizes(const std::string& pins);

// Repairs what attachment_problems() (attachment.hpp) reports with mended_by_attach: an interface
// that lost the program or was recreated gets it again as before, with maps, flows, sizes and mode.
// Interfaces that are gone, or have another program, are left alone and stay on the record. Returns
// the interfaces that have the program afterwards; empty if none had lost it, in which case none
// was touched. Errors: no_such_file_or_directory, nothing is attached, as after detach(); those of
// attach().
Result<std::vector<Attached>> reattach(const std::string& pins);

// For a server without tunnel devices: removes the outer header that forward=ipip puts before
// packets to `addresses`, before the server's own stack sees them. Uses only pins, interfaces and
// mode of the settings, and replaces what was attached there before.
Result<std::vector<Attached>> attach_decapsulator(const AttachSettings& settings,
                                                  const std::vector<IpAddress>& addresses);

// Detaches the program from its interfaces and deletes the maps. Works without any daemon. Returns
// the interfaces; empty: nothing was attached any more, only the routes of `blackhole` were left.
// Errors: no_such_file_or_directory, nothing is attached; address_in_use, a saspd is using it and
// `force` is not set.
Result<std::vector<std::string>> detach(const std::string& pins, bool force = false);

}  // namespace saspd::bpf
