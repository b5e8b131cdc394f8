// SPDX-License-Identifier: Apache-2.0

#include "controller/net/tls_failure.hpp"

#include <fmt/format.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace saspd::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// ---- The peer's certificate, refused by us ------------------------------------------------------

std::string wrong_name(const CertificateInfo& certificate, const TlsView& view) {
  return fmt::format(
      "the peer's certificate is for {}, not for '{}'; --tls-name sets the expected name",
      certificate.identity.text(), view.server_name);
}

std::string unknown_authority(const CertificateInfo& certificate) {
  return fmt::format(
      "the peer's certificate chain is not trusted: the certificate of {} was issued "
      "by {}, which is not in --tls-ca",
      certificate.subject, certificate.issuer);
}

std::string unknown_root(const CertificateInfo& root) {
  return fmt::format(
      "the peer's certificate chain is not trusted: it leads to {}, which is not in --tls-ca",
      root.subject);
}

std::string self_signed(const CertificateInfo& certificate) {
  return fmt::format(
      "the peer's certificate chain is not trusted: the certificate of {} is self-signed, and is "
      "not in --tls-ca",
      certificate.subject);
}

std::string bad_list(const RefusedCertificate& refused, std::string_view what) {
  const std::string date = refused.list_over ? " on " + text(*refused.list_over) : "";
  return fmt::format(
      "the peer's certificate ({}) cannot be checked: the revocation list of {} in "
      "--tls-crl {}{}",
      refused.certificate.subject, refused.certificate.issuer, what, date);
}

// ---- Alerts: what the peer says (RFC 8446 6.2, RFC 5246 7.2.2) ----------------------------------

constexpr int handshake_failure = 40;
constexpr int certificate_required = 116;

// Nothing if the alert is not about our certificate.
std::string_view refusal_of_ours(int alert) {
  switch (alert) {
    case 42: return "bad certificate, or for another name";
    case 43: return "of a kind that it does not accept, or not for this use";
    case 44: return "revoked";
    case 45: return "expired";
    case 46: return "not acceptable to it";
    case 48: return "issued by an authority that it does not know";
    case 49: return "valid, but not allowed in";
    default: return {};
  }
}

std::string explain_no_agreement(const TlsView& view) {
  const bool may_lack = view.role == TlsRole::client && !view.has_certificate;
  return fmt::format(
      "the peer broke off the handshake (alert 40): {}no cipher or version in common",
      may_lack ? "it requires our certificate (--tls-cert and --tls-key), or there is "
               : "there is ");
}

std::string explain_alert(int alert, const TlsView& view) {
  if (alert == certificate_required || (alert == 42 && !view.has_certificate)) {
    return fmt::format(
        "the peer requires our certificate (alert {}): give --tls-cert and --tls-key", alert);
  }
  if (const auto why = refusal_of_ours(alert); !why.empty())
    return fmt::format("the peer refuses our certificate: {} (alert {})", why, alert);
  switch (alert) {
    case handshake_failure: return explain_no_agreement(view);
    case 70: return "the peer and we have no TLS version in common (alert 70)";
    case 71: return "the peer requires stronger ciphers or keys than we have in common (alert 71)";
    case 112: return fmt::format("the peer has no name '{}' (alert 112)", view.server_name);
    default:
      return fmt::format("the peer ended TLS with alert {} ({})", alert,
                         SSL_alert_desc_string_long(alert));
  }
}

// ---- What OpenSSL found itself ------------------------------------------------------------------

std::string explain_openssl(const error_code& code, const TlsView& view) {
  const auto error = static_cast<unsigned long>(static_cast<unsigned int>(code.value()));
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return code.message();
  if (reason > SSL_AD_REASON_OFFSET) return explain_alert(reason - SSL_AD_REASON_OFFSET, view);
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return "the peer does not speak TLS on this connection";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return "the peer's newest TLS version is older than we accept (--tls-min)";
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: return "the peer and we have no cipher in common";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the peer has no certificate, but --tls-ca requires one";
    default: return fmt::format("TLS failed: {}", ERR_reason_error_string(error));
  }
}

}  // namespace

bool is_tls_error(const error_code& code) {
  return code.category() == asio::error::get_ssl_category();
}

std::string explain_refused(const RefusedCertificate& refused, const TlsView& view) {
  const CertificateInfo& certificate = refused.certificate;
  const std::string& subject = certificate.subject;
  switch (refused.reason) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return wrong_name(certificate, view);
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("the peer's certificate ({}) expired on {}", subject,
                         text(certificate.not_after));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("the peer's certificate ({}) is valid from {} on; is the clock right?",
                         subject, text(certificate.not_before));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return unknown_authority(certificate);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return self_signed(certificate);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return unknown_root(certificate);
    case X509_V_ERR_CERT_REVOKED:
      return fmt::format("the peer's certificate ({}) was revoked by {} (--tls-crl)", subject,
                         certificate.issuer);
    case X509_V_ERR_UNABLE_TO_GET_CRL: return bad_list(refused, "is missing");
    case X509_V_ERR_CRL_HAS_EXPIRED: return bad_list(refused, "expired");
    case X509_V_ERR_CRL_NOT_YET_VALID: return bad_list(refused, "is not valid yet");
    case X509_V_ERR_INVALID_PURPOSE:
      return fmt::format("the peer's certificate ({}) is not for use by a {} (extended key usage)",
                         subject, view.role == TlsRole::client ? "server" : "client");
    default:
      return fmt::format("the peer's certificate ({}) was not accepted: {}", subject,
                         X509_verify_cert_error_string(refused.reason));
  }
}

std::string explain_tls_failure(const error_code& code, const TlsView& view) {
  if (view.refused) return explain_refused(*view.refused, view);
  if (is_tls_error(code)) return explain_openssl(code, view);
  const bool closed = code == asio::error::eof || code == asio::error::connection_reset ||
                      code == asio::error::broken_pipe ||
                      code == asio::ssl::error::stream_truncated;
  if (closed && view.in_handshake)
    return "the peer closed the connection during the TLS handshake; does it speak TLS there?";
  if (closed) return "the peer closed the connection";
  return code.message();
}

bool looks_like_tls(std::span<const std::uint8_t> first_bytes) {
  constexpr std::uint8_t alert = 21;
  constexpr std::uint8_t handshake = 22;
  return first_bytes.size() >= 2 && (first_bytes[0] == handshake || first_bytes[0] == alert) &&
         first_bytes[1] == 3;
}

}  // namespace saspd::net
