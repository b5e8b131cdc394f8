// SPDX-License-Identifier: Apache-2.0

#include "bpf/links.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "bpf/load.hpp"
#include "bpf/map.hpp"
#include "bpf/pins.hpp"

namespace saspd::bpf {
namespace {

// Who has the interface, for an error that helps.
std::string other_program(std::uint32_t interface) {
  const std::uint32_t number = program_on(interface).program;
  if (number == 0) return "another XDP program";
  const Descriptor program(bpf_prog_get_fd_by_id(number));
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) {
    return fmt::format("XDP program number {}", number);
  }
  return fmt::format("XDP program '{}' (number {})", info.name, number);
}

Error taken(const Interface& interface) {
  return fail(
      std::errc::device_or_resource_busy,
      fmt::format(
          "interface '{0}' already has {1}; detach that first (ip link set dev {0} xdp off, or its "
          "own tool), or run beside it with --share, if it was loaded with libxdp",
          interface.name, other_program(interface.index)));
}

std::uint32_t mtu_of(const std::string& interface) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  if (::ioctl(socket.get(), SIOCGIFMTU, &request) != 0) return 0;
  return static_cast<std::uint32_t>(request.ifr_mtu);  // NOLINT: a union of the kernel
}

// A link is refused by number only. The older way to attach, by netlink, is refused alike, and in
// words.
std::string words_of_refusal(const Interface& interface, int program) {
  std::string words;
  const auto index = static_cast<int>(interface.index);
  const std::uint32_t flags = XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST;
  const bool refused =
      listen_to_libbpf([&] { return bpf_xdp_attach(index, program, flags, nullptr) != 0; }, words);
  if (!refused) (void)bpf_xdp_detach(index, XDP_FLAGS_DRV_MODE, nullptr);
  constexpr std::string_view mark = "Kernel error message: ";
  const auto at = words.find(mark);
  if (at == std::string::npos) return {};
  words.erase(0, at + mark.size());
  return words.substr(0, words.find('\n'));
}

// Drivers want a packet with all around it to fit a page, and say so in many ways.
Error refused_native(const Interface& interface, int program, const Error& error) {
  const std::string words = words_of_refusal(interface, program);
  const std::uint32_t mtu = mtu_of(interface.name);
  std::string why = words.empty() ? error.code.message() : words;
  const bool too_big = mtu > 1500 && (error.code == std::errc::result_out_of_range ||
                                      words.find("MTU") != std::string::npos || words.empty());
  if (too_big) {
    why += fmt::format(
        "; the MTU is {}, but native XDP needs frames that fit into a page, up to about 3500 (ip "
        "link set dev {} mtu N, at both ends)",
        mtu, interface.name);
  }
  return fail(std::errc::not_supported, std::move(why));
}

struct NewLink {
  Descriptor link;
  Attached attached;
};

Result<Descriptor> link_in(const Interface& interface, int program, std::uint32_t flags) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
  Descriptor link(bpf_link_create(program, static_cast<int>(interface.index), BPF_XDP, &options));
  if (!link) return system_error(interface.name);
  return link;
}

bool is_refusal_of_driver(const std::error_code& code) {
  return code != std::errc::operation_not_permitted && code != std::errc::permission_denied &&
         code != std::errc::not_enough_memory;
}

Result<NewLink> link_to(const Interface& interface, int program) {
  std::string reason;
  if (interface.mode != Mode::generic) {
    auto native = link_in(interface, program, XDP_FLAGS_DRV_MODE);
    if (native) return NewLink{std::move(*native), {interface.name, "native", {}}};
    const auto& code = native.error().code;
    if (code == std::errc::device_or_resource_busy) return taken(interface);
    if (!is_refusal_of_driver(code)) return fail(native.error());
    reason = refused_native(interface, program, native.error()).detail;
    if (interface.mode == Mode::native) {
      return fail(std::errc::not_supported,
                  fmt::format("interface '{}' accepts no XDP program in native mode: {}. "
                              "--xdp-mode generic always works, but is slower",
                              interface.name, reason));
    }
  }
  auto generic = link_in(interface, program, XDP_FLAGS_SKB_MODE);
  if (generic) return NewLink{std::move(*generic), {interface.name, "generic", reason}};
  if (generic.error().code == std::errc::device_or_resource_busy) return taken(interface);
  return fail(at("generic mode", generic.error()));
}

