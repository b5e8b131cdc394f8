// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/authority.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

IpAddress ip(const std::string& text) {
  return *IpAddress::parse(text);
}

PeerIdentity certificate(const std::string& common_name) {
  PeerIdentity identity;
  identity.common_name = common_name;
  identity.fingerprint = std::string(64, 'a');
  return identity;
}

Authority file(const std::string& text) {
  auto authority = Authority::parse(text.ends_with('\n') ? text : text + "\n");
  EXPECT_TRUE(authority) << authority.error().detail;
  return authority ? *authority : Authority(false);
}

std::string error_of(const std::string& text) {
  const auto authority = Authority::parse(text + "\n");
  return authority ? "none" : authority.error().detail;
}

// ---- Without a file -----------------------------------------------------------------------------

TEST(AuthorityWithoutFile, ACertificateIsTheLoadBalancersThatItNames) {
  auto identity = certificate("director-1");
  identity.dns_names = {"lb1.example"};
  identity.uris = {"urn:lb:7"};
  identity.emails = {"lb@example.org"};
  const auto rights = Authority(false).rights_of(ip("192.0.2.1"), identity);
  for (const auto* uid : {"director-1", "lb1.example", "urn:lb:7", "lb@example.org"})
    EXPECT_TRUE(rights.may_be(uid, "web")) << uid;
  for (const auto* uid : {"director-2", "", "director-11", "192.0.2.1"})
    EXPECT_FALSE(rights.may_be(uid, "web")) << uid;
}

TEST(AuthorityWithoutFile, AStarInACertificateIsNoPattern) {
  auto identity = certificate("*");
  identity.dns_names = {"*"};
  EXPECT_FALSE(Authority(false).rights_of(ip("192.0.2.1"), identity).may_be("lb1", "web"));
}

TEST(AuthorityWithoutFile, AMemberSpeaksForItsOwnAddresses) {
  auto identity = certificate("app-1");
  identity.addresses = {ip("10.0.0.7")};
  const auto rights = Authority(false).rights_of(ip("192.0.2.1"), identity);
  EXPECT_TRUE(rights.may_speak_for(ip("192.0.2.1"), "lb1", "web"));
  EXPECT_TRUE(rights.may_speak_for(ip("10.0.0.7"), "lb1", "web"));
  EXPECT_FALSE(rights.may_speak_for(ip("192.0.2.2"), "lb1", "web"));
  EXPECT_FALSE(rights.may_speak_for_all("lb1", "web"));
}

TEST(AuthorityWithoutFile, ACertificateOfThisHostIsBelievedNoMore) {
  const auto local = ip("127.0.0.1");
  EXPECT_TRUE(Authority(false).rights_of(local, {}).may_speak_for(ip("10.0.0.7"), "lb1", "web"));
  const auto rights = Authority(false).rights_of(local, certificate("app-1"));
  EXPECT_FALSE(rights.may_speak_for(ip("10.0.0.7"), "lb1", "web"));
}

TEST(AuthorityWithoutFile, InTheClearAnyLoadBalancerIsBelieved) {
  const auto rights = Authority(false).rights_of(ip("192.0.2.1"), {});
  EXPECT_TRUE(rights.may_be("lb1", "web"));
  EXPECT_TRUE(rights.may_speak_for(ip("192.0.2.1"), "lb1", "web"));
  EXPECT_FALSE(rights.may_speak_for(ip("192.0.2.2"), "lb1", "web"));
}

TEST(AuthorityWithoutFile, ForeignMembersMayBeAllowed) {
  for (const auto& identity :
       {std::optional<PeerIdentity>(), std::optional(certificate("app-1"))}) {
    const auto rights = Authority(true).rights_of(ip("192.0.2.1"), identity);
    EXPECT_TRUE(rights.may_speak_for(ip("192.0.2.2"), "lb1", "web"));
    EXPECT_TRUE(rights.may_speak_for_all("lb1", "web"));
  }
}

// ---- The file -----------------------------------------------------------------------------------

TEST(AuthorityFile, GrantsNothingThatIsNotThere) {
  const auto authority = file("# nobody\n\n");
  for (const auto& identity : {std::optional<PeerIdentity>(), std::optional(certificate("lb1"))}) {
    const auto rights = authority.rights_of(ip("127.0.0.1"), identity);
    EXPECT_FALSE(rights.may_be("lb1", "web"));
    EXPECT_FALSE(rights.may_speak_for(ip("127.0.0.1"), "lb1", "web"));
  }
}

