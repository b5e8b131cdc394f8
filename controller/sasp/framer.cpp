// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/framer.hpp"

#include <fmt/format.h>

namespace saspd::sasp {
namespace {

std::uint32_t big_endian(ByteView bytes) {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : bytes)
    value = value << 8 | byte;
  return value;
}

// Message Length of the message that `rest` begins with; nothing while it is not there.
Result<std::optional<std::uint32_t>> length_of(ByteView rest, std::size_t max_message) {
  // Each field is judged as soon as it is there, so that garbage is refused by its first bytes.
  if (rest.size() >= 2 && big_endian(rest.first(2)) != static_cast<std::uint32_t>(Type::header)) {
    return fail(Errc::bad_header, fmt::format("header type {:#06x}", big_endian(rest.first(2))));
  }
  if (rest.size() >= 4 && big_endian(rest.subspan(2, 2)) < header_length) {
    return fail(Errc::bad_header, fmt::format("header length {}", big_endian(rest.subspan(2, 2))));
  }
  if (rest.size() < 9) return std::optional<std::uint32_t>{};
  // RFC 4678 4.3: a signed number; a negative one is far above any limit when read unsigned.
  const std::uint32_t length = big_endian(rest.subspan(5, 4));
  if (length < min_message || length > 0x7FFFFFFFU) {
    return fail(Errc::bad_message_length,
                fmt::format("message length {}", static_cast<std::int32_t>(length)));
  }
  if (length > max_message) {
    return fail(Errc::too_large, fmt::format("message length {}, at most {}", length, max_message));
  }
  return std::optional(length);
}

}  // namespace

void Framer::append(ByteView bytes) {
  drop_consumed();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<ByteView>> Framer::next() {
  const ByteView rest = ByteView(buffer_).subspan(position_);
  const auto length = length_of(rest, max_message_);
  if (!length) return fail(length.error());
  if (!*length || rest.size() < **length) {
    drop_consumed();  // now, since it is unknown when more will arrive
    return std::optional<ByteView>{};
  }
  position_ += **length;
  return std::optional<ByteView>{rest.first(**length)};
}

void Framer::drop_consumed() {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(position_));
  position_ = 0;
  // One big message must not hold its memory for as long as the connection lives, whatever small
  // part of the next one came with it. What is copied here is less than what came since the last
  // time.
  if (buffer_.capacity() > kept_ && buffer_.size() <= kept_ / 2)
    buffer_ = Bytes(buffer_.begin(), buffer_.end());
}

}  // namespace saspd::sasp
