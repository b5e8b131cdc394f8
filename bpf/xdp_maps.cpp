// SPDX-License-Identifier: Apache-2.0

#include "bpf/xdp_maps.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

namespace saspd::bpf {
namespace {

// A process that holds the lock and is just ending is waited for, at the start only.
constexpr std::chrono::milliseconds patience{2000};

// The first thing to be opened, so that its error is the one that helps.
Result<Map<std::uint32_t, lb_settings>> open_settings(const std::string& pins) {
  using Settings = Map<std::uint32_t, lb_settings>;
  auto settings = Settings::open(pins + "/settings");
  if (!settings) {
    const auto& error = settings.error();
    if (error.code == std::errc::no_such_file_or_directory) {
      return fail(error.code, fmt::format("no XDP program is attached ({} is not there); attach it "
                                          "as root: saspd --attach --interface IF",
                                          pins));
    }
    if (error.code == std::errc::permission_denied ||
        error.code == std::errc::operation_not_permitted) {
      return fail(std::errc::permission_denied,
                  fmt::format("{}: the maps belong to another user; attach again as root, with "
                              "--user naming this one",
                              error.detail));
    }
    if (error.code != std::errc::invalid_argument) return fail(error);
  }
  std::optional<lb_settings> found;
  if (settings) {
    const auto read = settings->get(0);
    if (!read) return fail(at(pins, read.error()));
    found = *read;
  }
  if (found && found->layout == 1) {
    return fail(std::errc::not_supported,
                fmt::format("{} has the maps of an earlier version; attach again as root, which "
                            "takes them over with all flows: systemctl restart saspd-xdp-attach",
                            pins));
  }
  if (!found || found->layout != LB_LAYOUT) {
    return fail(std::errc::not_supported,
                fmt::format("{} has maps of layout {}, this saspd writes layout {}; attach again "
                            "as root: saspd --attach --replace (known flows are lost)",
                            pins, found ? std::to_string(found->layout) : "unknown", LB_LAYOUT));
  }
  return settings;
}

}  // namespace

// --- keys

lb_address address_bytes(const IpAddress& address) {
  lb_address bytes{};
  std::copy(address.bytes().begin(), address.bytes().end(), std::begin(bytes.bytes));
  return bytes;
}

std::uint8_t family_number(const IpAddress& address) {
  return address.family() == Family::v4 ? LB_IPV4 : LB_IPV6;
}

IpAddress ip_address(const lb_address& address, std::uint8_t family) {
  const std::span<const std::uint8_t, 16> bytes(address.bytes);
  return family == LB_IPV4 ? IpAddress::v4(bytes.first<4>()) : IpAddress::v6(bytes);
}

std::optional<lb::VirtualEndpoint> service_of(const lb_service_key& key) {
  for (const auto protocol : {lb::Protocol::tcp, lb::Protocol::udp}) {
    if (key.protocol != static_cast<std::uint8_t>(protocol)) continue;
    return lb::VirtualEndpoint{protocol, {ip_address(key.address, key.family), be16toh(key.port)}};
  }
  return std::nullopt;
}

lb_address_key address_key(const IpAddress& address) {
  return {address_bytes(address), family_number(address)};
}

lb_service_key service_key(const lb::VirtualEndpoint& service) {
  return {address_bytes(service.endpoint.address), htobe16(service.endpoint.port),
          static_cast<std::uint8_t>(service.protocol), family_number(service.endpoint.address)};
}

lb_flow_key flow_key(lb::Protocol protocol, const Endpoint& source, const Endpoint& destination) {
  return {address_bytes(source.address),
          address_bytes(destination.address),
          htobe16(source.port),
          htobe16(destination.port),
          static_cast<std::uint8_t>(protocol),
          family_number(source.address),
          0};
}

bool maps_want_capability() {
  utsname kernel{};
  std::pair version{0, 0};
  if (::uname(&kernel) != 0) return true;
  std::sscanf(kernel.release, "%d.%d", &version.first, &version.second);  // NOLINT: else 0.0
  return version < std::pair{5, 19};
}

// --- opening and reading

Result<XdpMaps> XdpMaps::open(const std::string& pins, std::optional<WriterLock>* lock) {
  auto settings = open_settings(pins);
  if (!settings) return fail(settings.error());
  const auto limits = settings->find(0);
  if (lock != nullptr && (!*lock || !(*lock)->is_of(pins))) {
    auto taken = WriterLock::take(pins, *lock ? std::chrono::milliseconds{0} : patience);
    if (!taken) return fail(taken.error());
    *lock = std::move(*taken);
  }
  auto services = Map<lb_service_key, lb_service>::open(pins + "/services");
  auto tables_in_use = Map<std::uint32_t, std::uint32_t>::open(pins + "/tables_in_use");
  auto addresses = Map<lb_address_key, std::uint32_t>::open(pins + "/addresses");
  auto tables = Map<std::uint32_t, lb_table>::open(pins + "/tables");
  auto backends = Map<std::uint32_t, lb_backend>::open(pins + "/backends");
  auto devices = Map<std::uint32_t, lb_devices>::open(pins + "/devices");
  auto flows = Map<lb_flow_key, lb_flow>::open(pins + "/flows");
  auto backend_counters = PerCpuArray<lb_counters>::open(pins + "/backend_counters");
  auto service_counters = PerCpuArray<lb_counters>::open(pins + "/service_counters");
  auto reasons = PerCpuArray<std::uint64_t>::open(pins + "/reasons");
  if (!limits) return fail(std::errc::io_error, pins + "/settings cannot be read");
  if (!services) return fail(services.error());
  if (!tables_in_use) return fail(tables_in_use.error());
  if (!addresses) return fail(addresses.error());
  if (!tables) return fail(tables.error());
  if (!backends) return fail(backends.error());
  if (!devices) return fail(devices.error());
  if (!flows) return fail(flows.error());
  if (!backend_counters) return fail(backend_counters.error());
  if (!service_counters) return fail(service_counters.error());
  if (!reasons) return fail(reasons.error());
  return XdpMaps{*limits,
                 std::move(*services),
                 std::move(*tables_in_use),
                 std::move(*addresses),
                 std::move(*tables),
                 std::move(*backends),
                 std::move(*devices),
                 std::move(*flows),
                 std::move(*backend_counters),
                 std::move(*service_counters),
                 std::move(*reasons),
                 std::move(*settings)};
}

bool XdpMaps::replaced(const std::string& pins) const {
  const auto now = Map<std::uint32_t, lb_settings>::open(pins + "/settings");
  return !now || now->id() != settings.id();
}

Result<Contents> XdpMaps::read() const {
  auto services_now = services.entries();
  auto addresses_now = addresses.entries();
  auto in_use_now = tables_in_use.values();
  auto backends_now = backends.values();
  if (!services_now) return fail(services_now.error());
  if (!addresses_now) return fail(addresses_now.error());
  if (!in_use_now) return fail(in_use_now.error());
  if (!backends_now) return fail(backends_now.error());
  Contents contents{std::move(*services_now), {}, std::move(*in_use_now), std::move(*backends_now)};
  for (const auto& [key, value] : *addresses_now)
    contents.addresses.push_back(key);
  return contents;
}

}  // namespace saspd::bpf