TEST(AuthorityFile, KnowsPeersByAnyName) {
  auto identity = certificate("director-1");
  identity.dns_names = {"lb1.example"};
  const auto who = [&](const std::string& peer) {
    return file(peer + " lb=lb1").rights_of(ip("192.0.2.1"), identity).may_be("lb1", "web");
  };
  EXPECT_TRUE(who("director-1"));
  EXPECT_TRUE(who("lb1.example"));
  EXPECT_TRUE(who("sha256:" + std::string(64, 'a')));
  EXPECT_TRUE(who("*"));
  EXPECT_FALSE(who("director-2"));
  EXPECT_FALSE(who("sha256:" + std::string(64, 'b')));
}

TEST(AuthorityFile, NamesNeedACertificate) {
  EXPECT_FALSE(file("lb1 lb=lb1").rights_of(ip("127.0.0.1"), {}).may_be("lb1", "web"));
  EXPECT_TRUE(file("* lb=lb1").rights_of(ip("127.0.0.1"), {}).may_be("lb1", "web"));
}

TEST(AuthorityFile, RightsOfAllLinesAddUp) {
  const auto rights = file(
                          "app lb=lb1\n"
                          "* from=192.0.2.0/24 from=2001:db8::/32 lb=lb2*   # a rack\n"
                          "* from=198.51.100.0/24 lb=lb3\n")
                          .rights_of(ip("192.0.2.1"), certificate("app"));
  EXPECT_TRUE(rights.may_be("lb1", "web"));
  EXPECT_TRUE(rights.may_be("lb2", "web"));
  EXPECT_TRUE(rights.may_be("lb20", "web"));
  EXPECT_FALSE(rights.may_be("lb3", "web"));
}

// Each line stands for itself: another line's groups are not these members'.
TEST(AuthorityFile, GroupsBoundTheirLine) {
  const auto rights = file(
                          "app member=10.0.0.1 group=web group=mail*\n"
                          "app member=10.0.0.2\n"
                          "app lb=lb1 group=web\n")
                          .rights_of(ip("192.0.2.1"), certificate("app"));
  EXPECT_TRUE(rights.may_speak_for(ip("10.0.0.1"), "lb1", "web"));
  EXPECT_TRUE(rights.may_speak_for(ip("10.0.0.1"), "lb1", "mail-2"));
  EXPECT_FALSE(rights.may_speak_for(ip("10.0.0.1"), "lb1", "db"));
  EXPECT_TRUE(rights.may_speak_for(ip("10.0.0.2"), "lb1", "db"));
  EXPECT_FALSE(rights.may_speak_for(ip("192.0.2.1"), "lb1", "web"));
  EXPECT_TRUE(rights.may_be("lb1", "web"));
  EXPECT_FALSE(rights.may_be("lb1", "db"));
  EXPECT_TRUE(rights.may_be("lb1"));
  EXPECT_FALSE(rights.may_be("lb1", "")) << "not all groups";
}

TEST(AuthorityFile, MembersAreAddressesOwnOrAll) {
  auto identity = certificate("app");
  identity.addresses = {ip("10.0.0.9")};
  const auto with = [&](const std::string& members) {
    return file("app " + members).rights_of(ip("192.0.2.1"), identity);
  };
  EXPECT_TRUE(with("member=own").may_speak_for(ip("192.0.2.1"), "lb1", "web"));
  EXPECT_TRUE(with("member=own").may_speak_for(ip("10.0.0.9"), "lb1", "web"));
  EXPECT_FALSE(with("member=own").may_speak_for(ip("10.0.0.8"), "lb1", "web"));
  EXPECT_TRUE(with("member=10.0.0.0/8").may_speak_for(ip("10.9.9.9"), "lb1", "web"));
  EXPECT_FALSE(with("member=10.0.0.0/8").may_speak_for_all("lb1", "web"));
  EXPECT_TRUE(with("member=* group=web").may_speak_for_all("lb1", "web"));
  EXPECT_FALSE(with("member=* group=web").may_speak_for_all("lb1", ""));
  EXPECT_TRUE(with("member=*").may_speak_for_all("lb1", ""));
  EXPECT_FALSE(with("member=*").may_be("lb1", "web"));
}

