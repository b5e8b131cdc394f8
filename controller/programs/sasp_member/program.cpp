// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_member/program.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "controller/member/load.hpp"

namespace saspd::programs {
namespace {

constexpr auto load_period = std::chrono::seconds{5};

}  // namespace

SaspMember::SaspMember(host::Host& host, member::Options& options, ReadOptions read_again,
                       member::Machine& machine, cli::Log& log)
    : Configured(host, options, std::move(read_again)),
      log_(log),
      limited_log_(log),
      machine_(machine),
      links_(host.io(), machine, [this] { settle(); }),
      load_timer_(host.io()),
      timer_(host.io()) {
  for (const auto& gwm : options.gwms)
    links_.add(link_to(gwm));
}

net::LinkSettings SaspMember::link_to(const cli::HostPort& gwm) const {
  net::LinkSettings settings;
  settings.host = gwm.host;
  settings.port = gwm.port;
  settings.tls = host_.tls();
  settings.connect_deadline = std::min(settings.connect_deadline, Duration{options().timeout});
  return settings;
}

host::Refused SaspMember::start() {
  machine_.start(Clock::now());
  report_load();
  links_.start();
  settle();
  return std::nullopt;
}

// The end of a run deregisters the members from a GWM that is left out; a reload would leave them.
void SaspMember::prepare(const member::Options& next, cli::Errors& errors) {
  for (const auto& gwm : options().gwms) {
    if (std::find(next.gwms.begin(), next.gwms.end(), gwm) != next.gwms.end()) continue;
    errors.push_back(fmt::format(
        "needs a restart: gwm, since the members are to be deregistered from {}", gwm.text()));
  }
}

void SaspMember::take_over(const member::Options& before) {
  settle();
  const Renumbering gwms(before.gwms, options().gwms);
  machine_.reconfigure(gwms, net::random_seed(), Clock::now());
  links_.renumber(gwms, [this](std::size_t gwm) { return link_to(options().gwms[gwm]); });
  if (before.state) report_load();  // if it is the load now
  settle();
}

void SaspMember::stop() {
  machine_.stop(Clock::now());
  settle();
}

void SaspMember::report_load() {
  if (!machine_.wants_load()) return;
  if (const auto load = member::load_now()) machine_.load(*load, Clock::now());
  settle();
  load_timer_.call_after(load_period, [this] { report_load(); });
}

// What the machine wants done. Called after it was told anything.
void SaspMember::settle() {
  auto output = machine_.output();
  for (const auto& line : output.log)
    limited_log_.line(line);
  limited_log_.settle();
  for (auto& [gwm, step] : output.links)
    links_.perform(gwm, std::move(step));
  if (output.end) return host_.end();
  if (output.work) work_soon();
  const auto due = machine_.deadline();
  if (!due) return;
  timer_.call_at(*due, [this] {
    machine_.expire(Clock::now());
    settle();
  });
}

void SaspMember::work_soon() {
  if (std::exchange(work_posted_, true)) return;
  net::post(host_.io(), [this] {
    work_posted_ = false;
    machine_.work(Clock::now());
    settle();
    if (machine_.is_ready()) host_.ready();
    host_.status_changed();
  });
}

ExitCode SaspMember::outcome() {
  const auto outcome = machine_.outcome();
  for (const auto& line : outcome.lines)
    fmt::print(line.code == ExitCode::ok ? stdout : stderr, "{}\n", line.text);
  return outcome.code;
}

}  // namespace saspd::programs
