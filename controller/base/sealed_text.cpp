// SPDX-License-Identifier: Apache-2.0

#include "controller/base/sealed_text.hpp"

#include <fmt/format.h>
#include <boost/crc.hpp>

#include "controller/base/text.hpp"

namespace saspd {
namespace {

constexpr std::string_view end = "end ";
constexpr std::size_t digits = 8;  // of a CRC-32
constexpr std::size_t last_line = end.size() + digits + 1;

std::string checksum(std::string_view text) {
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  return fmt::format("{:08x}", crc.checksum());
}

Error damaged(std::string what) {
  return fail(std::errc::illegal_byte_sequence, std::move(what));
}

// All but the last line, if all of it is there.
Result<std::string_view> whole(std::string_view text) {
  if (text.size() >= last_line && text.back() == '\n') {
    const auto sealed = text.substr(0, text.size() - last_line);
    const auto last = text.substr(sealed.size());
    if (sealed.ends_with('\n') && last.starts_with(end) &&
        last.substr(end.size(), digits) == checksum(sealed)) {
      return sealed;
    }
  }
  return damaged("it is damaged: the checksum does not match its content");
}

}  // namespace

std::string sealed(const Seal& seal, std::string_view body) {
  std::string text = fmt::format("{} {}\n{}", seal.kind, seal.version, body);
  text += fmt::format("{}{}\n", end, checksum(text));
  return text;
}

Result<std::string_view> unsealed(const Seal& seal, std::string_view text) {
  const std::string first = fmt::format("{} {}", seal.kind, seal.version);
  const auto line = text.substr(0, text.find('\n'));
  if (line != first) {
    if (!line.starts_with(fmt::format("{} ", seal.kind)))
      return damaged(fmt::format("it is not {}", seal.noun));
    return fail(std::errc::not_supported,
                fmt::format("it has another version ('{}')", printable(line.substr(0, 40))));
  }
  const auto all = whole(text);
  if (!all) return fail(all.error());
  return all->substr(first.size() + 1);
}

}  // namespace saspd
