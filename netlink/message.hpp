// SPDX-License-Identifier: Apache-2.0
// Generic netlink messages as bytes: writes requests, reads and judges answers. Pure; the socket is
// in genl.hpp. libmnl writes and walks attributes and headers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.hpp"

struct nlmsghdr;

namespace saspd::netlink {

// Netlink aligns to 4 bytes: every view here begins on such a boundary.
using ByteView = std::span<const std::uint8_t>;

// Requests that are sent together. The kernel processes them in order and does not stop at one that
// fails (net/netlink/af_netlink.c, netlink_rcv_skb).
class Requests {
 public:
  static constexpr std::size_t max_request = 256;  // bytes of one request with its headers

  explicit Requests(std::size_t capacity);

  void clear();
  // Starts the next request, to which the caller appends attributes with mnl_attr_put(). Valid
  // until clear().
  nlmsghdr& add(std::uint16_t family, std::uint8_t version, std::uint8_t command,
                std::uint16_t flags = 0);
  // Gives the requests the sequence numbers first, first + 1, ...
  void number(std::uint32_t first);
  void acknowledge_last();

  std::size_t count() const { return count_; }
  bool full() const { return count_ == capacity_; }
  ByteView bytes() const;

 private:
  std::size_t used() const;
  nlmsghdr& last();

  std::size_t capacity_;
  std::vector<std::uint8_t> buffer_;
  std::size_t count_ = 0;
  std::size_t last_ = 0;  // where the last request starts
};

// One message of a received datagram.
struct Message {
  std::uint16_t type = 0;  // NLMSG_ERROR, NLMSG_DONE or the id of a family
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  ByteView payload;

  // What follows the generic netlink header; an error if that header is incomplete.
  Result<ByteView> attributes() const;
};

// Removes the first message from a non-empty datagram, and returns it.
Result<Message> take_message(ByteView& datagram);

// The verdict in a message of type NLMSG_ERROR or NLMSG_DONE: no error if the kernel accepted the
// request, else its errno, with its text if there is one (NLMSGERR_ATTR_MSG).
Result<void> verdict(const Message& message);

// The attributes of one nest, by their number. It remembers the first fault (a missing attribute, a
// wrong length) and returns zeroes from then on: read everything, then check error() once. Unknown
// attributes and padding are skipped.
class Attributes {
 public:
  // `name`: what errors call the nest, such as "destination".
  Attributes(ByteView bytes, std::string_view name);

  bool has(std::uint16_t type) const { return find(type).data() != nullptr; }
  std::uint8_t u8(std::uint16_t type);
  std::uint16_t u16(std::uint16_t type);
  std::uint16_t big_endian_u16(std::uint16_t type);
  std::uint32_t u32(std::uint16_t type);
  std::string text(std::uint16_t type);  // up to its NUL
  // The first `size` bytes of the value, which may be longer.
  ByteView bytes(std::uint16_t type, std::size_t size);
  ByteView value(std::uint16_t type) { return required(type); }  // all its bytes
  Attributes nest(std::uint16_t type, std::string_view name);

  const std::optional<Error>& error() const { return error_; }

 private:
  ByteView find(std::uint16_t type) const;
  ByteView required(std::uint16_t type);
  ByteView exactly(std::uint16_t type, std::size_t size);
  void refuse(std::string detail);

  std::string_view name_;
  std::array<ByteView, 32> values_{};  // the largest nest of IPVS has 15 attributes
  std::optional<Error> error_;
};

// Determines from the answers which requests of a batch failed. Only the last one asks for an
// acknowledgement, and errors are always reported, in order: once the last is answered, every
// request without an error was done. This does not hold after answers were lost: with a full
// receive buffer the kernel still does everything, but its answers are missing.
class BatchOutcome {
 public:
  struct Failed {
    std::size_t index = 0;  // into the batch
    Error error;
  };

  BatchOutcome(std::uint32_t first_sequence, std::size_t count);

  // Ignores messages with other sequence numbers, which belong to an abandoned batch. Malformed
  // ones count as lost.
  void add(ByteView datagram);
  // Marks every request without an answer as unknown, because of `reason`. The first reason stays;
  // its code is no_buffer_space or timed_out, which distinguishes it from a refusal by the kernel.
  void answers_lost(Error reason);
  // The kernel saw none of them. Their code is never one of those of answers_lost().
  void not_sent(Error reason);

  bool complete() const { return last_answered_; }
  bool lossy() const { return lost_.has_value(); }
  // Requests that failed or are not known to be done, in order. Call it when complete or lossy.
  std::vector<Failed> failed() const;

 private:
  std::uint32_t first_;
  std::size_t count_;
  std::map<std::size_t, Error> errors_;
  bool last_answered_ = false;
  std::optional<Error> lost_;
};

}  // namespace saspd::netlink
