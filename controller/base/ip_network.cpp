// SPDX-License-Identifier: Apache-2.0

#include "controller/base/ip_network.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "controller/base/text.hpp"

namespace saspd {
namespace {

unsigned bits(const IpAddress& address) {
  return static_cast<unsigned>(address.bytes().size()) * 8;
}

// The first address of the network that has `length` bits in common with `address`.
IpAddress first_of(const IpAddress& address, unsigned length) {
  std::array<std::uint8_t, 16> bytes{};
  std::copy(address.bytes().begin(), address.bytes().end(), bytes.begin());
  for (unsigned i = 0; i < bytes.size(); ++i) {
    const unsigned kept = std::min(8U, length - std::min(length, i * 8));
    bytes[i] &= static_cast<std::uint8_t>(0xFF00U >> kept);
  }
  const std::span<const std::uint8_t, 16> all(bytes);
  return address.family() == Family::v4 ? IpAddress::v4(all.first<4>()) : IpAddress::v6(all);
}

}  // namespace

IpNetwork::IpNetwork(const IpAddress& address) : IpNetwork(address, bits(address)) {}

IpNetwork::IpNetwork(const IpAddress& address, unsigned length)
    : first_(first_of(address, length)), length_(length) {}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return fail(address.error());
  if (slash == std::string_view::npos) return IpNetwork(*address);
  const auto length = parse_number(text.substr(slash + 1), 0, bits(*address));
  if (!length) return fail(at("prefix length", length.error()));
  const IpNetwork network(*address, static_cast<unsigned>(*length));
  if (network.first_ == *address) return network;
  return fail(std::errc::invalid_argument,
              fmt::format("{} is an address in {}; write one of them without the other",
                          printable(text), network.text()));
}

bool IpNetwork::contains(const IpAddress& address) const {
  return address.family() == first_.family() && first_of(address, length_) == first_;
}

std::string IpNetwork::text() const {
  if (length_ == bits(first_)) return first_.text();
  return fmt::format("{}/{}", first_.text(), length_);
}

}  // namespace saspd
