// SPDX-License-Identifier: Apache-2.0
// Carries out a request that was judged and accepted, so that nothing can fail.
#pragma once

#include "controller/gwm/registry.hpp"

namespace saspd::gwm {

// What requests change.
struct Books {
  LoadBalancers& lbs;
  SelfRegistered& self_registered;
  Extent& total;  // of all load balancers
};

// True: something is different now.
bool carry_out(const Sender& sender, const sasp::RegistrationRequest& request, Books& books);
bool carry_out(const Sender& sender, const sasp::DeregistrationRequest& request, Books& books);
bool carry_out(const Sender& sender, const sasp::GetWeightsRequest& request, Books& books);
bool carry_out(const Sender& sender, const sasp::SetMemberStateRequest& request, Books& books);
bool carry_out(const Sender& sender, const sasp::SetLbStateRequest& request, Books& books);

}  // namespace saspd::gwm
