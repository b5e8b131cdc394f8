// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/requests.hpp"

namespace saspd::sasp {
namespace {

template <class... Ms>
std::optional<Message> reply_of(Type request, ReturnCode code, const std::variant<Ms...>*) {
  std::optional<Message> reply;
  const auto answer_if = [&]<class M>(std::type_identity<M>) {
    if constexpr (IsRequest<M>) {
      if (M::type == request) reply = reply_with<M>(code);
    }
  };
  (answer_if(std::type_identity<Ms>{}), ...);
  return reply;
}

}  // namespace

std::optional<Message> reply_to(Type request, ReturnCode code) {
  return reply_of(request, code, static_cast<const Message*>(nullptr));
}

}  // namespace saspd::sasp
