// SPDX-License-Identifier: Apache-2.0
// What load balancers and members have registered with the GWM: who exists, who registered what,
// who is quiesced. Pure: requests in, replies out. A request is carried out as a whole or not at
// all (sasp-interop row 21).
//
// Which return code, where several would fit (sasp-interop row 27), first one first:
//   0x10  a name that is not UTF-8 or has control characters (row 10); a request without any group;
//         a DeRegistration that lists members without naming their group (row 28)
//   0x50  empty group name, where it cannot mean "all groups"
//   0x51  LB UID of 0 or more than 64 bytes (row 9)
//   0x11  a peer that may not be that LB, or not in that group or in one that the LB has; a member
//         that may not speak for that address (row 37, authority.hpp)
//   0x61  a member names an LB that is not known here    0x43  an LB does
//   0x11  a member, and its LB has not set the trust flag, or may not have that group itself; an
//         LB for another LB
//   0x42  unknown group     0x45  a member of the wrong kind (rows 25, 26)
//   0x44  member twice      0x46  group twice
//   0x41  not registered    0x40  already registered
//   0x11  a limit of RegistryConfig is reached
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/deadlines.hpp"
#include "controller/gwm/authority.hpp"
#include "controller/sasp/messages.hpp"

namespace saspd::gwm {

using ConnectionId = std::uint64_t;

struct RegistryConfig {
  std::uint16_t interval = 10;  // seconds, recommended to load balancers (RFC 4678 7.3.2)
  // How long an LB without a connection is remembered (RFC 4678 9.1).
  std::chrono::seconds retention{300};
  bool mixed_groups = false;  // systems and applications in one group (row 26)
  std::size_t max_lbs = 1024;
  std::size_t max_groups = 65535;       // of all LBs together
  std::size_t max_members = 1'000'000;  // of all LBs together
  // Limit per address of members that registered themselves, and of groups that were new then.
  std::size_t max_self_registered = 256;
  // The weights of all groups of one LB: a Get Weights Reply cannot be split (row 20).
  std::size_t max_reply = sasp::default_max_message;
};

// The sender of a request.
struct Sender {
  ConnectionId connection = 0;
  const Rights& rights;
};

// What an LB was last sent about a member.
struct Told {
  std::uint8_t state = 0;
  std::uint8_t flags = 0;  // sasp::weight_flag
  std::uint16_t weight = 0;
  bool operator==(const Told&) const = default;
};

// The Publisher's memory of one member: all may read it, only the Publisher writes it. It is not part
// of what was registered, so the Publisher too gets by with a const record; and it ends with the
// record, so a member that is registered again is news.
class LastTold {
 public:
  explicit operator bool() const { return told_.has_value(); }  // anything, on this connection
  const Told* operator->() const { return &*told_; }

 private:
  friend class Publisher;
  mutable std::optional<Told> told_;
};

struct Member {
  sasp::MemberData data;  // with label and address form as registered (row 2)
  bool registered_by_lb = true;
  IpAddress debtor{};  // without registered_by_lb: the address whose limit it counts against
  // A quiesce belongs to its origin, and only its origin can lift it (row 40).
  bool quiesced_by_lb = false;
  bool quiesced_by_member = false;
  // Known from an earlier life, and not spoken for since: by its load balancer's return, or by
  // itself if it registered itself.
  bool restored = false;
  std::uint8_t state = 0;  // opaque, the last one reported (RFC 4678 5.4)
  LastTold told{};
  bool quiesced() const { return quiesced_by_lb || quiesced_by_member; }
};

// A group stays when its last member leaves (row 29).
using Group = std::map<sasp::MemberKey, Member>;

// The parts of a load balancer that are limited.
struct Extent {
  std::size_t groups = 0;
  std::size_t members = 0;
  std::size_t bytes = 0;  // in a Get Weights Reply

