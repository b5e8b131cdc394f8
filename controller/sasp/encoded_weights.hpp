// SPDX-License-Identifier: Apache-2.0
// Send Weights messages of weight entries that are encoded already, so that many load balancers with
// the same members share the work. The bytes are those that encode() writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "controller/sasp/codec.hpp"

namespace saspd::sasp {

// Appends the entry as it stands in a message. Its label has at most max_text bytes, as one that was
// decoded has.
void append(Bytes& out, const WeightEntry& entry);

// The length of the first `count` entries, of which there are as many.
std::size_t length_of(ByteView entries, std::size_t count);

class SendWeightsWriter {
 public:
  // Begins another message, behind those that there are.
  void begin(std::uint32_t message_id);
  // Adds a group with its encoded entries to the message. Names have at most max_text bytes, and
  // messages and groups at most max_count parts.
  void add(const GroupData& group, std::size_t count, ByteView entries);

  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
  std::size_t start_ = 0;  // of the message
  std::size_t groups_ = 0;
};

}  // namespace saspd::sasp
