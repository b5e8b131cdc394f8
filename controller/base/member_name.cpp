// SPDX-License-Identifier: Apache-2.0

#include "controller/base/member_name.hpp"

namespace saspd {

Result<MemberName> MemberName::parse(std::string_view text) {
  MemberName name;
  const auto slash = text.rfind('/');  // an endpoint has none
  if (slash != std::string_view::npos) {
    name.group = text.substr(0, slash);
    text.remove_prefix(slash + 1);
  }
  if (text.ends_with(']') || IpAddress::parse(text)) {
    const auto address = parse_lone_address(text);
    if (!address) return fail(address.error());
    name.endpoint = {*address, 0};
    return name;
  }
  const auto endpoint = Endpoint::parse(text);
  if (!endpoint) return fail(at("MEMBER is ADDR:PORT or GROUP/ADDR:PORT", endpoint.error()));
  name.endpoint = *endpoint;
  return name;
}

std::string member_text(const Endpoint& member) {
  return member.port == 0 ? member.address.text() : member.text();
}

std::string MemberName::text() const {
  const std::string member = member_text(endpoint);
  return group ? *group + "/" + member : member;
}

}  // namespace saspd
