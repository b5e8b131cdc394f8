// SPDX-License-Identifier: Apache-2.0
// What a seed expands to: which kinds of trouble there are in this life, and how big everything is.
// One life has few kinds (swarm testing): what one kind hides, another life shows.
#pragma once

#include <cstdint>
#include <string>

#include "controller/base/clock.hpp"

namespace saspd::simulation {

struct Options {
  std::uint64_t seed = 0;

  // Sizes.
  unsigned services = 1;
  unsigned servers = 4;  // of a service
  unsigned gwms = 1;
  unsigned chunk = 256;      // writes per pass
  unsigned dump_part = 90;   // rows
  unsigned happenings = 40;  // of the trouble
  std::string scheduler = "wlc";
  // Settings.
  bool managed = false;  // the last service
  bool push = false;
  bool no_change = false;
  bool trust = false;
  bool hold_all_zero = true;
  unsigned panic = 0;
  unsigned interval = 10;           // of the GWM
  unsigned reconcile_interval = 5;  // seconds
  unsigned retry_min = 1;
  unsigned retention = 300;
  bool keepalived = false;
  bool fifo = false;  // --keepalived-fifo
  std::string drift = "overwrite";
  std::string on_stale = "hold";
  std::string merge = "primary";
  unsigned stale_after = 0;  // seconds; 0: by the GWM's interval
  // By bits: the services that the configuration does not name, until the next reload.
  unsigned left_out = 0;

  // Kinds of trouble.
  bool kills = false;    // of saspd, at any step
  bool stops = false;    // and in order
  bool reboots = false;  // with or without rules that were saved
  bool refused_writes = false;
  bool failing_calls = false;
  bool lost_answers = false;   // to writes that were done
  bool no_permission = false;  // from now on, and back
  bool module_goes = false;
  bool human_weighs = false;         // ipvsadm -e with any weight, 0 above all
  bool human_edits = false;          // other attributes
  bool human_moves = false;          // -d, -a, -D, -A
  bool human_restores = false;       // -S, -C and -R
  bool edits_between_steps = false;  // they act within our calls
  bool ledger_full = false;
  bool ledger_lost = false;
  bool links_cut = false;
  bool links_stall = false;
  bool gwm_restarts = false;
  bool gwm_hangs = false;
  bool gwm_refuses = false;
  bool gwm_floods = false;
  bool operator_drains = false;
  bool members_quiesce = false;
  bool weights_move = false;
  bool contact_lost = false;
  bool confidence_lost = false;
  bool advises_nobody = false;  // all zero, all quiesced, nobody confident
  bool reloads = false;         // another configuration for the running saspd

  static Options of(std::uint64_t seed);
  // "servers=4 kills ..."
  std::string text() const;
  // One of these: "push", "interval=10", "scheduler=wrr". False: there is none.
  bool set(const std::string& text);
};

}  // namespace saspd::simulation
