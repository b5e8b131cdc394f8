// SPDX-License-Identifier: Apache-2.0

#include "bpf/attachment.hpp"

#include <bpf/bpf.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bpf/blackhole.hpp"
#include "bpf/links.hpp"
#include "bpf/map.hpp"
#include "bpf/pins.hpp"
#include "bpf/share.hpp"
#include "netlink/reverse_path.hpp"

namespace saspd::bpf {
namespace {

constexpr std::string_view not_attached = "not_attached";
constexpr std::string_view shared_changed = "shared_changed";
constexpr std::string_view attach_unfinished = "attach_unfinished";
constexpr std::string_view pin_missing = "pin_missing";
constexpr std::string_view blackhole_incomplete = "blackhole_incomplete";

std::string again(const std::string& pins) {
  return fmt::format("attach it again as root: saspd --reattach --pins {}", pins);
}

// With maps of its own.
std::string anew(const std::string& pins) {
  return fmt::format(
      "attach it anew as root: saspd --attach --replace --force --pins {} with the same options as "
      "before",
      pins);
}

short flags_of(const std::string& interface) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return 0;
  return request.ifr_flags;  // NOLINT: a union of the kernel
}

lb::Problem problem(std::string_view name, const std::string& subject, std::string detail) {
  const bool mended = name == not_attached || name == shared_changed || name == attach_unfinished ||
                      name == blackhole_incomplete ||
                      (name == pin_missing && subject == record_pin);
  return {std::string(name), subject, std::move(detail), mended};
}

// `recorded`: the index that the interface had.
std::optional<lb::Problem> missing_interface(const std::string& pins, const std::string& interface,
                                             std::uint32_t recorded, std::uint32_t program) {
  const auto now = name_of(recorded);
  if (now && program_on(recorded).program == program) {
    return problem("interface_renamed", interface,
                   fmt::format("interface {0} was renamed to {1}; the program is still on it, but "
                               "the next attach to {0} would fail: name {1} there",
                               interface, *now));
  }
  return problem("interface_gone", interface,
                 fmt::format("interface {} is gone, and the XDP program with it: no packets from "
                             "clients arrive there. When it is back, {}",
                             interface, again(pins)));
}

struct Programs {
  std::uint32_t present = 0;
  std::uint32_t next = 0;  // of an attach that has not come to its end; 0: there is none
};

std::optional<lb::Problem> look_at_state(const std::string& interface) {
  const short flags = flags_of(interface);
  if ((flags & IFF_UP) == 0) {
    return problem(
        "interface_down", interface,
        fmt::format(
            "interface {0} is down: no packets from clients arrive there; ip link set dev {0} up",
            interface));
  }
  if ((flags & IFF_RUNNING) == 0) {
    return problem("interface_down", interface,
                   fmt::format("interface {} has no link: no packets from clients arrive there; "
                               "check its cable and the other end",
                               interface));
  }
  return std::nullopt;
}

// `dispatcher`: the number of the one that it was taken into, which is all that can be asked about
// without being root.
std::optional<lb::Problem> look_at_shared(const std::string& pins, const std::string& interface,
                                          std::uint32_t recorded, std::uint32_t program,
                                          std::uint32_t dispatcher) {
  const std::uint32_t index = if_nametoindex(interface.c_str());
  if (index == 0) return missing_interface(pins, interface, recorded, dispatcher);
  const auto sharing = is_sharing(index, program);
  if (sharing == false) {
    return problem(
        not_attached, interface,
        fmt::format("interface {}: the XDP program was removed from the dispatcher that it shared "
                    "(xdp-loader unload, ip link); packets from clients bypass it. {}",
                    interface, again(pins)));
  }
  if (!sharing && program_on(index).program != dispatcher) {
    return problem(shared_changed, interface,
                   fmt::format("interface {}: the XDP programs that share it have changed, and "
                               "only root can see whether ours is still among them (xdp-loader "
                               "status {}). {}",
                               interface, interface, again(pins)));
  }
  return look_at_state(interface);
}

std::optional<lb::Problem> look_at_interface(const std::string& pins, const std::string& interface,
                                             std::uint32_t recorded, const Programs& programs) {
  const std::uint32_t program = programs.present;
  const std::uint32_t index = if_nametoindex(interface.c_str());
  if (index == 0) return missing_interface(pins, interface, recorded, program);
  const std::uint32_t there = program_on(index).program;
  if (there == 0) {
    const std::string_view cause =
        index == recorded ? "the XDP program was detached from it (ip link, bpftool link detach)"
                          : "it was recreated since the XDP program was attached";
    return problem(not_attached, interface,
                   fmt::format("interface {}: {}; packets from clients bypass the program. {}",
                               interface, cause, again(pins)));
  }
  if (there != program && there == programs.next) {
    return problem(attach_unfinished, interface,
                   fmt::format("interface {}: packets go through the program of an attach that was "
                               "interrupted, and what is written now steers none of them. {}",
                               interface, again(pins)));
  }
  if (there != program) {
    return problem("other_program", interface,
                   fmt::format("interface {0} has another XDP program (number {1}) instead of ours "
                               "(number {2}); detach that (ip link set dev {0} xdp off), then {3}",
                               interface, there, program, again(pins)));
  }
  return look_at_state(interface);
}

std::optional<lb::Problem> look_at_map(const std::string& pins, const std::string& name,
                                       std::uint32_t recorded) {
  const std::string path = path_of(pins, name);
  const Descriptor map(bpf_obj_get(path.c_str()));
  bpf_map_info info{};
  std::uint32_t size = sizeof info;
  if (!map || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0) {
    return problem(
        pin_missing, name,
        fmt::format(
            "{}: {}; the program keeps using the map, but the next saspd would not find it. {}",
            path, std::generic_category().message(errno), anew(pins)));
  }
  if (info.id == recorded) return std::nullopt;
  return problem("map_replaced", name,
                 fmt::format("{} is map number {}, but the attached program uses number {}: what "
                             "is written there steers no packet. {}",
                             path, info.id, recorded, anew(pins)));
}

// The kernel asks for the way back as of a packet that came in there, and finds the blackhole.
std::optional<lb::Problem> look_at_reverse_path(const netlink::Blackhole& wanted) {
  const auto strict = netlink::with_strict_reverse_path(wanted.interfaces);
  if (!strict || strict->empty()) return std::nullopt;
  std::string sysctls;
  for (const auto& interface : *strict)
    sysctls += fmt::format(" net.ipv4.conf.{}.rp_filter=2", interface);
  return problem(
      strict_reverse_path, fmt::format("{}", fmt::join(*strict, " ")),
      fmt::format("with --blackhole the kernel drops the answers of servers that come in "
                  "at {}, because rp_filter is strict there; make it loose: sysctl -w{}, "
                  "or attach without --blackhole",
                  fmt::join(*strict, ", "), sysctls));
}

std::vector<lb::Problem> look_at_blackhole(const std::string& pins, const Record& record) {
  std::vector<lb::Problem> problems;
  const auto wanted = wanted_blackhole(pins, record);
  const auto there = wanted ? netlink::is_in_place(*wanted) : fail(wanted.error());
  if (!there || !*there) {
    problems.push_back(problem(
        blackhole_incomplete, {},
        fmt::format("the routes and rules of --blackhole do not match the current services{}: "
                    "without the XDP program their packets would be routed back, or packets for "
                    "other addresses dropped. Repair it as root: saspd --reattach --pins {}",
                    there ? "" : fmt::format(" ({})", there.error().detail), pins)));
  }
  if (!wanted) return problems;
  if (auto found = look_at_reverse_path(*wanted)) problems.push_back(std::move(*found));
  return problems;
}

}  // namespace

