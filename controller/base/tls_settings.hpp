// SPDX-License-Identifier: Apache-2.0
// What the --tls flags say, as values: controller/cli reads them, controller/net acts on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saspd {

enum class TlsRole : std::uint8_t { client, server };

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };

// Paths of PEM files; empty if not given.
struct TlsSettings {
  std::string ca;    // the trusted authorities
  std::string cert;  // our own certificate, followed by intermediate ones
  std::string key;   // of `cert`
  std::string crl;   // the authorities' revocation lists
  std::string
      name;  // the name that the server's certificate must have; empty: the host connected to
  std::optional<TlsVersion> min;  // nothing: 1.2

  // Any flag turns TLS on.
  bool used() const {
    return !ca.empty() || !cert.empty() || !key.empty() || !crl.empty() || !name.empty() || min;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> files;
    for (const auto* path : {&ca, &cert, &key, &crl}) {
      if (!path->empty()) files.push_back(*path);
    }
    return files;
  }
  bool operator==(const TlsSettings&) const = default;
};

}  // namespace saspd
