// SPDX-License-Identifier: Apache-2.0
// saspd: builds every part once and runs them.

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <thread>
#include <variant>

#include <fmt/format.h>

#include "bpf/attach.hpp"
#include "bpf/attachment.hpp"
#include "controller/cli/guarded.hpp"
#include "controller/cli/privileges.hpp"
#include "controller/programs/saspd/backends.hpp"
#include "controller/saspd/daemon.hpp"
#include "controller/saspd/instance_lock.hpp"
#include "controller/saspd/ledger_file.hpp"
#include "controller/saspd/map_sizes.hpp"
#include "netlink/vlan_tags.hpp"

namespace {

using saspd::ExitCode;
using saspd::director::Attachment;
using saspd::director::Options;
using saspd::director::XdpOptions;

constexpr std::string_view program = "saspd";

// --- --attach and --detach

using Owner = std::optional<std::pair<uid_t, gid_t>>;

saspd::Result<Owner> owner_of_pins(const std::string& user) {
  const passwd* entry = ::getpwnam(user.empty() ? "saspd" : user.c_str());
  if (entry != nullptr) return Owner{{entry->pw_uid, entry->pw_gid}};
  if (user.empty()) return Owner{};
  return saspd::fail(std::errc::no_such_device,
                     fmt::format("--user: user '{}' does not exist", user));
}

// Nothing that is there gets smaller.
saspd::director::MapSizes sizes_of(const Options& options) {
  const saspd::director::MapSizes least;
  const auto present = saspd::bpf::attached_sizes(options.xdp.pins).value_or(least);
  return saspd::director::map_sizes(
      options, {std::max(present.services, least.services),
                std::max(present.backends, least.backends), std::max(present.flows, least.flows)});
}

saspd::bpf::AttachSettings attach_settings(const Options& all, const Owner& owner) {
  const XdpOptions& options = all.xdp;
  saspd::bpf::AttachSettings settings;
  settings.pins = options.pins;
  settings.interfaces = options.interfaces;
  settings.mode = options.mode == XdpOptions::Mode::native    ? saspd::bpf::Mode::native
                  : options.mode == XdpOptions::Mode::generic ? saspd::bpf::Mode::generic
                                                              : saspd::bpf::Mode::automatic;
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
ExitCode refuse(const saspd::Error& error, saspd::cli::Log& log) {
  std::istringstream lines(error.detail);
  for (std::string line; std::getline(lines, line);)
    log.error("{}", line);
  return saspd::lb::exit_code_of(error.code);
}

// What the XDP program would not see of frames there. Interfaces that do not exist are refused
// later.
saspd::Result<void> check_interfaces(const std::vector<std::string>& interfaces,
                                     saspd::cli::Log& log) {
  const auto links = saspd::netlink::read_links();
  if (!links) return fail(links.error());
  for (const auto& [index, link] : *links) {
    if (std::find(interfaces.begin(), interfaces.end(), link.name) == interfaces.end()) continue;
    const auto checked =
        saspd::netlink::check_vlan_tags(*links, index, saspd::netlink::hides_vlan_tags(link.name));
    if (!checked) return fail(checked.error());
    if (*checked) log.warning("{}", **checked);
  }
  return {};
}

// A one-armed director on a veth: the kernel wakes the other end for what is sent back only if an
// XDP program is there, else it waits for the next frame.
void warn_of_veth(const saspd::bpf::Attached& attached, saspd::cli::Log& log) {
  const auto links = saspd::netlink::read_links();
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

void warn_of_blackhole(const std::string& pins, saspd::cli::Log& log) {
  for (const auto& problem : saspd::bpf::attachment_problems(pins)) {
    if (problem.name == saspd::bpf::strict_reverse_path) log.warning("{}", problem.detail);
  }
}

void print(const std::vector<saspd::bpf::Attached>& attached) {
  for (const auto& [interface, mode, reason] : attached) {
    std::puts(fmt::format("{}: attached in {} mode{}", interface, mode,
                          reason.empty() ? "" : fmt::format(" (native: {})", reason))
                  .c_str());
  }
}

ExitCode attach(const Options& all, saspd::cli::Log& log) {
  const XdpOptions& options = all.xdp;
  const auto owner = owner_of_pins(options.user);
  if (!owner) return refuse(owner.error(), log);
  const auto settings = attach_settings(all, *owner);
  if (options.decapsulate.empty()) {
    const auto checked = check_interfaces(settings.interfaces, log);
    if (!checked) return refuse(checked.error(), log);
  }
  const auto attached = options.decapsulate.empty()
                            ? saspd::bpf::attach(settings)
                            : saspd::bpf::attach_decapsulator(settings, options.decapsulate);
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

ExitCode reattach(const XdpOptions& options, saspd::cli::Log& log) {
  const auto attached = saspd::bpf::reattach(options.pins);
  if (!attached) return refuse(attached.error(), log);
  print(*attached);
  if (attached->empty()) std::puts("no interface that could have the XDP program has lost it");
  return ExitCode::ok;
}

ExitCode detach(const XdpOptions& options, saspd::cli::Log& log) {
  const auto detached = saspd::bpf::detach(options.pins, options.force);
  if (!detached) return refuse(detached.error(), log);
  for (const auto& interface : *detached)
    std::puts(fmt::format("{}: detached", interface).c_str());
  if (detached->empty()) std::puts("no interface had the XDP program any more; the rest is gone");
  return ExitCode::ok;
}

// --- the daemon

saspd::cli::Needs needs_of(const Options& options) {
  auto rights = options.backend->rights(options.xdp.pins);
  saspd::cli::Needs needs;
  needs.keep = std::move(rights.capabilities);
  needs.writes = std::move(rights.writes);
  return needs;
}

ExitCode run(saspd::host::Host& host, const Options& options, saspd::cli::Log& log) {
  const auto& backend = *options.backend;
  const auto lock = saspd::director::take_patiently(
      [&backend] { return saspd::director::InstanceLock::take(backend.name); },
      [](auto time) { std::this_thread::sleep_for(time); });
  if (!lock) {
    const bool second = lock.error().code == std::errc::address_in_use;
    log.error("{}", second ? fmt::format("another saspd already writes the {} weights of this "
                                         "network namespace ({})",
                                         backend.title, lock.error().detail)
                           : lock.error().detail);
    return second ? ExitCode::try_again : ExitCode::io;
  }
  const auto plane = backend.open(options.xdp.pins);
  if (!plane) {
    log.error("{}", plane.error().detail);
    return saspd::lb::exit_code_of(plane.error().code);
  }
  auto needs = needs_of(options);
  if (!backend.traits.own_table && !options.ledger.empty() && !options.dry_run) {
    const auto folder = saspd::director::LedgerFile::make_folder(options.ledger);
    if (!folder.empty()) needs.gives.push_back(folder);
  }
  saspd::director::Daemon daemon(host, options, **plane, std::move(needs), log);
  saspd::cli::end(program, host.run(daemon));
}

ExitCode perform(const Options& options) {
  saspd::cli::Log log(options.log);
  for (const auto& doubt : saspd::director::doubts(options))
    log.warning("{}", doubt);
  if (options.attachment) {
    switch (*options.attachment) {
      case Attachment::attach: return attach(options, log);
      case Attachment::reattach: return reattach(options.xdp, log);
      case Attachment::detach: return detach(options.xdp, log);
    }
  }
  saspd::host::Host host(options, log,
                         {.name = program, .last_words = "; the weights stay as they are"});
  if (options.verb == saspd::host::Verb::check) return host.check(needs_of(options));
  return run(host, options, log);
}

}  // namespace

int main(int argc, char** argv) {
  return saspd::cli::guarded(program, [&] {
    const auto parsed = saspd::director::parse_options(argc, argv, saspd::director::backends);
    if (const auto* end = std::get_if<ExitCode>(&parsed)) return *end;
    return perform(std::get<Options>(parsed));
  });
}
