// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/authority.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controller/base/host_address.hpp"
#include "controller/base/lines.hpp"
#include "controller/base/misread.hpp"
#include "controller/base/text.hpp"

namespace saspd::gwm {
namespace {

constexpr std::string_view line_form =
    "expected PEER lb=UID... or PEER member=own|ADDR[/BITS]... [of=UID]..., then [group=NAME]... "
    "[from=ADDR[/BITS]]...";
constexpr std::string_view by_fingerprint = "sha256:";

bool any_matches(const std::vector<NamePattern>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const NamePattern& pattern) { return pattern.matches(name); });
}

bool any_contains(const std::vector<IpNetwork>& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const IpNetwork& network) { return network.contains(address); });
}

bool all_match(const std::vector<NamePattern>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [](const NamePattern& pattern) { return pattern.is_any(); });
}

// The empty name means all groups.
bool covers(const Grant& grant, std::string_view group) {
  return group.empty() ? all_match(grant.groups) : any_matches(grant.groups, group);
}

template <class Accepts>
bool any_grants(const std::vector<Grant>& grants, Accepts accepts) {
  return std::any_of(grants.begin(), grants.end(), accepts);
}

void add_own_addresses(std::vector<IpNetwork>& members, const IpAddress& address,
                       const std::optional<PeerIdentity>& identity) {
  members.emplace_back(address);
  if (!identity) return;
  for (const IpAddress& named : identity->addresses)
    members.emplace_back(named);
}

std::vector<NamePattern> names_of(const PeerIdentity& identity) {
  std::vector<NamePattern> names;
  if (!identity.common_name.empty()) names.push_back(NamePattern::exactly(identity.common_name));
  for (const auto* more : {&identity.dns_names, &identity.uris, &identity.emails}) {
    for (const auto& name : *more)
      names.push_back(NamePattern::exactly(name));
  }
  return names;
}

Result<void> add_network(std::vector<IpNetwork>& networks, std::string_view value) {
  auto network = IpNetwork::parse(value);
  if (!network) return fail(network.error());
  if (value.find('/') == std::string_view::npos) {
    const auto address = IpAddress::parse(value);
    constexpr std::string_view wanted = "the address of a host, or a network like 10.0.0.0/8";
    if (auto ok = check_host_address(*address, wanted); !ok) return ok;
  }
  networks.push_back(*network);
  return {};
}

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

bool is_fingerprint(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Quotes would be part of a name, and a star within one a letter of it: a rule that matches no
// peer.
Result<void> check_name(std::string_view name) {
  if (const auto bare = without_quotes(name))
    return refuse(fmt::format("quotes would be part of the name; write {}", *bare));
  if (name.find('*') + 1 >= name.size() || name.find('*') == std::string_view::npos) return {};
  return refuse("a star is allowed only at the end of a name, for all that begin so");
}

// One word after the peer.
Result<void> add_right(AuthorityRule& rule, std::string_view key, std::string_view value) {
  Grant& grant = rule.grant;
  if (value.empty() || !is_clean_utf8(value)) return refuse(std::string(line_form));
  if (const auto ok = check_name(value); !ok) return ok;
  if (key == "from") return add_network(rule.from, value);
  if (key == "lb") {
    grant.lbs.push_back(NamePattern::parse(value));
  } else if (key == "of") {
    grant.of.push_back(NamePattern::parse(value));
  } else if (key == "group") {
    grant.groups.push_back(NamePattern::parse(value));
  } else if (key != "member") {
    return refuse(std::string(line_form));
  } else if (value == "own") {
    rule.own_member = true;
  } else if (value == "*") {
    grant.any_member = true;
  } else {
    return add_network(grant.members, value);
  }
  return {};
}

Result<void> check_peer(std::string_view peer) {
  if (!is_clean_utf8(peer)) return refuse(fmt::format("'{}' is not a name", printable(peer)));
  if (const auto bare = without_quotes(peer))
    return refuse(fmt::format("quotes would be part of the peer's name; write {}", *bare));
  if (peer != "*" && peer.find('*') != std::string_view::npos) {
    return refuse(
        fmt::format("'{}': a peer is one name, or * for every peer; a star at the end is for lb=, "
                    "of= and group=",
                    peer));
  }
  if (!peer.starts_with(by_fingerprint) || is_fingerprint(peer.substr(by_fingerprint.size())))
    return {};
  return refuse("sha256: expected 64 hexadecimal digits in lower case, without colons");
}

// `lb=east member=own` is meant for a member of that load balancer, but would make the peer the
// load balancer.
Result<void> check_roles(const AuthorityRule& rule) {
  const Grant& grant = rule.grant;
  const bool members = !grant.members.empty() || grant.any_member || rule.own_member;
  if (grant.lbs.empty() && !members)
    return refuse(fmt::format("'{}' is granted nothing; {}", rule.peer, line_form));
  if (!grant.lbs.empty() && members) {
    return refuse(
        "lb= lets the peer be that load balancer: write one line for lb= and one for member=; for "
        "the members of one load balancer only, write member=... of=UID");
  }
  if (!members && !grant.of.empty()) return refuse("of= belongs to member=");
  return {};
}

Result<AuthorityRule> parse_rule(std::string_view line) {
  if (const auto ok = check_blanks(line); !ok) return fail(ok.error());
  AuthorityRule rule;
  rule.grant.of.clear();
  rule.grant.groups.clear();
  rule.peer = take_first_word(line);
  if (const auto ok = check_peer(rule.peer); !ok) return fail(ok.error());
  while (!line.empty()) {
    const std::string_view word = take_first_word(line);
    const auto equals = std::min(word.find('='), word.size());
    const auto value = word.substr(std::min(equals + 1, word.size()));
    if (const auto added = add_right(rule, word.substr(0, equals), value); !added)
      return fail(at(printable(word), added.error()));
  }
  if (const auto ok = check_roles(rule); !ok) return fail(ok.error());
  for (auto* names : {&rule.grant.of, &rule.grant.groups}) {
    if (names->empty()) names->push_back(NamePattern::any());
  }
  return rule;
}

bool fits(const AuthorityRule& rule, const IpAddress& address,
          const std::optional<PeerIdentity>& identity) {
  const std::string_view peer = rule.peer;
  if (!rule.from.empty() && !any_contains(rule.from, address)) return false;
  if (peer == "*") return true;
  if (!identity) return false;
  if (peer.starts_with(by_fingerprint))
    return identity->fingerprint == peer.substr(by_fingerprint.size());
  return identity->has_name(peer);
}

}  // namespace

