// SPDX-License-Identifier: Apache-2.0
// Who may speak for whom. SASP itself has no security (RFC 4678 10): any peer that knows an LB UID
// can take over its connection and its traffic. Here, a peer's certificate and address determine
// what it may do. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/ip_network.hpp"
#include "controller/base/peer_identity.hpp"

namespace saspd::gwm {

// One name, "web", or, with a star, all names that begin so: "web*", "*".
class NamePattern {
 public:
  static NamePattern parse(std::string_view text);
  static NamePattern exactly(std::string name) { return {std::move(name), false}; }
  static NamePattern any() { return {{}, true}; }

  bool matches(std::string_view name) const {
    return is_prefix_ ? name.starts_with(text_) : name == text_;
  }
  bool is_any() const { return is_prefix_ && text_.empty(); }
  bool operator==(const NamePattern&) const = default;

 private:
  NamePattern(std::string text, bool is_prefix) : text_(std::move(text)), is_prefix_(is_prefix) {}

  std::string text_;
  bool is_prefix_;
};

// One permission: to be load balancers, or to speak for members.
struct Grant {
  std::vector<NamePattern> lbs;                     // as which load balancers the peer may speak
  std::vector<IpNetwork> members;                   // for the members at which addresses
  bool any_member = false;                          // at all addresses
  std::vector<NamePattern> of{NamePattern::any()};  // members of these load balancers only
  std::vector<NamePattern> groups{NamePattern::any()};  // in these groups only
};

// Who a peer is and what it may do, which is the sum of its grants.
struct Rights {
  std::string peer;  // for the log: "192.0.2.1", "'director-1' at 192.0.2.1"
  IpAddress address;
  std::optional<PeerIdentity> identity;  // of a verified certificate
  std::vector<Grant> grants;

  // Whether it may be this load balancer in a group; without a name, in every group.
  bool may_be(std::string_view lb_uid, std::string_view group) const;
  // Whether it may in at least one group.
  bool may_be(std::string_view lb_uid) const;
  // Whether it may speak for a member that a group of a load balancer has, or is about to get.
  bool may_speak_for(const IpAddress& member, std::string_view lb_uid,
                     std::string_view group) const;
  // Whether it may speak for all members of a group; without a name, for those of every group.
  bool may_speak_for_all(std::string_view lb_uid, std::string_view group) const;
};

// A line of the authority file.
struct AuthorityRule {
  std::string peer;             // "*": any; "sha256:" and the fingerprint; else a name
  std::vector<IpNetwork> from;  // empty: from any address
  bool own_member = false;      // the peer's own addresses
  Grant grant;
};

class Authority {
 public:
  // The authority without a file. A peer with a certificate is the load balancer whose UID is a
  // name in it (common name; DNS, URI and e-mail alternative names), and speaks for members at its
  // own address and those in the certificate. A peer without one may be any load balancer, and
  // speaks for members at its own address, or, from this host (loopback), at any.
  // `foreign_members`: every peer speaks for members at any address.
  explicit Authority(bool foreign_members);

  // Parses an authority file, which refuses what no line grants. A line is for one role, a load
  // balancer's or a member's. All of the text is accepted or none: the error names the line. A last
  // line without a newline is refused, since half a line may grant more than the whole.
  //
  // clang-format off
  //   # peer         rights
  //   director-1     lb=director-1                      a name in the certificate
  //   lb7.example    lb=lb7 from=192.0.2.0/24           and only from there
  //   sha256:8d0c…   lb=spare* group=web group=mail     the certificate itself
  //   app-1          member=own group=web               its own address and those of its certificate
  //   rack-4         member=10.4.0.0/16 of=director-1   of this load balancer; member=* for any address
  //   *              lb=lab from=192.0.2.77             any peer, also one without certificate
  // clang-format on
  //
  // A peer has the rights of all lines that match it.
  static Result<Authority> parse(std::string_view text);

  // `identity`: from a verified certificate.
  Rights rights_of(const IpAddress& address, const std::optional<PeerIdentity>& identity) const;
  // The rights of the same peer under this authority.
  Rights rights_of(const Rights& old) const { return rights_of(old.address, old.identity); }

  std::size_t size() const { return rules_.size(); }

 private:
  bool from_file_ = false;
  bool foreign_members_ = false;
  std::vector<AuthorityRule> rules_;
};

}  // namespace saspd::gwm
