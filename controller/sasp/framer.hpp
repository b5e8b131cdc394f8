// SPDX-License-Identifier: Apache-2.0
// Cuts a TCP stream into SASP messages by the Message Length of their headers (RFC 4678 4.3).
#pragma once

#include <optional>

#include "controller/sasp/codec.hpp"

namespace saspd::sasp {

class Framer {
 public:
  // Memory that is kept for the next message, in bytes: a server has many peers and trusts none of
  // them; a client has one, whose big messages arrive at full speed.
  static constexpr std::size_t kept_by_server = std::size_t{64} << 10;
  static constexpr std::size_t kept_by_client = std::size_t{1} << 20;

  explicit Framer(std::size_t max_message = default_max_message, std::size_t kept = kept_by_server)
      : max_message_(max_message), kept_(kept) {}

  // The buffer grows by what arrives, never by what a length announces. Call next() until it
  // returns nothing before the next append().
  void append(ByteView bytes);

  // The next whole message, empty while it is incomplete, or an error after which the stream can no
  // longer be followed (RFC 4678 9.2): close the connection. The view is valid until the next call
  // of append() or next().
  Result<std::optional<ByteView>> next();

  // Whether bytes of an unfinished message are waiting.
  bool partial() const { return unfinished() > 0; }
  std::size_t unfinished() const { return buffer_.size() - position_; }

 private:
  void drop_consumed();

  std::size_t max_message_;
  std::size_t kept_;
  Bytes buffer_;
  std::size_t position_ = 0;  // start of the next message
};

}  // namespace saspd::sasp
