// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/saspd/attach.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "bpf/attach.hpp"
#include "bpf/attachment.hpp"
#include "controller/lb/backend.hpp"
#include "controller/saspd/map_sizes.hpp"
#include "netlink/vlan_tags.hpp"

namespace saspd::programs {

using namespace director;

namespace {

using Owner = std::optional<std::pair<uid_t, gid_t>>;

Result<Owner> owner_of_pins(const std::string& user) {
  const passwd* entry = ::getpwnam(user.empty() ? "saspd" : user.c_str());
  if (entry != nullptr) return Owner{{entry->pw_uid, entry->pw_gid}};
  if (user.empty()) return Owner{};
  return fail(std::errc::no_such_device, fmt::format("--user: user '{}' does not exist", user));
}

// Nothing that is there gets smaller.
MapSizes sizes_of(const Options& options) {
  const MapSizes least;
  const auto present = bpf::attached_sizes(options.xdp.pins).value_or(least);
  return map_sizes(
      options, {std::max(present.services, least.services),
                std::max(present.backends, least.backends), std::max(present.flows, least.flows)});
}

bpf::AttachSettings attach_settings(const Options& all, const Owner& owner) {
  const XdpOptions& options = all.xdp;
  bpf::AttachSettings settings;
  settings.pins = options.pins;
  settings.interfaces = options.interfaces;
  settings.mode = options.mode == XdpOptions::Mode::native    ? bpf::Mode::native
                  : options.mode == XdpOptions::Mode::generic ? bpf::Mode::generic
                                                              : bpf::Mode::automatic;
  settings.sizes = sizes_of(all);
  settings.new_flow_limit = options.new_flow_limit;
  settings.defer_syn = options.defer_syn;
  settings.seed = options.seed;
  settings.owner = owner;
  settings.replace = options.replace;
  settings.force = options.force;
  settings.share = options.share;
  settings.blackhole = options.blackhole;
  return settings;
}

// An error may have many lines: the verifier's words.
ExitCode refuse(const Error& error, cli::Log& log) {
  std::istringstream lines(error.detail);
  for (std::string line; std::getline(lines, line);)
    log.error("{}", line);
  return lb::exit_code_of(error.code);
}

// What the XDP program would not see of frames there. Interfaces that do not exist are refused
// later.
Result<void> check_interfaces(const std::vector<std::string>& interfaces, cli::Log& log) {
  const auto links = netlink::read_links();
  if (!links) return fail(links.error());
  for (const auto& [index, link] : *links) {
    if (std::find(interfaces.begin(), interfaces.end(), link.name) == interfaces.end()) continue;
    const auto checked =
        netlink::check_vlan_tags(*links, index, netlink::hides_vlan_tags(link.name));
    if (!checked) return fail(checked.error());
    if (*checked) log.warning("{}", **checked);
  }
  return {};
}

// A one-armed director on a veth: the kernel wakes the other end for what is sent back only if an
// XDP program is there, else it waits for the next frame.
void warn_of_veth(const bpf::Attached& attached, cli::Log& log) {
  const auto links = netlink::read_links();
  if (!links || attached.mode != "native") return;
  for (const auto& [index, link] : *links) {
    if (link.name != attached.interface || link.kind != "veth") continue;
    log.warning(
        "{} is a veth: servers that are also reached through it get their packets at once only if "
        "its peer has an XDP program (one that passes everything will do); --xdp-mode generic "
        "needs none",
        link.name);
  }
}

void warn_of_blackhole(const std::string& pins, cli::Log& log) {
  for (const auto& problem : bpf::attachment_problems(pins)) {
    if (problem.name == bpf::strict_reverse_path) log.warning("{}", problem.detail);
  }
}

void print(const std::vector<bpf::Attached>& attached) {
  for (const auto& [interface, mode, reason] : attached) {
    std::puts(fmt::format("{}: attached in {} mode{}", interface, mode,
                          reason.empty() ? "" : fmt::format(" (native: {})", reason))
                  .c_str());
  }
}

}  // namespace

ExitCode attach(const Options& all, cli::Log& log) {
  const XdpOptions& options = all.xdp;
  const auto owner = owner_of_pins(options.user);
  if (!owner) return refuse(owner.error(), log);
  const auto settings = attach_settings(all, *owner);
  if (options.decapsulate.empty()) {
    const auto checked = check_interfaces(settings.interfaces, log);
    if (!checked) return refuse(checked.error(), log);
  }
  const auto attached = options.decapsulate.empty()
                            ? bpf::attach(settings)
                            : bpf::attach_decapsulator(settings, options.decapsulate);
  if (!attached) return refuse(attached.error(), log);
  print(*attached);
  if (options.decapsulate.empty()) {
    for (const auto& one : *attached)
      warn_of_veth(one, log);
    warn_of_blackhole(options.pins, log);
  }
  std::puts(
      fmt::format("pinned in {0}; saspd --detach --pins {0} removes all of it again", options.pins)
          .c_str());
  return ExitCode::ok;
}

ExitCode reattach(const XdpOptions& options, cli::Log& log) {
  const auto attached = bpf::reattach(options.pins);
  if (!attached) return refuse(attached.error(), log);
  print(*attached);
  if (attached->empty()) std::puts("no interface that could have the XDP program has lost it");
  return ExitCode::ok;
}

ExitCode detach(const XdpOptions& options, cli::Log& log) {
  const auto detached = bpf::detach(options.pins, options.force);
  if (!detached) return refuse(detached.error(), log);
  for (const auto& interface : *detached)
    std::puts(fmt::format("{}: detached", interface).c_str());
  if (detached->empty()) std::puts("no interface had the XDP program any more; the rest is gone");
  return ExitCode::ok;
}

}  // namespace saspd::programs
