// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/service_settings.hpp"

namespace saspd::lb {

ServiceSettings plain_service(const ServiceKey& key) {
  const auto* at = std::get_if<VirtualEndpoint>(&key);
  return {key, at != nullptr ? at->protocol : Protocol::tcp, {}, {}};
}

}  // namespace saspd::lb
