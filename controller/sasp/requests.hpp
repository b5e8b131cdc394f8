// SPDX-License-Identifier: Apache-2.0
// Which reply belongs to which request (RFC 4678 4.2). Code that handles requests uses these traits,
// so that it does not compile when a request is missing.
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <variant>

#include "controller/sasp/messages.hpp"

namespace saspd::sasp {

template <class Request>
struct RequestTraits;
template <>
struct RequestTraits<RegistrationRequest> {
  using Reply = RegistrationReply;
};
template <>
struct RequestTraits<DeregistrationRequest> {
  using Reply = DeregistrationReply;
};
template <>
struct RequestTraits<GetWeightsRequest> {
  using Reply = GetWeightsReply;
};
template <>
struct RequestTraits<SetMemberStateRequest> {
  using Reply = SetMemberStateReply;
};
template <>
struct RequestTraits<SetLbStateRequest> {
  using Reply = SetLbStateReply;
};

template <class M>
concept IsRequest = requires {
  typename RequestTraits<M>::Reply;
};

template <IsRequest Request>
using ReplyTo = typename RequestTraits<Request>::Reply;

// The sender that the flags of a Registration, DeRegistration or Set Member State name; else a member.
constexpr bool is_from_lb(std::uint8_t flags) {
  return (flags & sender_flag::load_balancer) != 0;
}

// Each message is a request, the reply to one, or Send Weights, which has no reply.
template <class M, class... Ms>
constexpr bool has_role(const std::variant<Ms...>*) {
  const auto is_reply_to = []<class Other>(std::type_identity<Other>) {
    if constexpr (IsRequest<Other>) return std::is_same_v<ReplyTo<Other>, M>;
    return false;
  };
  return IsRequest<M> || (is_reply_to(std::type_identity<Ms>{}) || ...) ||
         std::is_same_v<M, SendWeights>;
}
template <class... Ms>
constexpr bool all_have_roles(const std::variant<Ms...>* message) {
  return (has_role<Ms>(message) && ...);
}
static_assert(all_have_roles(static_cast<const Message*>(nullptr)),
              "a message without a role: give its request RequestTraits");

template <IsRequest Request>
ReplyTo<Request> reply_with(ReturnCode code) {
  ReplyTo<Request> reply;
  reply.code = code;
  return reply;
}
// The reply to this type of request; nothing if it is not a request.
std::optional<Message> reply_to(Type request, ReturnCode code);

}  // namespace saspd::sasp
