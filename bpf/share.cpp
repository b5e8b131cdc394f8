// SPDX-License-Identifier: Apache-2.0

#include "bpf/share.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "bpf/attach_maps.hpp"
#include "bpf/lb.skel.h"
#include "bpf/load.hpp"
#include "bpf/map.hpp"

namespace saspd::bpf {
namespace {

struct Close {
  void operator()(lb_bpf* program) const { lb_bpf__destroy(program); }
  void operator()(xdp_program* program) const { xdp_program__close(program); }
  void operator()(xdp_multiprog* dispatcher) const { xdp_multiprog__close(dispatcher); }
};
using XdpProgram = std::unique_ptr<xdp_program, Close>;
using Dispatcher = std::unique_ptr<xdp_multiprog, Close>;

// libxdp returns errors as pointers.
template <class Type>
Result<std::unique_ptr<Type, Close>> owned(Type* made, std::string_view what) {
  const long error = libxdp_get_error(made);
  if (error == 0) return std::unique_ptr<Type, Close>(made);
  return fail(std::error_code(static_cast<int>(-error), std::generic_category()),
              std::string(what));
}

// What libxdp and libbpf say while `action` runs, which returns 0 or a negative error.
template <class Action>
Result<void> in_words(Action action) {
  int error = 0;
  std::string words;
  const auto before =
      libxdp_set_print([](libxdp_print_level level, const char* format, va_list arguments) {
        return level == LIBXDP_DEBUG ? 0 : say_to_listener(format, arguments);
      });
  (void)listen_to_libbpf([&] { return (error = action()) == 0; }, words);
  (void)libxdp_set_print(before);
  if (error == 0) return {};
  while (words.ends_with('\n'))
    words.pop_back();
  const std::error_code code(-error, std::generic_category());
  return fail(code, fmt::format("{}: {}", code.message(), words));
}

constexpr std::string_view help =
    "sharing needs a kernel and a libxdp that fit together: kernels from 6.12 on accept no program "
    "that changes packets in the dispatcher of a libxdp before 1.5.5. Without the other program, "
    "saspd --attach needs no --share";

Result<void> join(const Interface& interface, int extension, xdp_attach_mode mode) {
  auto program = owned(xdp_program__from_fd(extension), "XDP program");
  if (!program) return fail(program.error());
  return in_words([&] {
    return xdp_program__attach(program->get(), static_cast<int>(interface.index), mode, 0);
  });
}

// A dispatcher that is there decides about the mode.
std::vector<xdp_attach_mode> modes_to_try(const Interface& interface) {
  const auto [name, index, mode] = interface;
  const auto there = program_on(index);
  if (mode == Mode::automatic && there.program != 0)
    return {there.generic ? XDP_MODE_SKB : XDP_MODE_NATIVE};
  if (mode == Mode::automatic) return {XDP_MODE_NATIVE, XDP_MODE_SKB};
  return {mode == Mode::native ? XDP_MODE_NATIVE : XDP_MODE_SKB};
}

Result<Attached> share(const Interface& interface, int extension, std::uint32_t number) {
  std::string refused;
  for (const auto one : modes_to_try(interface)) {
    const auto joined = join(interface, extension, one);
    if (joined && is_sharing(interface.index, number) == true) {
      const bool generic = program_on(interface.index).generic;
      return Attached{interface.name, generic ? "generic" : "native", refused};
    }
    refused = joined ? "it is not in the dispatcher" : joined.error().detail;
    if (!joined && joined.error().code == std::errc::device_or_resource_busy) {
      return fail(std::errc::device_or_resource_busy,
                  fmt::format("interface '{0}' has an XDP program that is not in a dispatcher of "
                              "libxdp, so no other can run beside it; load that one with libxdp "
                              "(xdp-loader load {0} FILE), or detach it: {1}",
                              interface.name, refused));
    }
  }
  return fail(std::errc::not_supported, fmt::format("interface '{}' cannot be shared: {}; {}",
                                                    interface.name, refused, help));
}

Result<void> leave(std::uint32_t interface, std::uint32_t program) {
  if (is_sharing(interface, program) == false) return {};
  auto leaving = owned(xdp_program__from_id(program), "XDP program");
  if (!leaving) return fail(leaving.error());
  auto left = in_words([&] {
    return xdp_program__detach(leaving->get(), static_cast<int>(interface), XDP_MODE_UNSPEC, 0);
  });
  return left ? std::move(left) : fail(at(interface_name(interface), left.error()));
}

}  // namespace

Result<void> may_share() {
  // There is no program 0; the kernel says so only to a caller that may see programs.
  constexpr std::uint32_t none = 0;
  if (bpf_prog_get_fd_by_id(none) >= 0 || errno != EPERM) return {};
  return fail(
      std::errc::operation_not_permitted,
      "--share also needs CAP_SYS_ADMIN, because libxdp looks for the existing programs. Run it as "
      "root with all capabilities; for the units: systemctl edit saspd-xdp-attach "
      "saspd-xdp-reattach, [Service], CapabilityBoundingSet=CAP_SYS_ADMIN");
}

Result<Descriptor> load_extension(const lb_bpf& loaded) {
  const std::unique_ptr<lb_bpf, Close> program(lb_bpf__open());
  if (!program) return system_error("XDP program");
  for (const auto& [name, map] : own_maps(*loaded.skeleton)) {
    bpf_map* same = bpf_object__find_map_by_name(program->obj, name.c_str());
    if (same == nullptr || bpf_map__reuse_fd(same, bpf_map__fd(map)) != 0)
      return system_error(name);
  }
  bpf_program* balance = program->progs.balance;
  // Any program will do that it could take the place of.
  const int target = bpf_program__fd(loaded.progs.balance);
  if (bpf_program__set_type(balance, BPF_PROG_TYPE_EXT) != 0 ||
      bpf_program__set_attach_target(balance, target, "balance") != 0) {
    return system_error("XDP program");
  }
  (void)bpf_program__set_expected_attach_type(balance, static_cast<bpf_attach_type>(0));
  if (auto done = load(*program->obj); !done) {
    return fail(at("--share: this kernel accepts no program extensions, which sharing needs",
                   done.error()));
  }
  Descriptor extension(::dup(bpf_program__fd(balance)));
  if (!extension) return system_error("XDP program");
  return extension;
}

Result<std::vector<Attached>> share_all(const std::vector<Interface>& interfaces, int extension) {
  const auto number = number_of(extension);
  if (!number) return system_error("XDP program");
  std::vector<Attached> attached;
  for (const auto& interface : interfaces) {
    auto one = share(interface, extension, *number);
    if (one) {
      attached.push_back(std::move(*one));
      continue;
    }
    for (std::size_t i = 0; i < attached.size(); ++i)
      (void)leave(interfaces[i].index, *number);
    return fail(one.error());
  }
  return attached;
}

Result<void> leave_all(const Record& record) {
  const auto program = record.find(std::string(program_entry));
  if (program == record.end()) return {};
  for (const auto& [name, interface] : record) {
    if (!shared_interface_of(name)) continue;
    if (auto left = leave(interface, program->second); !left) return left;
  }
  return {};
}

std::optional<bool> is_sharing(std::uint32_t interface, std::uint32_t program) {
  if (program_on(interface).program == 0) return false;
  Result<Dispatcher> dispatcher = fail(std::errc::not_supported, "");
  (void)in_words([&] {
    dispatcher = owned(xdp_multiprog__get_from_ifindex(static_cast<int>(interface)), "dispatcher");
    return 0;
  });
  if (!dispatcher) return std::nullopt;
  if (xdp_multiprog__is_legacy(dispatcher->get())) return false;
  for (auto* one = xdp_multiprog__next_prog(nullptr, dispatcher->get()); one != nullptr;
       one = xdp_multiprog__next_prog(one, dispatcher->get())) {
    if (xdp_program__id(one) == program) return true;
  }
  return false;
}

}  // namespace saspd::bpf
