// SPDX-License-Identifier: Apache-2.0
// A range of IP addresses with a common prefix, as a value.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/address.hpp"

namespace saspd {

class IpNetwork {
 public:
  // The network of one address.
  explicit IpNetwork(const IpAddress& address);
  // The network of all addresses whose first `length` bits are those of `address`.
  IpNetwork(const IpAddress& address, unsigned length);
  // "192.0.2.0/24", "2001:db8::/32", or an address alone. Refuses an address with bits set after
  // the prefix, and names its network: either may have been meant.
  static Result<IpNetwork> parse(std::string_view text);

  bool contains(const IpAddress& address) const;
  std::string text() const;

  auto operator<=>(const IpNetwork&) const = default;

 private:
  IpAddress first_;
  unsigned length_;  // of the prefix, in bits
};

}  // namespace saspd
