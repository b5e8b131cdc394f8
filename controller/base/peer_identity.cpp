// SPDX-License-Identifier: Apache-2.0

#include "controller/base/peer_identity.hpp"

#include <algorithm>

#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/text.hpp"

namespace saspd {

bool PeerIdentity::has_name(std::string_view name) const {
  const auto among = [name](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return !name.empty() && (name == common_name || among(dns_names) || among(uris) || among(emails));
}

std::string PeerIdentity::text() const {
  constexpr std::size_t max_names = 8;
  std::vector<std::string> names = dns_names;
  for (const IpAddress& address : addresses)
    names.push_back(address.text());
  names.insert(names.end(), uris.begin(), uris.end());
  names.insert(names.end(), emails.begin(), emails.end());
  std::string text =
      common_name.empty() ? std::string("without a name") : fmt::format("'{}'", common_name);
  return names.empty() ? text
                       : fmt::format("{} ({})", text, listed(names, max_names, std::identity{}));
}

}  // namespace saspd
