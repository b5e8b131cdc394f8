// SPDX-License-Identifier: Apache-2.0
// Why a TLS connection failed, for an operator who must do something about it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <boost/system/error_code.hpp>

#include "controller/base/tls_settings.hpp"
#include "controller/net/certificate.hpp"

namespace saspd::net {

// The first thing that OpenSSL did not accept of the peer's certificates.
struct RefusedCertificate {
  int reason = 0;  // X509_V_ERR_...
  CertificateInfo certificate;
  std::optional<WallTime> list_over;  // of the revocation list that was checked
};

// The connection, as far as it explains a failure.
struct TlsView {
  TlsRole role = TlsRole::client;
  bool in_handshake = true;
  bool has_certificate = false;  // of our own
  std::string server_name;       // for a client: the name that it expected
  std::optional<RefusedCertificate> refused;
};

// Whether the error of a read or write comes from TLS and not from TCP.
bool is_tls_error(const boost::system::error_code& code);

// Part of a sentence: "the peer's certificate ... expired on 2026-01-31 12:00:00 UTC". `code` is
// that of the handshake, or of a later operation: a TLS 1.3 client learns at its first read that
// the server refuses its certificate (RFC 8446 4.4.2.4 and appendix E.1).
std::string explain_tls_failure(const boost::system::error_code& code, const TlsView& view);

// The same for certificates that were checked without a handshake.
std::string explain_refused(const RefusedCertificate& refused, const TlsView& view);

// Whether what a peer of a plain connection sent first is TLS: the record of a ClientHello, or an
// alert about our plain bytes (RFC 8446 5.1).
bool looks_like_tls(std::span<const std::uint8_t> first_bytes);

}  // namespace saspd::net
