// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/tls_options.hpp"

#include <climits>

#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::cli {
namespace {

Result<std::optional<TlsVersion>> parse_version(std::string_view value) {
  const auto version =
      one_of<TlsVersion>({{"1.2", TlsVersion::v1_2}, {"1.3", TlsVersion::v1_3}})(value);
  if (!version) return fail(version.error());
  return std::optional{*version};
}

Error incomplete(std::string_view given, std::string_view missing, std::string_view why) {
  return fail(std::errc::invalid_argument, fmt::format("{} needs {}: {}", given, missing, why));
}

}  // namespace

void add_tls_options(Cli& cli, TlsSettings& settings, TlsRole role) {
  const bool is_client = role == TlsRole::client;
  const auto path = text(1, PATH_MAX);
  cli.section("TLS (on when any of these is given; PEM files, read again when they change)");
  cli.option("--tls-ca", "FILE", settings.ca, path,
             is_client ? "certificate authorities that are trusted to certify a GWM"
                       : "authorities, one of which must have issued each peer's certificate");
  cli.option("--tls-cert", "FILE", settings.cert, path,
             "our certificate, followed by any intermediate certificates");
  cli.option("--tls-key", "FILE", settings.key, path,
             "its private key; only root, our user and our group may be able to read it");
  cli.option("--tls-crl", "FILE", settings.crl, path,
             "revocation lists, one for every authority; certificates on them are refused");
  if (is_client) {
    cli.option("--tls-name", "NAME", settings.name, text(1, 253),
               "the name or address that the GWM's certificate must have. Default: the host of "
               "--gwm");
  }
  // Without a default, so that giving it turns TLS on.
  cli.option("--tls-min", "1.2|1.3", settings.min, parse_version,
             "the oldest TLS version that is accepted");
  cli.shown_default("1.2");
  cli.live({"--tls-ca", "--tls-cert", "--tls-key", "--tls-crl", "--tls-min"});
  if (is_client) cli.live({"--tls-name"});
}

Result<void> check_tls(const TlsSettings& settings, TlsRole role) {
  if (!settings.used()) return {};
  if (!settings.cert.empty() && settings.key.empty()) {
    return incomplete("--tls-cert", "--tls-key FILE", "the certificate's private key");
  }
  if (settings.cert.empty() && !settings.key.empty()) {
    return incomplete("--tls-key", "--tls-cert FILE", "the certificate that the key belongs to");
  }
  if (role == TlsRole::server && settings.cert.empty()) {
    return incomplete("TLS", "--tls-cert FILE and --tls-key FILE",
                      "a server presents its certificate to every peer");
  }
  if (settings.ca.empty()) {
    return incomplete("TLS", "--tls-ca FILE",
                      role == TlsRole::client
                          ? "the authority that issued the GWM's certificate"
                          : "the authority of the peers; only it establishes who a peer is");
  }
  return {};
}

}  // namespace saspd::cli
