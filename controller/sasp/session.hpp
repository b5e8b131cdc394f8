// SPDX-License-Identifier: Apache-2.0
// What the sessions of load balancers and members have in common for the owner of their socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/sasp/codec.hpp"

namespace saspd::sasp {

// The GWM answered the whole opening exchange.
struct Established {};
// Something an operator should read once.
struct Notice {
  enum class Kind : std::uint8_t {
    information,
    fault,            // of the GWM, once
    message_dropped,  // these two may repeat for ever
    weights_refused,
  };
  std::string text;
  Kind kind = Kind::fault;
};

// What the owner of the socket must do, in this order. `Event` is a variant with the two above.
template <class Event>
struct SessionStep {
  std::vector<Event> events;
  Bytes send;
  std::optional<Error> close;  // after sending `bytes`
};

// The same, once the events were taken by whom they concern.
struct LinkStep {
  bool established = false;  // the opening exchange is complete
  Bytes send;
  std::optional<Error> close;  // after sending nothing more
};

}  // namespace saspd::sasp
