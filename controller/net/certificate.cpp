// SPDX-License-Identifier: Apache-2.0

#include "controller/net/certificate.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/format.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "controller/base/ascii.hpp"
#include "controller/base/text.hpp"

namespace saspd::net {
namespace {

using BioPointer = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using GeneralNamesPointer = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;

constexpr std::size_t max_name = 255;

// OpenSSL has macros here that cast constness away; these are functions of the same meaning.
std::string_view bytes_of(const ASN1_STRING& string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&string)),
          static_cast<std::size_t>(ASN1_STRING_length(&string))};
}

std::string text_of(const X509_NAME* name) {
  const BioPointer out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0,
                     XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  const std::string_view text(data, static_cast<std::size_t>(std::max(size, 0L)));
  return printable(text.substr(0, max_name)) + (text.size() > max_name ? "..." : "");
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};  // a time that is none never is in the future
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

// Nothing if it is not fit to be shown and compared.
std::string clean(std::string_view name) {
  if (name.size() > max_name || !is_clean_utf8(name)) return {};
  return std::string(name);
}

std::string common_name(const X509_NAME* subject) {
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  const std::unique_ptr<unsigned char, FreedBy<[](void* memory) { OPENSSL_free(memory); }>> owned(
      utf8);
  return clean({reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)});
}

void add_if_clean(std::vector<std::string>& names, std::string name) {
  if (!name.empty()) names.push_back(std::move(name));
}

void add_address(std::vector<IpAddress>& addresses, std::string_view bytes) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (bytes.size() == 4)
    addresses.push_back(IpAddress::v4(std::span<const std::uint8_t, 4>(first, 4)));
  if (bytes.size() == 16)
    addresses.push_back(IpAddress::v6(std::span<const std::uint8_t, 16>(first, 16)));
}

void add_alternative_name(PeerIdentity& identity, const GENERAL_NAME& name) {
  int type = 0;
  const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(&name, &type));
  switch (type) {
    case GEN_DNS:
      add_if_clean(identity.dns_names, ascii::lower_case(clean(bytes_of(*value))));
      break;
    case GEN_URI: add_if_clean(identity.uris, clean(bytes_of(*value))); break;
    case GEN_EMAIL: add_if_clean(identity.emails, clean(bytes_of(*value))); break;
    case GEN_IPADD: add_address(identity.addresses, bytes_of(*value)); break;
    default: break;
  }
}

std::string fingerprint(const X509& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  X509_digest(&certificate, EVP_sha256(), digest.data(), &size);
  std::string text;
  for (unsigned int i = 0; i < size; ++i)
    text += fmt::format("{:02x}", digest[i]);
  return text;
}

PeerIdentity identity_of(const X509& certificate) {
  PeerIdentity identity;
  identity.common_name = common_name(X509_get_subject_name(&certificate));
  const GeneralNamesPointer names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i)
    add_alternative_name(identity, *sk_GENERAL_NAME_value(names.get(), i));
  identity.fingerprint = fingerprint(certificate);
  return identity;
}

// `read` takes one from a BIO; at the end of the text, and at something broken, it gives none.
template <class Pointer, class Read>
Result<std::vector<Pointer>> read_all(std::string_view pem, std::string_view what, Read read) {
  const BioPointer in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::array<char, 1> no_passphrase{};  // else OpenSSL asks on the terminal
  std::vector<Pointer> found;
  ERR_clear_error();
  while (auto* one = read(in.get(), nullptr, nullptr, no_passphrase.data()))
    found.emplace_back(one);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string broken = take_openssl_error();
  if (!at_end) {
    return fail(std::errc::invalid_argument,
                fmt::format("{1} number {0} in it is broken: {2}", found.size() + 1, what, broken));
  }
  if (!found.empty()) return found;
  return fail(
      std::errc::invalid_argument,
      fmt::format("it contains no {}; PEM is expected, with a line '-----BEGIN ...'", what));
}

}  // namespace

WallTime wall_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string text(WallTime time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> out{};
  return {out.data(), std::strftime(out.data(), out.size(), "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

CertificateInfo certificate_info(const X509& certificate) {
  return {identity_of(certificate), text_of(X509_get_subject_name(&certificate)),
          text_of(X509_get_issuer_name(&certificate)), time_of(X509_get0_notBefore(&certificate)),
          time_of(X509_get0_notAfter(&certificate))};
}

RevocationListInfo revocation_list_info(const X509_CRL& list) {
  RevocationListInfo info{text_of(X509_CRL_get_issuer(&list)), {}};
  if (const ASN1_TIME* next = X509_CRL_get0_nextUpdate(&list)) info.next_update = time_of(next);
  return info;
}

Result<std::vector<X509Pointer>> read_certificates(std::string_view pem) {
  return read_all<X509Pointer>(pem, "certificate", PEM_read_bio_X509);
}

Result<std::vector<X509CrlPointer>> read_revocation_lists(std::string_view pem) {
  return read_all<X509CrlPointer>(pem, "revocation list", PEM_read_bio_X509_CRL);
}

std::string take_openssl_error() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? std::string(reason) : fmt::format("OpenSSL error {:x}", error);
}

}  // namespace saspd::net
