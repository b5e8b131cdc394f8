// SPDX-License-Identifier: Apache-2.0
// The values of --probe, and what they mean for a member. Pure.
//
//   --probe tcp                  every group without a --probe of its own: a TCP connection
//   --probe web=http:/healthz    members of web: GET /healthz is answered with 2xx or 3xx
//   --probe web=agent:9777       and an HAProxy agent at port 9777 of each server is asked as well
//   --probe batch=none           members of batch are not probed
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::gwm {

struct ProbeSpec {
  enum class Kind : std::uint8_t { tcp, http, agent };
  Kind kind = Kind::tcp;
  std::string path;        // http: the target of the request (RFC 9112 3.2.1)
  std::uint16_t port = 0;  // agent: its port at the member's address

  std::string text() const;  // as in --probe: "http:/healthz"
  auto operator<=>(const ProbeSpec&) const = default;
};

// Where to connect, and how to judge. A server that is a member of many groups, or of many load
// balancers, is one target.
struct ProbeTarget {
  ProbeSpec spec;
  Endpoint endpoint;

  std::string text() const;  // "http:/healthz 192.0.2.1:80"
  auto operator<=>(const ProbeTarget&) const = default;
};

// tcp and http need a member with a TCP port; an agent speaks for any member at its address.
std::optional<ProbeTarget> target_of(const ProbeSpec& spec, const sasp::MemberKey& member);

// Which probes the members of each group get.
class ProbePlan {
 public:
  // Adds one [GROUP=]KIND, where KIND is none, tcp, http:PATH or agent:PORT. A group with its own
  // probes does not use those that name no group. Refuses, and adds nothing: none beside another
  // kind, or a kind twice, for the same group.
  //
  // GROUP and PATH may contain '='. If the whole is a KIND, there is no GROUP; otherwise, the KIND
  // starts after the first '=' that leaves a valid one. So "a=b=tcp" is for the group "a=b", and
  // "a=http:/x?y=tcp" for "a".
  Result<void> add(std::string_view text);

  std::span<const ProbeSpec> of(std::string_view group) const;
  // Whether this group is explicitly not probed.
  bool is_none(std::string_view group) const;
  // Whether no member is probed.
  bool empty() const { return without_group_.specs.empty() && by_group_.empty(); }

 private:
  struct List {
    bool is_none = false;  // by its own words
    std::vector<ProbeSpec> specs;
  };

  List without_group_;
  std::map<std::string, List, std::less<>> by_group_;
};

}  // namespace saspd::gwm
