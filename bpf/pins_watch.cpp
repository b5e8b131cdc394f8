// SPDX-License-Identifier: Apache-2.0

#include "bpf/pins_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include "bpf/pins.hpp"

namespace saspd::bpf {
namespace {

// These names stand for all that come and go during an attach: the settings are replaced after all
// other maps, and the record last (attach.cpp).
bool counts(std::string_view name) {
  return name == "settings" || name == record_pin;
}

}  // namespace

PinsWatch::PinsWatch(std::string pins)
    : pins_(std::move(pins)), events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  renew();
}

void PinsWatch::renew() const {
  // The kernel knows a directory that it watches already.
  ::inotify_add_watch(events_.get(), pins_.c_str(), IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
}

bool PinsWatch::changed() const {
  bool changed = false;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  ssize_t size = 0;
  while ((size = ::read(events_.get(), buffer.data(), buffer.size())) > 0) {
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, &buffer[at], sizeof event);
      const std::string_view name = event.len > 0 ? &buffer[at + sizeof event] : "";
      changed = changed || counts(name) || (event.mask & IN_Q_OVERFLOW) != 0;
      at += sizeof event + event.len;
    }
  }
  return changed;
}

}  // namespace saspd::bpf
