// SPDX-License-Identifier: Apache-2.0
// Copies the contents of one map into another, which may be larger.
#pragma once

#include "controller/base/error.hpp"

namespace saspd::bpf {

enum class Existing { overwrite, keep };

// Copies every element of map `from` to the same key of map `to`. Both are arrays or hashes, per
// CPU or not, with the same type, key and value. Elements that are added to or removed from `from`
// meanwhile may or may not be in `to`.
Result<void> copy(int from, int to, Existing existing = Existing::overwrite);

}  // namespace saspd::bpf
