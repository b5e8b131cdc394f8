// SPDX-License-Identifier: Apache-2.0
// Who a peer is, according to its verified certificate. What it may do is decided elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/address.hpp"

namespace saspd {

// Names that are not clean UTF-8, or longer than any real one, are left out: nothing that is shown
// or compared was truncated.
struct PeerIdentity {
  std::string common_name;  // of the subject; empty if it has none, or several
  // The subject alternative names by type (RFC 5280 4.2.1.6).
  std::vector<std::string> dns_names;  // in lower case
  std::vector<IpAddress> addresses;
  std::vector<std::string> uris;
  std::vector<std::string> emails;
  std::string fingerprint;  // SHA-256 of the certificate, 64 hexadecimal digits

  // Whether it is the common name, or a DNS, URI or e-mail name.
  bool has_name(std::string_view name) const;

  // For messages: "'director-1' (192.0.2.1, lb1.example)", limited to one line.
  std::string text() const;

  bool operator==(const PeerIdentity&) const = default;
};

}  // namespace saspd
