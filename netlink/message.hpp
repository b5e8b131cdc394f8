// Generic netlink messages as bytes: requests written, answers read and judged. Pure; the socket is
// genl.hpp. Attributes and headers are written and walked with libmnl.
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

// Netlink aligns to 4: the first byte of every view here stands on such a boundary.
using ByteView = std::span<const std::uint8_t>;

// Requests that travel in one send. The kernel works them off one after the other and does not stop
// at a failing one (net/netlink/af_netlink.c, netlink_rcv_skb).
class Requests {
 public:
  static constexpr std::size_t max_request = 256;  // bytes of one request with its headers

  explicit Requests(std::size_t capacity);

  void clear();
  // Starts the next request; the caller appends its attributes with mnl_attr_put(). Valid until
  // clear().
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

  // Behind the generic netlink header; an error when that is not all there.
  Result<ByteView> attributes() const;
};

// Cuts the first message off a datagram that is not empty.
Result<Message> take_message(ByteView& datagram);

// The verdict in a message of type NLMSG_ERROR or NLMSG_DONE: nothing when the kernel is content,
// else its errno, with its words if it has some (NLMSGERR_ATTR_MSG).
Result<void> verdict(const Message& message);

// The attributes of one nest, by their number. It remembers the first thing that is wrong (a
// missing attribute, a wrong length) and gives zeroes from then on: read all, then ask once for
// error(). Unknown attributes and padding are skipped.
class Attributes {
 public:
  // `name` is what errors call the nest: "destination".
  Attributes(ByteView bytes, std::string_view name);

  bool has(std::uint16_t type) const { return find(type).data() != nullptr; }
  std::uint8_t u8(std::uint16_t type);
  std::uint16_t u16(std::uint16_t type);
  std::uint16_t big_endian_u16(std::uint16_t type);
  std::uint32_t u32(std::uint16_t type);
  std::string text(std::uint16_t type);  // up to its NUL
  // The first `size` bytes; there may be more of them.
  ByteView bytes(std::uint16_t type, std::size_t size);
  ByteView value(std::uint16_t type) { return required(type); }  // all of them
  Attributes nest(std::uint16_t type, std::string_view name);

  const std::optional<Error>& error() const { return error_; }

 private:
  ByteView find(std::uint16_t type) const;
  ByteView required(std::uint16_t type);
  ByteView exactly(std::uint16_t type, std::size_t size);
  void refuse(std::string detail);

  std::string_view name_;
  std::array<ByteView, 32> values_{};  // IPVS has 15 attributes in its largest nest
  std::optional<Error> error_;
};

// Finds out from the answers which requests of a batch failed. Only the last one asks to be
// acknowledged and errors are always told, in order: once the last is answered, a request without
// an error was done. This does not hold once answers were lost: the kernel does everything in spite
// of a full receive buffer, and only the telling is missing.
class BatchOutcome {
 public:
  struct Failed {
    std::size_t index = 0;  // into the batch
    Error error;
  };

  BatchOutcome(std::uint32_t first_sequence, std::size_t count);

  // Messages of other sequence numbers belong to a batch that was given up, and are ignored.
  // Malformed ones count as lost.
  void add(ByteView datagram);
  // What is not answered now or later is unknown, because of `reason`. The first reason stays; its
  // code is no_buffer_space or timed_out, by which callers tell it from a refusal of the kernel.
  void answers_lost(Error reason);
  // The kernel saw none of them.
  void not_sent(Error reason);

  bool complete() const { return last_answered_; }
  bool lossy() const { return lost_.has_value(); }
  // Requests that failed or are not known to be done, in order. Ask when complete or lossy.
  std::vector<Failed> failed() const;

 private:
  std::uint32_t first_;
  std::size_t count_;
  std::map<std::size_t, Error> errors_;
  bool last_answered_ = false;
  std::optional<Error> lost_;
};

}  // namespace saspd::netlink
