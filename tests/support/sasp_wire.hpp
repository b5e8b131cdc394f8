// SPDX-License-Identifier: Apache-2.0
// Edits of SASP bytes for tests, kept apart from our encoder: each returns a changed copy, on the
// heap and of the exact size.
#pragma once

#include <string>

#include "controller/sasp/codec.hpp"
#include "tests/support/hex.hpp"

namespace saspd::testing {

// The Message Length becomes the number of bytes.
inline sasp::Bytes fitted(sasp::Bytes bytes) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes.at(sasp::message_length_offset + i) =
        static_cast<std::uint8_t>(bytes.size() >> (24 - 8 * i));
  }
  bytes.shrink_to_fit();
  return bytes;
}

// A header (version 1, message id 1) in front of a message component in hex.
inline sasp::Bytes message(const std::string& body) {
  return fitted(hex("20 10 00 0D 01 00 00 00 00 00 00 00 01\n" + body));
}

inline sasp::Bytes overwritten(sasp::Bytes bytes, std::size_t at, const std::string& with) {
  for (const std::uint8_t byte : hex(with))
    bytes.at(at++) = byte;
  return bytes;
}

inline sasp::Bytes inserted(sasp::Bytes bytes, std::size_t at, const std::string& what) {
  const sasp::Bytes more = hex(what);
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
  return fitted(std::move(bytes));
}

inline sasp::Bytes appended(const sasp::Bytes& bytes, const std::string& what) {
  return inserted(bytes, bytes.size(), what);
}

// The first `size` bytes as a message of their own.
inline sasp::Bytes shortened(sasp::Bytes bytes, std::size_t size) {
  bytes.resize(size);
  return fitted(std::move(bytes));
}

}  // namespace saspd::testing
