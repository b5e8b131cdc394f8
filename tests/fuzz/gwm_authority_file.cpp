// SPDX-License-Identifier: Apache-2.0
// An authority file is taken as a whole or refused with the number of a line that it has, in words
// that are safe to show. A peer may do what at least one of the lines alone allows, and nothing
// else; without a certificate it has only what is granted to every peer.
#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/lines.hpp"
#include "controller/base/text.hpp"
#include "controller/gwm/authority.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace saspd;
using namespace saspd::gwm;
using saspd::fuzz::check;

constexpr std::array<std::string_view, 2> uids{"lb1", "spare-2"};
constexpr std::array<std::string_view, 3> groups{"web", "mail", ""};
const std::array addresses{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("10.4.0.7"),
                           *IpAddress::parse("2001:db8::1")};

PeerIdentity certificate() {
  PeerIdentity identity;
  identity.common_name = "director-1";
  identity.dns_names = {"lb1.example"};
  identity.addresses = {addresses[1]};
  identity.fingerprint = std::string(64, 'a');
  return identity;
}

// The answers to all that can be asked.
struct Allowed {
  std::vector<bool> lbs, some_group, members, all_members;
  bool operator==(const Allowed&) const = default;
};

Allowed allowed_to(const Rights& rights) {
  check(is_clean_utf8(rights.peer));
  Allowed allowed;
  for (const auto uid : uids) {
    allowed.some_group.push_back(rights.may_be(uid));
    for (const auto group : groups) {
      allowed.lbs.push_back(rights.may_be(uid, group));
      allowed.all_members.push_back(rights.may_speak_for_all(uid, group));
      for (const auto& address : addresses)
        allowed.members.push_back(rights.may_speak_for(address, uid, group));
    }
  }
  return allowed;
}

void add(std::vector<bool>& sum, const std::vector<bool>& more) {
  std::transform(sum.begin(), sum.end(), more.begin(), sum.begin(), std::logical_or<>());
}

void add(Allowed& sum, const Allowed& more) {
  add(sum.lbs, more.lbs);
  add(sum.some_group, more.some_group);
  add(sum.members, more.members);
  add(sum.all_members, more.all_members);
}

// Every group is each of them, and every address each of these.
void check_every_is_each(const Rights& rights) {
  for (const auto uid : uids) {
    for (const auto group : groups) {
      check(!rights.may_be(uid, "") || rights.may_be(uid, group));
      check(!rights.may_be(uid, group) || rights.may_be(uid));
      const bool every_member = rights.may_speak_for_all(uid, group);
      check(!rights.may_speak_for_all(uid, "") || every_member);
      for (const auto& address : addresses) {
        const bool one = rights.may_speak_for(address, uid, group);
        check(one || (!every_member && !rights.may_speak_for(address, uid, "")));
      }
    }
  }
}

void check_refusal(const std::string& detail, std::size_t lines) {
  check(is_clean_utf8(detail) && detail.starts_with("line "));
  const auto number = std::string_view(detail).substr(5, detail.find(':') - 5);
  check(parse_number(number, 1, lines).has_value());
}

// What the lines allow, one by one. A byte order mark is one at the beginning of the file only.
Allowed sum_of_lines(std::string_view text, const IpAddress& from,
                     const std::optional<PeerIdentity>& identity) {
  Allowed sum = allowed_to(Authority::parse("")->rights_of(from, identity));
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n') + 1);
    text.remove_prefix(line.size());
    const auto alone = Authority::parse("\n" + std::string(line));
    check(alone && alone->size() <= 1);
    const auto rights = alone->rights_of(from, identity);
    check(identity || rights.grants.empty() || take_first_word(line) == "*");
    add(sum, allowed_to(rights));
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  if (!text.empty() && text.back() != '\n') {
    check(!Authority::parse(text));
    text += '\n';
  }
  const auto authority = Authority::parse(text);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  if (!authority) {
    check_refusal(authority.error().detail, lines);
    return 0;
  }
  check(authority->size() <= lines);
  for (const auto& identity : {std::optional<PeerIdentity>(), std::optional(certificate())}) {
    for (const auto& from : addresses) {
      const Rights rights = authority->rights_of(from, identity);
      check(allowed_to(rights) == sum_of_lines(text, from, identity));
      check_every_is_each(rights);
    }
  }
  return 0;
}
