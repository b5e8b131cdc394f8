// SPDX-License-Identifier: Apache-2.0
// The form of a text that a program keeps for its next life. The first line names its kind and
// version, the last has the CRC-32 of all before it, so that no part of a text passes for the whole:
//
//   saspd-ledger 1
//   …
//   end 1a2b3c4d
#pragma once

#include <string>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

struct Seal {
  std::string_view kind;     // one word: "saspd-ledger"
  std::string_view version;  // digits
  std::string_view noun;     // for errors: "a ledger"
};

// `body` consists of whole lines.
std::string sealed(const Seal& seal, std::string_view body);
// The lines between the first and the last. Errors: illegal_byte_sequence (damaged, or something
// else altogether), not_supported (another version).
Result<std::string_view> unsealed(const Seal& seal, std::string_view text);

}  // namespace saspd
