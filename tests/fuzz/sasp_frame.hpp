// SPDX-License-Identifier: Apache-2.0
// Fuzz input as the framer would hand it to the decoder: the Message Length says the size.
#pragma once

#include "controller/sasp/codec.hpp"

namespace saspd::fuzz {

inline sasp::Bytes as_framed(const std::uint8_t* data, std::size_t size) {
  sasp::Bytes bytes(data, data + size);
  for (std::size_t i = 0; i < 4 && sasp::message_length_offset + i < size; ++i) {
    bytes[sasp::message_length_offset + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
  }
  return bytes;
}

}  // namespace saspd::fuzz
