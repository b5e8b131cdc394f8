// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/options.hpp"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "tests/simulation/chance.hpp"

namespace saspd::simulation {
namespace {

struct Number {
  std::string_view name;
  unsigned Options::*value;
};
constexpr Number numbers[] = {
    {"services", &Options::services},
    {"servers", &Options::servers},
    {"gwms", &Options::gwms},
    {"chunk", &Options::chunk},
    {"dump_part", &Options::dump_part},
    {"happenings", &Options::happenings},
    {"panic", &Options::panic},
    {"interval", &Options::interval},
    {"reconcile_interval", &Options::reconcile_interval},
    {"retry_min", &Options::retry_min},
    {"retention", &Options::retention},
    {"stale_after", &Options::stale_after},
};

struct Word {
  std::string_view name;
  std::string Options::*value;
};
constexpr Word words[] = {
    {"scheduler", &Options::scheduler},
    {"drift", &Options::drift},
    {"on_stale", &Options::on_stale},
    {"merge", &Options::merge},
};

struct Kind {
  std::string_view name;
  bool Options::*on;
};
constexpr Kind settings[] = {
    {"managed", &Options::managed},
    {"push", &Options::push},
    {"no_change", &Options::no_change},
    {"trust", &Options::trust},
    {"hold_all_zero", &Options::hold_all_zero},
    {"keepalived", &Options::keepalived},
    {"fifo", &Options::fifo},
};
constexpr Kind troubles[] = {
    {"kills", &Options::kills},
    {"stops", &Options::stops},
    {"reboots", &Options::reboots},
    {"refused_writes", &Options::refused_writes},
    {"failing_calls", &Options::failing_calls},
    {"lost_answers", &Options::lost_answers},
    {"no_permission", &Options::no_permission},
    {"module_goes", &Options::module_goes},
    {"human_weighs", &Options::human_weighs},
    {"human_edits", &Options::human_edits},
    {"human_moves", &Options::human_moves},
    {"human_restores", &Options::human_restores},
    {"edits_between_steps", &Options::edits_between_steps},
    {"ledger_full", &Options::ledger_full},
    {"ledger_lost", &Options::ledger_lost},
    {"links_cut", &Options::links_cut},
    {"links_stall", &Options::links_stall},
    {"gwm_restarts", &Options::gwm_restarts},
    {"gwm_hangs", &Options::gwm_hangs},
    {"gwm_refuses", &Options::gwm_refuses},
    {"gwm_floods", &Options::gwm_floods},
    {"operator_drains", &Options::operator_drains},
    {"members_quiesce", &Options::members_quiesce},
    {"weights_move", &Options::weights_move},
    {"contact_lost", &Options::contact_lost},
    {"confidence_lost", &Options::confidence_lost},
    {"advises_nobody", &Options::advises_nobody},
    {"reloads", &Options::reloads},
};

// Drawn apart, after all others: seeds from before keep their meaning.
void add_policies(Options& options) {
  Chance chance(options.seed ^ 0x2545F4914F6CDD1DU);
  using Words = std::initializer_list<const char*>;
  options.drift = chance.any(Words{"overwrite", "overwrite", "report", "adopt"});
  options.on_stale = chance.any(Words{"hold", "hold", "static", "drain"});
  options.merge = chance.any(Words{"primary", "primary", "mean", "min", "max"});
  options.stale_after = chance.any({0U, 0U, 20U, 90U});
  options.reloads = chance.one_in(4);
}

// One batch of netlink has 128 requests, one chunk of a plan 256.
unsigned any_size(Chance& chance) {
  if (chance.one_in(400)) return chance.any({128U, 129U, 256U, 257U});
  return chance.any({1U, 2U, 3U, 4U, 4U, 5U});
}

}  // namespace

Options Options::of(std::uint64_t seed) {
  Chance chance(seed);
  Options options;
  options.seed = seed;
  options.servers = any_size(chance);
  options.services = options.servers > 5 ? 1 : chance.any({1U, 1U, 2U, 3U});
  options.gwms = chance.any({1U, 1U, 1U, 2U});
  options.chunk = options.servers > 5 ? 256 : chance.any({1U, 2U, 256U, 256U});
  options.dump_part = options.servers > 5 ? 90 : chance.any({1U, 2U, 90U});
  options.happenings = chance.any({5U, 20U, 60U});
  options.scheduler = chance.any({"wlc", "wlc", "wrr", "mh", "sh"});
  for (const auto& setting : settings)
    options.*setting.on = chance.one_in(3);
  options.hold_all_zero = !chance.one_in(4);
  options.panic = chance.one_in(6) ? 50 : 0;
  options.interval = chance.any({1U, 10U, 10U, 60U});
  options.reconcile_interval = chance.any({1U, 5U, 5U});
  options.retry_min = chance.any({1U, 20U});
  options.retention = chance.any({1U, 60U, 300U});
  const unsigned one_in = chance.any({2U, 4U, 8U});
  for (const auto& trouble : troubles)
    options.*trouble.on = chance.one_in(one_in);
  options.weights_move = options.weights_move || !chance.one_in(4);
  add_policies(options);
  return options;
}

std::string Options::text() const {
  std::string text = fmt::format("seed={}", seed);
  for (const auto& word : words)
    text += fmt::format(" {}={}", word.name, this->*word.value);
  for (const auto& number : numbers)
    text += fmt::format(" {}={}", number.name, this->*number.value);
  for (const auto& each : settings)
    if (this->*each.on) text += fmt::format(" {}", each.name);
  text += ";";
  for (const auto& each : troubles)
    if (this->*each.on) text += fmt::format(" {}", each.name);
  return text;
}

bool Options::set(const std::string& text) {
  const auto equals = text.find('=');
  const std::string name = text.substr(0, equals);
  for (const auto& each : settings) {
    if (each.name != name) continue;
    this->*each.on = true;
    return equals == std::string::npos;
  }
  if (equals == std::string::npos) return false;
  const std::string value = text.substr(equals + 1);
  for (const auto& word : words) {
    if (word.name != name) continue;
    this->*word.value = value;
    return true;
  }
  for (const auto& each : numbers) {
    if (each.name != name) continue;
    const auto end = value.data() + value.size();
    const auto read = std::from_chars(value.data(), end, this->*each.value);
    return read.ec == std::errc{} && read.ptr == end;
  }
  return false;
}

}  // namespace saspd::simulation
