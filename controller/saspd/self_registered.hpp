// The members of a group that registered themselves with the GWM, which the trust flag lets them do
// (RFC 4678 7.6.1), and when they are gone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "controller/base/clock.hpp"
#include "controller/sasp/types.hpp"

namespace saspd {

class SelfRegistered {
 public:
  // A GWM that restarted has to hear from its members again: one that is missing from what a new
  // connection tells is gone only after this time.
  static constexpr Duration rejoin_time = std::chrono::seconds{180};

  // A GWM that lies must not fill the kernel's table: so many, whoever else it tells of.
  static constexpr std::size_t max_members = 4096;

  // A server of before our start: nobody has told of it yet, and it is kept like one that a lost
  // connection told of.
  void found(const sasp::MemberKey& member) { members_.try_emplace(member); }

  // What a GWM tells over `connection`, a number above 0 that no other connection has: members and
  // their labels. `full`: one that is missing is gone (row 32), at once if this connection told of
  // it before.
  void told(std::uint64_t connection, const std::map<sasp::MemberKey, std::string>& members,
            bool full, TimePoint now);

  struct Member {
    std::string label;
    std::uint64_t connection = 0;  // the last that told of it; 0: none
    std::optional<TimePoint> missing_since;
  };
  const std::map<sasp::MemberKey, Member>& members() const { return members_; }
  // Of those told of last: beyond max_members, so left out.
  std::size_t left_out() const { return left_out_; }

 private:
  void forget_missing(std::uint64_t connection,
                      const std::map<sasp::MemberKey, std::string>& members, TimePoint now);

  std::map<sasp::MemberKey, Member> members_;
  std::size_t left_out_ = 0;
};

}  // namespace saspd
