// SPDX-License-Identifier: Apache-2.0
// The --tls flags of the programs that speak SASP.
#pragma once

#include "controller/base/error.hpp"
#include "controller/base/tls_settings.hpp"

namespace saspd::cli {

class Cli;

// --tls-ca, --tls-cert, --tls-key, --tls-crl, --tls-min; for a client also --tls-name.
void add_tls_options(Cli& cli, TlsSettings& settings, TlsRole role);

// Whether the flags make sense together; the error names the missing one. ExitCode::configuration.
// No error if TLS is not used.
Result<void> check_tls(const TlsSettings& settings, TlsRole role);

}  // namespace saspd::cli
