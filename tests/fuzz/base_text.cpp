// SPDX-License-Identifier: Apache-2.0
// Whatever text comes from outside is shown without harm, and what parses prints as itself.
#include <string_view>

#include "controller/base/address.hpp"
#include "controller/base/text.hpp"
#include "tests/fuzz/check.hpp"

using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(saspd::is_clean_utf8(saspd::printable(text)));
  if (saspd::is_clean_utf8(text) && text.find('\\') == std::string_view::npos) {
    check(saspd::printable(text) == text);
  }
  if (const auto address = saspd::IpAddress::parse(text)) {
    check(*saspd::IpAddress::parse(address->text()) == *address);
  }
  const auto endpoint = saspd::Endpoint::parse(text);
  if (endpoint) {
    check(*saspd::Endpoint::parse(endpoint->text()) == *endpoint);
  } else {
    check(saspd::is_clean_utf8(endpoint.error().detail));
  }
  return 0;
}
