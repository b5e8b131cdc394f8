// SPDX-License-Identifier: Apache-2.0
// What the operator asked for, checked as far as it can be without the kernel and the network.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "controller/cli/common_options.hpp"
#include "controller/lb/backend.hpp"
#include "controller/saspd/reconciler.hpp"

namespace saspd::director {

// As many as the maps of XDP take.
inline constexpr std::uint32_t most_services = 4096;
inline constexpr std::uint32_t most_backends = 65535;

// What only --backend xdp has.
struct XdpOptions {
  enum class Mode { automatic, native, generic };

  std::string pins = "/sys/fs/bpf/saspd";
  std::string attach_request;  // a file to be written where reattach would help; empty: none
  // For attach:
  std::vector<std::string> interfaces;
  std::vector<IpAddress> decapsulate;  // on a server: the service addresses; else empty
  Mode mode = Mode::automatic;
  bool replace = false;
  bool force = false;
  bool share = false;
  bool blackhole = false;
  std::string user;  // who gets the pins; empty: saspd if there is one, else root
  // Nothing: by what is configured, and never less than what is there.
  std::optional<std::uint32_t> max_services;
  std::optional<std::uint32_t> max_backends;
  std::optional<std::uint32_t> max_flows;
  bool defer_syn = false;
  std::uint32_t new_flow_limit = 0;
  std::optional<std::uint32_t> seed;
};

struct Options : cli::ClientOptions {
  std::string lb_uid;
  std::optional<std::chrono::seconds> interval;  // nothing: the GWM's
  bool push = false;
  bool trust = false;
  bool no_change = false;
  GwmMerge merge = GwmMerge::primary;

  const lb::Backend* backend = nullptr;  // the first of those given to parse_options(), by default
  XdpOptions xdp;
  std::vector<GroupSettings> groups;  // in order of first appearance
  bool adopt = false;
  std::optional<Duration> stale_after;  // nothing: by the interval
  std::chrono::seconds reconcile_interval{5};
  ProjectionPolicy policy;
  std::uint32_t max_step = 0;  // percent: see Pace
  DriftPolicy drift = DriftPolicy::overwrite;
  bool dry_run = false;
  // The UID that GWMs hear. A dry run's own, because they serve one connection per UID, and would
  // end that of the director in its favour.
  std::string spoken_uid() const;

  std::string ledger = "/var/lib/saspd/ledger";        // empty: none
  std::string history = "/var/lib/saspd/history";      // empty: none
  std::string overrides = "/var/lib/saspd/overrides";  // empty: none
  std::string keepalived_fifo;                         // empty: none
};

using Backends = std::span<const lb::Backend* const>;

// Either the options, or the code to end with; everything was said by then, in `errors` if there are
// any. `backends`: at least one; the first is the default.
std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv, Backends backends,
                                              cli::Errors* errors = nullptr);

// What may be meant so and probably is not, for a warning each.
std::vector<std::string> doubts(const Options& options);

}  // namespace saspd::director
