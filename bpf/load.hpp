// SPDX-License-Identifier: Apache-2.0
// Loads a BPF object, and reports why the kernel refused it.
#pragma once

#include <bpf/libbpf.h>

#include <cstdarg>
#include <functional>
#include <string>

#include "controller/base/error.hpp"

namespace saspd::bpf {

// Creates the maps and loads the programs of an opened object. The detail of an error ends with the
// last lines of libbpf, and so of the verifier. Not thread-safe: libbpf has one global printer.
Result<void> load(bpf_object& object);

// Collects in `words` what libbpf prints while `action` runs, and returns the result of `action`.
// Not thread-safe either.
bool listen_to_libbpf(const std::function<bool()>& action, std::string& words);

// A printer for a library on top of libbpf, whose output counts as libbpf's.
__attribute__((format(printf, 1, 0))) int say_to_listener(const char* format, va_list arguments);

}  // namespace saspd::bpf
