// SPDX-License-Identifier: Apache-2.0
// The load of this machine as one byte: 0 idle, 255 overloaded.
//
// It is 255 times the worst of four fractions, each from 0 to 1:
//   load1 / (2 x CPUs)          of /proc/loadavg: one runnable task per CPU is a half, two are full
//   some avg10 / 100            of /proc/pressure/cpu: the time in which a task waited for a CPU
//   some avg10 / 100            of /proc/pressure/memory: in which one waited for memory
//   full avg10 / 100            of /proc/pressure/io: in which all waited for storage
// Kernels without pressure figures (they came with 4.20 and can be off) go by the first alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace saspd::member {

struct LoadTexts {
  std::string loadavg;
  std::string cpu;
  std::string memory;
  std::string io;
};

// Pure. Empty if no text has its figure.
std::optional<std::uint8_t> load_byte(const LoadTexts& texts, unsigned cpus);

// The current load of this machine; empty if /proc has no figures.
std::optional<std::uint8_t> load_now();

// Smaller changes are not worth a message.
inline bool is_news(std::uint8_t told, std::uint8_t now) {
  return told < now ? now - told >= 8 : told - now >= 8;
}

}  // namespace saspd::member
