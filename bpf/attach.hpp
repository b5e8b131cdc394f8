// Bringing the XDP program to its interfaces and taking it away again: the privileged part
// (CAP_BPF, CAP_NET_ADMIN and the right to write to the bpf file system).
//
// Everything that lives is pinned below one directory (pins.hpp). Nothing of it needs a process of
// ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/links.hpp"
#include "bpf/pins.hpp"
#include "controller/base/address.hpp"
#include "controller/base/error.hpp"

namespace saspd::bpf {

// How much fits the maps.
struct Sizes {
  std::uint32_t services = 64;    // 257 KiB each
  std::uint32_t backends = 1024;  // 1..65535
  std::uint32_t flows = 262'144;  // about 120 bytes each
};

struct AttachSettings {
  std::string pins;
  std::vector<std::string> interfaces;
  Mode mode = Mode::automatic;
  Sizes sizes;
  std::uint32_t new_flow_limit = 0;  // stored per second and CPU; 0: none
  bool defer_syn = false;            // a flow is stored at the packet after its SYN
  // Of the hash from flows to slots: balancers that share traffic have the same. Nothing: random.
  std::optional<std::uint32_t> seed;
  std::optional<Owner> owner;  // of the pins; nothing: root
  bool replace = false;        // what is there and does not fit is thrown away, flows included
  bool force = false;          // that also under a saspd that serves with it
  bool share = false;          // in the dispatcher of libxdp, beside other programs (share.hpp)
  bool blackhole = false;      // netlink/blackhole.hpp, kept up by reattach()
};

// What is attached already keeps its maps and its flows and gets the present program; smaller maps
// than wanted are copied into bigger ones, under a saspd that goes on writing and without losing a
// flow; those of layout 1 are taken over with all flows, too. An interface that is not named any
// more is left. Nothing is attached, and nothing changed, on an error: an interface that does not
// exist or has another XDP program (which is named), maps of yet another layout, or bigger ones
// than wanted, without `replace` (not_supported), a program that the kernel refuses (with the
// verifier's words), a saspd that would lose its services (address_in_use).
Result<std::vector<Attached>> attach(const AttachSettings& settings);

// Of what is attached there; nothing: nothing that this program knows.
std::optional<Sizes> attached_sizes(const std::string& pins);

// Puts right what attachment_problems() (attachment.hpp) says of an attachment, where
// mended_by_attach: an interface that lost the program, or was made anew, gets it again as it was
// attached, with maps, flows, sizes and mode. Left alone, and remembered: interfaces that are gone,
// or have another program. Returns the interfaces that have the program then; empty: none had lost
// it, and none was touched. Errors: no_such_file_or_directory, nothing is attached, as after
// detach(); those of attach().
Result<std::vector<Attached>> reattach(const std::string& pins);

// On a server without tunnel devices: what forward=ipip put around the packets to `addresses` is
// taken off before its own stack sees them. Of the settings only pins, interfaces and mode count;
// what was attached there before is replaced.
Result<std::vector<Attached>> attach_decapsulator(const AttachSettings& settings,
                                                  const std::vector<IpAddress>& addresses);

// Takes the program off its interfaces and throws the maps away. Works without any daemon. Returns
// the interfaces. Errors: no_such_file_or_directory, nothing is attached; address_in_use, a saspd
// serves with it, and it is not forced.
Result<std::vector<std::string>> detach(const std::string& pins, bool force = false);

}  // namespace saspd::bpf
