// What the sessions of a load balancer and of a member tell the owner of their socket alike.
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
    message_dropped,  // these two may go on and on
    weights_refused,
  };
  std::string text;
  Kind kind = Kind::fault;
};

// What the owner of the socket has to do, in this order. `Event` is a variant with the two above.
template <class Event>
struct SessionStep {
  std::vector<Event> events;
  Bytes send;
  std::optional<Error> close;  // after sending nothing more
};

}  // namespace saspd::sasp
