// SPDX-License-Identifier: Apache-2.0
// Decides whether a request may be carried out. The checks change nothing; their order is the list at
// the head of registry.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/gwm/registry.hpp"
#include "controller/sasp/requests.hpp"

namespace saspd::gwm {

// A group that a request names.
struct Named {
  const std::string& lb_uid;
  const std::string& name;
  bool once;  // naming it again makes no sense (0x46)
};

// What the requests have in common.
struct Head {
  bool from_lb = true;
  bool introduces_lb = false;  // an LB makes itself known by this request
  bool name_required = true;   // else an empty group name means all groups of the LB, or no group
  std::vector<Named> groups{};
};
// The request must outlive its head.
Head head_of(const sasp::RegistrationRequest& request);
Head head_of(const sasp::DeregistrationRequest& request);
Head head_of(const sasp::GetWeightsRequest& request);
Head head_of(const sasp::SetMemberStateRequest& request);
Head head_of(const sasp::SetLbStateRequest& request);

// The member that an item of a request is about.
inline const sasp::MemberData& member_of(const sasp::MemberData& item) {
  return item;
}
inline const sasp::MemberData& member_of(const sasp::MemberState& item) {
  return item.member;
}

// The state that a request is judged by.
struct Known {
  const RegistryConfig& config;
  const LoadBalancers& lbs;
  const SelfRegistered& self_registered;
  const Extent& total;  // of all load balancers
  const Sender& sender;
  const std::string* attached;  // the LB that the sender's connection speaks for, or nullptr
};

struct Refusal {
  sasp::ReturnCode code{};
  std::string why;
  bool unauthorized = false;
};
using Verdict = std::optional<Refusal>;  // nothing: accepted

// Everything that a check may use.
struct Case {
  const Known& known;
  const Head& head;
};
template <sasp::IsRequest Request>
struct CaseOf : Case {
  const Request& request;
};

Verdict judge(const CaseOf<sasp::RegistrationRequest>& about);
Verdict judge(const CaseOf<sasp::DeregistrationRequest>& about);
Verdict judge(const CaseOf<sasp::GetWeightsRequest>& about);
Verdict judge(const CaseOf<sasp::SetMemberStateRequest>& about);
Verdict judge(const CaseOf<sasp::SetLbStateRequest>& about);

const Group* find_group(const LoadBalancers& lbs, std::string_view lb_uid, std::string_view name);

}  // namespace saspd::gwm
