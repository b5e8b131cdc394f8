// The contents of one map into another, which may be bigger.
#pragma once

#include "controller/base/error.hpp"

namespace saspd::bpf {

enum class Existing { overwrite, keep };

// Every element of map `from` under the same key of map `to`: both of the same type, key and value,
// arrays and hashes, per CPU or not. What comes and goes in `from` meanwhile may be in `to` or not.
Result<void> copy(int from, int to, Existing existing = Existing::overwrite);

}  // namespace saspd::bpf
