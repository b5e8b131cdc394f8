// SPDX-License-Identifier: Apache-2.0
// The members of a group that registered themselves with the GWM, as the trust flag allows (RFC
// 4678 7.6.1), and when they are gone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "controller/base/clock.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::director {

class SelfRegistered {
 public:
  // A restarted GWM must hear from its members again: one that is missing from the answers on a new
  // connection counts as gone only after this time.
  static constexpr Duration rejoin_time = std::chrono::seconds{180};

  // A GWM that lies must not fill the kernel's table: the limit of such members.
  static constexpr std::size_t max_members = 4096;

  // A server that was there before we started: no GWM has reported it yet, and it is kept like one
  // that a lost connection reported.
  // Returns whether it is new.
  bool found(const sasp::MemberKey& member) { return members_.try_emplace(member).second; }

  // What a GWM reports over `connection`, a number above 0 that is unique to it: members and their
  // labels. `full`: a missing one is gone (row 32), at once if this connection reported it before.
  // Returns whether the members, or how many are left out, are others now.
  bool told(std::uint64_t connection, const std::map<sasp::MemberKey, std::string>& members,
            bool full, TimePoint now);

  struct Member {
    std::string label;
    std::uint64_t connection = 0;  // the last connection that reported it; 0: none
    std::optional<TimePoint> missing_since;
  };
  const std::map<sasp::MemberKey, Member>& members() const { return members_; }
  // How many of the last report exceed max_members, and so are left out.
  std::size_t left_out() const { return left_out_; }

 private:
  bool forget_missing(std::uint64_t connection,
                      const std::map<sasp::MemberKey, std::string>& members, TimePoint now);

  std::map<sasp::MemberKey, Member> members_;
  std::size_t left_out_ = 0;
};

}  // namespace saspd::director
