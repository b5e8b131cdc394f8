// SPDX-License-Identifier: Apache-2.0

#include "bpf/load.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace saspd::bpf {
namespace {

constexpr std::size_t words_kept = 4096;  // the verifier's reason is at the end

// libbpf's printer has no argument of its own, so what it says is kept here for the time of a load.
std::string words;

__attribute__((format(printf, 2, 0))) int keep(libbpf_print_level level, const char* format,
                                               va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  va_list again;
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (size <= 0) return 0;
  std::string text(static_cast<std::size_t>(size) + 1, '\0');
  std::vsnprintf(text.data(), text.size(), format, arguments);
  text.pop_back();
  words += text;
  if (words.size() > words_kept) {
    const std::size_t line = words.find('\n', words.size() - words_kept);
    words.erase(0, line == std::string::npos ? words.size() - words_kept : line + 1);
  }
  return 0;
}

class Listener {
 public:
  Listener() : before_(libbpf_set_print(keep)) { words.clear(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { libbpf_set_print(before_); }

 private:
  libbpf_print_fn_t before_;
};

}  // namespace

int say_to_listener(const char* format, va_list arguments) {
  return keep(LIBBPF_WARN, format, arguments);
}

bool listen_to_libbpf(const std::function<bool()>& action, std::string& heard) {
  const Listener listener;
  const bool outcome = action();
  heard = words;
  return outcome;
}

Result<void> load(bpf_object& object) {
  const Listener listener;
  const int error = bpf_object__load(&object);
  if (error == 0) return {};
  while (words.ends_with('\n'))
    words.pop_back();
  const std::error_code code(-error, std::generic_category());
  const std::string_view help =
      error == -EPERM ? "; it needs CAP_BPF and CAP_NET_ADMIN: run as root" : "";
  return fail(code, fmt::format("the kernel refuses the XDP program: {}{}\n{}", code.message(),
                                help, words));
}

}  // namespace saspd::bpf