std::string mode_of(std::uint32_t interface) {
  return program_on(interface).generic ? "generic" : "native";
}

// The interface may have another name by now, and another one its old name.
Result<void> name_after(const std::string& pins, const Interface& interface,
                        const PinnedLink& link) {
  const std::string name = link_pin(interface.name);
  const std::string path = path_of(pins, name);
  if (path == link.path) return {};
  const std::string aside = path_of(pins, std::string(next_prefix) + name);
  if (auto gone = unpin(aside); !gone) return gone;
  if (bpf_obj_pin(link.link.get(), aside.c_str()) != 0) return system_error(aside);
  if (std::rename(aside.c_str(), path.c_str()) != 0) return system_error(path);
  return {};
}

}  // namespace

std::optional<std::string> name_of(std::uint32_t interface) {
  std::array<char, IF_NAMESIZE> name{};
  if (if_indextoname(interface, name.data()) == nullptr) return std::nullopt;
  return name.data();
}

std::string interface_name(std::uint32_t interface) {
  return name_of(interface).value_or(fmt::format("interface {}", interface));
}

std::optional<std::uint32_t> number_of(int program) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(program, &info, &size) != 0) return std::nullopt;
  return info.id;
}

Result<std::vector<Interface>> find_interfaces(const std::vector<std::string>& names, Mode mode) {
  std::vector<Interface> interfaces;
  for (const auto& name : names) {
    const std::uint32_t index = if_nametoindex(name.c_str());
    if (index == 0) {
      return fail(std::errc::no_such_device, fmt::format("there is no interface '{}'", name));
    }
    interfaces.push_back({name, index, mode});
  }
  return interfaces;
}

OnInterface program_on(std::uint32_t interface) {
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  if (bpf_xdp_query(static_cast<int>(interface), 0, &query) != 0) return {};
  const bool generic = query.drv_prog_id == 0 && query.skb_prog_id != 0;
  return {generic ? query.skb_prog_id : std::max(query.drv_prog_id, query.prog_id), generic};
}

std::map<std::uint32_t, PinnedLink> living_links(const std::string& pins) {
  std::map<std::uint32_t, PinnedLink> links;
  for (const auto& name : names_in(pins)) {
    if (!interface_of(name)) continue;
    std::string path = path_of(pins, name);
    Descriptor link(bpf_obj_get(path.c_str()));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    const bool known = link && bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0;
    const std::uint32_t interface = known ? info.xdp.ifindex : 0;  // NOLINT: a union of the kernel
    if (interface != 0) links[interface] = {std::move(path), std::move(link)};
  }
  return links;
}

Result<std::vector<Attached>> link_all(const std::string& pins,
                                       const std::vector<Interface>& interfaces, int program) {
  const auto living = living_links(pins);
  std::vector<NewLink> made;
  for (const auto& interface : interfaces) {
    if (living.contains(interface.index)) continue;
    auto link = link_to(interface, program);
    if (!link) return fail(link.error());
    made.push_back(std::move(*link));
  }
  std::vector<Attached> attached;
  for (const auto& interface : interfaces) {
    const auto link = living.find(interface.index);
    if (link == living.end()) continue;
    if (bpf_link_update(link->second.link.get(), program, nullptr) != 0)
      return system_error(interface.name);
    if (auto named = name_after(pins, interface, link->second); !named) return fail(named.error());
    attached.push_back({interface.name, mode_of(interface.index), {}});
  }
  for (auto& link : made) {
    const std::string path = path_of(pins, link_pin(link.attached.interface));
    if (auto gone = unpin(path); !gone) return fail(gone.error());  // of an interface that died
    if (bpf_obj_pin(link.link.get(), path.c_str()) != 0) return system_error(path);
    attached.push_back(std::move(link.attached));
  }
  for (const auto& name : linked_interfaces(pins)) {
    const bool wanted = std::any_of(interfaces.begin(), interfaces.end(),
                                    [&](const auto& interface) { return interface.name == name; });
    if (wanted) continue;
    if (auto gone = unpin(path_of(pins, link_pin(name))); !gone) return fail(gone.error());
  }
  return attached;
}

}  // namespace saspd::bpf