TEST(AuthorityFile, MembersMayBeOfOneLoadBalancer) {
  const auto rights =
      file("app member=own of=east of=west*").rights_of(ip("192.0.2.1"), certificate("app"));
  const auto self = ip("192.0.2.1");
  EXPECT_TRUE(rights.may_speak_for(self, "east", "web"));
  EXPECT_TRUE(rights.may_speak_for(self, "west-2", "web"));
  EXPECT_FALSE(rights.may_speak_for(self, "north", "web"));
  EXPECT_FALSE(rights.may_be("east"));
  const auto all = file("app member=* of=east").rights_of(self, certificate("app"));
  EXPECT_TRUE(all.may_speak_for_all("east", "web"));
  EXPECT_FALSE(all.may_speak_for_all("north", "web"));
}

// "lb=east member=own" reads like a member of east, and would be east itself.
TEST(AuthorityFile, ALineIsForOneRole) {
  EXPECT_NE(error_of("app lb=east member=own").find("write one line for lb= and one for member="),
            std::string::npos);
  EXPECT_NE(error_of("app lb=east of=west").find("of= belongs to member="), std::string::npos);
}

// "* lb=lab from=192.0.2.9" without its end would be "* lb=lab".
TEST(AuthorityFile, HalfALineIsRefused) {
  EXPECT_FALSE(Authority::parse("app lb=east\n* lb=lab"));
  EXPECT_TRUE(Authority::parse("app lb=east\n* lb=lab\n"));
}

TEST(AuthorityFile, SaysWhatIsWrongInWhichLine) {
  EXPECT_EQ(error_of("a lb=lb1\nb\n").substr(0, 27), "line 2: 'b' is granted noth");
  EXPECT_EQ(error_of("b group=web").substr(0, 11), "line 1: 'b'");
  EXPECT_EQ(error_of("b lbs=lb1").substr(0, 25), "line 1: lbs=lb1: expected");
  EXPECT_EQ(error_of("b lb=").substr(0, 22), "line 1: lb=: expected ");
  EXPECT_NE(error_of("b member=10.0.0.1/8").find("address in 10.0.0.0/8"), std::string::npos);
  EXPECT_NE(error_of("b member=0.0.0.0").find("unspecified address; write the address of a host"),
            std::string::npos)
      << error_of("b member=0.0.0.0");
  EXPECT_NE(error_of("b member=224.0.0.1").find("a multicast address"), std::string::npos);
  EXPECT_NE(error_of("b lb=x from=::").find("unspecified address"), std::string::npos);
  EXPECT_EQ(error_of("b member=0.0.0.0/0"), "none");
  EXPECT_NE(error_of("b lb=x from=here").find("from=here: "), std::string::npos);
  EXPECT_NE(error_of("sha256:AA:BB lb=x").find("64 hexadecimal digits"), std::string::npos);
  EXPECT_NE(error_of("b lb=\x01").find("expected"), std::string::npos);
}

// Each of these was a rule for a name that nobody has.
TEST(AuthorityFile, RefusesWhatWouldBeAnotherName) {
  struct Case {
    const char* line;
    const char* says;
  };
  for (const auto& [line, says] : std::initializer_list<Case>{
           {"\"director-1\" lb=east", "the peer's name; write director-1"},
           {"director-1 lb=\"east\"", "quotes would be part of the name; write east"},
           {"director-1 lb='east'", "quotes would be part of the name; write east"},
           {"director-1 lb=\"the east\"", "quotes would be part of the name; write the"},
           {"director-1 lb=e*st", "a star is allowed only at the end of a name"},
           {"director-1 lb=*east", "a star is allowed only at the end of a name"},
           {"app member=own of=*", ""},
           {"director-1 lb=east*", ""},
           {"director* lb=east", "a peer is one name, or * for every peer"},
           {"director-1\xC2\xA0lb=east lb=west", "a no-break space (U+00A0)"},
       }) {
    const auto error = error_of(line);
    if (*says == '\0') {
      EXPECT_EQ(error, "none") << line;
    } else {
      EXPECT_NE(error.find(says), std::string::npos) << line << ": " << error;
    }
  }
  EXPECT_FALSE(Authority::parse("\xFF\xFE*\n"));
  EXPECT_TRUE(Authority::parse("\xEF\xBB\xBF* lb=lab\r\n"));
}

TEST(AuthorityFile, TellsWhoAPeerIs) {
  EXPECT_EQ(Authority(false).rights_of(ip("192.0.2.1"), {}).peer, "192.0.2.1");
  EXPECT_EQ(Authority(false).rights_of(ip("192.0.2.1"), certificate("app")).peer,
            "'app' at 192.0.2.1");
}

}  // namespace
}  // namespace saspd::gwm
