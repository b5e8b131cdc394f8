// Loading a BPF object, with what the kernel had to say against it.
#pragma once

#include <bpf/libbpf.h>

#include <cstdarg>
#include <functional>
#include <string>

#include "controller/base/error.hpp"

namespace saspd::bpf {

// Makes the maps and loads the programs of an opened object. The detail of an error ends with the
// last lines of libbpf, and so of the verifier. Not thread-safe: libbpf has one printer for all.
Result<void> load(bpf_object& object);

// What libbpf says while `action` runs; returns what that does. Not thread-safe either.
bool listen_to_libbpf(const std::function<bool()>& action, std::string& words);

// For a library upon libbpf: what it says counts as libbpf's.
__attribute__((format(printf, 1, 0))) int say_to_listener(const char* format, va_list arguments);

}  // namespace saspd::bpf