NamePattern NamePattern::parse(std::string_view text) {
  const bool is_prefix = text.ends_with('*');
  return {std::string(text.substr(0, text.size() - (is_prefix ? 1 : 0))), is_prefix};
}

bool Rights::may_be(std::string_view lb_uid, std::string_view group) const {
  return any_grants(grants, [&](const Grant& grant) {
    return any_matches(grant.lbs, lb_uid) && covers(grant, group);
  });
}

bool Rights::may_be(std::string_view lb_uid) const {
  return any_grants(grants, [&](const Grant& grant) { return any_matches(grant.lbs, lb_uid); });
}

bool Rights::may_speak_for(const IpAddress& member, std::string_view lb_uid,
                           std::string_view group) const {
  return any_grants(grants, [&](const Grant& grant) {
    return (grant.any_member || any_contains(grant.members, member)) &&
           any_matches(grant.of, lb_uid) && covers(grant, group);
  });
}

bool Rights::may_speak_for_all(std::string_view lb_uid, std::string_view group) const {
  return any_grants(grants, [&](const Grant& grant) {
    return grant.any_member && any_matches(grant.of, lb_uid) && covers(grant, group);
  });
}

Authority::Authority(bool foreign_members) : foreign_members_(foreign_members) {}

Result<Authority> Authority::parse(std::string_view text) {
  if (const auto ok = check_encoding(text); !ok) return fail(at("line 1", ok.error()));
  if (!text.empty() && text.back() != '\n')
    return refuse("the last line has no newline; is the file complete?");
  Authority authority(false);
  authority.from_file_ = true;
  const auto read = for_each_line(text, [&](std::string_view line) -> Result<void> {
    auto rule = parse_rule(line);
    if (!rule) return fail(rule.error());
    authority.rules_.push_back(std::move(*rule));
    return {};
  });
  if (!read) return fail(read.error());
  return authority;
}

Rights Authority::rights_of(const IpAddress& address,
                            const std::optional<PeerIdentity>& identity) const {
  Rights rights{address.text(), address, identity, {}};
  if (identity) rights.peer = fmt::format("{} at {}", identity->text(), rights.peer);
  if (!from_file_) {
    Grant grant;
    grant.lbs = identity ? names_of(*identity) : std::vector{NamePattern::any()};
    grant.any_member = foreign_members_ || (!identity && address.is_loopback());
    add_own_addresses(grant.members, address, identity);
    rights.grants.push_back(std::move(grant));
    return rights;
  }
  for (const AuthorityRule& rule : rules_) {
    if (!fits(rule, address, identity)) continue;
    Grant& grant = rights.grants.emplace_back(rule.grant);
    if (rule.own_member) add_own_addresses(grant.members, address, identity);
  }
  return rights;
}

}  // namespace saspd::gwm
