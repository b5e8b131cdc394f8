// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/config_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "controller/base/descriptor.hpp"
#include "controller/base/lines.hpp"

namespace saspd::cli {
namespace {

constexpr std::string_view no_break_space = "\xC2\xA0";

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

bool is_quote(char c) {
  return c == '"' || c == '\'';
}

// Where a comment after a value would begin.
std::size_t find_comment(std::string_view value) {
  for (auto hash = value.find('#'); hash != std::string_view::npos;
       hash = value.find('#', hash + 1)) {
    if (hash == 0 || value[hash - 1] == ' ' || value[hash - 1] == '\t') return hash;
  }
  return std::string_view::npos;
}

bool has_no_break_space_at_an_end(std::string_view text) {
  return text.starts_with(no_break_space) || text.ends_with(no_break_space);
}

// Quotes as a word processor makes them: U+2018 to U+201F.
bool starts_with_typographic_quote(std::string_view text) {
  return text.size() >= 3 && text.starts_with("\xE2\x80") &&
         static_cast<unsigned char>(text[2]) >= 0x98 && static_cast<unsigned char>(text[2]) <= 0x9F;
}

// What stands between the quotes, if nothing follows them.
Result<std::string> unquoted(std::string_view value) {
  const char quote = value.front();
  const auto end = value.find(quote, 1);
  if (end == std::string_view::npos) {
    return refuse(fmt::format("the quote before '{}' is not closed", value.substr(1)));
  }
  if (end + 1 == value.size()) return std::string(value.substr(1, end - 1));
  const auto behind = trimmed(value.substr(end + 1));
  return behind.starts_with('#')
             ? refuse(
                   fmt::format("'{}' follows the value; a comment needs a line of its own", behind))
             : refuse(fmt::format("'{}' follows the quote that closes the value", behind));
}

Result<std::string> read_value(std::string_view key, std::string_view value) {
  if (has_no_break_space_at_an_end(value)) {
    return refuse("the value begins or ends with a no-break space (U+00A0)");
  }
  if (starts_with_typographic_quote(value)) {
    return refuse("the value begins with a typographic quote; write \"");
  }
  if (!value.empty() && is_quote(value.front())) return unquoted(value);
  const auto comment = find_comment(value);
  if (comment == std::string_view::npos) return std::string(value);
  return refuse(
      fmt::format("'{}' follows the value; a comment needs a line of its own: '{} = {}', and if it "
                  "belongs to the value, quote that",
                  value.substr(comment), key, trimmed(value.substr(0, comment))));
}

Result<void> read_line(ConfigLine& line) {
  const std::string_view text = line.text;
  // Addresses are passed to C functions, which would not see what follows it.
  if (text.find('\0') != std::string_view::npos) return refuse("the line has a NUL byte");
  if (text.find('\r') != std::string_view::npos) {
    return refuse("the line contains a carriage return; lines end with LF or CR LF");
  }
  const auto equals = text.find('=');
  line.key = trimmed(text.substr(0, equals));
  if (equals == std::string_view::npos || line.key.empty()) {
    return refuse(fmt::format("'{}' is not 'key = value'", text));
  }
  auto value = read_value(line.key, trimmed(text.substr(equals + 1)));
  if (!value) return fail(value.error());
  line.value = std::move(*value);
  return {};
}

bool is_utf16(std::string_view text) {
  return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
}

Error cannot_read(const std::string& path, int error) {
  const std::error_code code(error, std::generic_category());
  return fail(code, fmt::format("cannot read {}: {}", path, code.message()));
}

Result<std::string> content_of(const Descriptor& file, const std::string& path) {
  std::string text;
  std::array<char, 16384> buffer{};
  ssize_t n = 0;
  while (text.size() <= max_config_bytes) {
    n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  if (n < 0) return cannot_read(path, errno);
  if (text.size() > max_config_bytes) return cannot_read(path, EFBIG);
  return text;
}

std::string_view kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  return S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

std::vector<ConfigLine> parse_config(std::string_view text) {
  if (is_utf16(text)) return {{1, {}, {}, {}, "the file is UTF-16; save it as UTF-8"}};
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // written by an editor for Windows
  std::vector<ConfigLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto content = trimmed(take_line(text));
    if (content.empty() || content.front() == '#') continue;
    auto& line = lines.emplace_back(ConfigLine{number, std::string(content), {}, {}, {}});
    if (const auto read = read_line(line); !read) line.wrong = read.error().detail;
  }
  return lines;
}

Result<std::string> config_value(std::string_view value) {
  if (value.find_first_of("\n\r") != std::string_view::npos || trimmed(value) != value) {
    return refuse(fmt::format("'{}' has a line break, or a blank at an end", value));
  }
  if (read_value("", value) && (value.empty() || !is_quote(value.front()))) {
    return std::string(value);
  }
  for (const std::string_view quote : {"\"", "'"}) {
    if (value.find(quote) == std::string_view::npos) return fmt::format("{0}{1}{0}", quote, value);
  }
  return refuse(fmt::format("'{}' needs quotes in a config file, but contains both kinds", value));
}

Result<std::string> read_text_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file ? content_of(file, path) : cannot_read(path, errno);
}

Result<std::string> read_regular_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat found {};
  if (!file || ::fstat(file.get(), &found) != 0) return cannot_read(path, errno);
  if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
    return fail(std::errc::operation_not_supported,
                fmt::format("cannot read {}: it is {}; put a regular file in its place", path,
                            kind_of(found.st_mode)));
  }
  return content_of(file, path);
}

}  // namespace saspd::cli