std::vector<lb::Problem> attachment_problems(const std::string& pins) {
  if (::access(path_of(pins, "settings").c_str(), F_OK) != 0) return {};
  const auto record = read_record(path_of(pins, record_pin));
  const auto program = record ? record->find(std::string(program_entry)) : Record::const_iterator();
  if (!record || program == record->end()) {
    return {problem(pin_missing, std::string(record_pin),
                    fmt::format("{}: the record of what is attached cannot be read, so saspd "
                                "cannot check whether it still is. {}",
                                path_of(pins, record_pin), again(pins)))};
  }
  const auto next = read_record(path_of(pins, fmt::format("{}{}", next_prefix, record_pin)));
  const auto cut_off = next ? next->find(std::string(program_entry)) : Record::const_iterator();
  const Programs programs{program->second, next && cut_off != next->end() ? cut_off->second : 0};
  std::vector<lb::Problem> problems;
  for (const auto& [name, number] : *record) {
    if (name == program_entry || name == blackhole_entry || is_dispatcher(name)) continue;
    if (const auto shared = shared_interface_of(name)) {
      const auto dispatcher = record->find(dispatcher_entry(*shared));
      const std::uint32_t known = dispatcher != record->end() ? dispatcher->second : 0;
      auto found = look_at_shared(pins, *shared, number, programs.present, known);
      if (found) problems.push_back(std::move(*found));
      continue;
    }
    const auto interface = interface_of(name);
    auto found = interface ? look_at_interface(pins, *interface, number, programs)
                           : look_at_map(pins, name, number);
    if (found) problems.push_back(std::move(*found));
  }
  if (record->contains(std::string(blackhole_entry))) {
    for (auto& found : look_at_blackhole(pins, *record))
      problems.push_back(std::move(found));
  }
  return problems;
}

}  // namespace saspd::bpf
