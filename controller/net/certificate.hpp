// SPDX-License-Identifier: Apache-2.0
// X.509 certificates and revocation lists as values, which OpenSSL reads.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/x509.h>

#include "controller/base/error.hpp"
#include "controller/base/peer_identity.hpp"

namespace saspd::net {

// How OpenSSL's objects are owned.
template <auto free_function>
struct FreedBy {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using X509Pointer = std::unique_ptr<X509, FreedBy<X509_free>>;
using X509CrlPointer = std::unique_ptr<X509_CRL, FreedBy<X509_CRL_free>>;

// Certificates are valid by the wall clock.
using WallTime = std::chrono::sys_seconds;
WallTime wall_now();
std::string text(WallTime time);  // "2026-01-31 12:00:00 UTC"

struct CertificateInfo {
  PeerIdentity identity;
  std::string subject;  // "CN=director-1,O=Example" (RFC 2253), cut to a line
  std::string issuer;
  WallTime not_before;
  WallTime not_after;
};
CertificateInfo certificate_info(const X509& certificate);

struct RevocationListInfo {
  std::string issuer;
  std::optional<WallTime> next_update;  // the list is not trusted after it
};
RevocationListInfo revocation_list_info(const X509_CRL& list);

// Everything in a PEM text, at least one; the error says what was expected, not where.
Result<std::vector<X509Pointer>> read_certificates(std::string_view pem);
Result<std::vector<X509CrlPointer>> read_revocation_lists(std::string_view pem);

// The text of the first error in OpenSSL's queue, which it then clears.
std::string take_openssl_error();

}  // namespace saspd::net