  Extent& operator+=(const Extent& other);
  Extent& operator-=(const Extent& other);
  bool operator==(const Extent&) const = default;
};

struct LoadBalancer {
  std::map<std::string, Group, std::less<>> groups;
  // The groups that no LB has registered, and the address whose limit each counts against.
  std::map<std::string, IpAddress, std::less<>> self_registered;
  Extent extent;
  std::uint8_t health = sasp::max_lb_health;
  std::uint8_t flags = 0;  // sasp::lb_flag; without Set LB State: pull, no trust, full (row 33)
  bool restored = false;   // known from an earlier life, and not connected since
  std::optional<ConnectionId> connection;
  Rights rights;                   // of its connection, or the last one that it had
  TimePoint forgotten_at;          // while there is no connection
  std::uint64_t replacements = 0;  // of a live connection by a new one (row 36)
  bool trusts() const { return (flags & sasp::lb_flag::trust) != 0; }
};
using LoadBalancers = std::map<std::string, LoadBalancer, std::less<>>;

// What members have registered themselves, by the address that it counts for: the member's; or the
// peer's own if it may speak for any address, and so could use as many as it likes. Groups outlive
// their members (row 29), and count as long as they exist.
using SelfRegistered = std::map<IpAddress, Extent>;

// A peer that speaks as an LB is sent the weights of all its groups. Returns the first group that
// the rights do not include; nullptr if there is none.
const std::string* group_left_out(const Rights& rights, const std::string& lb_uid,
                                  const LoadBalancer& lb);

struct Outcome {
  sasp::Message reply;        // for a Get Weights: without the weights
  std::string refusal;        // code, reason and names, unless the code is 0x00
  bool unauthorized = false;  // refused because the sender is not authorized
  bool changed = false;       // something has changed
  // Set when the sender's connection speaks for this LB from now on,
  std::optional<std::string> attached;
  // and this one, which did so before, must be closed (RFC 4678 9.1, row 36).
  std::optional<ConnectionId> replaced;
};

class Registry {
 public:
  explicit Registry(RegistryConfig config) : config_(config) {}

  // Other limits and times from now on. What is there stays, even beyond a limit.
  void reconfigure(const RegistryConfig& config) { config_ = config; }

  // `request` is one of the five requests of RFC 4678.
  Outcome handle(const Sender& sender, const sasp::Message& request);

  // What an earlier life knew, in a registry without anything. Load balancers have the whole
  // retention time to return; their rights are those of their last connection.
  void recall(LoadBalancers lbs, const Authority& authority, TimePoint now);

  // Replaces the authority.
  void judge_again(const Authority& authority);

  // The connection is gone; its LB, if it spoke for one, is kept for the retention time.
  void disconnected(ConnectionId connection, TimePoint now);
  // When forget_expired() has something to do.
  std::optional<TimePoint> next_expiry() const { return expiries_.next(); }
  // Returns the UIDs of the load balancers that were forgotten.
  std::vector<std::string> forget_expired(TimePoint now);

  const LoadBalancers& load_balancers() const { return lbs_; }
  const SelfRegistered& self_registered() const { return self_registered_; }
  const Extent& total() const { return total_; }              // of all load balancers
  std::size_t connected() const { return attached_.size(); }  // load balancers with a connection
  const LoadBalancer* find(std::string_view lb_uid) const;    // nullptr: not known
  // The UID of the LB that a connection speaks for; nullptr if none.
  const std::string* attached_to(ConnectionId connection) const;

 private:
  template <class Request>
  Outcome answer(const Sender& sender, const Request& request);
  void attach(const Sender& sender, const std::string& lb_uid, Outcome& outcome);
  template <class Request>
  void confirm(const Request& request);

  RegistryConfig config_;
  LoadBalancers lbs_;
  SelfRegistered self_registered_;
  Extent total_;
  Deadlines<std::string> expiries_;  // of those without a connection, by UID
  std::map<ConnectionId, std::string> attached_;
};

}  // namespace saspd::gwm
